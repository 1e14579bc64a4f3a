//! A policy as a cluster has it, of whatever kind.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use setpoint::group::{GroupMember, GroupSpec};
use setpoint::{ConfigError, MetricSource, PolicySpec, ScalingGroup, TargetRef};
use setpoint_dialects::{Conversion, Fate, read_as};
use setpoint_runtime::member_key;

use crate::claims::Resource;
use crate::condition::Condition;
use crate::kind::{Kind, Names};

/// What is known of a policy without understanding it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) generation: Option<i64>,
    pub(crate) uid: Option<String>,
    pub(crate) created: String,
    /// What decides, as the document has it.
    pub(crate) algorithm: String,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) last_scale: Option<Timestamp>,
}

impl Known {
    pub(crate) fn of(kind: Kind, object: &DynamicObject) -> Self {
        let status = |pointer: &str| object.data.pointer(pointer).cloned().unwrap_or_default();
        Self {
            kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            generation: object.metadata.generation,
            uid: object.uid(),
            created: object.creation_timestamp().map(|time| time.0.to_string()).unwrap_or_default(),
            algorithm: kind.algorithm(object),
            // Conditions of somebody else's making are made anew.
            conditions: serde_json::from_value(status("/status/conditions")).unwrap_or_default(),
            last_scale: serde_json::from_value(status("/status/lastScaleTime")).unwrap_or_default(),
        }
    }
}

/// A policy that is understood.
#[derive(Debug)]
pub(crate) enum Understood {
    /// One that scales one workload.
    Policy { conversion: Box<Conversion>, target: TargetRef },
    /// A group, whose members each have a target in its namespace.
    Group(GroupSpec),
}

/// A workload that a policy scales.
pub(crate) struct Scaled<'a> {
    /// What the engine calls it.
    pub(crate) key: String,
    pub(crate) policy: &'a PolicySpec,
    pub(crate) target: &'a TargetRef,
}

impl Understood {
    /// What the policy called `key` scales.
    pub(crate) fn scaled<'a>(&'a self, key: &str) -> Vec<Scaled<'a>> {
        match self {
            Self::Policy { conversion, target } => {
                vec![Scaled { key: key.to_owned(), policy: &conversion.policy.spec, target }]
            }
            Self::Group(spec) => {
                let scaled = |member: &'a GroupMember| Scaled {
                    key: member_key(key, &member.name),
                    policy: &member.policy,
                    target: member.policy.target_ref.as_ref().expect("an understood member has a target"),
                };
                spec.members.iter().map(scaled).collect()
            }
        }
    }

    /// The targets, in the same order.
    pub(crate) fn targets(&self) -> Vec<TargetRef> {
        self.scaled("").into_iter().map(|scaled| scaled.target.clone()).collect()
    }

    /// What an error about the policy says of the document that it was read from.
    pub(crate) fn tell(&self, error: ConfigError) -> String {
        match self {
            Self::Policy { conversion, .. } => placed(conversion, error).to_string(),
            Self::Group(_) => error.to_string(),
        }
    }

    /// What of the document couldn't be carried over, if anything.
    pub(crate) fn lost(&self) -> Option<String> {
        let Self::Policy { conversion, .. } = self else { return None };
        let lost = conversion.notes.iter().filter(|note| note.fate == Fate::Lost);
        let lost: Vec<String> = lost.map(|note| format!("{}: {}", note.field, note.text)).collect();
        (!lost.is_empty()).then(|| lost.join("; "))
    }
}

/// The same error, in the document that the policy was read from.
fn placed(conversion: &Conversion, error: ConfigError) -> ConfigError {
    ConfigError::new(conversion.origin(&error.path), error.message)
}

/// What a policy says, and what it scales.
pub(crate) fn understand(kind: Kind, object: &DynamicObject) -> Result<Understood, ConfigError> {
    let Names { group, version, kind: name, .. } = kind.names();
    let mut metadata = json!({ "name": object.name_any() });
    if kind.is_foreign() {
        // Some of what another project's policy means stands here.
        metadata["annotations"] = json!(object.annotations());
    }
    let document = json!({
        "apiVersion": format!("{group}/{version}"),
        "kind": name,
        "metadata": metadata,
        "spec": object.data.get("spec").cloned().unwrap_or(Value::Null),
    });
    if kind == Kind::ScalingGroup {
        return understand_group(&document, object.namespace());
    }
    let conversion = Box::new(read_as(kind.dialect(), &document)?);
    let target = check(&conversion.policy.spec, object.namespace());
    let target = target.map_err(|error| placed(&conversion, error.under("spec")))?;
    Ok(Understood::Policy { conversion, target })
}

fn understand_group(document: &Value, namespace: Option<String>) -> Result<Understood, ConfigError> {
    let mut spec = ScalingGroup::from_value(document)?.spec;
    let mut resources = BTreeSet::new();
    for (index, member) in spec.members.iter_mut().enumerate() {
        let at = |error: ConfigError| error.under(&format!("spec.members[{index}].policy"));
        let target = check(&member.policy, namespace.clone()).map_err(at)?;
        if !resources.insert(Resource::of(&target)) {
            return Err(at(ConfigError::new("targetRef", "another member of the group scales it")));
        }
        member.policy.target_ref = Some(target);
    }
    Ok(Understood::Group(spec))
}

/// What a policy may not say in a cluster, with paths from its `spec`.
fn check(policy: &PolicySpec, namespace: Option<String>) -> Result<TargetRef, ConfigError> {
    let mut target = policy
        .target_ref
        .clone()
        .ok_or_else(|| ConfigError::new("targetRef", "says what is scaled, and must be given"))?;
    if target.namespace.is_some() && target.namespace != namespace {
        let message = "a policy scales what is in its own namespace: leave it out";
        return Err(ConfigError::new("targetRef.namespace", message));
    }
    target.namespace = namespace;
    for (index, metric) in policy.metrics.iter().enumerate() {
        if matches!(metric.source, Some(MetricSource::Command(_))) {
            let path = format!("metrics[{index}].source.command");
            return Err(ConfigError::new(path, "a cluster's controller runs no programs for those who write policies"));
        }
    }
    let mut algorithm = policy.algorithm.clone();
    algorithm.each_mut("algorithm", &mut |algorithm, path| match &algorithm.plugin {
        None => Ok(()),
        Some(_) => {
            let message = "names a file of the controller's; name the plugin instead, as `name:`";
            Err(ConfigError::new(format!("{path}.plugin"), message))
        }
    })?;
    Ok(target)
}
