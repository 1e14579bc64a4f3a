//! `capped-smooth-ratio`: the largest ratio, averaged, and never a large step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::max_ratio::{MaxRatio, MaxRatioConfig, RatioFloor};
use super::ratio::WhenMissing;
use crate::metric::Metric;
use crate::stage::capped::{Capped, CappedConfig, MinStep};
use crate::stage::smoothed::{Smoothed, SmoothedConfig};
use crate::units::{SmoothingFactor, StepDown, StepUp, Tolerance};

/// [`MaxRatio`], [`Smoothed`], [`Capped`]: the number passes through them in this order.
///
/// KubeAI's example plugin `CappedSmoothRatio` (examples/custom-algorithm/smoothed_ratio.go), except that it
/// can scale down: there the search for the largest ratio starts at 1. `ratioFloor: 1` gives that behaviour.
///
/// The ratio is averaged also while it is within the tolerance, the tolerance is tested on the average, the
/// step is capped on the exact need, and rounding up comes last. So a cap that allows less than one replica
/// allows none: at 3 replicas and `maxScaleDown: 25%`, 2.25 rounds up to 3. `minStep: 1` lets one go.
///
/// ```
/// use setpoint::{CappedSmoothRatioConfig, Metric, Observation, Proposal, Reading, ScalingAlgorithm, Target};
/// use setpoint::{CappedSmoothRatio, Timestamp, Trace};
///
/// let metrics = [Metric::new("p99", Target::value(500.0)?)];
/// let mut algorithm = CappedSmoothRatioConfig::default().build(&metrics);
/// // The first ratio, 1500 / 500 = 3, asks for 12 replicas; 50 % more than 4 are 6.
/// let readings = [Reading::Value(1500.0)];
/// let look = Observation::new(Timestamp::default(), 4, &readings);
/// let Proposal::Need(need) = algorithm.evaluate(&look, &mut Trace::off())? else { panic!() };
/// assert_eq!(need.exact(), 6.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type CappedSmoothRatio = Capped<Smoothed<MaxRatio>>;

/// Configuration of [`CappedSmoothRatio`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CappedSmoothRatioConfig {
    /// The weight of the newest ratio. Default 0.3.
    pub smoothing_factor: SmoothingFactor,
    /// The largest growth in one step. Default 50 %.
    pub max_scale_up: StepUp,
    /// The largest reduction in one step. Default 25 %.
    pub max_scale_down: StepDown,
    /// Replicas that may be added or removed in one step however small the percentages. Default 0.
    pub min_step: MinStep,
    /// How far the averaged ratio may be from 1 before anything is done. Default 0.1.
    pub tolerance: Tolerance,
    /// The smallest ratio used. Default 0. At 1 it never scales down, as KubeAI's.
    pub ratio_floor: RatioFloor,
    /// What to do while some readings are not usable. Default: block scaling down.
    pub when_missing: WhenMissing,
}

impl Default for CappedSmoothRatioConfig {
    fn default() -> Self {
        let SmoothedConfig { smoothing_factor } = SmoothedConfig::default();
        Self {
            smoothing_factor,
            max_scale_up: StepUp::new(0.5).expect("0.5 is in range"),
            max_scale_down: StepDown::new(0.25).expect("0.25 is in range"),
            min_step: MinStep::default(),
            tolerance: Tolerance::default(),
            ratio_floor: RatioFloor::default(),
            when_missing: WhenMissing::default(),
        }
    }
}

impl CappedSmoothRatioConfig {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = "capped-smooth-ratio";

    /// The algorithm, for the readings of `metrics` in this order.
    #[must_use]
    pub fn build(&self, metrics: &[Metric]) -> CappedSmoothRatio {
        let leaf = MaxRatioConfig {
            tolerance: self.tolerance,
            ratio_floor: self.ratio_floor,
            when_missing: self.when_missing,
        };
        let smoothed = SmoothedConfig { smoothing_factor: self.smoothing_factor };
        let capped = CappedConfig {
            max_scale_up: Some(self.max_scale_up),
            max_scale_down: Some(self.max_scale_down),
            min_step: self.min_step,
        };
        Capped::new(Smoothed::new(MaxRatio::new(metrics, &leaf), &smoothed), &capped)
    }
}
