//! Where a project is built: its folder, and the commands that are run in it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io::Read as _};

use crate::error::BuildError;

/// Where one project is built.
pub(crate) struct Workshop<'a> {
    pub(crate) folder: &'a Path,
    /// Is told what is being done.
    pub(crate) say: &'a dyn Fn(&str),
}

/// A program that a build takes, and how to get it.
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    /// The argument for which it says its version.
    pub(crate) version: &'static str,
    pub(crate) remedy: &'static str,
}

impl Workshop<'_> {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, BuildError> {
        let path = self.path(name);
        fs::read(&path).map_err(|source| BuildError::File { path, action: "read", source })
    }

    /// Reads a file that only the build needs, and takes it away.
    pub(crate) fn take(&self, name: &str) -> Result<Vec<u8>, BuildError> {
        let contents = self.read(name)?;
        let path = self.path(name);
        fs::remove_file(&path).map_err(|source| BuildError::File { path, action: "removed", source })?;
        Ok(contents)
    }

    pub(crate) fn write(&self, name: &str, contents: &[u8]) -> Result<(), BuildError> {
        let path = self.path(name);
        fs::write(&path, contents).map_err(|source| BuildError::File { path, action: "written", source })
    }

    /// What a project is called that has no manifest to say it.
    pub(crate) fn folder_name(&self) -> Result<String, BuildError> {
        let unnamed = |problem: String| BuildError::Project { place: self.folder.to_owned(), problem };
        let whole = self.folder.canonicalize().map_err(|error| unnamed(format!("can't be read: {error}")))?;
        let name = whole.file_name().and_then(|name| name.to_str());
        Ok(name.ok_or_else(|| unnamed("the folder has no name for the plugin".to_owned()))?.to_owned())
    }

    /// Says what to do where `tool` is absent.
    pub(crate) fn need(&self, tool: &Tool) -> Result<(), BuildError> {
        let Tool { program, version, remedy } = tool;
        let missing =
            |why: &str| BuildError::MissingTool { what: format!("{program}{why}"), remedy: (*remedy).to_owned() };
        match Command::new(program).arg(version).stdin(Stdio::null()).output() {
            Ok(answer) if answer.status.success() => {
                let answer = String::from_utf8_lossy(&answer.stdout);
                (self.say)(&format!("{program}: {}", answer.lines().next().unwrap_or_default()));
                Ok(())
            }
            // Such as the placeholders that some systems have in a program's place.
            Ok(answer) => Err(missing(&format!(" ({})", answer.status))),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(missing("")),
            Err(error) => Err(missing(&format!(" ({error})"))),
        }
    }

    /// Runs `command` in the project's folder to its end. What it prints goes to standard error: standard output is the
    /// caller's.
    pub(crate) fn run(&self, command: &mut Command) -> Result<(), BuildError> {
        command.stdout(io::stderr());
        let mut child = self.start(command)?;
        self.end(command, child.wait())
    }

    /// The same, and gives what it printed on standard output.
    pub(crate) fn run_for_output(&self, command: &mut Command) -> Result<String, BuildError> {
        command.stdout(Stdio::piped());
        let mut child = self.start(command)?;
        let mut printed = String::new();
        let read = child.stdout.take().expect("it is piped").read_to_string(&mut printed);
        // Waited for whatever came: a child that nobody waits for stays behind.
        let ended = child.wait();
        self.end(command, read.and(ended))?;
        Ok(printed)
    }

    fn start(&self, command: &mut Command) -> Result<std::process::Child, BuildError> {
        (self.say)(&format!("+ {}", words(command)));
        command.current_dir(self.folder).stdin(Stdio::null());
        command.spawn().map_err(|error| BuildError::CommandFailed { command: words(command), why: error.to_string() })
    }

    fn end(&self, command: &Command, ended: io::Result<std::process::ExitStatus>) -> Result<(), BuildError> {
        let why = match ended {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Err(BuildError::CommandFailed { command: words(command), why })
    }
}

/// What `command` prints, for questions whose answer is one line.
pub(crate) fn answer(command: &mut Command) -> Result<String, BuildError> {
    let failed = |command: &Command, why: String| BuildError::CommandFailed { command: words(command), why };
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(command, error.to_string()))?;
    if !output.status.success() {
        return Err(failed(command, String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A command as one would type it, without its environment.
fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}
