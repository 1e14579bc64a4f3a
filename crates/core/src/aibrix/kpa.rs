//! `aibrix-kpa`: AIBrix's strategy after Knative's.
//!
//! AIBrix: pkg/controller/podautoscaler/algorithm/kpa.go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fact::How;
use super::go::{self, int32};
use super::limits::Terms;
use super::policy::{Common, Policy};
use super::spec::{Factor, Strategy};
use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::metric::Metric;
use crate::observation::Observation;
use crate::proposal::Proposal;
use crate::state::StateError;
use crate::time::Span;
use crate::trace::{Direction, Trace};
use crate::units::Tolerance;

/// `computeTargetReplicas` of kpa.go for one window: its mean over the target is a number of pods, even where it is the
/// mean of pods. Within the tolerance around one pod's target the count stays.
#[inline]
pub(super) fn exact(mean: f64, target: f64, terms: Terms<'_>) -> (i32, How) {
    let Terms { settings, tolerances, current } = terms;
    let count = f64::from(current);
    let most = go::max(1.0, (settings.max_scale_up_rate * count).ceil());
    let least = (count / settings.max_scale_down_rate).floor();
    let outside = mean > target * (1.0 + tolerances.up) || mean < target * (1.0 - tolerances.down);
    let wanted = if outside { (mean / target).ceil() } else { count };
    let replicas = int32(go::min(go::max(wanted, least), most));
    let how = if wanted > most {
        How::Limited { direction: Direction::Up }
    } else if wanted < least {
        How::Limited { direction: Direction::Down }
    } else if outside {
        How::Whole
    } else {
        How::WithinTolerance
    };
    (replicas, how)
}

/// `shouldEnterPanicMode` of kpa.go: without load it panics too.
#[inline]
pub(super) fn panics_exactly(long: f64, short: f64, threshold: f64) -> bool {
    long <= 0.0 || short / long > threshold
}

/// The same, but that no load is no panic.
#[inline]
pub(super) fn panics(long: f64, short: f64, threshold: f64) -> bool {
    short > 0.0 && short > threshold * long
}

/// Configuration of [`Kpa`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KpaConfig {
    /// The mean of this long decides in calm: whole seconds, `1s` to `1h`. Default `3m`. AIBrix: `observeWindowSeconds`.
    pub observe_window: Span,
    /// The mean of this long decides in a panic: whole seconds, `1s` to the other window. Default `1m`. AIBrix:
    /// `panicWindowSeconds`.
    pub panic_window: Span,
    /// The short mean above so many times the long one is a panic; at least 1. Default 2.
    pub panic_threshold: Factor,
    /// One decision at most multiplies the count by this; at least 1. Default 2.
    pub max_scale_up_rate: Factor,
    /// One decision at most divides the count by this; at least 1. Default 2.
    pub max_scale_down_rate: Factor,
    /// How far above 1 the ratio of what is needed to what there is may be. Default 0.1.
    pub scale_up_tolerance: Tolerance,
    /// How far below 1 it may be. Default 0.1.
    pub scale_down_tolerance: Tolerance,
    /// So long all recommendations have to agree before anything is added. Default `0s`.
    pub scale_up_cooldown_window: Span,
    /// So long all recommendations have to agree before anything is taken away. Default `5m`.
    pub scale_down_cooldown_window: Span,
    /// Decide in everything as AIBrix's own code does: see the table of [differences](crate::aibrix). Default false.
    pub exact: bool,
}

impl Default for KpaConfig {
    fn default() -> Self {
        Self {
            observe_window: Span::from_secs(180),
            panic_window: Span::from_secs(60),
            panic_threshold: Factor::TWO,
            max_scale_up_rate: Factor::TWO,
            max_scale_down_rate: Factor::TWO,
            scale_up_tolerance: Tolerance::default(),
            scale_down_tolerance: Tolerance::default(),
            scale_up_cooldown_window: Span::ZERO,
            scale_down_cooldown_window: Span::from_secs(300),
            exact: false,
        }
    }
}

/// AIBrix's KPA: as [`Apa`](super::Apa), with a short window beside the long one. While the short one is far above it,
/// the larger of both decides, and nothing is taken away.
///
/// AIBrix: pkg/controller/podautoscaler/algorithm/kpa.go and podautoscaler_controller.go. What differs by default is in
/// the [module's](crate::aibrix) table.
///
/// ```
/// use setpoint::aibrix::{Kpa, KpaConfig};
/// use setpoint::{Metric, Need, Observation, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
///
/// let metrics = [Metric::new("queue", Target::average_value(10.0)?)];
/// let mut kpa = Kpa::new(&metrics, &KpaConfig::default())?;
/// let mut at = |secs: i64, waiting| {
///     let readings = [Reading::Value(waiting)];
///     kpa.evaluate(&Observation::new(Timestamp::from_millis(secs * 1000), 5, &readings), &mut Trace::off())
/// };
/// // 50 waiting are 10 for each of 5 replicas.
/// assert_eq!(at(0, 50.0)?, Need::replicas(5.0)?.into());
/// // Within the minute there are 600. The long mean is 325, and the short one 600, which is no panic yet.
/// assert_eq!(at(120, 600.0)?, Need::replicas(10.0)?.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Kpa(Policy);

impl Kpa {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = "aibrix-kpa";

    /// For the readings of `metrics`, in this order.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a window that is not 1 s to 1 h in whole seconds, and, unless the configuration says `exact`,
    /// for a short window that is the longer one.
    pub fn new(metrics: &[Metric], config: &KpaConfig) -> Result<Self, ConfigError> {
        let common = Common {
            observe_window: config.observe_window,
            panic_window: Some(config.panic_window),
            max_scale_up_rate: config.max_scale_up_rate,
            max_scale_down_rate: config.max_scale_down_rate,
            scale_up_tolerance: config.scale_up_tolerance,
            scale_down_tolerance: config.scale_down_tolerance,
            panic_threshold: config.panic_threshold,
            scale_up_cooldown_window: config.scale_up_cooldown_window,
            scale_down_cooldown_window: config.scale_down_cooldown_window,
            exact: config.exact,
        };
        Policy::new(Self::NAME, Strategy::Kpa, metrics, &common).map(Self)
    }
}

impl ScalingAlgorithm for Kpa {
    #[inline]
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        Ok(self.0.evaluate(look, trace))
    }

    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        self.0.snapshot(state);
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.0.restore(state)
    }
}
