//! One look at a workload, from what was measured to what was written.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use setpoint::failure::Health;
use setpoint::{BoxFuture, Decision, ReasonRecord, ReplicaCount, TargetRef, Timestamp};

use crate::source::Measured;

/// One look, whatever came of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Look {
    /// The workload, as its owner calls it.
    pub key: Arc<str>,
    /// What is scaled.
    pub target: Arc<TargetRef>,
    /// When.
    pub at: Timestamp,
    /// The counts, unless they couldn't be had.
    pub count: Option<ReplicaCount>,
    /// How many instances serve, unless that couldn't be had.
    pub ready: Option<u32>,
    /// Each metric's name and answer, in the policy's order. Empty when the look didn't get that far.
    pub readings: Vec<(String, Measured)>,
    /// What was decided, if the look got that far.
    pub decision: Option<Decision>,
    /// Why.
    pub reasons: Vec<ReasonRecord>,
    /// Which of the reasons the count hung on in the end: see [`Trace::cause`](setpoint::Trace::cause).
    pub cause: Option<usize>,
    /// What was done about it.
    pub written: Written,
    /// The count is not as this engine left it: somebody else changed it.
    pub strange: Option<Strange>,
    /// At the first look, the state that was kept did not fit the policy's algorithm, and why: it began without.
    pub state_reset: Option<String>,
    /// What ended the look early, or kept its decision from being carried out.
    pub failure: Option<LookFailure>,
    /// How the algorithm is.
    pub health: Health,
    /// How long the look took.
    pub took: Duration,
    /// How long after its time it began.
    pub late: Duration,
}

/// What was done about a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// Nothing: the count is as it should be, or there is no decision.
    Nothing,
    /// Nothing, for the policy only tells what it would do.
    DryRun,
    /// Nothing, for this process may not: another one leads, or the workload was taken from it.
    NotPermitted,
    /// Nothing yet, for another member of its group, which grows before anybody shrinks, couldn't.
    AfterOthers,
    /// Nothing, for it failed: see [`Look::failure`].
    Failed,
    /// The count was changed.
    Done {
        /// From.
        from: u32,
        /// To.
        to: u32,
    },
}

impl Written {
    /// In one word, for telemetry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::DryRun => "dry-run",
            Self::NotPermitted => "not-permitted",
            Self::AfterOthers => "after-others",
            Self::Failed => "failed",
            Self::Done { .. } => "done",
        }
    }
}

/// A count that somebody else changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strange {
    /// The count as this engine left or last saw it.
    pub expected: u32,
    /// The count that was found.
    pub found: u32,
}

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "somebody else changed the count from {} to {}", self.expected, self.found)
    }
}

/// What ended a look early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookFailure {
    /// Where.
    pub stage: Stage,
    /// Why, with its causes.
    pub message: String,
}

/// The steps of a look that can fail. Readings that can't be had are no failure: the decision copes with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Finding the handler, the counts and the instances.
    Observe,
    /// Getting or keeping the state.
    State,
    /// Changing the count.
    Write,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Observe, Self::State, Self::Write];

    /// In one word, for telemetry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::State => "state",
            Self::Write => "write",
        }
    }
}

/// Is told of each look.
pub trait Listener: Send + Sync {
    /// `look` is over. The workload's next look waits for this, and so can what is written here.
    fn looked<'a>(&'a self, look: &'a Arc<Look>) -> BoxFuture<'a, ()>;

    /// The workload called `key` is gone from this engine.
    fn gone(&self, key: &str) {
        let _ = key;
    }

    /// A source was asked for so many readings at once, and took so long: till it answered, or was not waited for any
    /// longer.
    fn asked(&self, source: &str, questions: usize, took: Duration) {
        let _ = (source, questions, took);
    }
}

const _: Option<&dyn Listener> = None;
