//! `stabilized`: do what was needed over a while, not only now.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::algorithm::ScalingAlgorithm;
use crate::failure::EvaluateError;
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::time::{Span, Timestamp, millis};
use crate::trace::{Direction, Effect, Reason, Trace};
use crate::window::{Extremes, Keep};

/// Configuration of [`Stabilized`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StabilizedConfig {
    /// Scale up only to what was needed throughout this long. Default `0s`: at once.
    pub scale_up_window: Span,
    /// Scale down only to what was enough throughout this long. Default `5m`, as HPA.
    pub scale_down_window: Span,
}

impl Default for StabilizedConfig {
    fn default() -> Self {
        Self { scale_up_window: Span::ZERO, scale_down_window: Span::from_secs(300) }
    }
}

/// Scales down to the largest need of the scale-down window and up to the smallest of the scale-up window:
/// the stabilization windows of HPA's `behavior` (pkg/controller/podautoscaler/horizontal.go,
/// `stabilizeRecommendationWithBehaviors`), on exact needs.
///
/// An observation is in the window while it is younger than the window is long. The first one also brings the
/// current count into both windows, so that a start or a restart without state takes nothing away at once.
///
/// With a scale-down window of 5 minutes and a minute between the needs 4, 2, 2, 2, 2, 2 of a workload at 4,
/// it stays at 4 for five of them, and then goes to 2.
#[derive(Clone, Debug)]
pub struct Stabilized<A> {
    inner: A,
    up: Window,
    down: Window,
    seeded: bool,
}

/// The needs of a window that ends now.
#[derive(Clone, Debug)]
struct Window {
    needs: Extremes,
    /// In milliseconds.
    length: i64,
}

impl Window {
    fn new(keep: Keep, length: Span) -> Self {
        Self { needs: Extremes::new(keep), length: millis(length.as_duration()) }
    }

    /// Adds `need` at `now`, and gives the most extreme of the window with its time.
    ///
    /// A need that comes late counts as of the newest time seen: a clock that steps back must not reorder them.
    #[inline]
    fn add(&mut self, now: Timestamp, need: f64) -> (Timestamp, f64) {
        let now = self.needs.newest().map_or(now, |newest| now.max(newest));
        let edge = now.minus_millis(self.length);
        self.needs.add(now, need);
        self.needs.forget(edge);
        // In a window of no length is not even the newest.
        self.needs.after(edge).unwrap_or((now, need))
    }
}

impl<A: ScalingAlgorithm> Stabilized<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "stabilized";
    const STATE_VERSION: u8 = 1;

    /// Holds back what `inner` proposes until the windows agree.
    pub fn new(inner: A, config: &StabilizedConfig) -> Self {
        Self {
            inner,
            up: Window::new(Keep::Smallest, config.scale_up_window),
            down: Window::new(Keep::Largest, config.scale_down_window),
            seeded: false,
        }
    }

    fn stabilize(
        &mut self,
        need: Need,
        observation: &Observation<'_>,
        trace: &mut Trace,
    ) -> Result<Need, EvaluateError> {
        let need = need.settle(observation.current, trace);
        let (exact, current) = (need.exact(), f64::from(observation.current));
        if !self.seeded {
            self.up.add(observation.now, current);
            self.down.add(observation.now, current);
            self.seeded = true;
        }
        let (up_since, smallest) = self.up.add(observation.now, exact);
        let (down_since, largest) = self.down.add(observation.now, exact);
        // From current, up as far as all agree, down no further than one allows; HPA's order.
        let stabilized = current.max(smallest).min(largest);
        if stabilized != exact {
            let (direction, until) = if exact > stabilized {
                (Direction::Up, up_since.plus_millis(self.up.length))
            } else {
                (Direction::Down, down_since.plus_millis(self.down.length))
            };
            let left = until.since(observation.now);
            let effect = Effect::Stabilized { direction, until, left };
            trace.push(|| Reason::new(Self::NAME, exact, stabilized, effect));
        }
        need.with_signal(stabilized)
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Stabilized<A> {
    fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        match self.inner.evaluate(observation, trace)? {
            Proposal::Need(need) => self.stabilize(need, observation, trace).map(Proposal::Need),
            other => Ok(other),
        }
    }

    // Version, whether seeded, then each window: how many needs, and time and need of each.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.extend([Self::STATE_VERSION, u8::from(self.seeded)]);
        self.up.needs.write(state);
        self.down.needs.write(state);
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(Self::NAME, Self::STATE_VERSION, state)?;
        let seeded = reader.flag()?;
        let (up, down) = (self.up.needs.read(&mut reader)?, self.down.needs.read(&mut reader)?);
        self.inner.restore(reader.rest())?;
        (self.up.needs, self.down.needs, self.seeded) = (up, down, seeded);
        Ok(())
    }
}
