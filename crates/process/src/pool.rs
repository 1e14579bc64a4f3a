//! A program in as many copies as it is asked for.

mod backoff;
mod keeper;
mod ready;
mod status;

use std::error::Error;
use std::ffi::OsString;
use std::future::ready;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use setpoint::{BoxFuture, HandlerError, Instance, ReplicaCount, ResourceHandler, TargetRef, Update};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::backoff::Restarts;
use self::keeper::Keeper;
pub use self::ready::ReadyWhen;
use self::status::Status;
use crate::command::CommandError;
use crate::executable;
use crate::guard::Guard;
use crate::tree::Mark;

/// The kind of a pool's target.
pub const KIND: &str = "Pool";
/// The API version of a pool's target.
pub const API_VERSION: &str = "setpoint.dev/v1alpha1";

/// What a pool runs, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolSpec {
    /// What the pool is called: the name of its target.
    pub name: String,
    /// The program. Each process has `SETPOINT_INSTANCE`, its slot from 0, and `SETPOINT_POOL`, the name, in its
    /// environment.
    pub program: OsString,
    /// Its arguments. No shell reads them.
    pub arguments: Vec<OsString>,
    /// The port of slot 0; that of slot n is n higher, and in its environment as `PORT`. Default: none.
    pub port: Option<u16>,
    /// When a process serves. Default: at once.
    pub ready: ReadyWhen,
    /// How long a process may take to end once it was asked to. Default 30 s.
    pub grace: Duration,
    /// When one that ended is started again.
    pub restarts: Restarts,
}

impl PoolSpec {
    /// A pool of `program` called `name`, everything else by default.
    pub fn new(name: impl Into<String>, program: impl Into<OsString>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            port: None,
            ready: ReadyWhen::AtOnce,
            grace: Duration::from_secs(30),
            restarts: Restarts::default(),
        }
    }

    /// What its policy's workload is to be: `setpoint.dev/v1alpha1`, `Pool`, by its name.
    #[must_use]
    pub fn target(&self) -> TargetRef {
        TargetRef {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            name: self.name.clone(),
            namespace: None,
        }
    }

    /// The port of a slot, where the pool has one.
    fn port_of(&self, slot: u32) -> Result<Option<u16>, NoPort> {
        let Some(base) = self.port else { return Ok(None) };
        let port = u32::from(base).checked_add(slot).and_then(|port| u16::try_from(port).ok());
        port.map(Some).ok_or(NoPort { base, slot })
    }
}

/// There are no more ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("instance {slot} has no port: from {base} on there are none that far")]
struct NoPort {
    base: u16,
    slot: u32,
}

/// The pool drains, and starts nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pool is being shut down")]
struct ShutDown;

/// Why a pool was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Its program can't be started.
    #[error(transparent)]
    Program(#[from] CommandError),
    /// The process that ends the pool's should this one be killed can't be started.
    #[error("the guard of the pool's processes can't be started")]
    Guard(#[source] std::io::Error),
    /// It waits for a port, and has none.
    #[error("a process that is ready when its port answers needs a port")]
    NoPort,
}

/// Starts, drains and stops processes: the handler of one [`Pool`](KIND).
///
/// More are started in the lowest free slots. Of fewer, the youngest are asked to end, by SIGTERM to their group, and
/// after a grace period ended with all that they started. One that ends by itself is started again, later each time; until
/// it serves it isn't ready. What processes write goes to this process' standard error.
///
/// When the pool is dropped its processes are killed: [`shut_down`](Self::shut_down) drains them before. When this process
/// is killed, as by SIGKILL, a process beside it ends them.
#[derive(Debug)]
pub struct ProcessPool {
    spec: Arc<PoolSpec>,
    executable: Arc<PathBuf>,
    mark: Mark,
    state: Mutex<State>,
    // After the state: it guards until the last process is gone.
    guard: Arc<Guard>,
}

#[derive(Debug)]
struct State {
    /// By slot and then age; those that drain too.
    slots: Vec<Slot>,
    /// How many slots were ever filled.
    filled: u64,
    /// Nothing is started any more.
    shut: bool,
}

/// A place for a process.
#[derive(Debug)]
struct Slot {
    number: u32,
    /// The higher, the younger.
    age: u64,
    status: Arc<Status>,
    /// Says that it is to drain.
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Slot {
    fn drains(&self) -> bool {
        *self.stop.borrow()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // With the task goes the tree that it keeps.
        self.task.abort();
    }
}

impl ProcessPool {
    /// A pool without processes yet. Has to be called inside a tokio runtime that has its clock and its I/O.
    ///
    /// # Errors
    ///
    /// [`PoolError`] when nothing that it is asked for later could be done.
    pub fn new(spec: PoolSpec) -> Result<Self, PoolError> {
        if spec.ready.asks_port() && spec.port.is_none() {
            return Err(PoolError::NoPort);
        }
        let program = || spec.program.to_string_lossy().into_owned();
        let executable = executable::find(&spec.program, std::env::var_os("PATH"), None)
            .and_then(std::path::absolute)
            .map_err(|source| CommandError::Start { program: program(), source })?;
        let mark = Mark::unique();
        let guard = Guard::start(mark.clone()).map_err(PoolError::Guard)?;
        Ok(Self {
            spec: Arc::new(spec),
            executable: Arc::new(executable),
            mark,
            state: Mutex::new(State { slots: Vec::new(), filled: 0, shut: false }),
            guard: Arc::new(guard),
        })
    }

    /// Asks for so many processes. Does not wait for them: neither for new ones to serve nor for old ones to end.
    ///
    /// # Errors
    ///
    /// When there are no ports for so many, or the pool has been shut down: then nothing was done.
    pub fn resize(&self, desired: u32) -> Result<Update, Box<dyn Error + Send + Sync>> {
        let mut state = self.state();
        if state.shut {
            return Err(ShutDown.into());
        }
        let from = state.asked();
        if let Some(more) = desired.checked_sub(from) {
            let free: Vec<u32> = state.free().take(more as usize).collect();
            let ports = free.iter().map(|slot| self.spec.port_of(*slot)).collect::<Result<Vec<_>, _>>()?;
            for (number, port) in free.into_iter().zip(ports) {
                let slot = self.fill(number, port, state.filled);
                state.filled += 1;
                state.slots.push(slot);
            }
        } else {
            let mut staying: Vec<&Slot> = state.slots.iter().filter(|slot| !slot.drains()).collect();
            staying.sort_by_key(|slot| slot.age);
            for slot in &staying[desired as usize..] {
                slot.stop.send_replace(true);
            }
        }
        Ok(if from == desired { Update::Unchanged } else { Update::Written { from, to: desired } })
    }

    /// Asks every process to end, and waits until the last has, or was ended after its grace period. Nothing is started
    /// any more.
    pub async fn shut_down(&self) {
        let slots = {
            let mut state = self.state();
            state.shut = true;
            std::mem::take(&mut state.slots)
        };
        for slot in &slots {
            slot.stop.send_replace(true);
        }
        for mut slot in slots {
            if let Err(error) = (&mut slot.task).await {
                tracing::error!(%error, "the keeper of a process ended early");
            }
        }
    }

    fn fill(&self, number: u32, port: Option<u16>, age: u64) -> Slot {
        let (stop, stopped) = watch::channel(false);
        let status = Arc::new(Status::default());
        let keeper = Keeper {
            spec: Arc::clone(&self.spec),
            executable: Arc::clone(&self.executable),
            slot: number,
            port,
            mark: self.mark.branch(age),
            status: Arc::clone(&status),
            guard: Arc::clone(&self.guard),
            stopped,
        };
        Slot { number, age, status, stop, task: tokio::spawn(keeper.keep()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere can't leave it half changed.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.slots.retain(|slot| !(slot.drains() && slot.task.is_finished()));
        state
    }

    fn name_of(&self, slot: &Slot) -> String {
        format!("{}-{}", self.spec.name, slot.number)
    }

    fn check(&self, target: &TargetRef) -> Result<(), HandlerError> {
        if !self.supports(target) {
            return Err(HandlerError::Unsupported { target: Box::new(target.clone()) });
        }
        if target.name != self.spec.name {
            return Err(HandlerError::NotFound { target: Box::new(target.clone()) });
        }
        Ok(())
    }
}

impl State {
    fn asked(&self) -> u32 {
        self.slots.iter().filter(|slot| !slot.drains()).fold(0, |count, _| count + 1)
    }

    /// Slots without a process, one that drains included: it still has its port.
    fn free(&self) -> impl Iterator<Item = u32> {
        (0..).filter(|number| self.slots.iter().all(|slot| slot.number != *number))
    }
}

impl ResourceHandler for ProcessPool {
    fn supports(&self, target: &TargetRef) -> bool {
        target.api_version == API_VERSION && target.kind == KIND
    }

    fn current_replicas<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<ReplicaCount, HandlerError>> {
        let count = self.check(target).map(|()| {
            let asked = self.state().asked();
            // Each slot has its process, or waits to start it again.
            ReplicaCount::asked(asked).with_existing(Some(asked))
        });
        Box::pin(ready(count))
    }

    fn update_replicas<'a>(
        &'a self,
        target: &'a TargetRef,
        desired: u32,
    ) -> BoxFuture<'a, Result<Update, HandlerError>> {
        let failed = |source| HandlerError::Failed { action: "scaling", target: Box::new(target.clone()), source };
        let update = self.check(target).and_then(|()| self.resize(desired).map_err(failed));
        Box::pin(ready(update))
    }

    fn instances<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Instance>, HandlerError>> {
        let instances = self.check(target).map(|()| {
            let state = self.state();
            let instance = |slot: &Slot| Instance::in_state(self.name_of(slot), slot.status.instance(slot.drains()));
            state.slots.iter().map(instance).collect()
        });
        Box::pin(ready(instances))
    }

    fn describe<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Value, HandlerError>> {
        let described = self.check(target).map(|()| {
            let state = self.state();
            let instances: Vec<Value> = state
                .slots
                .iter()
                .map(|slot| slot.status.describe(&self.name_of(slot), slot.number, slot.drains()))
                .collect();
            let command: Vec<_> = std::iter::once(&self.spec.program).chain(&self.spec.arguments).collect();
            let command: Vec<_> = command.into_iter().map(|word| word.to_string_lossy()).collect();
            json!({
                "targetRef": target,
                "spec": { "replicas": state.asked(), "command": command, "port": self.spec.port },
                "status": { "instances": instances },
            })
        });
        Box::pin(ready(described))
    }
}
