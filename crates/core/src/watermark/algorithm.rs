//! `watermark`: the whole as an algorithm.

use super::NAME;
use super::config::WatermarkConfig;
use super::decide::{Decider, How, Step};
use super::pods::{Failure, Seen};
use super::windows::{Memory, seconds};
use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::metric::Metric;
use crate::observation::{Noticed, Observation};
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader, write_time};
use crate::time::Timestamp;
use crate::trace::{Hold, Trace};

/// DataDog's WatermarkPodAutoscaler: nothing is done while a value is between its two watermarks; beyond them the count
/// follows it, in steps of limited size, with a pause after each.
///
/// Its windows go by the changes that [`Observation::last_action`] tells of. Without a usable reading of every metric,
/// or with too few replicas ready, it holds. A count outside the bounds is the manager's to correct.
///
/// ```
/// use setpoint::{Metric, Need, Observation, Reading, ScalingAlgorithm, Target, Timestamp, Trace, Watermark, WatermarkConfig};
///
/// let config: WatermarkConfig = serde_json::from_value(serde_json::json!({
///     "watermarks": { "cpu": { "low": 50, "high": 80 } },
/// }))?;
/// let mut watermark = Watermark::new(&[Metric::new("cpu", Target::utilization(65.0)?)], &config)?;
/// let mut ask = |percent| {
///     let readings = [Reading::Value(percent)];
///     let look = Observation::new(Timestamp::default(), 10, &readings);
///     watermark.evaluate(&look, &mut Trace::off())
/// };
/// // 88 is the high watermark and its tolerance of 10 %; beyond it, 10 · 92 / 80 is 11.5.
/// assert_eq!(ask(88.0)?, Need::replicas(10.0)?.into());
/// assert_eq!(ask(92.0)?, Need::replicas(12.0)?.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Watermark {
    decider: Decider,
    memory: Memory,
    noticed: Noticed,
    /// When the controller's own way, which takes every write for done, scaled last, and when before: for the case that
    /// it was not done.
    asked: Option<(Timestamp, Option<Timestamp>)>,
}

impl Watermark {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = NAME;
    const STATE_VERSION: u8 = 1;

    /// For the readings of `metrics`, in this order.
    ///
    /// # Errors
    ///
    /// As for [`WatermarkConfig::rules`].
    pub fn new(metrics: &[Metric], config: &WatermarkConfig) -> Result<Self, ConfigError> {
        let decider = Decider::new(config.rules(metrics)?);
        Ok(Self { decider, memory: Memory::default(), noticed: Noticed::default(), asked: None })
    }

    #[inline]
    fn follow(&mut self, look: &Observation<'_>) {
        if !self.decider.rules.exact {
            if let Some(action) = self.noticed.new_in(look) {
                self.memory.last_scale = Some(action.at);
            }
        } else if let (Some((at, before)), Some(action)) = (self.asked, look.last_action)
            && action.at == at
            && !action.applied
        {
            (self.memory.last_scale, self.asked) = (before, None);
        }
    }
}

impl ScalingAlgorithm for Watermark {
    #[inline]
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        self.follow(look);
        let seen = Seen { look, foreign: 0 };
        let step = self.decider.decide(&seen, look.bounds, &mut self.memory, trace, |_| ());
        let exact = self.decider.rules.exact;
        let proposal = match step {
            Step::Failed { why, .. } => {
                let unusable = matches!(why, Failure::Unusable | Failure::NoSamples | Failure::RequestsUnknown);
                return Ok(Proposal::Hold(if unusable { Hold::NoReadings } else { Hold::Said }));
            }
            Step::Decided(decided) => {
                if exact && decided.scales {
                    self.asked = Some((look.now, self.memory.last_scale));
                    self.memory.last_scale = Some(seconds(look.now));
                }
                match decided.how {
                    How::Disabled => Proposal::Suspend,
                    How::Corrected if !exact => Need::from(look.bounds.clamp(look.current)).into(),
                    _ if decided.scales => Need::from(decided.desired.max(0).unsigned_abs()).into(),
                    _ => Need::from(look.current).into(),
                }
            }
        };
        if exact {
            self.memory.cut();
        }
        Ok(proposal)
    }

    // Version, the memory, the newest change noticed, and the one that was asked for.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.push(Self::STATE_VERSION);
        self.memory.write(state);
        self.noticed.write(state);
        write_time(self.asked.map(|(at, _)| at), state);
        if let Some((_, before)) = self.asked {
            write_time(before, state);
        }
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(NAME, Self::STATE_VERSION, state)?;
        let memory = Memory::read(&mut reader)?;
        let noticed = Noticed::read(&mut reader)?;
        let asked = match reader.time()? {
            Some(at) => Some((at, reader.time()?)),
            None => None,
        };
        reader.end()?;
        (self.memory, self.noticed, self.asked) = (memory, noticed, asked);
        Ok(())
    }
}
