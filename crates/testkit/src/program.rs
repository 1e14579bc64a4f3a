//! Programs that tests start, and that end with them.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that ends when this is dropped, or its parent is gone.
#[derive(Debug)]
pub(crate) struct Running {
    shell: Child,
}

impl Running {
    /// The shell ends the program when its own standard input closes: with this value, or this process.
    pub(crate) fn start(program: &Path, flags: &[String], log: &Path) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let shell = Command::new("sh")
            .args([
                "-c",
                r#""$@" </dev/null & child=$!; cat >/dev/null; kill -KILL "$child"; wait "$child" 2>/dev/null"#,
                "sh",
            ])
            .arg(program)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // It has nothing left to do but to end its program.
        if let Err(error) = self.shell.wait() {
            eprintln!("a program of a test was not waited for: {error}");
        }
    }
}

/// How long a program may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until the program `name` is ready; else what it lacks, and how its log ends.
pub(crate) fn ready_in_time(name: &str, log: &Path, ready: impl Fn() -> Result<(), String>) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    loop {
        match ready() {
            Ok(()) => return Ok(()),
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(100)),
            Err(problem) => {
                let log = fs::read_to_string(log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(10).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                return Err(format!("{name} is not ready: {problem}\n{}", tail.join("\n")));
            }
        }
    }
}
