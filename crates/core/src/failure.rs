//! How an algorithm can fail to answer.

use std::fmt;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
