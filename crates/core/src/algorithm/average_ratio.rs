//! `average-ratio`: all metrics count alike.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ScalingAlgorithm;
use super::ratio::{Ratios, WhenMissing};
use crate::failure::EvaluateError;
use crate::metric::Metric;
use crate::observation::Observation;
use crate::proposal::Proposal;
use crate::trace::{Effect, Hold, Trace};
use crate::units::Tolerance;

/// Configuration of [`AverageRatio`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AverageRatioConfig {
    /// How far the ratio may be from 1 before anything is done. Default 0.1.
    pub tolerance: Tolerance,
    /// What to do while some readings are not usable. Default: block scaling down.
    pub when_missing: WhenMissing,
}

/// Multiplies the current replicas by the mean ratio of reading to target.
///
/// KubeAI's `AverageRatio` (pkg/scaling/algorithm.go). An overloaded metric and an idle one cancel out, so
/// choose it only where the metrics are different looks at the same load.
///
/// ```
/// use setpoint::{AverageRatio, Metric, Observation, Proposal, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
///
/// let metrics = [Metric::new("cpu", Target::utilization(70.0)?), Metric::new("gpu", Target::utilization(80.0)?)];
/// let mut algorithm = AverageRatio::new(&metrics, &Default::default());
/// // cpu: 105 / 70 = 1.5. gpu: 80 / 80 = 1. Their mean 1.25 times 4 replicas is 5.
/// let readings = [Reading::Value(105.0), Reading::Value(80.0)];
/// let look = Observation::new(Timestamp::default(), 4, &readings);
/// let Proposal::Need(need) = algorithm.evaluate(&look, &mut Trace::off())? else { panic!() };
/// assert_eq!(need.exact(), 5.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AverageRatio {
    ratios: Ratios,
}

impl AverageRatio {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = "average-ratio";

    /// For the readings of `metrics`, in this order.
    #[must_use]
    pub fn new(metrics: &[Metric], config: &AverageRatioConfig) -> Self {
        Self { ratios: Ratios::new(Self::NAME, metrics, config.tolerance, config.when_missing) }
    }
}

impl ScalingAlgorithm for AverageRatio {
    #[inline]
    fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        if observation.current == 0 {
            return Ok(self.ratios.hold(Hold::AtZero, observation, trace));
        }
        let mut sum = 0.0;
        let usable = self.ratios.each(observation, trace, |_, ratio| sum += ratio);
        if usable == 0 {
            return Ok(self.ratios.hold(Hold::NoReadings, observation, trace));
        }
        #[expect(clippy::cast_precision_loss, reason = "a policy has far fewer than 2^53 metrics")]
        let ratio = sum / usable as f64;
        let effect = || self.ratios.several().then_some(Effect::MeanRatio { metrics: usable, ratio, weighted: false });
        self.ratios.propose(ratio, usable, effect, observation, trace)
    }
}
