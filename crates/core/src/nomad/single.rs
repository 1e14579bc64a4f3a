//! `nomad-target-value`, `nomad-threshold`, `nomad-pass-through` and `nomad-fixed-value`: one check alone.

use super::check::{Failed, held, note, replicas};
use super::config::StrategyConfig;
use super::eye::Eye;
use super::fact::Fact;
use super::strategy::{Judgement, Strategy};
use super::vote::Vote;
use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::metric::Metric;
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader, expect_none};
use crate::trace::{Hold, Trace};

/// One strategy on one metric, in whole replicas. Of these only `threshold` remembers anything: when it last saw values
/// within its bounds.
///
/// ```
/// use setpoint::nomad::{Single, StrategyConfig, TargetValueConfig};
/// use setpoint::{Metric, Need, Observation, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
///
/// let metrics = [Metric::new("cpu", Target::utilization(50.0)?)];
/// let config = StrategyConfig::TargetValue(TargetValueConfig { max_scale_up: Some(2), ..Default::default() });
/// let mut algorithm = Single::new(&metrics, &config)?;
/// // 90 / 50 is 1.8, times 5 is 9: 4 more, of which a step allows 2.
/// let readings = [Reading::Value(90.0)];
/// let look = Observation::new(Timestamp::default(), 5, &readings);
/// assert_eq!(algorithm.evaluate(&look, &mut Trace::off())?, Need::replicas(7.0)?.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Single {
    name: &'static str,
    strategy: Strategy,
    eye: Eye,
    exact: bool,
}

impl Single {
    /// The name of `target-value` alone in policies.
    pub const TARGET_VALUE: &'static str = "nomad-target-value";
    /// The name of `threshold` alone in policies.
    pub const THRESHOLD: &'static str = "nomad-threshold";
    /// The name of `pass-through` alone in policies.
    pub const PASS_THROUGH: &'static str = "nomad-pass-through";
    /// The name of `fixed-value` alone in policies.
    pub const FIXED_VALUE: &'static str = "nomad-fixed-value";
    const STATE_VERSION: u8 = 1;

    /// For the readings of `metrics`, in this order.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a metric that isn't among `metrics`, and for what each strategy's configuration refuses.
    pub fn new(metrics: &[Metric], config: &StrategyConfig) -> Result<Self, ConfigError> {
        let (strategy, eye) = config.build(metrics, false)?;
        let (name, exact) = match config {
            StrategyConfig::TargetValue(config) => (Self::TARGET_VALUE, config.exact),
            StrategyConfig::Threshold(config) => (Self::THRESHOLD, config.exact),
            StrategyConfig::PassThrough(config) => (Self::PASS_THROUGH, config.exact),
            StrategyConfig::FixedValue(_) => (Self::FIXED_VALUE, false),
        };
        Ok(Self { name, strategy, eye, exact })
    }
}

impl ScalingAlgorithm for Single {
    #[inline]
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let current = i64::from(look.current);
        match self.eye.judge(&self.strategy, look) {
            Ok(Judgement { vote, why }) => {
                let (metric, direction) = (self.eye.metric(), vote.direction());
                let wanted = vote.count().unwrap_or(current);
                note(trace, current, wanted, Fact::Voted { check: 0, metric, direction, why });
                Ok(match vote {
                    // Nomad leaves a count alone that nobody wants to change, even one outside the bounds.
                    Vote::Keep if self.exact => Proposal::Hold(Hold::Said),
                    _ => Need::from(told(trace, wanted)).into(),
                })
            }
            Err(Failed::Query | Failed::Strategy) if self.exact => Ok(Proposal::NoOpinion),
            Err(Failed::Query | Failed::Strategy) => {
                held(trace, current, current, Hold::NoReadings);
                Ok(Proposal::Hold(Hold::NoReadings))
            }
        }
    }

    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        if self.eye.remembers() {
            state.push(Self::STATE_VERSION);
            self.eye.write(state);
        }
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        if !self.eye.remembers() {
            return expect_none(state);
        }
        let mut reader = StateReader::new(self.name, Self::STATE_VERSION, state)?;
        let recent = self.eye.read(&mut reader)?;
        reader.end()?;
        self.eye.set_recent(recent);
        Ok(())
    }
}

/// The count as one that a workload can have, with a reason where that changes it.
#[inline]
pub(super) fn told(trace: &mut Trace, count: i64) -> u32 {
    let possible = replicas(count);
    if i64::from(possible) != count {
        note(trace, count, possible.into(), Fact::Capped { from: count });
    }
    possible
}
