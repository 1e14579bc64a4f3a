//! What happens around a failure, as a trace has it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::time::Timestamp;
use crate::trace::{Short, millis};

/// One thing that happened around a failure. That it failed, and what answers then, are effects of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// The algorithm is not called before then.
    Quarantined {
        /// Failures in a row.
        failures: u32,
        /// When it is tried again.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "millis")]
        left: Duration,
    },
    /// The quarantine is over: the algorithm is called, and this call decides.
    Trial {
        /// Failures in a row before.
        failures: u32,
    },
    /// The algorithm answers again.
    Recovered {
        /// Failures in a row before.
        failures: u32,
    },
    /// The last good answer stands in.
    LastGood {
        /// How old it is.
        #[serde(rename = "age_ms", serialize_with = "millis")]
        age: Duration,
        /// When it is too old.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "millis")]
        left: Duration,
    },
    /// There is no good answer, or none that is young enough.
    NoLastGood {
        /// How old an answer may be.
        #[serde(rename = "for_ms", serialize_with = "millis")]
        r#for: Duration,
    },
}

impl Fact {
    /// In words; `to` is the number after it.
    pub(crate) fn write(self, f: &mut fmt::Formatter<'_>, to: f64) -> fmt::Result {
        let span = humantime::format_duration;
        match self {
            Self::Quarantined { failures, left, .. } => {
                write!(f, "the algorithm is not asked for {}, after {}", span(left), InARow(failures))
            }
            Self::Trial { failures } => write!(f, "the algorithm is tried again, after {}", InARow(failures)),
            Self::Recovered { failures } => write!(f, "the algorithm answers again, after {}", InARow(failures)),
            Self::LastGood { age, left, .. } => {
                write!(
                    f,
                    "its last good answer, {}, is {} old and counts for {} more",
                    Short(to),
                    span(age),
                    span(left)
                )
            }
            Self::NoLastGood { r#for } => write!(f, "there is no good answer of the last {}", span(r#for)),
        }
    }
}

struct InARow(u32);

impl fmt::Display for InARow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 failure"),
            failures => write!(f, "{failures} failures in a row"),
        }
    }
}
