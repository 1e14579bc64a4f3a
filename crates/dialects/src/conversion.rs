//! What became of a foreign document: a policy, and what is to be said about it.

use std::convert::Infallible;
use std::fmt::Display;

use serde::Serialize;
use serde_json::Value;
use setpoint::{ConfigError, Policy};

use crate::dialect::Dialect;

/// A policy, and what is not as it was in the document that it was read from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conversion {
    /// The policy that the document means.
    pub policy: Policy,
    /// Whose document it was.
    pub dialect: Dialect,
    /// What changed its meaning, and what is lost, in the document's order as far as it has one.
    pub notes: Vec<Note>,
    origins: Vec<Origin>,
}

/// Where a field of the policy came from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    native: String,
    field: String,
    /// Whether what is inside is the same, too.
    same_inside: bool,
}

/// Something about a field that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The field in the foreign document, from its root.
    pub field: String,
    /// Whether it is there at all.
    pub fate: Fate,
    /// The field of the policy that it is about; empty where there is none.
    pub native: String,
    /// What is different, and why.
    pub text: String,
}

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is carried over, and means something else in part.
    Changed,
    /// It could not be carried over.
    Lost,
}

impl Conversion {
    pub(crate) const fn new(policy: Policy, dialect: Dialect) -> Self {
        Self { policy, dialect, notes: Vec::new(), origins: Vec::new() }
    }

    /// Whether everything is there, if not all with the same meaning.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.notes.iter().all(|note| note.fate != Fate::Lost)
    }

    /// The field of the foreign document that the policy's field at `native` came from: of the nearest one known.
    /// Errors about the policy are placed there.
    #[must_use]
    pub fn origin(&self, native: &str) -> String {
        let under =
            |from: &str| native.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        let nearest = self.origins.iter().filter_map(|origin| Some((origin, under(&origin.native)?)));
        match nearest.max_by_key(|(origin, _)| origin.native.len()) {
            Some((Origin { field, same_inside: true, .. }, rest)) => format!("{field}{rest}"),
            Some((Origin { field, .. }, _)) => field.clone(),
            None => native.to_owned(),
        }
    }

    pub(crate) fn changed(&mut self, field: impl Into<String>, native: impl Into<String>, text: impl Into<String>) {
        self.notes.push(Note::changed(field, native, text));
    }

    pub(crate) fn lost(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.notes.push(Note::lost(field, text));
    }

    /// Writes whole numbers of configurations as such: 5, not 5.0, as a document that is read again has them.
    pub(crate) fn tidied(mut self) -> Self {
        let spec = &mut self.policy.spec;
        let tidied: Result<(), Infallible> = spec.algorithm.each_mut("", &mut |algorithm, _| {
            tidy(&mut algorithm.config);
            Ok(())
        });
        let Ok(()) = tidied;
        spec.stages.iter_mut().for_each(|stage| tidy(&mut stage.config));
        self
    }

    /// The policy's field at `native` is `field`, with all that is inside.
    pub(crate) fn came_from(&mut self, native: impl Into<String>, field: impl Into<String>) {
        self.origins.push(Origin { native: native.into(), field: field.into(), same_inside: true });
    }

    /// The policy's field at `native` was made of `field`.
    pub(crate) fn made_of(&mut self, native: impl Into<String>, field: impl Into<String>) {
        self.origins.push(Origin { native: native.into(), field: field.into(), same_inside: false });
    }
}

impl Note {
    pub(crate) fn changed(field: impl Into<String>, native: impl Into<String>, text: impl Into<String>) -> Self {
        Self { field: field.into(), fate: Fate::Changed, native: native.into(), text: text.into() }
    }

    pub(crate) fn lost(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { field: field.into(), fate: Fate::Lost, native: String::new(), text: text.into() }
    }
}

/// What is wrong with a value, as an error about `field`.
pub(crate) fn at<E: Display>(field: impl Into<String>) -> impl FnOnce(E) -> ConfigError {
    move |error| ConfigError::new(field, error.to_string())
}

fn tidy(value: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT);
            if let Some(whole) = whole {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                let whole = whole as i64;
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => fields.values_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
