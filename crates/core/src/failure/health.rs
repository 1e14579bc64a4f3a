//! How a workload's algorithm has been, in numbers to export.

use super::FailureKind;
use crate::time::Timestamp;

/// How a workload's algorithm is and has been, from [`AlgorithmManager::health`](crate::AlgorithmManager::health).
///
/// ```
/// use setpoint::{AlgorithmManager, AlgorithmSpec, EvaluateError, FailureKind, Metric, Need, Observation, PolicySpec};
/// use setpoint::{Proposal, Reading, Target, Timestamp, Trace, algorithm_factory, algorithm_fn};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut manager = AlgorithmManager::new();
/// let broken = algorithm_factory("never answers", |_, _: serde_json::Value| {
///     Ok(algorithm_fn(|_: &Observation<'_>, _: &mut Trace| Err(EvaluateError::new(FailureKind::Trap, "crashed"))))
/// });
/// manager.registry_mut().register_algorithm("broken", broken)?;
/// let metrics = vec![Metric::new("p99", Target::value(500.0)?)];
/// let workload = manager.add(&PolicySpec::new(1, 40, metrics, AlgorithmSpec::named("broken", Default::default()))?)?;
/// for now in [0, 15_000, 30_000, 45_000] {
///     let look = Observation::new(Timestamp::from_millis(now), 4, &[Reading::Value(620.0)]);
///     assert_eq!(manager.decide(workload, &look, &mut Trace::off())?.desired, 4);
/// }
/// let health = manager.health(workload).expect("it is there");
/// assert_eq!(health.failures_in_a_row, 3); // the fourth look found it in quarantine, and didn't ask
/// assert_eq!(health.quarantined_until, Some(Timestamp::from_millis(60_000)));
/// assert_eq!((health.totals.failures(FailureKind::Trap), health.totals.waits), (3, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Failures since the last answer that count: see [`FailureKind::is_fault`].
    pub failures_in_a_row: u32,
    /// While the algorithm is left alone: when it is tried again. In the past it is due at the next look.
    pub quarantined_until: Option<Timestamp>,
    /// Since the workload was added.
    pub totals: FailureTotals,
}

/// What has happened to a workload's algorithm since the workload was added: each only grows, a new policy leaves them,
/// and they are no part of its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailureTotals {
    failures: [u64; FailureKind::ALL.len()],
    /// Quarantines that began: with the failure that made a row full, or that of a trial.
    pub quarantines: u64,
    /// Looks at which the algorithm wasn't called, for it was in quarantine.
    pub waits: u64,
    /// Calls after a quarantine.
    pub trials: u64,
    /// Trials that brought an answer.
    pub recoveries: u64,
    /// Failed or not asked, and the last good answer stood in.
    pub last_good: u64,
}

impl FailureTotals {
    /// Calls that failed in this way.
    #[must_use]
    pub const fn failures(&self, kind: FailureKind) -> u64 {
        self.failures[kind as usize]
    }

    pub(crate) const fn count(&mut self, kind: FailureKind) {
        self.failures[kind as usize] += 1;
    }
}
