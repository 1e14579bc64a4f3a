//! `weighted-ratio`: each metric counts as much as its weight says.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ScalingAlgorithm;
use super::ratio::{Ratios, WhenMissing};
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::metric::Metric;
use crate::observation::Observation;
use crate::proposal::Proposal;
use crate::trace::{Effect, Hold, Trace};
use crate::units::{Tolerance, Weight};

/// Configuration of [`WeightedRatio`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WeightedRatioConfig {
    /// How far the ratio may be from 1 before anything is done. Default 0.1.
    pub tolerance: Tolerance,
    /// Weights by metric name, at least 0. A metric that is not listed weighs 1.
    pub weights: BTreeMap<String, Weight>,
    /// What to do while some readings are not usable. Default: block scaling down.
    pub when_missing: WhenMissing,
}

/// Multiplies the current replicas by the weighted mean ratio of reading to target.
///
/// KubeAI's `WeightedRatio` (pkg/scaling/algorithm.go), with weights by name: there they are positional, and
/// slide onto other metrics when one is missing.
///
/// ```
/// use setpoint::{Metric, Observation, Proposal, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
/// use setpoint::{Weight, WeightedRatio, WeightedRatioConfig};
///
/// let metrics = [Metric::new("p99", Target::value(500.0)?), Metric::new("gpu", Target::utilization(80.0)?)];
/// let mut config = WeightedRatioConfig::default();
/// config.weights.insert("p99".into(), Weight::new(3.0)?);
/// let mut algorithm = WeightedRatio::new(&metrics, &config)?;
/// // p99: 1000 / 500 = 2, three times; gpu: 80 / 80 = 1, once. 7 / 4 = 1.75, times 4 replicas is 7.
/// let readings = [Reading::Value(1000.0), Reading::Value(80.0)];
/// let look = Observation::new(Timestamp::default(), 4, &readings);
/// let Proposal::Need(need) = algorithm.evaluate(&look, &mut Trace::off())? else { panic!() };
/// assert_eq!(need.exact(), 7.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WeightedRatio {
    ratios: Ratios,
    weights: Box<[f64]>,
}

impl WeightedRatio {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = "weighted-ratio";

    /// For the readings of `metrics`, in this order.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a weight names a metric that is not among `metrics`.
    pub fn new(metrics: &[Metric], config: &WeightedRatioConfig) -> Result<Self, ConfigError> {
        for name in config.weights.keys() {
            Metric::called(name, metrics, &format!("weights.{name}"))?;
        }
        let weight = |metric: &Metric| config.weights.get(&metric.name).map_or(1.0, |weight| weight.get());
        Ok(Self {
            ratios: Ratios::new(Self::NAME, metrics, config.tolerance, config.when_missing),
            weights: metrics.iter().map(weight).collect(),
        })
    }
}

impl ScalingAlgorithm for WeightedRatio {
    #[inline]
    fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        if observation.current == 0 {
            return Ok(self.ratios.hold(Hold::AtZero, observation, trace));
        }
        let (mut sum, mut total) = (0.0, 0.0);
        let usable = self.ratios.each(observation, trace, |metric, ratio| {
            let weight = self.weights[metric];
            sum += ratio * weight;
            total += weight;
        });
        if usable == 0 {
            return Ok(self.ratios.hold(Hold::NoReadings, observation, trace));
        }
        if total == 0.0 {
            return Ok(self.ratios.hold(Hold::ZeroTotalWeight, observation, trace));
        }
        let ratio = sum / total;
        let effect = || self.ratios.several().then_some(Effect::MeanRatio { metrics: usable, ratio, weighted: true });
        self.ratios.propose(ratio, usable, effect, observation, trace)
    }
}
