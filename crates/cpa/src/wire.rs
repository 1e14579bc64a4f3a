//! The JSON that programs are handed.

use std::fmt;

use serde_json::{Map, Value, json};
use setpoint::TargetRef;

use crate::metrics::ResourceMetric;

/// Who asked for a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunType {
    /// The interval was over.
    Scaler,
    /// Somebody, by the API.
    Api,
    /// Somebody who only wants to know.
    ApiDryRun,
}

impl RunType {
    /// As programs are told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scaler => "scaler",
            Self::Api => "api",
            Self::ApiDryRun => "api_dry_run",
        }
    }
}

impl fmt::Display for RunType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What every object has: the resource, and who asked, in the spelling of today and that of programs before v0.11.
fn info(resource: &Value, run_type: RunType) -> Map<String, Value> {
    let mut info = Map::new();
    info.insert("resource".to_owned(), resource.clone());
    info.insert("runType".to_owned(), run_type.name().into());
    info.insert("run_type".to_owned(), run_type.name().into());
    info
}

/// For the metric program and its hooks: `metrics` once there are some, and those of Kubernetes where there are any.
pub(crate) fn metric_info(
    resource: &Value,
    run_type: RunType,
    kubernetes: &[Value],
    metrics: Option<&[ResourceMetric]>,
) -> Value {
    let mut info = info(resource, run_type);
    if !kubernetes.is_empty() {
        info.insert("kubernetesMetrics".to_owned(), json!(kubernetes));
    }
    if let Some(metrics) = metrics {
        info.insert("metrics".to_owned(), json!(metrics));
    }
    Value::Object(info)
}

/// For the evaluate program and its hooks: `evaluation` once there is one, and the resource's name in the spelling of the
/// tutorial, whose resources were Deployments.
pub(crate) fn evaluate_info(
    resource: &Value,
    run_type: RunType,
    metrics: &[ResourceMetric],
    evaluation: Option<i32>,
) -> Value {
    let mut info = info(resource, run_type);
    info.insert("metrics".to_owned(), json!(metrics));
    if let Some(name) = resource.pointer("/metadata/name") {
        info.insert("deployment".to_owned(), name.clone());
    }
    if let Some(replicas) = evaluation {
        info.insert("evaluation".to_owned(), json!({ "targetReplicas": replicas }));
    }
    Value::Object(info)
}

/// What the hooks around a change are told.
pub(crate) struct ScaleInfo<'a> {
    pub(crate) resource: &'a Value,
    pub(crate) run_type: RunType,
    pub(crate) target: &'a TargetRef,
    pub(crate) namespace: &'a str,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) current: u32,
    /// Within bounds and window.
    pub(crate) desired: u32,
}

impl ScaleInfo<'_> {
    pub(crate) fn to_json(&self) -> Value {
        let mut info = info(self.resource, self.run_type);
        let TargetRef { api_version, kind, name, .. } = self.target;
        let more = [
            ("evaluation", json!({ "targetReplicas": self.desired })),
            ("scaleTargetRef", json!({ "apiVersion": api_version, "kind": kind, "name": name })),
            ("namespace", self.namespace.into()),
            ("minReplicas", self.min.into()),
            ("maxReplicas", self.max.into()),
            ("currentReplicas", self.current.into()),
            ("targetReplicas", self.desired.into()),
        ];
        info.extend(more.map(|(field, value)| (field.to_owned(), value)));
        Value::Object(info)
    }
}
