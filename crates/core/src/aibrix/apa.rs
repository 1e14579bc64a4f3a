//! `aibrix-apa`: AIBrix's own strategy.
//!
//! AIBrix: pkg/controller/podautoscaler/algorithm/apa.go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fact::How;
use super::go::int32;
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

/// `computeTargetReplicas` of apa.go: the ratio of the window's mean to the target, times the count. From 0 that is 0.
#[inline]
pub(super) fn exact(mean: f64, target: f64, terms: Terms<'_>) -> (i32, How) {
    let Terms { settings, tolerances, current } = terms;
    let (count, ratio) = (f64::from(current), mean / target);
    let wanted = || int32((count * ratio).ceil());
    if ratio > 1.0 + tolerances.up {
        let (wanted, most) = (wanted(), int32((settings.max_scale_up_rate * count).ceil()));
        if wanted > most { (most, How::Limited { direction: Direction::Up }) } else { (wanted, How::Whole) }
    } else if ratio < 1.0 - tolerances.down {
        let (wanted, least) = (wanted(), int32((count / settings.max_scale_down_rate).floor()));
        if wanted < least { (least, How::Limited { direction: Direction::Down }) } else { (wanted, How::Whole) }
    } else {
        (current, How::WithinTolerance)
    }
}

/// Configuration of [`Apa`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApaConfig {
    /// The mean of this long decides: whole seconds, `1s` to `1h`. Default `3m`. AIBrix: `observeWindowSeconds`.
    pub observe_window: Span,
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

impl Default for ApaConfig {
    fn default() -> Self {
        Self {
            observe_window: Span::from_secs(180),
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

/// AIBrix's APA: what the mean of a window asks for, outside a tolerance, at most so many times more or fewer in one
/// decision, the highest of all metrics, and a cooldown for each direction.
///
/// AIBrix: pkg/controller/podautoscaler/algorithm/apa.go and podautoscaler_controller.go. What differs by default is in
/// the [module's](crate::aibrix) table.
///
/// A reading becomes a need in replicas at once: `averageValue` of a metric that all replicas share is `reading /
/// target`, anything else `reading / target` times the replicas that are ready. The window is one of needs.
///
/// ```
/// use setpoint::aibrix::Apa;
/// use setpoint::{Metric, Need, Observation, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
///
/// let metrics = [Metric::new("cache", Target::utilization(50.0)?)];
/// let mut apa = Apa::new(&metrics, &Default::default())?;
/// let mut at = |secs: i64, current, percent| {
///     let readings = [Reading::Value(percent)];
///     let look = Observation::new(Timestamp::from_millis(secs * 1000), current, &readings);
///     apa.evaluate(&look, &mut Trace::off())
/// };
/// // 4 replicas, half of them too few: 6.
/// assert_eq!(at(0, 4, 75.0)?, Need::replicas(6.0)?.into());
/// // With 6 the load is the same, and so is the mean of what was needed.
/// assert_eq!(at(15, 6, 50.0)?, Need::replicas(6.0)?.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Apa(Policy);

impl Apa {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = "aibrix-apa";

    /// For the readings of `metrics`, in this order.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a window that is not 1 s to 1 h in whole seconds.
    pub fn new(metrics: &[Metric], config: &ApaConfig) -> Result<Self, ConfigError> {
        let common = Common {
            observe_window: config.observe_window,
            panic_window: None,
            max_scale_up_rate: config.max_scale_up_rate,
            max_scale_down_rate: config.max_scale_down_rate,
            scale_up_tolerance: config.scale_up_tolerance,
            scale_down_tolerance: config.scale_down_tolerance,
            panic_threshold: Factor::TWO,
            scale_up_cooldown_window: config.scale_up_cooldown_window,
            scale_down_cooldown_window: config.scale_down_cooldown_window,
            exact: config.exact,
        };
        Policy::new(Self::NAME, Strategy::Apa, metrics, &common).map(Self)
    }
}

impl ScalingAlgorithm for Apa {
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
