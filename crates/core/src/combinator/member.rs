//! One of several algorithms, with the metrics it sees and the part it plays.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fact::Fact;
use crate::algorithm::ScalingAlgorithm;
use crate::failure::EvaluateError;
use crate::metric::Reading;
use crate::observation::Observation;
use crate::proposal::Proposal;
use crate::state::StateError;
use crate::trace::{Effect, Reason, Trace};

/// The part that a member plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It takes part in the rule.
    #[default]
    Vote,
    /// The answer is at least its need.
    Floor,
    /// The answer is at most its need.
    Ceiling,
}

/// What a member says.
#[derive(Debug)]
pub enum Answer {
    /// So many replicas, exact, after its tolerance.
    Replicas(f64),
    /// What there is.
    Hold,
    /// It has not enough data.
    NoOpinion,
    /// Hands off.
    Suspend,
    /// It failed.
    Failed(EvaluateError),
}

impl Answer {
    /// The replicas, where there is an answer: `current` where it holds.
    #[must_use]
    pub fn need(&self, current: f64) -> Option<f64> {
        match self {
            Self::Replicas(need) => Some(*need),
            Self::Hold => Some(current),
            Self::NoOpinion | Self::Suspend | Self::Failed(_) => None,
        }
    }
}

/// One of several algorithms, inside its stages.
pub struct Member {
    name: String,
    role: Role,
    /// Which of the policy's metrics it sees, in its own order; all of them where none are picked.
    picked: Option<Vec<usize>>,
    algorithm: Box<dyn ScalingAlgorithm>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Member {
    /// How many metrics can be picked: their readings are laid out anew for each look, on the stack.
    pub const MOST_PICKED: usize = 16;

    /// `algorithm`, called `name` in reasons, which sees all metrics.
    pub fn new(name: impl Into<String>, algorithm: impl ScalingAlgorithm + 'static) -> Self {
        Self { name: name.into(), role: Role::Vote, picked: None, algorithm: Box::new(algorithm) }
    }

    /// The same in `role`.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The same seeing only the metrics of these numbers, in this order.
    ///
    /// # Panics
    ///
    /// With more than [`MOST_PICKED`](Self::MOST_PICKED).
    #[must_use]
    pub fn with_metrics(mut self, numbers: Vec<usize>) -> Self {
        assert!(numbers.len() <= Self::MOST_PICKED, "a member picks at most {} metrics", Self::MOST_PICKED);
        self.picked = Some(numbers);
        self
    }

    /// What it is called in reasons.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part it plays.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// What it says to `look`. Its reasons begin with who it is, and go on from the current count.
    pub fn ask(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Answer {
        let current = f64::from(look.current);
        if trace.is_on() {
            let member = trace.keep(format_args!("{}", self.name));
            let fact = Fact::Asked { role: self.role };
            trace.push(|| Reason::new("of", current, current, Effect::Combined { fact, member }));
        }
        let begin = trace.mark();
        let proposal = match &self.picked {
            None => self.algorithm.evaluate(look, trace),
            Some(numbers) => {
                let mut readings = [Reading::Missing(""); Self::MOST_PICKED];
                for (reading, &number) in readings.iter_mut().zip(numbers) {
                    *reading = look.readings.get(number).copied().unwrap_or(Reading::Missing("not observed"));
                }
                let look = look.with_readings(&readings[..numbers.len()]);
                let proposal = self.algorithm.evaluate(&look, trace);
                trace.renumber(begin, numbers);
                proposal
            }
        };
        match proposal {
            Ok(Proposal::Need(need)) => Answer::Replicas(need.settle(look.current, trace).exact().max(0.0)),
            Ok(Proposal::Hold(_)) => Answer::Hold,
            Ok(Proposal::NoOpinion) => {
                trace.push(|| Reason::new("of", current, current, Effect::NoOpinion));
                Answer::NoOpinion
            }
            Ok(Proposal::Suspend) => {
                trace.push(|| Reason::new("of", current, current, Effect::Suspended));
                Answer::Suspend
            }
            Err(error) => {
                // What it wrote up to its failure led to nothing.
                trace.rewind(begin);
                let message = trace.keep(format_args!("{error}"));
                trace.push(|| Reason::new("of", current, current, Effect::Failed { cause: error.kind, message }));
                Answer::Failed(error)
            }
        }
    }

    pub(super) fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        self.algorithm.snapshot(state)
    }

    pub(super) fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.algorithm.restore(state)
    }

    /// Appends its state behind its length.
    pub(super) fn write(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        let begin = state.len();
        state.extend([0; 4]);
        self.algorithm.snapshot(state)?;
        let length = u32::try_from(state.len() - begin - 4)
            .map_err(|_| StateError::Refused("the state is larger than 4 GiB".to_owned()))?;
        state[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }
}
