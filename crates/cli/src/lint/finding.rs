//! What a lint found.

use std::fmt;

use serde::Serialize;
use setpoint::ConfigError;
use setpoint_dialects::Note;

/// A field, what is the matter with it, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// The rule's own name, for those who search or count.
    pub(super) rule: &'static str,
    /// From the document's root.
    pub(super) field: String,
    pub(super) why: String,
    #[serde(skip_serializing_if = "String::is_empty")]
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
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
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

    /// A field of another autoscaler's document that does nothing here.
    pub(super) fn lost(note: &Note) -> Self {
        Self::warning("not-carried-over", note.field.clone(), note.text.clone(), "")
    }

    /// A policy that can't even be made. The message says itself what to write.
    pub(super) fn invalid(error: &ConfigError) -> Self {
        Self::error("invalid", error.path.clone(), error.message.clone(), "")
    }
}

/// A number for people: three digits after the point at most, and no trailing zeros.
pub(super) fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
