//! Who keeps one slot's process running, and ends it.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::PoolSpec;
use super::backoff::Backoff;
use super::status::Status;
use crate::gate::{Input, Start};
use crate::guard::Guard;
use crate::tree::{Mark, Tree};

/// How often is looked whether what a process left behind has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Everything a slot's process needs.
pub(super) struct Keeper {
    pub(super) spec: Arc<PoolSpec>,
    pub(super) executable: Arc<PathBuf>,
    pub(super) slot: u32,
    pub(super) port: Option<u16>,
    pub(super) mark: Mark,
    pub(super) status: Arc<Status>,
    pub(super) guard: Arc<Guard>,
    pub(super) stopped: watch::Receiver<bool>,
}

/// A process under guard.
struct Guarded {
    child: Child,
    // Before the guard: the tree has ended when that forgets it.
    tree: Tree,
    _guard: OnGuard,
}

/// A group that is under guard until this is dropped.
struct OnGuard {
    group: i32,
    guard: Arc<Guard>,
}

impl Drop for OnGuard {
    fn drop(&mut self) {
        self.guard.remove(self.group);
    }
}

impl Keeper {
    /// Starts it, and again whenever it ends, until it is to stop.
    pub(super) async fn keep(self) {
        let mut stopped = self.stopped.clone();
        let mut backoff = Backoff::new(self.spec.restarts);
        loop {
            let began = Instant::now();
            match self.start().await {
                Ok(mut process) => {
                    self.status.started(process.tree.id());
                    let end = async {
                        tokio::select! {
                            status = process.child.wait() => Some(status),
                            () = told(&mut stopped) => None,
                        }
                    };
                    let Some(status) = self.spec.ready.watch(self.port, &self.status, end).await else {
                        return self.drain(process).await;
                    };
                    // What it left behind could have its port.
                    process.tree.end().await;
                    self.tell(how(status));
                }
                Err(error) => self.tell(format!("can't be started: {error}")),
            }
            tokio::select! {
                () = sleep(backoff.wait(began.elapsed())) => {}
                () = told(&mut stopped) => return,
            }
        }
    }

    async fn start(&self) -> io::Result<Guarded> {
        let mut environment: Vec<(OsString, OsString)> = vec![
            ("SETPOINT_INSTANCE".into(), self.slot.to_string().into()),
            ("SETPOINT_POOL".into(), self.spec.name.clone().into()),
        ];
        environment.extend(self.port.map(|port| ("PORT".into(), port.to_string().into())));
        let held = Start {
            executable: &self.executable,
            arguments: &self.spec.arguments,
            environment: &environment,
            inherit_environment: true,
            folder: None,
            memory: None,
            input: Input::Nothing,
            output: standard_error()?,
            errors: standard_error()?,
        }
        .hold(self.mark.clone())?;
        // Before it does anything. If this fails it is dropped, and hasn't.
        let group = held.tree.id();
        self.guard.add(group)?;
        let guard = OnGuard { group, guard: Arc::clone(&self.guard) };
        let (child, tree, _) = held.open().await?;
        Ok(Guarded { child, tree, _guard: guard })
    }

    /// Asks it to end, and ends it when its grace is over. What it left behind in its group has as long.
    async fn drain(&self, mut process: Guarded) {
        process.tree.terminate();
        let end = Instant::now() + self.spec.grace;
        let gone = async {
            let status = process.child.wait().await;
            while process.tree.group_lives() {
                sleep(LOOK).await;
            }
            status
        };
        match timeout_at(end, gone).await {
            Ok(status) => tracing::info!(pool = %self.spec.name, slot = self.slot, end = %how(status), "drained"),
            Err(_) => {
                tracing::warn!(pool = %self.spec.name, slot = self.slot, "did not end when asked to, and was killed");
                process.tree.end().await;
                if let Err(error) = process.child.wait().await {
                    tracing::error!(pool = %self.spec.name, slot = self.slot, %error, "can't be collected");
                }
            }
        }
        // Until nothing of it is left, whatever its group: only then is its port another's.
        process.tree.end().await;
        self.status.ended("drained".to_owned());
    }

    fn tell(&self, how: String) {
        tracing::warn!(pool = %self.spec.name, slot = self.slot, "{how}");
        self.status.ended(how);
    }
}

/// Waits until it is to stop. Whoever could say so being gone says so too.
async fn told(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

/// Standard output is for what the program around the pool says.
fn standard_error() -> io::Result<Stdio> {
    Ok(io::stderr().as_fd().try_clone_to_owned()?.into())
}

fn how(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
        },
        Err(error) => format!("can't be listened to: {error}"),
    }
}
