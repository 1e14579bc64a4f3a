//! Errors for people.

/// An error and its causes in one line: `scaling v1 Pool a failed: a webhook said no`.
#[must_use]
pub fn in_one_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
