//! Programs that are held until everything about them is settled.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use crate::tree::{Mark, Tree};

/// Which standard input a program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// What is written to [`Held::open`]'s answer.
    Fed,
    /// None.
    Nothing,
}

/// A program about to be started.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) executable: &'a Path,
    pub(crate) arguments: &'a [OsString],
    pub(crate) environment: &'a [(OsString, OsString)],
    pub(crate) inherit_environment: bool,
    pub(crate) folder: Option<&'a PathBuf>,
    /// In bytes of address space.
    pub(crate) memory: Option<u64>,
    pub(crate) input: Input,
    pub(crate) output: Stdio,
    pub(crate) errors: Stdio,
}

/// A process that leads a group of its own, and becomes the program when its gate opens. If its maker dies before, it
/// ends without having been it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) child: Child,
    pub(crate) tree: Tree,
    input: ChildStdin,
}

impl Start<'_> {
    /// A shell waits at the gate and then becomes the program: a limit of memory can only be set by a process for itself
    /// unless one writes unsafe code, and whoever guards the group knows it before it does anything.
    pub(crate) fn hold(self, mark: Mark) -> io::Result<Held> {
        let mut script = String::new();
        if let Some(bytes) = self.memory {
            script.push_str(&format!("ulimit -v {} || exit 126; ", bytes.div_ceil(1024)));
        }
        // A shell reads a line from a pipe byte by byte: what follows is the program's.
        script.push_str("read -r SETPOINT_GATE || exit 125; exec \"$@\"");
        if self.input == Input::Nothing {
            script.push_str(" </dev/null");
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script, "sh"]).arg(self.executable).args(self.arguments);
        if !self.inherit_environment {
            command.env_clear();
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env(Mark::VARIABLE, mark.as_str());
        if let Some(folder) = self.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::piped()).stdout(self.output).stderr(self.errors).process_group(0);
        let mut child = command.spawn()?;
        let tree = Tree::of(&child, mark)?;
        let input = child.stdin.take().expect("it is piped");
        Ok(Held { child, tree, input })
    }
}

impl Held {
    /// Lets the program run.
    pub(crate) async fn open(mut self) -> io::Result<(Child, Tree, ChildStdin)> {
        self.input.write_all(b"\n").await?;
        Ok((self.child, self.tree, self.input))
    }
}
