//! Many workloads, each looked at in its own time.

mod builder;
mod due;
mod ticks;
mod turn;
mod workload;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use setpoint::{
    AlgorithmFactory, ConfigError, Handlers, PolicySpec, Reconfigured, RegisterError, TargetRef, WorkloadError,
};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::builder::EngineBuilder;
use self::due::Due;
use self::workload::{Managers, Plan, Workload};
use crate::clock::Clock;
use crate::look::{Listener, Look};
use crate::permit::Permit;
use crate::source::Source;
use crate::store::{StateStore, StoreError};

/// Looks at workloads, decides, and carries decisions out. Cheap to clone: clones are the same engine.
///
/// Nothing happens until [`run`](Self::run) is polled; workloads can be added before, and while it runs.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What all looks need.
struct Shared {
    handlers: Handlers,
    sources: Vec<Arc<dyn Source>>,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    listeners: Vec<Arc<dyn Listener>>,
    permit: Arc<dyn Permit>,
    managers: Managers,
    /// How many looks can be at work at once.
    seats: Semaphore,
    /// For each step of a look that waits for somebody else.
    timeout: Duration,
    workloads: Mutex<HashMap<Arc<str>, Arc<Workload>>>,
    due: Mutex<Due>,
    /// Something became due earlier than was known.
    sooner: Notify,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("workloads", &self.len()).finish_non_exhaustive()
    }
}

/// Why a workload was not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// There is one of that name.
    #[error("there is a workload called {0:?} already")]
    Taken(String),
    /// The policy's algorithm can't be made.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// There is no such workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no workload called {0:?}")]
pub struct UnknownWorkload(pub String);

/// Why a workload's policy was not changed: it goes on under the one it had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// There is none of that name.
    #[error(transparent)]
    Unknown(#[from] UnknownWorkload),
    /// The policy's algorithm can't be made.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl Engine {
    /// An engine of parts to be named.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::new()
    }

    /// Makes an algorithm available, as `name`, to policies that are added or changed from now on.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] when `name` is blank or taken.
    pub fn register_algorithm(
        &self,
        name: &str,
        factory: impl AlgorithmFactory + 'static,
    ) -> Result<(), RegisterError> {
        let factory: Arc<dyn AlgorithmFactory> = Arc::new(factory);
        self.shared.managers.register(name, &factory)
    }

    /// Takes on a workload. Its first look is due at once, from the state that is kept under `key`; those that follow are
    /// an interval apart, at times that spread workloads evenly over it.
    ///
    /// # Errors
    ///
    /// [`AddError`] when `key` is taken, or the policy's algorithm can't be made.
    pub fn add(&self, key: &str, policy: &PolicySpec, target: TargetRef) -> Result<(), AddError> {
        let key: Arc<str> = key.into();
        let mut workloads = self.shared.workloads();
        if workloads.contains_key(&key) {
            return Err(AddError::Taken(key.as_ref().to_owned()));
        }
        let id = self.shared.managers.add(&key, policy)?;
        let workload = Workload::new(Arc::clone(&key), id, Plan::new(policy, target));
        workloads.insert(Arc::clone(&key), Arc::new(workload));
        drop(workloads);
        self.make_due(&key);
        Ok(())
    }

    /// Gives a workload another policy, or another target. Its state is kept where it fits; a look is due at once.
    ///
    /// # Errors
    ///
    /// [`UpdateError`]: then it goes on as it was.
    pub fn update(&self, key: &str, policy: &PolicySpec, target: TargetRef) -> Result<Reconfigured, UpdateError> {
        let workload = self.shared.find(key).ok_or_else(|| unknown(key))?;
        let outcome = match self.shared.managers.reconfigure(&workload.key, workload.id, policy) {
            Ok(outcome) => outcome,
            Err(WorkloadError::Unknown(_)) => return Err(unknown(key).into()),
            Err(WorkloadError::Failed(error)) => return Err(error.into()),
        };
        workload.replan(Plan::new(policy, target));
        self.make_due(&workload.key);
        Ok(outcome)
    }

    /// Makes a look at a workload due now. One that is under way is followed by another.
    ///
    /// # Errors
    ///
    /// [`UnknownWorkload`].
    pub fn look_now(&self, key: &str) -> Result<(), UnknownWorkload> {
        let workload = self.shared.find(key).ok_or_else(|| unknown(key))?;
        self.make_due(&workload.key);
        Ok(())
    }

    /// Lets a workload go, and keeps its state for whoever takes it on. When this is done, no write of this engine for
    /// it is under way, and none follows.
    ///
    /// # Errors
    ///
    /// [`UnknownWorkload`].
    pub async fn release(&self, key: &str) -> Result<(), UnknownWorkload> {
        let workload = self.shared.workloads().remove(key).ok_or_else(|| unknown(key))?;
        self.shared.due().forget(key);
        workload.end().await;
        self.shared.managers.remove(&workload.key, workload.id);
        self.shared.listeners.iter().for_each(|listener| listener.gone(key));
        Ok(())
    }

    /// Lets a workload go for good: as [`release`](Self::release), and its state is forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the state can't be removed; the workload is gone all the same. One that isn't known has a state
    /// all the same, from an earlier process, and loses it.
    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        // Unknown is fine: what is wanted is that nothing of it is left.
        let _known = self.release(key).await;
        self.shared.store.remove(key).await
    }

    /// The last look at a workload, once there was one.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<Arc<Look>> {
        self.shared.find(key)?.last()
    }

    /// What the workloads are called, in no order.
    #[must_use]
    pub fn keys(&self) -> Vec<Arc<str>> {
        self.shared.workloads().keys().cloned().collect()
    }

    /// How many workloads there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.workloads().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For how long the look that should be next has been due: hardly ever a moment, while [`run`](Self::run) goes on. It
    /// says nothing of looks that have begun, which end by their timeouts.
    #[must_use]
    pub fn overdue(&self) -> Duration {
        let next = self.shared.due().next();
        next.map(|at| Instant::now().saturating_duration_since(at)).unwrap_or_default()
    }

    /// Looks at workloads as they become due, until `shutdown`; then waits for the looks that are under way.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut ticks = JoinSet::new();
        loop {
            let now = Instant::now();
            let due = self.shared.due().take(now);
            if !due.is_empty() {
                ticks.spawn(ticks::run(Arc::clone(&self.shared), due));
            }
            let next = self.shared.due().next();
            let wait = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut shutdown => break,
                () = wait => {}
                () = self.shared.sooner.notified() => {}
                Some(ended) = ticks.join_next() => report(ended),
            }
        }
        while let Some(ended) = ticks.join_next().await {
            report(ended);
        }
    }

    fn make_due(&self, key: &Arc<str>) {
        self.shared.due().now(Arc::clone(key), Instant::now());
        self.shared.sooner.notify_one();
    }
}

/// A tick ends without an error unless something in it panicked. Its workloads are due again all the same.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a tick ended early");
    }
}

fn unknown(key: &str) -> UnknownWorkload {
    UnknownWorkload(key.to_owned())
}

impl Shared {
    fn workloads(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Workload>>> {
        // A panic elsewhere can't leave a map half changed.
        self.workloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &str) -> Option<Arc<Workload>> {
        self.workloads().get(key).cloned()
    }
}
