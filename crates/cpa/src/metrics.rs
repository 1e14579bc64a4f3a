//! Metrics, gathered by a program for each pod, or once.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde_json::Value;

use crate::config::Hook;
use crate::error::CycleError;
use crate::hooks::Hooks;
use crate::method::Callable;
use crate::wire::{RunType, metric_info};

/// How many pods a program is run for at once.
const AT_ONCE: usize = 4;

/// What the metric program said of a pod, or of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceMetric {
    /// The pod's name, or the resource's.
    pub resource: String,
    /// What was said, as it was.
    pub value: String,
}

/// What a cycle begins with.
pub(crate) struct Found {
    pub(crate) resource: Value,
    pub(crate) current: u32,
    pub(crate) subjects: Subjects,
    /// What programs are handed besides.
    pub(crate) kubernetes: Vec<Value>,
}

/// What metrics are gathered of.
pub(crate) enum Subjects {
    Resource,
    /// As JSON, in the order in which their metrics are handed on.
    Pods(Vec<Value>),
}

impl Subjects {
    /// `pods`, without those that have ended: nobody can measure them.
    pub(crate) fn pods(pods: Vec<Value>) -> Self {
        let phase = |pod: &Value| pod.pointer("/status/phase").and_then(Value::as_str).map(ToOwned::to_owned);
        let ended = |pod: &Value| matches!(phase(pod).as_deref(), Some("Succeeded" | "Failed"));
        Self::Pods(pods.into_iter().filter(|pod| !ended(pod)).collect())
    }
}

/// Gathers metrics with the hooks around it: one of each of `found`'s subjects, in their order, or none at all.
pub(crate) async fn gather(
    program: &Callable,
    hooks: &Hooks,
    found: &Found,
    run_type: RunType,
) -> Result<Vec<ResourceMetric>, CycleError> {
    let Found { resource, subjects, kubernetes, .. } = found;
    hooks.call(Hook::PreMetric, || metric_info(resource, run_type, kubernetes, None)).await?;
    let metrics = match subjects {
        Subjects::Resource => vec![measure(program, resource, kubernetes, run_type).await?],
        Subjects::Pods(pods) => {
            let measured: Vec<_> = pods.iter().map(|pod| measure(program, pod, kubernetes, run_type)).collect();
            // What runs when one fails is dropped, and ends.
            stream::iter(measured).buffered(AT_ONCE).try_collect().await?
        }
    };
    hooks.call(Hook::PostMetric, || metric_info(resource, run_type, kubernetes, Some(&metrics))).await?;
    Ok(metrics)
}

async fn measure(
    program: &Callable,
    subject: &Value,
    kubernetes: &[Value],
    run_type: RunType,
) -> Result<ResourceMetric, CycleError> {
    let name = subject.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let answer = if program.takes_bare {
        program.call(subject).await
    } else {
        program.call(&metric_info(subject, run_type, kubernetes, None)).await
    };
    match answer {
        Ok(value) => Ok(ResourceMetric { resource: name, value }),
        Err(source) => Err(CycleError::Metric { of: name, source }),
    }
}
