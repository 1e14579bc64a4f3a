//! What an HPA asks for, in the exact numbers that HPA computes with.

use std::time::Duration;

use super::behavior::Behavior;
use super::instances::StartRules;
use crate::bounds::Bounds;
use crate::config::ConfigError;
use crate::metric::{Metric, MetricKind, Target};
use crate::quantity::Quantity;
use crate::units::Tolerances;

/// One HPA: the part of its `spec` that decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// `minReplicas`.
    pub min: u32,
    /// `maxReplicas`.
    pub max: u32,
    /// `metrics`.
    pub metrics: Vec<MetricSpec>,
    /// `behavior`; without one, HPA's older rules hold.
    pub behavior: Option<Behavior>,
}

impl Spec {
    /// What the API server refuses. A control loop computes with any spec, as the controller does, so that whoever
    /// reads one from a user checks it first; [`Manifest`](super::Manifest) does.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the path in an HPA's `spec`: bounds that exclude each other, no metric that works from
    /// zero where `minReplicas` is 0, a metric without a name, a container where there is none or none where one is needed,
    /// a target that isn't greater than 0 or is not one of the metric's type, a behavior that [`Behavior::check`] refuses.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Err(error) = Bounds::new(self.min, self.max) {
            return Err(ConfigError::new("maxReplicas", error.to_string()));
        }
        if let Some(behavior) = &self.behavior {
            behavior.check().map_err(|error| error.under("behavior"))?;
        }
        if self.min == 0 && !self.metrics.iter().any(MetricSpec::works_from_zero) {
            let message = "with 0 an Object or External metric is needed: without replicas no other has a value";
            return Err(ConfigError::new("minReplicas", message));
        }
        let of_metric = |(index, metric): (usize, &MetricSpec)| {
            metric.check().map_err(|error| error.under(&format!("metrics[{index}]")))
        };
        self.metrics.iter().enumerate().try_for_each(of_metric)
    }
}

/// One metric of an HPA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricSpec {
    /// What is measured.
    pub kind: MetricKind,
    /// The resource, or the metric's own name.
    pub name: String,
    /// The container of a `ContainerResource` metric.
    pub container: Option<String>,
    /// What it should be.
    pub target: MetricTarget,
}

/// A metric's target, in whole percents or thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricTarget {
    /// Percent of the request.
    Utilization(i32),
    /// Thousandths an instance.
    AverageValue(i64),
    /// Thousandths.
    Value(i64),
}

impl MetricSpec {
    /// Whether this is the CPU of instances, or of containers: starting instances have rules of their own then.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        self.kind.is_resource() && self.name == "cpu"
    }

    /// Whether it has a value while there are no replicas.
    pub(super) const fn works_from_zero(&self) -> bool {
        matches!(self.kind, MetricKind::Object | MetricKind::External)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let kind = self.kind;
        let (source, name) = (source(kind), if kind.is_resource() { "name" } else { "metric.name" });
        let refuse = |field: &str, message: String| Err(ConfigError::new(format!("{source}.{field}"), message));
        if self.name.is_empty() {
            return refuse(name, "must not be empty".to_owned());
        }
        match (self.container.as_deref(), kind) {
            (None | Some(""), MetricKind::ContainerResource) => {
                return refuse("container", "must not be empty: it says whose resource is measured".to_owned());
            }
            (Some(_), kind) if kind != MetricKind::ContainerResource => {
                return refuse("container", format!("a metric of type {kind:?} has no container"));
            }
            _ => {}
        }
        let field = format!("target.{}", self.target.field());
        match (self.target, kind) {
            (MetricTarget::Utilization(_), kind) if !kind.is_resource() => {
                refuse(&field, format!("a metric of type {kind:?} has no utilization"))
            }
            (MetricTarget::Value(_), kind) if kind.is_per_instance() => refuse(
                &field,
                format!("a metric of type {kind:?} has a value an instance, and no value of all of them"),
            ),
            (MetricTarget::Utilization(percent), _) if percent <= 0 => {
                refuse(&field, format!("must be greater than 0, got {percent}"))
            }
            (MetricTarget::AverageValue(milli) | MetricTarget::Value(milli), _) if milli <= 0 => {
                refuse(&field, format!("must be greater than 0, got {}", Quantity::from_milli(milli)))
            }
            _ => Ok(()),
        }
    }
}

impl MetricTarget {
    /// The field of an HPA's `target` that it stands in.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Utilization(_) => "averageUtilization",
            Self::AverageValue(_) => "averageValue",
            Self::Value(_) => "value",
        }
    }
}

/// The field of an HPA's metric that holds what its type is about.
pub(super) const fn source(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Resource => "resource",
        MetricKind::ContainerResource => "containerResource",
        MetricKind::Pods => "pods",
        MetricKind::Object => "object",
        MetricKind::External => "external",
    }
}

impl From<Target> for MetricTarget {
    /// A policy's target as HPA would have it: amounts to thousandths, percentages to whole ones.
    fn from(target: Target) -> Self {
        match target {
            Target::Utilization(percent) => Self::Utilization(whole(percent.get()).max(1)),
            Target::AverageValue(value) => Self::AverageValue(milli(value.get()).max(1)),
            Target::Value(value) => Self::Value(milli(value.get()).max(1)),
        }
    }
}

impl From<&Metric> for MetricSpec {
    fn from(metric: &Metric) -> Self {
        let name = metric.resource().unwrap_or(&metric.name).to_owned();
        Self { kind: metric.kind, name, container: metric.container.clone(), target: metric.target.into() }
    }
}

/// The nearest thousandth, halves away from zero. Saturates; a NaN never gets here.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "`as` saturates; see below")]
#[inline]
pub(crate) fn milli(units: f64) -> i64 {
    // Not `f64::round`, which many targets have only as a function to call. Beyond 2^52 there is nothing to round.
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    let thousandths = units * 1000.0;
    let cut = thousandths as i64;
    if thousandths.abs() >= WHOLE {
        return cut;
    }
    let rest = thousandths - cut as f64;
    cut + i64::from(rest >= 0.5) - i64::from(rest <= -0.5)
}

/// The whole percents of a percentage.
#[expect(clippy::cast_possible_truncation, reason = "`as` cuts off and saturates")]
#[inline]
pub(super) fn whole(percent: f64) -> i32 {
    percent as i32
}

/// What the flags of kube-controller-manager set for all HPAs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// `--horizontal-pod-autoscaler-tolerance`, where an HPA's behavior doesn't say. Default 0.1.
    pub tolerance: f64,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`. Default 5 minutes.
    pub downscale_stabilization: Duration,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`. Default 5 minutes.
    pub cpu_initialization_period: Duration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`. Default 30 seconds.
    pub initial_readiness_delay: Duration,
    /// The feature gate `HPAScaleToZero`. Default false, as in Kubernetes 1.36.
    pub scale_to_zero: bool,
    /// The feature gate `HPAConfigurableTolerance`. Default true.
    pub configurable_tolerance: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let start = StartRules::default();
        Self {
            tolerance: 0.1,
            downscale_stabilization: Duration::from_secs(300),
            cpu_initialization_period: start.initialization_period,
            initial_readiness_delay: start.readiness_delay,
            scale_to_zero: false,
            configurable_tolerance: true,
        }
    }
}

impl Settings {
    /// The tolerances of an HPA with `behavior`.
    pub(crate) fn tolerances(&self, behavior: Option<&Behavior>) -> Tolerances {
        let behavior = behavior.filter(|_| self.configurable_tolerance);
        let (down, up) = behavior.map_or((None, None), Behavior::tolerances);
        Tolerances { down: down.unwrap_or(self.tolerance), up: up.unwrap_or(self.tolerance) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_the_nearest_and_percents_are_cut() {
        let cases = [
            (0.0, 0),
            (1.5, 1500),
            (0.0005, 1),
            (0.000_499_999, 0),
            (-0.0005, -1),
            (-1.5, -1500),
            (2.0_f64.powi(60), i64::MAX),
            (-2.0_f64.powi(60), i64::MIN),
            (f64::MAX, i64::MAX),
        ];
        for (units, want) in cases {
            assert_eq!(milli(units), want, "{units}");
            assert_eq!(milli(units), (units * 1000.0).round() as i64, "{units}");
        }
        assert_eq!((whole(79.9), whole(-79.9), whole(1e300)), (79, -79, i32::MAX));
    }
}
