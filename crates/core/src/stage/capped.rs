//! `capped`: no step larger than so much.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::algorithm::ScalingAlgorithm;
use crate::failure::EvaluateError;
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::state::StateError;
use crate::trace::{Direction, Effect, Reason, Trace};
use crate::units::{StepDown, StepUp};

/// Configuration of [`Capped`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CappedConfig {
    /// The largest growth in one step, as a part of the current count: `50%` or `0.5`. Default: no limit.
    pub max_scale_up: Option<StepUp>,
    /// The largest reduction in one step, as a part of the current count. Default: no limit.
    pub max_scale_down: Option<StepDown>,
    /// Replicas that may be added or removed in one step however small the percentages. Default 0.
    pub min_step: MinStep,
}

/// A number of replicas a step may always have; 0 unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MinStep(pub u32);

/// Cuts steps that are too large. The cut is exact: 25 % less than 10 replicas is 7.5, which rounds up to 8
/// at the very end.
///
/// A cap that allows less than one whole replica down therefore allows none: 25 % of 3 is 0.75, and 2.25
/// rounds up to 3 again. Set `minStep` to 1 where the last replicas should go too.
#[derive(Clone, Debug)]
pub struct Capped<A> {
    inner: A,
    up: f64,
    down: f64,
    min_step: f64,
}

impl<A: ScalingAlgorithm> Capped<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "capped";

    /// Cuts the steps that `inner` proposes.
    pub fn new(inner: A, config: &CappedConfig) -> Self {
        Self {
            inner,
            up: config.max_scale_up.map_or(f64::INFINITY, StepUp::get),
            // All of them: a need is not negative once it is rounded.
            down: config.max_scale_down.map_or(f64::INFINITY, StepDown::get),
            min_step: f64::from(config.min_step.0),
        }
    }

    fn cap(&self, need: Need, observation: &Observation<'_>, trace: &mut Trace) -> Result<Need, EvaluateError> {
        let need = need.settle(observation.current, trace);
        let current = f64::from(observation.current);
        let exact = need.exact();
        let (direction, fraction) =
            if exact > current { (Direction::Up, self.up) } else { (Direction::Down, self.down) };
        if fraction.is_infinite() {
            return Ok(need);
        }
        let step = (current * fraction).max(self.min_step);
        let capped = match direction {
            Direction::Up => exact.min(current + step),
            Direction::Down => exact.max(current - step),
        };
        if capped != exact {
            trace.push(|| Reason::new(Self::NAME, exact, capped, Effect::Capped { direction, step }));
        }
        need.with_signal(capped)
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Capped<A> {
    fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        match self.inner.evaluate(observation, trace)? {
            Proposal::Need(need) => self.cap(need, observation, trace).map(Proposal::Need),
            other => Ok(other),
        }
    }

    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.inner.restore(state)
    }
}
