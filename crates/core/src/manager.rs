//! Dispatch: each workload's own instance of the algorithm its policy names.

mod workload;

use std::fmt;

use self::workload::Workload;
use crate::config::ConfigError;
use crate::decision::Decision;
use crate::failure::Health;
use crate::observation::Observation;
use crate::policy::PolicySpec;
use crate::registry::Registry;
use crate::state::StateError;
use crate::trace::Trace;

/// Makes, keeps and asks one algorithm instance for each workload.
///
/// ```
/// use setpoint::{AlgorithmManager, AlgorithmSpec, Metric, Observation, PolicySpec, Reading, Target, Timestamp, Trace};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let metrics = vec![Metric::new("p99", Target::value(500.0)?)];
/// let policy = PolicySpec::new(2, 40, metrics, AlgorithmSpec::named("max-ratio", Default::default()))?;
///
/// let mut manager = AlgorithmManager::new();
/// let chat = manager.add(&policy)?;
///
/// let mut trace = Trace::new();
/// let readings = [Reading::Value(620.0)];
/// let decision = manager.decide(chat, &Observation::new(Timestamp::from_millis(0), 4, &readings), &mut trace)?;
/// assert_eq!(decision.desired, 5);
/// assert_eq!(trace.records(&policy.metrics)[0].text, "p99 is 620 against 500: 1.24 times 4 replicas");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AlgorithmManager {
    registry: Registry,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    workload: Option<Workload>,
}

/// A workload of one [`AlgorithmManager`]. Once dropped there, it never names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkloadId {
    index: u32,
    generation: u32,
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "workload {}.{}", self.index, self.generation)
    }
}

/// Why nothing could be done for a workload: there is none, or what was tried failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError<E> {
    /// The workload was dropped, or is another manager's.
    #[error("{0} is not known: it was dropped, or belongs to another manager")]
    Unknown(WorkloadId),
    /// What was tried failed.
    #[error(transparent)]
    Failed(#[from] E),
}

/// Readings and metrics don't match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy has {metrics} metrics, the observation {readings} readings")]
pub struct ReadingsMismatch {
    /// How many metrics the policy has.
    pub metrics: usize,
    /// How many readings came.
    pub readings: usize,
}

/// What became of a workload's state when its policy changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconfigured {
    /// It was carried over.
    StateKept,
    /// It did not fit, and the new algorithm begins without.
    StateReset(StateError),
}

impl Default for AlgorithmManager {
    fn default() -> Self {
        Self::new()
    }
}

impl AlgorithmManager {
    /// Knows the library's own algorithms and stages.
    #[must_use]
    pub fn new() -> Self {
        Self::with_registry(Registry::builtin())
    }

    /// Knows what `registry` holds.
    #[must_use]
    pub const fn with_registry(registry: Registry) -> Self {
        Self { registry, slots: Vec::new(), free: Vec::new() }
    }

    /// The known algorithms and stages.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The known algorithms and stages, to add to.
    pub const fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Makes an instance of what `policy` names, for one new workload.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with paths from `policy`.
    pub fn add(&mut self, policy: &PolicySpec) -> Result<WorkloadId, ConfigError> {
        let workload = Workload::build(policy, &self.registry)?;
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.workload = Some(workload);
            return Ok(WorkloadId { index, generation: slot.generation });
        }
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 workloads fit in memory");
        self.slots.push(Slot { generation: 0, workload: Some(workload) });
        Ok(WorkloadId { index, generation: 0 })
    }

    /// Drops a workload, its algorithm and its state. False when there was none.
    pub fn remove(&mut self, id: WorkloadId) -> bool {
        let Some(slot) = self.slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation) else {
            return false;
        };
        if slot.workload.take().is_none() {
            return false;
        }
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        true
    }

    /// How many workloads there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decides for a workload. `trace` is cleared, and then holds the reasons.
    ///
    /// Where the observation tells of no last action, the decision before is taken as carried out as far as
    /// [`current`](Observation::current) has come its way since: all of it where the count is what was asked for,
    /// part of it where instances are counted as they come. Callers that know how a change ended should say so.
    ///
    /// # Errors
    ///
    /// [`ReadingsMismatch`] when there isn't one reading for each metric. An algorithm that fails is no error
    /// here: the policy's fallback answers, and the trace says so.
    pub fn decide(
        &mut self,
        id: WorkloadId,
        observation: &Observation<'_>,
        trace: &mut Trace,
    ) -> Result<Decision, WorkloadError<ReadingsMismatch>> {
        Ok(self.workload(id)?.decide(observation, trace)?)
    }

    /// Takes a workload's state out, to be put back with [`restore`](Self::restore) after a restart.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the algorithm can't tell its state.
    pub fn snapshot(&mut self, id: WorkloadId) -> Result<Vec<u8>, WorkloadError<StateError>> {
        Ok(self.workload(id)?.snapshot()?)
    }

    /// Puts a workload's state back. On an error nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the bytes are not the state of the algorithm that this workload runs.
    pub fn restore(&mut self, id: WorkloadId, state: &[u8]) -> Result<(), WorkloadError<StateError>> {
        Ok(self.workload(id)?.restore(state)?)
    }

    /// How a workload's algorithm is and has been: failures in a row, until when it is left alone, and totals to
    /// export. None when there is no such workload.
    #[must_use]
    pub fn health(&self, id: WorkloadId) -> Option<Health> {
        let slot = self.slots.get(id.index as usize).filter(|slot| slot.generation == id.generation)?;
        slot.workload.as_ref().map(Workload::health)
    }

    /// Gives a workload another policy and, where it fits, keeps its state. A quarantine ends with the policy under which
    /// it began: the new one's algorithm is called at the next look.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with paths from `policy`: then the workload goes on as it was.
    pub fn reconfigure(
        &mut self,
        id: WorkloadId,
        policy: &PolicySpec,
    ) -> Result<Reconfigured, WorkloadError<ConfigError>> {
        self.workload::<ConfigError>(id)?;
        let mut next = Workload::build(policy, &self.registry)?;
        let workload = self.workload::<ConfigError>(id)?;
        let outcome = match workload.snapshot().and_then(|state| next.restore(&state)) {
            Ok(()) => Reconfigured::StateKept,
            Err(error) => Reconfigured::StateReset(error),
        };
        next.inherit(workload);
        *workload = next;
        Ok(outcome)
    }

    fn workload<E>(&mut self, id: WorkloadId) -> Result<&mut Workload, WorkloadError<E>> {
        self.slots
            .get_mut(id.index as usize)
            .filter(|slot| slot.generation == id.generation)
            .and_then(|slot| slot.workload.as_mut())
            .ok_or(WorkloadError::Unknown(id))
    }
}
