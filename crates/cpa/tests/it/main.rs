//! Custom Pod Autoscaler's programs, run as they are on workloads in memory, and on a real control plane.

mod api;
mod bounds;
mod cluster;
mod configuration;
mod cycle;
mod http;
mod kubernetes;
mod tutorial;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use setpoint::{InMemoryHandler, TargetRef};
use setpoint_cpa::{Config, CustomPodAutoscaler, Setup};
use tempfile::TempDir;

/// What tests scale.
fn target() -> TargetRef {
    TargetRef {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        name: "hello-kubernetes".into(),
        namespace: Some("default".into()),
    }
}

/// A workload in memory with so many replicas, and the label of the tutorial.
fn workload(replicas: u32, num_pods: &str) -> Arc<InMemoryHandler> {
    let manifest = json!({ "metadata": { "labels": { "numPods": num_pods } } });
    let manifest = manifest.as_object().expect("an object").clone();
    Arc::new(InMemoryHandler::new([(target(), replicas)]).with_manifest(target(), manifest))
}

/// An autoscaler of `handler`'s workload by `config`.
fn autoscaler(config: &Value, handler: &Arc<InMemoryHandler>) -> CustomPodAutoscaler {
    autoscaler_with(config, handler, |_| ())
}

fn autoscaler_with(
    config: &Value,
    handler: &Arc<InMemoryHandler>,
    more: impl FnOnce(&mut Setup),
) -> CustomPodAutoscaler {
    let config = Config::read(config).unwrap_or_else(|error| panic!("{error}"));
    let mut setup = Setup::new(target(), Arc::<InMemoryHandler>::clone(handler));
    more(&mut setup);
    CustomPodAutoscaler::new(&config, setup).unwrap_or_else(|error| panic!("{error}"))
}

/// A method that runs a script, which `sh` reads.
fn sh(script: &str) -> Value {
    json!({ "type": "shell", "timeout": 20_000, "shell": { "entrypoint": "sh", "command": ["-c", script] } })
}

/// A method as the tutorial's age wrote them.
fn plain(command: &str) -> Value {
    json!({ "type": "shell", "timeout": 20_000, "shell": command })
}

/// A configuration that evaluates to whatever a file says: the count can be changed while it is used.
struct Scripted {
    folder: TempDir,
}

impl Scripted {
    fn new(answer: &str) -> Self {
        let scripted = Self { folder: tempfile::tempdir().expect("a folder") };
        scripted.answers(answer);
        scripted
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn answers(&self, answer: &str) {
        std::fs::write(self.path("answer"), answer).expect("written");
    }

    fn config(&self, more: &Value) -> Value {
        let answer = format!("cat {}", self.path("answer").display());
        let mut config = json!({ "runMode": "per-resource", "metric": sh("echo 1"), "evaluate": sh(&answer) });
        let fields = config.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        config
    }

    /// A hook that writes its name and what it is handed into a file.
    fn noting(&self, name: &str) -> Value {
        let (log, file) = (self.path("log"), self.path(name));
        sh(&format!("echo {name} >> {}; cat > {}", log.display(), file.display()))
    }

    /// What was called, in order.
    fn called(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(ToOwned::to_owned).collect()
    }

    /// What a noting program was handed.
    fn handed(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"))
    }
}

/// Whether there is Python; where there isn't, that is said, or a panic where it is required.
fn has_python() -> bool {
    let runs =
        Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !runs {
        setpoint_testkit::required::skip("python", "python3 runs the tutorial's programs");
    }
    runs
}

/// Whether a process with this id lives; one that only waits to be collected doesn't.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with(['Z', 'X']))
}

/// Waits until `done`, for a minute.
async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: not within a minute");
}
