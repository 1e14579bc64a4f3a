//! What a group writes into its members' traces.

use std::fmt;

use serde::Serialize;

/// One thing that a group did to a member's count. The member that it is about stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// It follows the neediest member.
    Coupled,
    /// The budget doesn't hold all that is wanted.
    Budget {
        /// The replicas of all members together.
        budget: u32,
        /// The member's priority.
        priority: i32,
    },
}

impl Fact {
    /// In words, about `member`.
    pub(crate) fn write(self, f: &mut fmt::Formatter<'_>, member: &str) -> fmt::Result {
        match self {
            Self::Coupled => write!(f, "at its ratio to {member}, which needs the most"),
            Self::Budget { budget, priority } => {
                write!(f, "{member} has priority {priority}, and all together may have {budget}")
            }
        }
    }
}
