//! The policy that a command is about, as the cluster has it.

use serde::{Deserialize, Serialize};
use setpoint::{Policy, PolicySpec};
use setpoint_kube::{PolicyFound, inquire};

use crate::cli::cluster::PolicyArguments;
use crate::error::{BadInput, chain};

/// Looks it up.
pub(super) async fn find(arguments: &PolicyArguments) -> Result<PolicyFound, BadInput> {
    let PolicyArguments { wanted, namespace, kubeconfig, context } = arguments;
    let client = super::client(kubeconfig.as_deref(), context.as_deref()).await?;
    inquire(&client, namespace.as_deref(), wanted).await.map_err(|error| BadInput::at(wanted, chain(&error)))
}

/// What the policy is called in messages.
pub(super) fn name(found: &PolicyFound) -> String {
    format!("ScalingPolicy {}/{}", found.namespace, found.name)
}

/// What it says.
pub(super) fn spec(found: &PolicyFound) -> Result<PolicySpec, BadInput> {
    let policy = Policy::from_value(&found.document).map_err(|error| BadInput::at(name(found), error))?;
    Ok(policy.spec)
}

/// What the controller wrote of it.
pub(super) fn status(found: &PolicyFound) -> Result<Status, BadInput> {
    if found.status.is_null() {
        return Ok(Status::default());
    }
    Status::deserialize(&found.status)
        .map_err(|error| BadInput::at(format_args!("the status of {}", name(found)), error))
}

/// A status, as far as it is told here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) observed_generation: Option<i64>,
    pub(super) current_replicas: Option<u32>,
    pub(super) ready_replicas: Option<u32>,
    pub(super) desired_replicas: Option<u32>,
    pub(super) last_scale_time: Option<String>,
    pub(super) readings: Vec<Reading>,
    pub(super) last_decision: Option<LastDecision>,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Reading {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) value: Option<f64>,
    pub(super) message: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct LastDecision {
    pub(super) at: String,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) outcome: String,
    pub(super) because: Option<String>,
    #[serde(default)]
    pub(super) reasons: Vec<Reason>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Reason {
    pub(super) stage: String,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) text: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
    #[serde(rename(deserialize = "lastTransitionTime", serialize = "since"))]
    pub(super) since: String,
}
