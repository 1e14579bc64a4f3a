//! Workloads that scale together: at a ratio, by priority, within one budget.
//!
//! ```yaml
//! apiVersion: setpoint.dev/v1alpha1
//! kind: ScalingGroup
//! metadata: { name: chat }
//! spec:
//!   maxReplicas: 12                 # of all members together
//!   members:
//!     - name: prefill
//!       ratio: 1                    # one prefill for two decodes
//!       policy: { maxReplicas: 8, metrics: […], algorithm: { … } }
//!     - name: decode
//!       ratio: 2
//!       priority: 10                # what the budget doesn't hold, prefill gives up first
//!       policy: { maxReplicas: 8, metrics: […], algorithm: { … } }
//! ```
//!
//! 1. Each member's own policy decides for it, bounds included, as if it were alone.
//! 2. Members with a `ratio` grow to the neediest of them: with a prefill that needs 3, at 1 to 2, decode has 6. So they
//!    shrink only together. A member without a ratio keeps its own count. Everybody stays within its own bounds.
//! 3. Where all that is more than `maxReplicas`, members of higher priority are served first, and each keeps at least its
//!    `minReplicas`. Members of one priority share what is left for them by their ratios (1 where there is none).
//!
//! A member whose algorithm says hands off, or whose policy pauses all changes, stays as it is; its replicas count against the
//! budget, and nobody follows it. One whose policy pauses one direction doesn't go there for the others' sake either: neither
//! up to its ratio, nor down for the budget, which then has so many fewer for the others.
//! One whose readings are gone has what its own policy's `onFailure` gives it: held, it grows with the others, and they shrink
//! no further than its ratio allows.
//!
//! [`Group`] is that around a manager. [`Sharing`] is steps 2 and 3 alone, for whoever has the decisions already.

mod document;
mod fact;
mod share;
mod sharing;

pub use self::document::{GroupKind, GroupMember, GroupSpec, ScalingGroup};
pub use self::fact::Fact;
pub use self::share::{Counts, Share, Shared, Wanted, share};
pub use self::sharing::{Part, Sharing};

use crate::config::ConfigError;
use crate::decision::Decision;
use crate::manager::{AlgorithmManager, ReadingsMismatch, WorkloadError, WorkloadId};
use crate::observation::{Action, Observation};
use crate::state::{StateError, StateReader};
use crate::trace::Trace;

/// The members of a [`GroupSpec`] as workloads of a manager.
///
/// ```
/// use serde_json::json;
/// use setpoint::group::{Group, ScalingGroup};
/// use setpoint::{AlgorithmManager, Observation, Reading, Timestamp, Trace};
///
/// let member = |name: &str, ratio: u32, priority: i32| json!({
///     "name": name, "ratio": ratio, "priority": priority,
///     "policy": {
///         "maxReplicas": 8,
///         "metrics": [{ "name": "queue", "target": { "averageValue": 4 } }],
///         "algorithm": { "name": "max-ratio" },
///     },
/// });
/// let document = ScalingGroup::from_value(&json!({
///     "apiVersion": "setpoint.dev/v1alpha1",
///     "kind": "ScalingGroup",
///     "metadata": { "name": "chat" },
///     "spec": { "maxReplicas": 8, "members": [member("prefill", 1, 0), member("decode", 2, 10)] },
/// }))?;
/// let mut manager = AlgorithmManager::new();
/// let mut group = Group::new(&document.spec, &mut manager)?;
/// // Prefill needs 3, so decode is to have 6; of 8 in all, decode is served first.
/// let (prefill, decode) = ([Reading::Value(12.0)], [Reading::Value(8.0)]);
/// let looks = [
///     Observation::new(Timestamp::default(), 1, &prefill),
///     Observation::new(Timestamp::default(), 2, &decode),
/// ];
/// let decisions = group.decide(&mut manager, &looks, &mut [Trace::new(), Trace::new()])?;
/// assert_eq!(decisions.iter().map(|decision| decision.desired).collect::<Vec<_>>(), [2, 6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Group {
    sharing: Sharing,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    workload: WorkloadId,
    /// The last change that the group decided, for callers that don't tell how it ended.
    asked: Option<Action>,
}

/// Why a group can't decide.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// There isn't one look and one trace for each member.
    #[error("the group has {members} members, and {given} looks or traces came")]
    Members {
        /// How many members there are.
        members: usize,
        /// How many looks or traces came.
        given: usize,
    },
    /// One member's part.
    #[error("{member}: {source}")]
    Member {
        /// Whose.
        member: String,
        /// What is wrong.
        source: WorkloadError<ReadingsMismatch>,
    },
}

impl Group {
    const STATE_VERSION: u8 = 1;

    /// Adds a workload to `manager` for each member.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with paths from `spec`. Then the manager has no workload more.
    pub fn new(spec: &GroupSpec, manager: &mut AlgorithmManager) -> Result<Self, ConfigError> {
        let mut group = Self { sharing: Sharing::new(spec)?, members: Vec::with_capacity(spec.members.len()) };
        for (index, member) in spec.members.iter().enumerate() {
            let path = format!("members[{index}].policy");
            match manager.add(&member.policy) {
                Ok(workload) => group.members.push(Member { name: member.name.clone(), workload, asked: None }),
                Err(error) => {
                    group.remove(manager);
                    return Err(error.under(&path));
                }
            }
        }
        Ok(group)
    }

    /// Takes the members' workloads out of `manager` again.
    pub fn remove(self, manager: &mut AlgorithmManager) {
        for member in self.members {
            manager.remove(member.workload);
        }
    }

    /// The members' names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// Decides for all members at once: one look and one trace for each, in their order.
    ///
    /// # Errors
    ///
    /// [`GroupError`] unless there is a look and a trace for each member, with a reading for each of its metrics.
    pub fn decide(
        &mut self,
        manager: &mut AlgorithmManager,
        looks: &[Observation<'_>],
        traces: &mut [Trace],
    ) -> Result<Vec<Decision>, GroupError> {
        let members = self.members.len();
        for given in [looks.len(), traces.len()] {
            if given != members {
                return Err(GroupError::Members { members, given });
            }
        }
        let mut decisions = Vec::with_capacity(members);
        for ((member, look), trace) in self.members.iter_mut().zip(looks).zip(traces.iter_mut()) {
            let mut look = *look;
            if look.last_action.is_none() {
                member.asked = member.asked.and_then(|asked| asked.reached(look.current));
                look = look.with_last_action(member.asked);
            }
            let decision = manager
                .decide(member.workload, &look, trace)
                .map_err(|source| GroupError::Member { member: member.name.clone(), source })?;
            decisions.push(decision);
        }
        let parts = decisions.iter_mut().zip(traces);
        self.sharing.share(&mut parts.map(|(decision, trace)| Part::Decided(decision, trace)).collect::<Vec<_>>());
        for (member, decision) in self.members.iter_mut().zip(&decisions) {
            if decision.desired != decision.current {
                let Decision { now: at, current: from, desired: to, .. } = *decision;
                member.asked = Some(Action { at, from, to, applied: true });
            }
        }
        Ok(decisions)
    }

    /// Takes the state of all members out.
    ///
    /// # Errors
    ///
    /// As for [`AlgorithmManager::snapshot`].
    pub fn snapshot(&self, manager: &mut AlgorithmManager) -> Result<Vec<u8>, WorkloadError<StateError>> {
        let too_large = |_| StateError::Refused("the state is larger than 4 GiB".to_owned());
        let mut state = vec![Self::STATE_VERSION];
        state.extend(u32::try_from(self.members.len()).map_err(too_large)?.to_le_bytes());
        for member in &self.members {
            let own = manager.snapshot(member.workload)?;
            for part in [member.name.as_bytes(), &own] {
                state.extend(u32::try_from(part.len()).map_err(too_large)?.to_le_bytes());
                state.extend(part);
            }
            Action::write(member.asked, &mut state);
        }
        Ok(state)
    }

    /// Puts the state of all members back.
    ///
    /// # Errors
    ///
    /// [`StateError`] when it is not the state of a group of these members. Then nothing has changed.
    pub fn restore(&mut self, manager: &mut AlgorithmManager, state: &[u8]) -> Result<(), WorkloadError<StateError>> {
        let mut reader = StateReader::new("the group", Self::STATE_VERSION, state)?;
        if usize::try_from(reader.u32()?) != Ok(self.members.len()) {
            return Err(reader.damaged("it is of another number of members").into());
        }
        let mut parts = Vec::with_capacity(self.members.len());
        for member in &self.members {
            if reader.part()? != member.name.as_bytes() {
                return Err(reader.damaged("it is of other members").into());
            }
            parts.push((reader.part()?, Action::read(&mut reader)?));
        }
        reader.end()?;
        let before = self.snapshot(manager)?;
        for (index, (own, asked)) in parts.into_iter().enumerate() {
            if let Err(error) = manager.restore(self.members[index].workload, own) {
                if before != state {
                    self.restore(manager, &before)?;
                }
                return Err(error);
            }
            self.members[index].asked = asked;
        }
        Ok(())
    }
}
