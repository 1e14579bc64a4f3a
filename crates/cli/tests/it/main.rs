//! The command as its users run it.

mod algorithms;
mod bad_input;
#[cfg(feature = "cluster")]
mod cluster;
mod conformance;
#[cfg(feature = "cpa")]
mod cpa;
mod decide;
mod foreign;
mod group;
mod house;
mod lint;
mod manifest;
mod plugin;
mod plugin_new;
#[cfg(feature = "live")]
mod run;
#[cfg(any(feature = "cluster", feature = "cpa", feature = "live"))]
mod running;
#[cfg(all(feature = "cluster", feature = "server"))]
mod serve;
mod simulate;
#[cfg(feature = "live")]
mod traces;
mod watermark;

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::cargo::CommandCargoExt as _;
use tempfile::TempDir;

/// The command, as it was built for these tests.
fn setpoint() -> std::process::Command {
    std::process::Command::cargo_bin("setpoint").expect("the command is built")
}

/// Where caches go: not into those of who runs the tests.
const fn cached() -> &'static str {
    concat!(env!("CARGO_TARGET_TMPDIR"), "/cache")
}

/// What a run printed, and how it ended.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// A folder of its own for each test, in which commands run.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        std::fs::write(&path, contents).expect("a file");
        path
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = assert_cmd::Command::from_std(setpoint());
        let Output { status, stdout, stderr } = command
            .args(arguments)
            .current_dir(self.path())
            .env_remove("NO_COLOR")
            .env("XDG_CACHE_HOME", cached())
            .write_stdin(input)
            .output()
            .expect("the command runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ran { code: status.code().expect("no signal"), out: text(stdout), err: text(stderr) }
    }

    /// The names of all files, to see that none was left behind.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// The policy of the documentation.
const CHAT: &str = "\
apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: { name: chat }
spec:
  minReplicas: 2
  maxReplicas: 40
  interval: 15s
  metrics:
    - { name: p99, target: { value: 500 } }
    - { name: queue, target: { averageValue: 4 } }
  algorithm: { name: capped-smooth-ratio, config: { smoothingFactor: 0.3, maxScaleUp: 50%, maxScaleDown: 25%, tolerance: 0.1 } }
  onFailure: hold
";
