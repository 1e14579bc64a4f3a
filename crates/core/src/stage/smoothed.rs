//! `smoothed`: an exponentially weighted moving average.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::algorithm::ScalingAlgorithm;
use crate::failure::EvaluateError;
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::trace::{Effect, Reason, Trace};
use crate::units::SmoothingFactor;

/// Configuration of [`Smoothed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SmoothedConfig {
    /// The weight of the newest value; 1 keeps no memory. Default 0.3.
    pub smoothing_factor: SmoothingFactor,
}

impl Default for SmoothedConfig {
    fn default() -> Self {
        Self { smoothing_factor: SmoothingFactor::new(0.3).expect("0.3 is in range") }
    }
}

/// Averages what the inner algorithm needs: `factor · newest + (1 − factor) · average`, beginning at the
/// first value.
///
/// A ratio is averaged as a ratio, so that a change of the replica count leaves the average meaningful, and
/// before its tolerance is tested; any other need is averaged as a number of replicas. A hold changes nothing.
///
/// With a factor of 0.3 the ratios 1, 2, 2, 2 average to 1, 1.3, 1.51, 1.657.
#[derive(Clone, Debug)]
pub struct Smoothed<A> {
    inner: A,
    factor: f64,
    average: Option<Average>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Average {
    value: f64,
    ratio: bool,
}

impl<A: ScalingAlgorithm> Smoothed<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "smoothed";
    const STATE_VERSION: u8 = 1;

    /// Averages what `inner` proposes.
    pub fn new(inner: A, config: &SmoothedConfig) -> Self {
        Self { inner, factor: config.smoothing_factor.get(), average: None }
    }

    fn smooth(&mut self, need: Need, trace: &mut Trace) -> Result<Need, EvaluateError> {
        let newest = need.signal();
        let ratio = need.is_ratio();
        let value = match self.average {
            // A ratio and a count have no common average: begin again.
            Some(before) if before.ratio == ratio => self.factor * newest + (1.0 - self.factor) * before.value,
            _ => newest,
        };
        let smoothed = need.with_signal(value)?;
        self.average = Some(Average { value, ratio });
        trace.push(|| {
            Reason::new(Self::NAME, need.exact(), smoothed.exact(), Effect::Smoothed { newest, average: value, ratio })
        });
        Ok(smoothed)
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Smoothed<A> {
    fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        match self.inner.evaluate(observation, trace)? {
            Proposal::Need(need) => self.smooth(need, trace).map(Proposal::Need),
            other => Ok(other),
        }
    }

    // Version, then 0 for no average, or 1 (replicas) or 2 (a ratio) and the average.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.push(Self::STATE_VERSION);
        match self.average {
            None => state.push(0),
            Some(Average { value, ratio }) => {
                state.push(1 + u8::from(ratio));
                state.extend(value.to_le_bytes());
            }
        }
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(Self::NAME, Self::STATE_VERSION, state)?;
        let average = match reader.u8()? {
            0 => None,
            kind @ (1 | 2) => Some(Average { value: reader.finite()?, ratio: kind == 2 }),
            _ => return Err(reader.damaged("the average is of no known kind")),
        };
        self.inner.restore(reader.rest())?;
        self.average = average;
        Ok(())
    }
}
