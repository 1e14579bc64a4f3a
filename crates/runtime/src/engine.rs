//! Many workloads, each looked at in its own time.

mod builder;
mod due;
mod group;
mod spans;
mod ticks;
mod turn;
mod workload;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use setpoint::group::{GroupSpec, Sharing};
use setpoint::{
    AlgorithmFactory, ConfigError, Handlers, PolicySpec, Reconfigured, RegisterError, TargetRef, WorkloadError,
};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::builder::EngineBuilder;
use self::due::Due;
pub use self::group::member_key;
use self::group::{Crew, Member};
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
    /// The groups, by what they are called: their members are workloads.
    groups: Mutex<HashMap<Arc<str>, Crew>>,
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
    #[error("there is a workload or a group called {0:?} already")]
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
    /// A member that the group has not had would be called as another workload or group is.
    #[error("there is a workload or a group called {0:?} already")]
    Taken(String),
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
        if workloads.contains_key(&key) || self.shared.groups().contains_key(&key) {
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

    /// Takes on a group: each member is a workload, called by its [`member_key`], which scales what its policy's `targetRef` says. All of
    /// them are looked at together, at the interval they have in common: see the [crate's documentation](crate#groups).
    /// Each has a state of its own, kept under its own key.
    ///
    /// # Errors
    ///
    /// [`AddError`] when `key` or a member's is taken, the group makes no sense, a member has no target, or a member's
    /// algorithm can't be made. Then none of it is taken on; paths are from the group's spec.
    pub fn add_group(&self, key: &str, spec: &GroupSpec) -> Result<(), AddError> {
        let key: Arc<str> = key.into();
        let sharing = Sharing::new(spec)?;
        let members = Member::all(&key, spec)?;
        let mut workloads = self.shared.workloads();
        let mut groups = self.shared.groups();
        let taken = std::iter::once(&key).chain(members.iter().map(|member| &member.key));
        if let Some(taken) = taken.into_iter().find(|key| workloads.contains_key(*key) || groups.contains_key(*key)) {
            return Err(AddError::Taken(taken.as_ref().to_owned()));
        }
        let crew = self.enlist(&members, sharing, &mut workloads)?;
        groups.insert(Arc::clone(&key), crew);
        drop((workloads, groups));
        self.make_due(&key);
        Ok(())
    }

    /// Gives a group another spec. Members that it had before keep their states where they fit; one that it has no more is
    /// let go, and its state forgotten. A look at all is due at once.
    ///
    /// # Errors
    ///
    /// [`UpdateError`]: then it goes on as it was. Paths are from the group's spec.
    pub async fn update_group(&self, key: &str, spec: &GroupSpec) -> Result<(), UpdateError> {
        let sharing = Sharing::new(spec)?;
        let members = Member::all(key, spec)?;
        let before = {
            let mut workloads = self.shared.workloads();
            let mut groups = self.shared.groups();
            let before = groups.get(key).cloned().ok_or_else(|| unknown(key))?;
            let is_own = |known: &Arc<Workload>| before.members.iter().any(|had| Arc::ptr_eq(had, known));
            let is_taken =
                |key: &str| workloads.get(key).is_some_and(|known| !is_own(known)) || groups.contains_key(key);
            if let Some(taken) = members.iter().find(|member| is_taken(&member.key)) {
                return Err(UpdateError::Taken(taken.key.as_ref().to_owned()));
            }
            let crew = self.enlist(&members, sharing, &mut workloads)?;
            groups.insert(key.into(), crew);
            before
        };
        self.make_due(&key.into());
        let left = before.members.iter().filter(|had| members.iter().all(|member| member.key != had.key));
        for workload in left {
            if let Err(error) = self.remove(&workload.key).await {
                tracing::warn!(workload = %workload.key, %error, "the state of a member that is gone was not removed");
            }
        }
        Ok(())
    }

    /// Makes workloads of `members`, or gives those that are workloads already their policies: all, or none.
    fn enlist(
        &self,
        members: &[Member<'_>],
        sharing: Sharing,
        workloads: &mut HashMap<Arc<str>, Arc<Workload>>,
    ) -> Result<Crew, ConfigError> {
        let managers = &self.shared.managers;
        for member in members {
            managers.check(&member.key, member.policy).map_err(|error| member.error(error))?;
        }
        let mut crew = Vec::with_capacity(members.len());
        for member in members {
            let plan = Plan::new(member.policy, member.target.clone());
            let workload = match workloads.get(&member.key) {
                Some(known) => {
                    match managers.reconfigure(&known.key, known.id, member.policy) {
                        Ok(_) => {}
                        Err(WorkloadError::Failed(error)) => return Err(member.error(error)),
                        Err(unknown) => return Err(member.error(ConfigError::new("", unknown.to_string()))),
                    }
                    known.replan(plan);
                    Arc::clone(known)
                }
                None => {
                    let id = managers.add(&member.key, member.policy).map_err(|error| member.error(error))?;
                    let workload = Arc::new(Workload::new(Arc::clone(&member.key), id, plan));
                    workloads.insert(Arc::clone(&member.key), Arc::clone(&workload));
                    workload
                }
            };
            crew.push(workload);
        }
        Ok(Crew { members: crew.into(), sharing: Some(Arc::new(sharing)) })
    }

    /// Makes a look at a workload, or at all members of a group, due now. One that is under way is followed by another.
    ///
    /// # Errors
    ///
    /// [`UnknownWorkload`].
    pub fn look_now(&self, key: &str) -> Result<(), UnknownWorkload> {
        self.shared.crew(key).ok_or_else(|| unknown(key))?;
        self.make_due(&key.into());
        Ok(())
    }

    /// Lets a workload go, or a group with all its members, and keeps the states for whoever takes it on. When this is
    /// done, no write of this engine for it is under way, and none follows.
    ///
    /// # Errors
    ///
    /// [`UnknownWorkload`].
    pub async fn release(&self, key: &str) -> Result<(), UnknownWorkload> {
        self.let_go(key).await.map(drop)
    }

    /// Lets whatever is called `key` go, and gives the workloads that it was.
    async fn let_go(&self, key: &str) -> Result<Arc<[Arc<Workload>]>, UnknownWorkload> {
        let Crew { members, .. } = self.shared.take(key).ok_or_else(|| unknown(key))?;
        self.shared.due().forget(key);
        for workload in members.iter() {
            workload.end().await;
            self.shared.managers.remove(&workload.key, workload.id);
            self.shared.listeners.iter().for_each(|listener| listener.gone(&workload.key));
        }
        Ok(members)
    }

    /// Lets a workload or a group go for good: as [`release`](Self::release), and its states are forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError`], the first, when a state can't be removed; the workload is gone all the same, and so are the states
    /// that can be. One that isn't known has a state all the same, from an earlier process, and loses it. Those of a group
    /// that isn't known are under its members' keys, which only the caller can know: each is to be removed by its own.
    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        // Unknown is fine: what is wanted is that nothing of it is left.
        let workloads = self.let_go(key).await;
        let members = workloads.iter().flat_map(|workloads| workloads.iter()).map(|workload| &*workload.key);
        let mut removed = Ok(());
        for state in members.filter(|member| *member != key).chain([key]) {
            removed = removed.and(self.shared.store.remove(state).await);
        }
        removed
    }

    /// The last look at a workload, once there was one.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<Arc<Look>> {
        self.shared.find(key)?.last()
    }

    /// Whether there is a workload or a group called `key`.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.shared.crew(key).is_some()
    }

    /// What the workloads are called, members of groups among them, in no order.
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

    /// While both are held, the workloads are locked first.
    fn groups(&self) -> MutexGuard<'_, HashMap<Arc<str>, Crew>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is looked at when `key` is due.
    fn crew(&self, key: &str) -> Option<Crew> {
        let group = self.groups().get(key).cloned();
        group.or_else(|| self.find(key).map(Crew::alone))
    }

    /// The same, which is not there any more from now on.
    fn take(&self, key: &str) -> Option<Crew> {
        let mut workloads = self.workloads();
        let crew = self.groups().remove(key).or_else(|| workloads.get(key).cloned().map(Crew::alone))?;
        for member in crew.members.iter() {
            workloads.remove(&member.key);
        }
        Some(crew)
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &str) -> Option<Arc<Workload>> {
        self.workloads().get(key).cloned()
    }
}
