//! What a person is told when a command can't be carried out.

use std::fmt;
use std::io;
use std::path::Path;

use setpoint_guest_build::BuildError;
use setpoint_sim::LoadError;

/// Input that can't be used: one message that names file, line or field.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadInput {
    /// Something in a file or an option.
    #[error("{place}: {problem}")]
    At { place: String, problem: String },
    /// A plugin's project that can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A load that can't be had.
    #[error("{}", chain(.0))]
    Load(#[from] LoadError),
    /// Standard output was closed by its reader. No message.
    #[error("standard output was closed")]
    OutputClosed,
}

impl BadInput {
    /// `problem` at `place`: a file, a line of it, an option.
    pub(crate) fn at(place: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::At { place: place.to_string(), problem: problem.to_string() }
    }

    /// A file that can't be read or written.
    pub(crate) fn file(path: &Path, action: &str, error: &io::Error) -> Self {
        Self::at(path.display(), format_args!("can't be {action}: {error}"))
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
