//! The document of a group.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bounds::MAX_REPLICAS;
use crate::config::{ConfigError, parse_config};
use crate::policy::{ApiVersion, Metadata, PolicySpec};
use crate::units::Positive;

/// A whole document of kind `ScalingGroup`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ScalingGroup {
    /// `setpoint.dev/v1alpha1`.
    pub api_version: ApiVersion,
    /// `ScalingGroup`.
    pub kind: GroupKind,
    /// What it is called.
    pub metadata: Metadata,
    /// What it says.
    pub spec: GroupSpec,
}

/// The kind of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GroupKind {
    /// A group.
    ScalingGroup,
}

/// What a group says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupSpec {
    /// The budget: the largest count of all members together. Default: none but their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<u32>,
    /// Who scales together: at least two.
    pub members: Vec<GroupMember>,
}

/// One of those that scale together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupMember {
    /// What it is called, unique in the group: a DNS label, for it is part of the keys of its workload and its state.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))]
    pub name: String,
    /// Its part beside the others': 1 and 2 for two decodes a prefill. Default: it follows nobody, and nobody it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Positive>,
    /// The higher, the earlier it is served from the budget. Default 0.
    #[serde(default)]
    pub priority: i32,
    /// What is scaled, by which metrics and how: the `spec` of a policy. All members have the same `interval`.
    pub policy: PolicySpec,
}

impl ScalingGroup {
    /// Whether `document` says that it is one.
    #[must_use]
    pub fn is_one(document: &Value) -> bool {
        document.get("kind").and_then(Value::as_str) == Some("ScalingGroup")
    }

    /// Reads a document, already parsed into a JSON value.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the field's path: what [`Policy::from_value`](crate::Policy::from_value) refuses in a
    /// member's policy, fewer than two members, a name that is no DNS label, two of one name, intervals that differ, a
    /// budget below what the members have at least.
    pub fn from_value(document: &Value) -> Result<Self, ConfigError> {
        let group: Self = parse_config(document)?;
        if group.metadata.name.is_empty() {
            return Err(ConfigError::new("metadata.name", "a group needs a name"));
        }
        group.spec.check().map_err(|error| error.under("spec"))?;
        Ok(group)
    }
}

/// Whether `name` is a DNS label: the schema says the same.
fn is_label(name: &str) -> bool {
    let is_allowed = |byte: u8| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let has_dash_outside = name.starts_with('-') || name.ends_with('-');
    (1..=63).contains(&name.len()) && name.bytes().all(is_allowed) && !has_dash_outside
}

impl GroupSpec {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.members.len() < 2 {
            return Err(ConfigError::new("members", "a group has at least two members"));
        }
        let mut names = BTreeSet::new();
        for (index, member) in self.members.iter().enumerate() {
            let at = |field: &str| format!("members[{index}].{field}");
            if !is_label(&member.name) {
                let message = format!(
                    "must be 1 to 63 of the characters a to z, 0 to 9 and `-`, with no `-` first or last, got {:?}",
                    member.name
                );
                return Err(ConfigError::new(at("name"), message));
            }
            if !names.insert(&member.name) {
                return Err(ConfigError::new(at("name"), format!("there is another member called {:?}", member.name)));
            }
            member.policy.check().map_err(|error| error.under(&at("policy")))?;
            if member.policy.interval != self.members[0].policy.interval {
                return Err(ConfigError::new(at("policy.interval"), "all members of a group are looked at together"));
            }
        }
        let least: u64 = self.members.iter().map(|member| u64::from(member.policy.min_replicas)).sum();
        match self.max_replicas {
            Some(budget) if u64::from(budget) < least || budget > MAX_REPLICAS => Err(ConfigError::new(
                "maxReplicas",
                format!("must be in {least}, which the members have at least, to {MAX_REPLICAS}, got {budget}"),
            )),
            _ => Ok(()),
        }
    }
}
