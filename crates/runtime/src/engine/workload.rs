//! One workload of an engine, and the managers that decide for all.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use setpoint::{
    Action, AlgorithmFactory, AlgorithmManager, ConfigError, Metric, PolicySpec, Reconfigured, RegisterError, Registry,
    TargetRef, WorkloadError, WorkloadId,
};

use crate::look::Look;

/// What is looked at and how: replaced as a whole.
pub(super) struct Plan {
    pub(super) policy: PolicySpec,
    pub(super) metrics: Vec<Arc<Metric>>,
    pub(super) target: Arc<TargetRef>,
}

impl Plan {
    pub(super) fn new(policy: &PolicySpec, target: TargetRef) -> Self {
        let metrics = policy.metrics.iter().cloned().map(Arc::new).collect();
        Self { policy: policy.clone(), metrics, target: Arc::new(target) }
    }
}

pub(super) struct Workload {
    pub(super) key: Arc<str>,
    pub(super) id: WorkloadId,
    plan: Mutex<Arc<Plan>>,
    /// Whoever looks holds this: one look at a time.
    pub(super) memory: tokio::sync::Mutex<Memory>,
    ended: AtomicBool,
    last: Mutex<Option<Arc<Look>>>,
}

/// What one look leaves to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Whether the kept state was put back.
    pub(super) restored: bool,
    /// The count as it was left, where that is known.
    pub(super) expected: Option<u32>,
    /// The last change that was asked for, and how that ended.
    pub(super) action: Option<Action>,
}

impl Workload {
    pub(super) fn new(key: Arc<str>, id: WorkloadId, plan: Plan) -> Self {
        Self {
            key,
            id,
            plan: Mutex::new(Arc::new(plan)),
            memory: tokio::sync::Mutex::default(),
            ended: AtomicBool::new(false),
            last: Mutex::new(None),
        }
    }

    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replan(&self, plan: Plan) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }

    /// Ends it, and waits for the look that is under way.
    pub(super) async fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(self.memory.lock().await);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub(super) fn last(&self) -> Option<Arc<Look>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn remember(&self, look: &Arc<Look>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(look));
    }
}

/// Several managers, so that a plugin that takes its time holds up few workloads beside its own.
pub(super) struct Managers {
    managers: Vec<Mutex<AlgorithmManager>>,
}

impl Managers {
    const COUNT: usize = 32;

    pub(super) fn new(registry: &Registry) -> Self {
        let manager = || Mutex::new(AlgorithmManager::with_registry(registry.clone()));
        Self { managers: std::iter::repeat_with(manager).take(Self::COUNT).collect() }
    }

    /// The one that decides for `key`.
    pub(super) fn of(&self, key: &str) -> MutexGuard<'_, AlgorithmManager> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any number will do")]
        let place = hasher.finish() as usize % self.managers.len();
        locked(&self.managers[place])
    }

    /// Registers an algorithm with all, or none.
    pub(super) fn register(&self, name: &str, factory: &Arc<dyn AlgorithmFactory>) -> Result<(), RegisterError> {
        let (first, others) = self.managers.split_first().expect("there are some");
        // Held until all have it: of two who come with one name, the other finds it taken here.
        let mut first = locked(first);
        first.registry_mut().register_algorithm(name, Arc::clone(factory))?;
        for other in others {
            locked(other).registry_mut().register_algorithm(name, Arc::clone(factory))?;
        }
        Ok(())
    }

    pub(super) fn add(&self, key: &str, policy: &PolicySpec) -> Result<WorkloadId, ConfigError> {
        self.of(key).add(policy)
    }

    /// Whether a workload of `policy` can be made.
    pub(super) fn check(&self, key: &str, policy: &PolicySpec) -> Result<(), ConfigError> {
        let mut manager = self.of(key);
        let id = manager.add(policy)?;
        manager.remove(id);
        Ok(())
    }

    pub(super) fn reconfigure(
        &self,
        key: &str,
        id: WorkloadId,
        policy: &PolicySpec,
    ) -> Result<Reconfigured, WorkloadError<ConfigError>> {
        self.of(key).reconfigure(id, policy)
    }

    pub(super) fn remove(&self, key: &str, id: WorkloadId) {
        self.of(key).remove(id);
    }
}

fn locked(manager: &Mutex<AlgorithmManager>) -> MutexGuard<'_, AlgorithmManager> {
    // An algorithm that panics is its own workload's trouble: the manager holds the others apart from it.
    manager.lock().unwrap_or_else(PoisonError::into_inner)
}
