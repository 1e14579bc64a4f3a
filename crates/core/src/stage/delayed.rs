//! `delayed`: change the count only after that has been wanted for a while.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::algorithm::ScalingAlgorithm;
use crate::decision::round_up;
use crate::failure::EvaluateError;
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::time::Span;
use crate::timing::Since;
use crate::trace::{Direction, Effect, Reason, Trace};

/// Configuration of [`Delayed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DelayedConfig {
    /// So long more must have been wanted at every look before any is added. Default `0s`: at once.
    pub up: Span,
    /// So long fewer must have been wanted at every look before any is taken away. Default `5m`.
    pub down: Span,
}

impl Default for DelayedConfig {
    fn default() -> Self {
        Self { up: Span::ZERO, down: Span::from_secs(300) }
    }
}

/// Changes the count only after the change was wanted for a while without a break, and then at once to what is wanted now:
/// the delays of a WatermarkPodAutoscaler ([`Since`]) around any algorithm, and what an alert's `for` is in Prometheus.
///
/// Unlike [`Stabilized`](crate::Stabilized) it doesn't remember how many were wanted, only which way. A look at which the
/// algorithm holds or has no opinion is a break.
///
/// With a delay down of 5 minutes and a minute between the needs 4, 2, 2, 2, 2, 3, 2 of a workload at 4, it stays at 4 for
/// five of them after the first, and then goes to what is needed at that look: 2.
#[derive(Clone, Debug)]
pub struct Delayed<A> {
    inner: A,
    config: DelayedConfig,
    up: Since,
    down: Since,
}

impl<A: ScalingAlgorithm> Delayed<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "delayed";
    const STATE_VERSION: u8 = 1;

    /// Holds `inner` until it has wanted the same direction for long enough.
    pub fn new(inner: A, config: &DelayedConfig) -> Self {
        Self { inner, config: config.clone(), up: Since::default(), down: Since::default() }
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Delayed<A> {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let proposal = self.inner.evaluate(look, trace);
        let need = match &proposal {
            Ok(Proposal::Need(need)) => Some(need.settle(look.current, trace)),
            _ => None,
        };
        let wanted = need.map_or(look.current, |need| round_up(need.exact()));
        self.up.follow(wanted > look.current, look.now);
        self.down.follow(wanted < look.current, look.now);
        let Some(need) = need else { return proposal };
        let (direction, since, delay) = if wanted > look.current {
            (Direction::Up, self.up, self.config.up)
        } else if wanted < look.current {
            (Direction::Down, self.down, self.config.down)
        } else {
            return Ok(need.into());
        };
        match since.will_have_lasted(delay.as_duration()) {
            Some(until) if until > look.now => {
                let effect = Effect::Delayed { direction, until, left: until.since(look.now) };
                trace.push(|| Reason::new(Self::NAME, need.exact(), f64::from(look.current), effect));
                Ok(Need::from(look.current).into())
            }
            _ => Ok(need.into()),
        }
    }

    // Version, since when either way is wanted, and then the inner algorithm's state.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.push(Self::STATE_VERSION);
        self.up.write(state);
        self.down.write(state);
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(Self::NAME, Self::STATE_VERSION, state)?;
        let (up, down) = (Since::read(&mut reader)?, Since::read(&mut reader)?);
        self.inner.restore(reader.rest())?;
        (self.up, self.down) = (up, down);
        Ok(())
    }
}
