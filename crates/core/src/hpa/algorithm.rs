//! `hpa`: the metrics of a HorizontalPodAutoscaler as an algorithm.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NAME;
use super::metrics::{Metrics, Verdict};
use super::spec::{MetricSpec, Settings, milli};
use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::metric::{Metric, Target};
use crate::observation::{Noticed, Observation};
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::time::Span;
use crate::trace::{Effect, Hold, Reason, Trace};
use crate::units::{Tolerance, Tolerances};

/// Configuration of [`Hpa`]: what the flags of kube-controller-manager set for all HPAs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HpaConfig {
    /// How far a ratio may be from 1 before anything is done, where `behavior` doesn't say. Default 0.1.
    pub tolerance: Tolerance,
    /// For so long after its start an instance's CPU counts only while it is ready. Default `5m`.
    pub cpu_initialization_period: Span,
    /// An instance that is not ready after that counts, unless it became so within this of its start. Default `30s`.
    pub initial_readiness_delay: Span,
    /// Whether a workload that was scaled to zero is started again. It needs `minReplicas: 0` and an Object or
    /// External metric. Default true; Kubernetes 1.36 has it behind the feature gate `HPAScaleToZero`.
    pub scale_to_zero: bool,
}

impl Default for HpaConfig {
    fn default() -> Self {
        let settings = Settings::default();
        let span = |duration: Duration| Span::from_secs(duration.as_secs());
        Self {
            tolerance: Tolerance::default(),
            cpu_initialization_period: span(settings.cpu_initialization_period),
            initial_readiness_delay: span(settings.initial_readiness_delay),
            scale_to_zero: true,
        }
    }
}

impl HpaConfig {
    fn settings(&self) -> Settings {
        Settings {
            tolerance: self.tolerance.get(),
            cpu_initialization_period: self.cpu_initialization_period.as_duration(),
            initial_readiness_delay: self.initial_readiness_delay.as_duration(),
            scale_to_zero: self.scale_to_zero,
            ..Settings::default()
        }
    }
}

/// The metrics part of Kubernetes' HorizontalPodAutoscaler, v2 as of 1.36: each metric's proposal by its type and
/// target, with the rules for instances that are not ready or not measured, and the highest of them.
///
/// Windows and rates are the `behavior` stage's. A failed metric blocks scaling down, and doesn't block scaling
/// up. Without replicas it proposes only when the last change was its own way to zero. Where no single instances
/// are known, a reading in one number is the mean of a per-instance metric, and `ready` counts the instances.
///
/// Kubernetes: pkg/controller/podautoscaler/replica_calculator.go.
///
/// ```
/// use setpoint::{Hpa, Metric, MetricKind, Need, Observation, Proposal, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
///
/// let metrics = [Metric::new("cpu", Target::utilization(50.0)?).with_kind(MetricKind::Resource)];
/// let mut hpa = Hpa::new(&metrics, &Default::default())?;
/// // 83 % of 50 % is 1.66; times 3 replicas, rounded up: 5.
/// let readings = [Reading::Value(83.4)];
/// let look = Observation::new(Timestamp::default(), 3, &readings);
/// assert_eq!(hpa.evaluate(&look, &mut Trace::off())?, Need::replicas(5.0)?.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hpa {
    metrics: Metrics,
    tolerances: Tolerances,
    scale_to_zero: bool,
    /// Whether there are no replicas because this algorithm wanted none.
    scaled_to_zero: bool,
    noticed: Noticed,
}

impl Hpa {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = NAME;
    const STATE_VERSION: u8 = 1;

    /// For the readings of `metrics`, in this order. A `behavior` around it may bring other tolerances.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a metric that has a value an instance and one target for all of them together, and for
    /// a target that HPA's integers can't hold: part of a percent, or of a thousandth.
    pub fn new(metrics: &[Metric], config: &HpaConfig) -> Result<Self, ConfigError> {
        let settings = config.settings();
        metrics.iter().try_for_each(check)?;
        let specs: Vec<MetricSpec> = metrics.iter().map(MetricSpec::from).collect();
        Ok(Self {
            metrics: Metrics::new(specs, &settings),
            tolerances: Tolerances { down: settings.tolerance, up: settings.tolerance },
            scale_to_zero: config.scale_to_zero,
            scaled_to_zero: false,
            noticed: Noticed::default(),
        })
    }

    /// Notices its own way to zero, and everything that ends it.
    fn follow(&mut self, look: &Observation<'_>) {
        if let Some(action) = self.noticed.new_in(look) {
            self.scaled_to_zero = action.to == 0 && look.bounds.min() == 0 && self.metrics.work_from_zero();
        }
    }

    fn note(effect: Effect, current: u32, trace: &mut Trace) {
        let current = f64::from(current);
        trace.push(|| Reason::new(NAME, current, current, effect));
    }
}

/// Whether metrics are looked at while there are no replicas: only if the HPA itself took the last one away.
pub(super) fn wakes(scaled_to_zero: bool, min: u32, works_from_zero: bool) -> bool {
    scaled_to_zero && (min != 0 || works_from_zero)
}

impl ScalingAlgorithm for Hpa {
    #[inline]
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        self.follow(look);
        let current = look.current;
        if current == 0 {
            let own = self.scale_to_zero && self.scaled_to_zero;
            if !wakes(own, look.bounds.min(), self.metrics.work_from_zero()) {
                Self::note(Effect::ScalingDisabled, current, trace);
                return Ok(Proposal::Suspend);
            }
        }
        let bounded = look.bounds.clamp(current);
        if current != 0 && bounded != current {
            let (from, to) = (f64::from(current), f64::from(bounded));
            trace.push(|| Reason::new(NAME, from, to, Effect::OutsideBounds));
            return Ok(Need::from(bounded).into());
        }
        let tolerances = look.tolerances(self.tolerances);
        // Usually no metric fails and nobody asks why.
        if !trace.is_on()
            && let Some(replicas) = self.metrics.highest(look, tolerances)
        {
            return Ok(need(replicas));
        }
        match self.metrics.judge(look, tolerances, trace, |_| ()) {
            Verdict::Proposal { replicas, .. } => Ok(need(replicas)),
            Verdict::Failed { all, .. } => {
                let why = if all { Hold::NoReadings } else { Hold::ShrinkBlocked };
                Self::note(Effect::Held { why }, current, trace);
                Ok(Proposal::Hold(why))
            }
        }
    }

    // Version, whether it scaled to zero, and the newest change noticed.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.extend([Self::STATE_VERSION, u8::from(self.scaled_to_zero)]);
        self.noticed.write(state);
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(NAME, Self::STATE_VERSION, state)?;
        let (scaled_to_zero, noticed) = (reader.flag()?, Noticed::read(&mut reader)?);
        reader.end()?;
        (self.scaled_to_zero, self.noticed) = (scaled_to_zero, noticed);
        Ok(())
    }
}

#[inline]
fn need(replicas: i32) -> Proposal {
    Need::from(replicas.max(0).unsigned_abs()).into()
}

/// Whether HPA can have such a metric.
fn check(metric: &Metric) -> Result<(), ConfigError> {
    let refuse = |what: String| Err(ConfigError::new("", format!("the metric `{}` {what}", metric.name)));
    match metric.target {
        Target::Value(_) if metric.kind.is_per_instance() => refuse(format!(
            "is of type {:?}, which has a value an instance: its target must be averageValue or utilization",
            metric.kind
        )),
        Target::Utilization(percent) if percent.get().fract() != 0.0 || percent.get() > f64::from(i32::MAX) => {
            refuse(format!("has a target of {} %; HPA computes in whole percents", percent.get()))
        }
        Target::Value(amount) | Target::AverageValue(amount) if !is_whole_in_thousandths(amount.get()) => {
            refuse(format!("has a target of {}; HPA computes in whole thousandths", amount.get()))
        }
        _ => Ok(()),
    }
}

/// Whether `amount` is the double that some number of thousandths is written as.
#[expect(clippy::cast_precision_loss, reason = "compared with what was there before")]
fn is_whole_in_thousandths(amount: f64) -> bool {
    let thousandths = milli(amount);
    thousandths > 0 && thousandths as f64 / 1000.0 == amount
}
