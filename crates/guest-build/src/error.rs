//! Why there is no component.

use std::io;
use std::path::PathBuf;

use crate::language::Language;

/// Why a project could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The folder holds no project.
    #[error("{}: no plugin's project: a project has one of {}", folder.display(), Language::all_signs())]
    NoProject {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The folder holds projects in several languages.
    #[error("{}: a project has one language, and here are {}: leave one", folder.display(), signs.join(" and "))]
    SeveralProjects {
        /// Where they are.
        folder: PathBuf,
        /// A file of each.
        signs: Vec<&'static str>,
    },
    /// Something that the build takes is not on this machine.
    #[error("{what} is missing: {remedy}")]
    MissingTool {
        /// A program, or what one comes with.
        what: String,
        /// How to get it.
        remedy: String,
    },
    /// A command ended with an error. What it had to say is on standard error.
    #[error("`{command}` failed: {why}")]
    CommandFailed {
        /// The command, as one would type it.
        command: String,
        /// How it ended.
        why: String,
    },
    /// A file or folder that can't be read or written.
    #[error("{}: can't be {action}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What was to be done with it: `read`, `written`.
        action: &'static str,
        /// Why it can't.
        source: io::Error,
    },
    /// The project is not as a build takes it.
    #[error("{}: {problem}", place.display())]
    Project {
        /// A file or folder of it.
        place: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The module that the language's tools made, or the component of it, is not what it should be.
    #[error("{0}")]
    Component(String),
}
