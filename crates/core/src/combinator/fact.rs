//! What a combinator writes into a trace.

use std::fmt;

use serde::Serialize;

use super::member::Role;
use super::rule::Rule;
use crate::trace::Direction;

/// One thing that a combinator did. The member that it is about stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// A member was asked. Its own reasons follow, and go on from the current count.
    Asked {
        /// The part it plays.
        role: Role,
    },
    /// The rule chose. The member is none where the answer is a mean.
    Chosen {
        /// The rule.
        rule: Rule,
        /// How many took part.
        of: usize,
        /// How many of them had an answer.
        answered: usize,
    },
    /// A floor or a ceiling changed what the rule chose.
    Limited {
        /// `Up` for a floor, `Down` for a ceiling.
        direction: Direction,
    },
}

impl Fact {
    /// In words, about `member`.
    pub(crate) fn write(self, f: &mut fmt::Formatter<'_>, member: &str) -> fmt::Result {
        match self {
            Self::Asked { role: Role::Vote } => write!(f, "{member} is asked"),
            Self::Asked { role: Role::Floor } => write!(f, "{member} is asked for a floor"),
            Self::Asked { role: Role::Ceiling } => write!(f, "{member} is asked for a ceiling"),
            Self::Chosen { rule, of, answered } => {
                match rule {
                    Rule::Max | Rule::AllAgreeDown => write!(f, "{member} asks for the most")?,
                    Rule::Min => write!(f, "{member} asks for the least")?,
                    Rule::Median if member.is_empty() => f.write_str("the mean of the two in the middle")?,
                    Rule::Median => write!(f, "{member} is in the middle")?,
                    Rule::AnyOf => write!(f, "{member} moves it")?,
                    Rule::First => write!(f, "{member} is the first with an answer")?,
                }
                write!(f, " of {of}")?;
                if answered < of { write!(f, ", {answered} of which have an answer") } else { Ok(()) }
            }
            Self::Limited { direction: Direction::Up } => write!(f, "no less than {member} asks for"),
            Self::Limited { direction: Direction::Down } => write!(f, "no more than {member} allows"),
        }
    }
}
