//! Workloads of an engine that are looked at together.

use std::sync::Arc;

use setpoint::group::{GroupSpec, Sharing};
use setpoint::{ConfigError, PolicySpec, TargetRef};

use super::workload::Workload;

/// Who is looked at in one turn: a workload that is alone, or all members of a group.
#[derive(Clone)]
pub(super) struct Crew {
    /// In the group's order.
    pub(super) members: Arc<[Arc<Workload>]>,
    /// How they share, of a group.
    pub(super) sharing: Option<Arc<Sharing>>,
}

impl Crew {
    pub(super) fn alone(workload: Arc<Workload>) -> Self {
        Self { members: [workload].into(), sharing: None }
    }

    /// Whether nobody of it is there any more.
    pub(super) fn has_ended(&self) -> bool {
        self.members.iter().all(|member| member.has_ended())
    }
}

/// What an engine calls the workload that is the member `name` of the group called `group`, and keeps its state by.
#[must_use]
pub fn member_key(group: &str, name: &str) -> String {
    format!("{group}/{name}")
}

/// A group's member, as a workload.
pub(super) struct Member<'a> {
    pub(super) key: Arc<str>,
    pub(super) policy: &'a PolicySpec,
    pub(super) target: TargetRef,
    path: String,
}

impl<'a> Member<'a> {
    /// Those of the group called `key`.
    pub(super) fn all(key: &str, spec: &'a GroupSpec) -> Result<Vec<Self>, ConfigError> {
        let member = |(index, member): (usize, &'a setpoint::group::GroupMember)| {
            let path = format!("members[{index}].policy");
            let target = member.policy.target_ref.clone().ok_or_else(|| {
                ConfigError::new(format!("{path}.targetRef"), "says what the member scales, and must be given")
            })?;
            Ok(Self { key: member_key(key, &member.name).into(), policy: &member.policy, target, path })
        };
        spec.members.iter().enumerate().map(member).collect()
    }

    /// An error of its policy, with the path from the group's spec.
    pub(super) fn error(&self, error: ConfigError) -> ConfigError {
        error.under(&self.path)
    }
}
