//! How an algorithm can fail to answer, and what is done about it.
//!
#![doc = include_str!("../docs/failure.md")]

mod fact;
pub(crate) mod fallback;
mod health;
pub(crate) mod quarantine;
mod spec;

use std::fmt;

use serde::Serialize;

pub use self::fact::Fact;
pub use self::health::{FailureTotals, Health};
pub use self::spec::{Backoff, FailureSpec, FallbackSpec, LastGoodSpec, QuarantineSpec};

/// The stage of everything around failures, as policies call it.
pub(crate) const STAGE: &str = "onFailure";

/// Why an algorithm could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct EvaluateError {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened, for a person.
    pub message: String,
}

/// The kinds of failure, for those who count or react to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The algorithm said itself that it can't answer.
    Refused,
    /// The answer makes no sense: not finite, negative, beyond any replica count.
    Nonsense,
    /// It took longer than its deadline.
    Deadline,
    /// It wanted more memory or other resources than it may have.
    Resources,
    /// It crashed.
    Trap,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Refused, Self::Nonsense, Self::Deadline, Self::Resources, Self::Trap];

    /// Whether it counts for a quarantine: all but a refusal do.
    ///
    /// An algorithm that refuses ran within its limits and said no, often for want of something that is not its own:
    /// calling it again costs no more than any other call. So a refusal neither adds to the failures in a row nor ends
    /// the row, and after a quarantine it decides nothing: the next call is a trial too.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        !matches!(self, Self::Refused)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Nonsense => "nonsense",
            Self::Deadline => "deadline",
            Self::Resources => "resources",
            Self::Trap => "trap",
        })
    }
}

impl EvaluateError {
    /// A failure of `kind`.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An answer that makes no sense.
    #[must_use]
    pub fn nonsense(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Nonsense, message)
    }
}
