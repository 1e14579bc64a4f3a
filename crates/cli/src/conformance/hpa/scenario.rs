//! One line of a file of HPA vectors: what was given to the real controller, and what it did.
//!
//! Times are milliseconds since the HPA was created, quantities thousandths, all in whole numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use setpoint::hpa::requests::{Container, Requests};
use setpoint::hpa::{MetricSpec, MetricTarget, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy, Settings, Spec};
use setpoint::{Behavior, InstanceState, MetricKind, Phase, Quantity, Readiness, Timestamp};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    pub(super) id: String,
    #[serde(rename = "family")]
    _family: IgnoredAny,
    pub(super) note: Option<String>,
    pub(super) settings: WrittenSettings,
    pub(super) hpa: Hpa,
    pub(super) templates: Vec<Template>,
    pub(super) steps: Vec<Step>,
}

/// A number with the exact bits that are computed with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tolerance {
    text: String,
    bits: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenSettings {
    #[serde(rename = "syncPeriodMs")]
    _sync_period: IgnoredAny,
    downscale_stabilization_ms: u64,
    tolerance: Tolerance,
    cpu_initialization_period_ms: u64,
    initial_readiness_delay_ms: u64,
    scale_to_zero_gate: bool,
    configurable_tolerance_gate: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Hpa {
    /// As a person writes it.
    pub(super) user: Value,
    #[serde(rename = "defaulted")]
    _defaulted: IgnoredAny,
    flat: Flat,
    pub(super) api_valid: bool,
    #[serde(default, rename = "apiErrors")]
    _api_errors: IgnoredAny,
}

/// The same with all defaults, and nothing that only Kubernetes needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    min: Option<u32>,
    max: u32,
    metrics: Vec<FlatMetric>,
    behavior: Option<FlatBehavior>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatMetric {
    #[serde(rename = "type")]
    kind: MetricKind,
    name: String,
    container: Option<String>,
    target: TargetKind,
    value: i64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum TargetKind {
    Utilization,
    AverageValue,
    Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatBehavior {
    up: FlatRules,
    down: FlatRules,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FlatRules {
    window_s: Option<u32>,
    select: SelectPolicy,
    policies: Vec<FlatPolicy>,
    tolerance: Option<Tolerance>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FlatPolicy {
    #[serde(rename = "type")]
    kind: PolicyKind,
    value: i32,
    period_s: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Template {
    containers: Vec<WrittenContainer>,
    #[serde(default)]
    sidecars: Vec<WrittenContainer>,
    #[serde(default, rename = "inits")]
    _inits: IgnoredAny,
    pod_requests: Option<BTreeMap<String, i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenContainer {
    name: String,
    #[serde(default)]
    requests: Option<BTreeMap<String, i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Step {
    pub(super) t: i64,
    pub(super) spec: u32,
    pub(super) status: u32,
    pub(super) hpa: Option<Hpa>,
    pub(super) pods: Option<Vec<Pod>>,
    pub(super) metrics: Vec<Answer>,
    pub(super) scale_err: Option<ScaleError>,
    pub(super) expect: Expected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScaleError {
    Get,
    Update,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pod {
    pub(super) name: String,
    phase: PodPhase,
    ready: Option<bool>,
    ready_at: Option<i64>,
    start_at: Option<i64>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    ready_unknown: bool,
    pub(super) tpl: usize,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum PodPhase {
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

/// What the metrics API answers for one metric.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) err: Option<String>,
    /// Pod, value, when, window.
    pub(super) pods: Option<Vec<(String, i64, i64, u64)>>,
    #[serde(default, rename = "noPods")]
    pub(super) no_pods: bool,
    pub(super) value: Option<i64>,
    pub(super) values: Option<Vec<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) write: Option<u32>,
    pub(super) desired: u32,
    pub(super) current: u32,
    pub(super) proposal: Option<i32>,
    pub(super) conds: Vec<Vec<Value>>,
    pub(super) currents: Option<Vec<Option<Current>>>,
    pub(super) last_scale: Option<i64>,
    pub(super) status_put: Option<bool>,
    pub(super) err: Option<IgnoredAny>,
    /// The metric that won, in Kubernetes' words. Only told where a scenario tells messages.
    pub(super) metric: Option<String>,
    /// Why the count was written, likewise.
    pub(super) reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Current {
    pub(super) u: Option<i32>,
    pub(super) a: Option<i64>,
    pub(super) v: Option<i64>,
}

impl Tolerance {
    /// The bits; an error when the text, read as a quantity, has others.
    fn read(&self) -> Result<(Quantity, f64), String> {
        let quantity: Quantity = self.text.parse().map_err(|error| format!("{error}"))?;
        let bits = self.bits.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let bits = bits.ok_or_else(|| format!("{:?} are no bits of a double", self.bits))?;
        Ok((quantity, f64::from_bits(bits)))
    }
}

impl WrittenSettings {
    pub(super) fn read(&self) -> Result<Settings, String> {
        let mut settings = Settings::default();
        settings.downscale_stabilization = Duration::from_millis(self.downscale_stabilization_ms);
        settings.cpu_initialization_period = Duration::from_millis(self.cpu_initialization_period_ms);
        settings.initial_readiness_delay = Duration::from_millis(self.initial_readiness_delay_ms);
        settings.scale_to_zero = self.scale_to_zero_gate;
        settings.configurable_tolerance = self.configurable_tolerance_gate;
        settings.tolerance = self.tolerance.read()?.1;
        Ok(settings)
    }
}

impl Hpa {
    pub(super) fn spec(&self) -> Result<Spec, String> {
        let metric = |flat: &FlatMetric| -> Result<MetricSpec, String> {
            let target = match flat.target {
                TargetKind::Utilization => {
                    let percent = i32::try_from(flat.value).map_err(|error| format!("a utilization: {error}"))?;
                    MetricTarget::Utilization(percent)
                }
                TargetKind::AverageValue => MetricTarget::AverageValue(flat.value),
                TargetKind::Value => MetricTarget::Value(flat.value),
            };
            let (kind, name, container) = (flat.kind, flat.name.clone(), flat.container.clone());
            Ok(MetricSpec { kind, name, container, target })
        };
        let behavior = |flat: &FlatBehavior| -> Result<Behavior, String> {
            Ok(Behavior { scale_up: Some(flat.up.read()?), scale_down: Some(flat.down.read()?) })
        };
        let flat = &self.flat;
        Ok(Spec {
            min: flat.min.unwrap_or(1),
            max: flat.max,
            metrics: flat.metrics.iter().map(metric).collect::<Result<_, _>>()?,
            behavior: flat.behavior.as_ref().map(behavior).transpose()?,
        })
    }
}

impl FlatRules {
    fn read(&self) -> Result<ScalingRules, String> {
        let policy =
            |flat: &FlatPolicy| ScalingPolicy { kind: flat.kind, value: flat.value, period_seconds: flat.period_s };
        let tolerance = self.tolerance.as_ref().map(Tolerance::read).transpose()?;
        if let Some((quantity, bits)) = tolerance.filter(|(quantity, bits)| quantity.approximate() != *bits) {
            return Err(format!("the tolerance {quantity} is {} here and {bits} there", quantity.approximate()));
        }
        Ok(ScalingRules {
            stabilization_window_seconds: self.window_s,
            select_policy: Some(self.select),
            policies: Some(self.policies.iter().map(policy).collect()),
            tolerance: tolerance.map(|(quantity, _)| quantity),
        })
    }
}

impl Template {
    pub(super) fn requests(&self) -> Requests {
        let container = |it: &WrittenContainer| Container {
            name: it.name.clone(),
            requests: it.requests.clone().unwrap_or_default(),
        };
        Requests {
            containers: self.containers.iter().map(container).collect(),
            sidecars: self.sidecars.iter().map(container).collect(),
            pod: self.pod_requests.clone(),
        }
    }
}

impl Pod {
    pub(super) fn state(&self) -> InstanceState {
        let phase = match self.phase {
            PodPhase::Pending => Phase::Pending,
            PodPhase::Running => Phase::Running,
            PodPhase::Succeeded => Phase::Succeeded,
            PodPhase::Failed => Phase::Failed,
            PodPhase::Unknown => Phase::Unknown,
        };
        let readiness = match self.ready {
            Some(true) => Readiness::Ready,
            Some(false) => Readiness::NotReady,
            None if self.ready_unknown => Readiness::Unknown,
            None => Readiness::Unreported,
        };
        InstanceState::new(phase, readiness, Timestamp::from_millis(self.ready_at.unwrap_or_default()))
            .with_started(self.start_at.map(Timestamp::from_millis))
            .with_terminating(self.deleted)
    }
}
