//! `max-ratio`: the neediest metric decides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ScalingAlgorithm;
use super::ratio::{Ratios, WhenMissing};
use crate::failure::EvaluateError;
use crate::metric::Metric;
use crate::observation::Observation;
use crate::proposal::Proposal;
use crate::trace::{Effect, Hold, Trace};
use crate::units::{Fraction, Tolerance};

/// Configuration of [`MaxRatio`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MaxRatioConfig {
    /// How far the ratio may be from 1 before anything is done. Default 0.1.
    pub tolerance: Tolerance,
    /// The smallest ratio used. Default 0. At 1 it never scales down, as KubeAI's MaxRatio.
    pub ratio_floor: RatioFloor,
    /// What to do while some readings are not usable. Default: block scaling down.
    pub when_missing: WhenMissing,
}

/// The smallest ratio used; 0 unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RatioFloor(pub Fraction);

impl Default for RatioFloor {
    fn default() -> Self {
        Self(Fraction::new(0.0).expect("0 is in range"))
    }
}

/// Multiplies the current replicas by the largest ratio of reading to target.
///
/// KubeAI's `MaxRatio` (pkg/scaling/algorithm.go), except that it can scale down: there the search for the
/// largest ratio starts at 1. `ratioFloor: 1` gives that behaviour.
///
/// ```
/// use setpoint::{MaxRatio, Metric, Need, Observation, Proposal, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
///
/// let metrics = [Metric::new("p99", Target::value(500.0)?), Metric::new("queue", Target::average_value(4.0)?)];
/// let mut algorithm = MaxRatio::new(&metrics, &Default::default());
/// // p99: 620 / 500 = 1.24. queue: 8 / (4 · 4) = 0.5. The larger one times 4 replicas is 4.96.
/// let readings = [Reading::Value(620.0), Reading::Value(8.0)];
/// let look = Observation::new(Timestamp::default(), 4, &readings);
/// let Proposal::Need(need) = algorithm.evaluate(&look, &mut Trace::off())? else { panic!() };
/// assert_eq!(need.exact(), 4.96);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MaxRatio {
    ratios: Ratios,
    floor: f64,
}

impl MaxRatio {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = "max-ratio";

    /// For the readings of `metrics`, in this order.
    #[must_use]
    pub fn new(metrics: &[Metric], config: &MaxRatioConfig) -> Self {
        Self {
            ratios: Ratios::new(Self::NAME, metrics, config.tolerance, config.when_missing),
            floor: config.ratio_floor.0.get(),
        }
    }
}

impl ScalingAlgorithm for MaxRatio {
    #[inline]
    fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        if observation.current == 0 {
            return Ok(self.ratios.hold(Hold::AtZero, observation, trace));
        }
        let (mut metric, mut ratio) = (0, f64::NEG_INFINITY);
        let usable = self.ratios.each(observation, trace, |this, its| {
            // Two selects: which of several metrics is the largest is nothing a processor can predict.
            let larger = its > ratio;
            metric = if larger { this } else { metric };
            ratio = if larger { its } else { ratio };
        });
        if usable == 0 {
            return Ok(self.ratios.hold(Hold::NoReadings, observation, trace));
        }
        if ratio < self.floor {
            let effect = || Some(Effect::RatioFloor { ratio, floor: self.floor });
            return self.ratios.propose(self.floor, usable, effect, observation, trace);
        }
        let effect = || self.ratios.several().then_some(Effect::Highest { metric, of: usable });
        self.ratios.propose(ratio, usable, effect, observation, trace)
    }
}
