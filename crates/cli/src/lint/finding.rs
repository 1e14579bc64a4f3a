//! What a lint found.

use std::fmt;

use serde::Serialize;
use setpoint::ConfigError;

/// A field, what is the matter with it, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// The rule's own name, for those who search or count.
    pub(super) rule: &'static str,
    /// From the document's root.
    pub(super) field: String,
    pub(super) why: String,
    pub(super) instead: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// The policy can't do what it says.
    Error,
    /// Something in it does nothing, or less than it seems to.
    Warning,
    /// Something that could not be found out.
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl Finding {
    pub(super) fn error(rule: &'static str, field: impl Into<String>, why: String, instead: impl Into<String>) -> Self {
        Self { level: Level::Error, rule, field: field.into(), why, instead: instead.into() }
    }

    pub(super) fn warning(
        rule: &'static str,
        field: impl Into<String>,
        why: String,
        instead: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, ..Self::error(rule, field, why, instead) }
    }

    /// A policy that can't even be made. The message says what is wrong; all that there is to write is listed elsewhere.
    pub(super) fn invalid(error: &ConfigError) -> Self {
        let configured = error.path.contains(".config") || error.path.contains(".stages[");
        let list = if configured { "setpoint algorithms" } else { "setpoint schema" };
        Self::error(INVALID, error.path.clone(), error.message.clone(), format!("a value as `{list}` describes it"))
    }
}

const INVALID: &str = "invalid";

/// A number for people: three digits after the point at most, and no trailing zeros.
pub(super) fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
