//! `cooled`: leave a workload alone for a while after each change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::algorithm::ScalingAlgorithm;
use crate::failure::EvaluateError;
use crate::observation::{Noticed, Observation};
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::time::Span;
use crate::timing::Cooldown;
use crate::trace::{Effect, Reason, Trace};

/// Configuration of [`Cooled`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CooledConfig {
    /// So long after replicas were added nothing is changed. Default `0s`.
    pub after_up: Span,
    /// So long after replicas were taken away nothing is changed. Default `5m`.
    pub after_down: Span,
}

impl Default for CooledConfig {
    fn default() -> Self {
        Self { after_up: Span::ZERO, after_down: Span::from_secs(300) }
    }
}

/// Keeps the current count for a while after each change that was made, whatever is needed: Nomad's cooldown
/// ([`Cooldown`]) around any algorithm. The algorithm inside is asked all the same, so that what it remembers goes on.
///
/// It is blind while it lasts: a burst waits for its end. [`Stabilized`](crate::Stabilized) or
/// [`Delayed`](crate::Delayed) hold back only what isn't needed for long.
///
/// ```
/// use setpoint::{Action, Cooled, MaxRatio, Metric, Need, Observation, Reading, ScalingAlgorithm, Target, Timestamp, Tolerance, Trace};
/// let ratio = MaxRatio::new(&[Metric::new("queue", Target::average_value(4.0)?)], &Default::default());
/// let mut algorithm = Cooled::new(ratio, &Default::default());
/// let readings = [Reading::Value(48.0)];
/// // 48 / (4 · 4) is 3: it wants 12, and there were fewer taken away a minute ago.
/// let at = Timestamp::from_millis;
/// let last = Action { at: at(0), from: 6, to: 4, applied: true };
/// let look = Observation::new(at(60_000), 4, &readings).with_last_action(Some(last));
/// assert_eq!(algorithm.evaluate(&look, &mut Trace::off())?, Need::replicas(4.0)?.into());
/// let look = Observation::new(at(300_001), 4, &readings).with_last_action(Some(last));
/// assert_eq!(algorithm.evaluate(&look, &mut Trace::off())?, Need::ratio(3.0, 4, Tolerance::default())?.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cooled<A> {
    inner: A,
    cooldown: Cooldown,
    noticed: Noticed,
}

impl<A: ScalingAlgorithm> Cooled<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "cooled";
    const STATE_VERSION: u8 = 1;

    /// Holds `inner` for a while after each change.
    pub fn new(inner: A, config: &CooledConfig) -> Self {
        let cooldown = Cooldown::new(config.after_down.as_duration(), config.after_up.as_duration());
        Self { inner, cooldown, noticed: Noticed::default() }
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Cooled<A> {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        if let Some(action) = self.noticed.new_in(look) {
            self.cooldown.start(action.at, action.to > action.from);
        }
        let proposal = self.inner.evaluate(look, trace)?;
        let (Proposal::Need(need), true) = (proposal, self.cooldown.holds(look.now)) else {
            return Ok(proposal);
        };
        let (exact, current) = (need.settle(look.current, trace).exact(), f64::from(look.current));
        if exact != current
            && let Some(until) = self.cooldown.until()
        {
            let effect = Effect::Cooling { until, left: until.since(look.now) };
            trace.push(|| Reason::new(Self::NAME, exact, current, effect));
        }
        Ok(Need::from(look.current).into())
    }

    // Version, the newest change noticed, when the cooldown ends, and then the inner algorithm's state.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.push(Self::STATE_VERSION);
        self.noticed.write(state);
        self.cooldown.write(state);
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(Self::NAME, Self::STATE_VERSION, state)?;
        let (noticed, cooldown) = (Noticed::read(&mut reader)?, self.cooldown.read(&mut reader)?);
        self.inner.restore(reader.rest())?;
        (self.noticed, self.cooldown) = (noticed, cooldown);
        Ok(())
    }
}
