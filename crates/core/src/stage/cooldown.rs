//! `cooldown`: after a change, none for a while.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::algorithm::ScalingAlgorithm;
use crate::failure::EvaluateError;
use crate::observation::{Noticed, Observation};
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::time::Span;
use crate::trace::{Direction, Effect, Reason, Trace};

/// Configuration of [`Cooldown`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CooldownConfig {
    /// No change up for this long after the last change of either direction. Default `0s`: at once.
    pub scale_up: Span,
    /// No change down for this long after the last change of either direction. Default `5m`.
    pub scale_down: Span,
}

impl Default for CooldownConfig {
    fn default() -> Self {
        Self { scale_up: Span::ZERO, scale_down: Span::from_secs(300) }
    }
}

/// Keeps the current count for a while after each change, so long for each direction. At the end of that time it is over.
///
/// It goes by the changes that were made, as [`Observation::last_action`] tells: before the first there is nothing to
/// wait for, and one that was refused begins nothing. A count outside the bounds is corrected all the same, for the
/// bounds come after every stage.
///
/// With `scaleDown: 5m`, a workload that grew from 2 to 4 at 10:00 stays at 4 until 10:05 whatever falls in between,
/// and grows further at once.
#[derive(Clone, Debug)]
pub struct Cooldown<A> {
    inner: A,
    config: CooldownConfig,
    noticed: Noticed,
}

impl<A: ScalingAlgorithm> Cooldown<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "cooldown";
    const STATE_VERSION: u8 = 1;

    /// Holds back what `inner` proposes while the last change is recent.
    pub fn new(inner: A, config: &CooldownConfig) -> Self {
        Self { inner, config: config.clone(), noticed: Noticed::default() }
    }

    fn wait(&self, need: Need, look: &Observation<'_>, trace: &mut Trace) -> Need {
        let need = need.settle(look.current, trace);
        let (direction, length) = match need.exact().partial_cmp(&f64::from(look.current)) {
            Some(Ordering::Greater) => (Direction::Up, self.config.scale_up),
            Some(Ordering::Less) => (Direction::Down, self.config.scale_down),
            _ => return need,
        };
        let Some(last) = self.noticed.last() else { return need };
        let until = last.at + length.as_duration();
        // A change from after now is of a clock that was set back: it keeps nobody waiting.
        if look.now >= until || look.now < last.at {
            return need;
        }
        let effect = Effect::CoolingDown { direction, until, left: until.since(look.now) };
        trace.push(|| Reason::new(Self::NAME, need.exact(), f64::from(look.current), effect));
        look.current.into()
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Cooldown<A> {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        self.noticed.new_in(look);
        match self.inner.evaluate(look, trace)? {
            Proposal::Need(need) => Ok(self.wait(need, look, trace).into()),
            other => Ok(other),
        }
    }

    // Version, the newest change noticed, and then the inner algorithm's state.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.push(Self::STATE_VERSION);
        self.noticed.write(state);
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(Self::NAME, Self::STATE_VERSION, state)?;
        let noticed = Noticed::read(&mut reader)?;
        self.inner.restore(reader.rest())?;
        self.noticed = noticed;
        Ok(())
    }
}
