//! A program that is run to its end, within bounds.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::executable;
use crate::gate::{Input, Start};
use crate::tree::Mark;

/// How much of what a program says on standard error an error repeats, in bytes.
const QUOTED: usize = 500;
/// How long the output of a program that has ended is waited for: something out of reach can hold the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// From start to end. Default 10 s.
    pub time: Duration,
    /// Bytes on standard output, and as many on standard error. Default 1 MiB.
    pub output: usize,
    /// Bytes of address space, for each process of its tree. Default: no limit.
    pub memory: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), output: 1 << 20, memory: None }
    }
}

impl Limits {
    /// The same, ending after `time`.
    #[must_use]
    pub const fn with_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// The same with so many bytes of output.
    #[must_use]
    pub const fn with_output(mut self, bytes: usize) -> Self {
        self.output = bytes;
        self
    }

    /// The same with so many bytes of address space.
    #[must_use]
    pub const fn with_memory(mut self, bytes: Option<u64>) -> Self {
        self.memory = bytes;
        self
    }
}

/// A program, and how to run it. No shell reads its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    inherit_environment: bool,
    folder: Option<PathBuf>,
    input: Vec<u8>,
    limits: Limits,
}

/// What a program that ended with exit code 0 left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// What it wrote on standard output.
    pub stdout: Vec<u8>,
    /// What it wrote on standard error.
    pub stderr: Vec<u8>,
    /// How long it took.
    pub took: Duration,
}

/// One of the two that a program writes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        })
    }
}

/// How a program failed. `said` is the beginning of what it wrote on standard error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It could not be started: there is no such program, or it can't be run.
    #[error("{program} can't be started")]
    Start {
        /// As it was named.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with an exit code other than 0.
    #[error("{program} ended with exit code {code}{}", quoted(.said))]
    Failed {
        /// As it was named.
        program: String,
        /// The exit code.
        code: i32,
        /// What it said.
        said: String,
    },
    /// A signal ended it.
    #[error("{program} was ended by signal {signal}{}", quoted(.said))]
    Signalled {
        /// As it was named.
        program: String,
        /// The signal's number.
        signal: i32,
        /// What it said.
        said: String,
    },
    /// It took too long, and was ended.
    #[error("{program} was ended after {limit:?}{}", quoted(.said))]
    TimedOut {
        /// As it was named.
        program: String,
        /// How long it may take.
        limit: Duration,
        /// What it said.
        said: String,
    },
    /// It wrote too much, and was ended.
    #[error("{program} wrote more than {limit} bytes on {stream}{}", quoted(.said))]
    TooLoud {
        /// As it was named.
        program: String,
        /// Where.
        stream: Stream,
        /// How many bytes it may write.
        limit: usize,
        /// What it said.
        said: String,
    },
    /// What it wrote could not be read, or its end not be awaited.
    #[error("{program} could not be listened to")]
    Lost {
        /// As it was named.
        program: String,
        /// Why.
        source: io::Error,
    },
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

impl Program {
    /// `program`: a path, or a name in one of the folders of `PATH`.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            inherit_environment: true,
            folder: None,
            input: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// The same with one more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The same with more arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The same with a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The same without this process' own environment: it gets [`env`](Self::env)'s variables, and those that the shell
    /// that starts it and the [mark](crate) of its tree bring.
    #[must_use]
    pub const fn clear_env(mut self) -> Self {
        self.inherit_environment = false;
        self
    }

    /// The same in a folder. Default: this process' own.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The same with this on standard input, which it needn't read. Default: nothing.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// The same within `limits`.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Runs it. When this is done or dropped, all that it started has ended: see [the crate](crate).
    ///
    /// # Errors
    ///
    /// [`CommandError`] unless it ends with exit code 0 within its limits.
    pub async fn run(&self) -> Result<Output, CommandError> {
        let began = Instant::now();
        let start = |source| CommandError::Start { program: self.name(), source };
        let executable = executable::find(&self.program, self.path(), self.folder.as_deref()).map_err(start)?;
        // The shell that starts it changes to the folder first.
        let executable = std::path::absolute(executable).map_err(start)?;
        let held = Start {
            executable: &executable,
            arguments: &self.arguments,
            environment: &self.environment,
            inherit_environment: self.inherit_environment,
            folder: self.folder.as_ref(),
            memory: self.limits.memory,
            input: Input::Fed,
            output: Stdio::piped(),
            errors: Stdio::piped(),
        }
        .hold(Mark::unique())
        .map_err(start)?;
        let (mut child, mut tree, mut stdin) = held.open().await.map_err(start)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (mut said, mut complained) = (Vec::new(), Vec::new());
        let ended = {
            let limit = self.limits.output;
            let listen = async {
                tokio::try_join!(
                    fill(&mut said, stdout, limit, Stream::Stdout),
                    fill(&mut complained, stderr, limit, Stream::Stderr)
                )
            };
            let feed = async move {
                // A program needn't read what it is given.
                let _ = stdin.write_all(&self.input).await;
            };
            let mut listen = std::pin::pin!(listen);
            let mut feed = std::pin::pin!(feed);
            let mut late = std::pin::pin!(tokio::time::sleep(self.limits.time));
            let (mut listening, mut feeding) = (true, true);
            loop {
                tokio::select! {
                    heard = &mut listen, if listening => match heard {
                        Ok(_) => listening = false,
                        Err(ended) => break ended,
                    },
                    () = &mut feed, if feeding => feeding = false,
                    status = child.wait() => {
                        // What it left behind would hold the pipes open.
                        tree.end().await;
                        let heard = if listening { tokio::time::timeout(LAST_WORDS, &mut listen).await } else { break exited(status) };
                        break match heard {
                            Ok(Err(ended)) => ended,
                            Ok(Ok(_)) | Err(_) => exited(status),
                        };
                    }
                    () = &mut late => break Ended::Late,
                }
            }
        };
        tree.end().await;
        if matches!(ended, Ended::Late | Ended::Loud(_) | Ended::Lost(_)) {
            // It was killed: it is collected at once, and has nothing more to say.
            let _ = child.wait().await;
        }
        let program = self.name();
        let said_last = || beginning(&complained);
        match ended {
            Ended::Exited(status) => match (status.code(), status.signal()) {
                (Some(0), _) => Ok(Output { stdout: said, stderr: complained, took: began.elapsed() }),
                (Some(code), _) => Err(CommandError::Failed { program, code, said: said_last() }),
                (None, signal) => {
                    Err(CommandError::Signalled { program, signal: signal.unwrap_or_default(), said: said_last() })
                }
            },
            Ended::Late => Err(CommandError::TimedOut { program, limit: self.limits.time, said: said_last() }),
            Ended::Loud(stream) => {
                Err(CommandError::TooLoud { program, stream, limit: self.limits.output, said: said_last() })
            }
            Ended::Lost(source) => Err(CommandError::Lost { program, source }),
        }
    }

    fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// The folders in which it is looked for: those of its own environment.
    fn path(&self) -> Option<OsString> {
        let own = self.environment.iter().rev().find(|(name, _)| name == OsStr::new("PATH"));
        own.map(|(_, value)| value.clone()).or_else(|| std::env::var_os("PATH"))
    }
}

/// How a run came to its end.
enum Ended {
    Exited(ExitStatus),
    Late,
    Loud(Stream),
    Lost(io::Error),
}

fn exited(status: io::Result<ExitStatus>) -> Ended {
    status.map_or_else(Ended::Lost, Ended::Exited)
}

/// Reads `pipe` to its end, or to one byte more than `limit`.
async fn fill(
    heard: &mut Vec<u8>,
    pipe: Option<impl AsyncRead + Unpin>,
    limit: usize,
    stream: Stream,
) -> Result<(), Ended> {
    let Some(pipe) = pipe else { return Ok(()) };
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    pipe.take(most).read_to_end(heard).await.map_err(Ended::Lost)?;
    if heard.len() > limit { Err(Ended::Loud(stream)) } else { Ok(()) }
}

/// The first bytes, as one line of text.
fn beginning(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(QUOTED)]);
    let more = if bytes.len() > QUOTED { " …" } else { "" };
    let line: Vec<&str> = text.split_whitespace().collect();
    line.join(" ") + more
}
