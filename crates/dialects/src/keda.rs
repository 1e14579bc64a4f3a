#![doc = include_str!("../docs/keda.md")]

mod trigger;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use setpoint::{
    AlgorithmSpec, Behavior, ConfigError, Formula, Hpa, MemberSpec, Metric, Policy, PolicySpec, Quantity, Span,
    SubstitutedCount, Target, TargetRef, parse_config,
};

use self::trigger::{Read, Trigger};
use crate::conversion::{Conversion, at};
use crate::dialect::Dialect;
use crate::manifest::Manifest;

pub(crate) const KIND: &str = "ScaledObject";
const API_VERSION: &str = "keda.sh/v1alpha1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    scale_target_ref: ScaleTarget,
    polling_interval: Option<i64>,
    initial_cooldown_period: Option<u64>,
    cooldown_period: Option<u64>,
    idle_replica_count: Option<u32>,
    min_replica_count: Option<u32>,
    max_replica_count: Option<u32>,
    #[serde(default)]
    advanced: Advanced,
    triggers: Vec<Trigger>,
    fallback: Option<Fallback>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScaleTarget {
    name: String,
    api_version: Option<String>,
    kind: Option<String>,
    env_source_container_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Advanced {
    horizontal_pod_autoscaler_config: Option<HpaConfig>,
    restore_to_original_replica_count: Option<bool>,
    scaling_modifiers: Option<Modifiers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HpaConfig {
    behavior: Option<Behavior>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Modifiers {
    formula: Option<String>,
    target: Option<Quantity>,
    activation_target: Option<Quantity>,
    metric_type: Option<ModifierType>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
enum ModifierType {
    AverageValue,
    Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fallback {
    failure_threshold: i64,
    replicas: i64,
    behavior: Option<SubstitutedCount>,
}

/// Reads a `ScaledObject`.
///
/// # Errors
///
/// [`ConfigError`] with the field's path: another version, an unknown field, counts that exclude each other, a trigger
/// without what it needs, a formula that isn't one, no trigger at all that could be carried over.
pub(crate) fn read(document: &Value) -> Result<Conversion, ConfigError> {
    let manifest = Manifest::read(document, API_VERSION, KIND)?;
    let spec: Spec = parse_config(&manifest.spec).map_err(|error| error.under("spec"))?;
    let triggers = spec.triggers().map_err(|error| error.under("spec"))?;
    let mut native = spec.policy(&triggers).map_err(|error| error.under("spec"))?;
    native.target_ref = Some(TargetRef {
        api_version: given(spec.scale_target_ref.api_version.as_ref(), "apps/v1"),
        kind: given(spec.scale_target_ref.kind.as_ref(), "Deployment"),
        name: spec.scale_target_ref.name.clone(),
        namespace: manifest.metadata.namespace.clone(),
    });
    let mut conversion = Conversion::new(Policy::new(manifest.metadata.policy(), native), Dialect::Keda);
    spec.say_what_changed(&triggers, &mut conversion);
    let annotations = manifest.metadata.annotations.iter().flatten();
    for (name, _) in annotations.filter(|(name, _)| name.contains("keda.sh/")) {
        conversion.lost(format!("metadata.annotations.{name}"), "a policy isn't paused or transferred by annotations");
    }
    Ok(conversion)
}

fn given(field: Option<&String>, default: &str) -> String {
    field.filter(|text| !text.is_empty()).map_or_else(|| default.to_owned(), Clone::clone)
}

/// The triggers, as far as they are metrics.
struct Triggers {
    read: Vec<Read>,
    /// Those that aren't, and why.
    lost: Vec<(usize, String)>,
}

impl Triggers {
    fn metrics(&self) -> Vec<Metric> {
        self.read.iter().map(|trigger| trigger.metric.clone()).collect()
    }

    fn external(&self) -> impl Iterator<Item = &Read> {
        self.read.iter().filter(|trigger| !trigger.metric.kind.is_resource())
    }

    fn names(&self, resource: bool) -> Vec<String> {
        let of_kind = self.read.iter().filter(|trigger| trigger.metric.kind.is_resource() == resource);
        of_kind.map(|trigger| trigger.metric.name.clone()).collect()
    }
}

impl Spec {
    fn triggers(&self) -> Result<Triggers, ConfigError> {
        let mut triggers = Triggers { read: Vec::new(), lost: Vec::new() };
        for (index, trigger) in self.triggers.iter().enumerate() {
            let taken = triggers.read.iter().map(|read: &Read| read.metric.name.clone()).collect::<Vec<_>>();
            match trigger.read(index, &taken).map_err(|error| error.under(&format!("triggers[{index}]")))? {
                Ok(read) => triggers.read.push(read),
                Err(why) => triggers.lost.push((index, why)),
            }
        }
        if triggers.read.is_empty() {
            let why = triggers.lost.first().map_or("there is none", |(_, why)| why);
            return Err(ConfigError::new(
                "triggers",
                format!("at least one prometheus, cpu or memory trigger is needed: {why}"),
            ));
        }
        Ok(triggers)
    }

    fn modifiers(&self) -> Option<&Modifiers> {
        self.advanced.scaling_modifiers.as_ref().filter(|it| it.formula.as_ref().is_some_and(|text| !text.is_empty()))
    }

    fn behavior(&self) -> Option<&Behavior> {
        self.advanced.horizontal_pod_autoscaler_config.as_ref()?.behavior.as_ref()
    }

    /// The least count while there is something to do.
    fn active(&self) -> u32 {
        self.min_replica_count.unwrap_or(0).max(1)
    }

    /// The count of an idle workload, if it ever is.
    fn idle(&self, triggers: &Triggers) -> Option<u32> {
        let idle = match (self.idle_replica_count, self.min_replica_count.unwrap_or(0)) {
            (Some(idle), _) => Some(idle),
            (None, 0) => Some(0),
            (None, _) => None,
        };
        // CPU and memory say nothing of a workload without instances: with these alone it is always active.
        idle.filter(|_| triggers.external().next().is_some())
    }

    fn policy(&self, triggers: &Triggers) -> Result<PolicySpec, ConfigError> {
        let max = self.max_replica_count.unwrap_or(100);
        if self.active() > max {
            let message = format!("must be at least minReplicaCount {}, got {max}", self.active());
            return Err(ConfigError::new("maxReplicaCount", message));
        }
        if let Some(idle) = self.idle_replica_count.filter(|idle| *idle >= self.active()) {
            let message = format!("must be below minReplicaCount {}, got {idle}", self.active());
            return Err(ConfigError::new("idleReplicaCount", message));
        }
        let idle = self.idle(triggers);
        let algorithm = self.algorithm(triggers)?;
        let mut policy = PolicySpec::new(idle.unwrap_or(self.active()), max, triggers.metrics(), algorithm)?;
        if let Some(fallback) = self.fallback.as_ref().filter(|_| self.modifiers().is_none()) {
            policy =
                policy.with_stage("substituted", fallback.stage(triggers).map_err(|error| error.under("fallback"))?);
        }
        policy = match self.behavior() {
            Some(behavior) => {
                let field = "advanced.horizontalPodAutoscalerConfig.behavior";
                behavior.check().map_err(|error| error.under(field))?;
                policy.with_stage("behavior", serde_json::to_value(behavior).expect("a behavior is plain data"))
            }
            None => policy.with_stage("legacy-behavior", json!({})),
        };
        if let Some(idle) = idle {
            let thresholds: BTreeMap<&str, f64> =
                triggers.external().map(|trigger| (trigger.metric.name.as_str(), trigger.activation)).collect();
            let config = json!({
                "thresholds": thresholds,
                "cooldown": Span::from_secs(self.cooldown_period.unwrap_or(300)),
                "idleReplicas": idle,
                "activeReplicas": self.active(),
            });
            policy = policy.with_stage("activation", config);
        }
        Ok(policy)
    }

    fn algorithm(&self, triggers: &Triggers) -> Result<AlgorithmSpec, ConfigError> {
        let hpa = || AlgorithmSpec::named(Hpa::NAME, Value::Null);
        let Some(modifiers) = self.modifiers() else { return Ok(hpa()) };
        let field = "advanced.scalingModifiers";
        let Some(target) = modifiers.target else {
            return Err(ConfigError::new(format!("{field}.target"), "a formula needs a target"));
        };
        let amount = target.approximate();
        let target = match modifiers.metric_type {
            Some(ModifierType::Value) => Target::value(amount),
            Some(ModifierType::AverageValue) | None => Target::average_value(amount),
        };
        let target = target.map_err(at(format!("{field}.target")))?;
        let config = json!({ "formula": modifiers.formula, "target": target });
        let (external, resources) = (triggers.names(false), triggers.names(true));
        // Here too, for the message to be about a field of this document.
        let metrics: Vec<Metric> = triggers.external().map(|trigger| trigger.metric.clone()).collect();
        let parsed = parse_config(&config)?;
        Formula::new(&metrics, &parsed).map_err(|error| error.under(field))?;
        let formula = AlgorithmSpec::named(Formula::NAME, config);
        if resources.is_empty() {
            return Ok(formula);
        }
        let member = |algorithm, metrics| {
            let mut member = MemberSpec::new(algorithm);
            member.metrics = metrics;
            member
        };
        Ok(AlgorithmSpec::combined("max", vec![member(formula, external), member(hpa(), resources)]))
    }

    fn say_what_changed(&self, triggers: &Triggers, conversion: &mut Conversion) {
        for (index, why) in &triggers.lost {
            conversion.lost(format!("spec.triggers[{index}]"), why.clone());
        }
        for (place, trigger) in triggers.read.iter().enumerate() {
            let (native, field) = (format!("spec.metrics[{place}]"), format!("spec.triggers[{}]", trigger.index));
            conversion.made_of(native.clone(), field.clone());
            for (part, text) in &trigger.lost {
                conversion.lost(format!("{field}.{part}"), text.clone());
            }
            for (part, text) in &trigger.changed {
                conversion.changed(format!("{field}.{part}"), native.clone(), *text);
            }
        }
        for (native, field) in [
            ("spec.targetRef", "spec.scaleTargetRef"),
            ("spec.minReplicas", "spec.minReplicaCount"),
            ("spec.maxReplicas", "spec.maxReplicaCount"),
            ("spec.algorithm", "spec.advanced.scalingModifiers"),
        ] {
            conversion.made_of(native, field);
        }
        if self.idle(triggers).is_none() && self.min_replica_count.unwrap_or(0) == 0 {
            let text = "CPU and memory alone never take a workload to zero: the smallest count is 1, as there";
            conversion.changed("spec.minReplicaCount", "spec.minReplicas", text);
        }
        if self.polling_interval.is_some() {
            conversion.changed(
                "spec.pollingInterval",
                "spec.interval",
                "everything is looked at every 15 s, as the HPA that KEDA makes does; there whether to leave zero is looked at \
                 every pollingInterval",
            );
        }
        if self.initial_cooldown_period.is_some_and(|period| period > 0) {
            conversion.lost(
                "spec.initialCooldownPeriod",
                "the cooldown begins with the first look, and with nothing before it",
            );
        }
        if let Some(fallback) = &self.fallback {
            if self.modifiers().is_some() {
                conversion
                    .lost("spec.fallback", "a formula without a number keeps the count: its parts are not substituted");
            } else {
                conversion.changed(
                    "spec.fallback",
                    "spec.stages[0]",
                    "a target that isn't whole is not cut to a whole number, so that the count is the one asked for",
                );
                if fallback.failure_threshold == 0 {
                    conversion.changed(
                        "spec.fallback.failureThreshold",
                        "spec.stages[0]",
                        "0 substitutes at the first failure",
                    );
                }
            }
        }
        if self.advanced.restore_to_original_replica_count == Some(true) {
            conversion.lost(
                "spec.advanced.restoreToOriginalReplicaCount",
                "a policy that is deleted leaves the workload as it is",
            );
        }
        if self.advanced.horizontal_pod_autoscaler_config.as_ref().is_some_and(|config| config.name.is_some()) {
            conversion.lost("spec.advanced.horizontalPodAutoscalerConfig.name", "there is no HPA to be named");
        }
        if self.scale_target_ref.env_source_container_name.is_some() {
            conversion.lost(
                "spec.scaleTargetRef.envSourceContainerName",
                "no setting is read from a container's environment",
            );
        }
        if let Some(modifiers) = self.modifiers() {
            if modifiers.activation_target.is_some_and(|target| target.milli() != 0) {
                conversion.lost(
                    "spec.advanced.scalingModifiers.activationTarget",
                    "a workload is active by the triggers' own activationThreshold, not by the formula",
                );
            } else if self.idle(triggers).is_some() {
                conversion.changed(
                    "spec.advanced.scalingModifiers",
                    "spec.algorithm",
                    "a workload is active when any trigger is above its own activationThreshold; there when the formula's number \
                     is above 0",
                );
            }
        } else if self.advanced.scaling_modifiers.is_some() {
            conversion.lost("spec.advanced.scalingModifiers", "without a formula there is nothing to modify");
        }
    }
}

impl Fallback {
    fn stage(&self, triggers: &Triggers) -> Result<Value, ConfigError> {
        let whole = |field: &str, value: i64| {
            u32::try_from(value).map_err(|_| ConfigError::new(field, format!("must be at least 0, got {value}")))
        };
        let names: Vec<&str> = triggers
            .external()
            .filter(|trigger| matches!(trigger.metric.target, Target::AverageValue(_)))
            .map(|trigger| trigger.metric.name.as_str())
            .collect();
        if names.is_empty() {
            let message = "at least one trigger that is not cpu or memory has to have the metricType AverageValue";
            return Err(ConfigError::new("", message));
        }
        Ok(json!({
            "failureThreshold": whole("failureThreshold", self.failure_threshold)?,
            "replicas": whole("replicas", self.replicas)?,
            "behavior": self.behavior.unwrap_or_default(),
            "metrics": names,
        }))
    }
}
