//! Metrics of Kubernetes that the metric program is handed besides the resource, with the groups that HPA makes of pods.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use setpoint::hpa::{InstanceGroup, instance_group};
use setpoint::{Instance, MetricKind, Sample, Target, TargetRef, Timestamp};
use setpoint_runtime::{InstanceSample, Measured, Question, Source};
use tokio::time::Instant;

use crate::config::{KubernetesMetricSpec, KubernetesMetrics};
use crate::error::CycleError;

/// How long a metric may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What metrics are of.
pub(crate) struct Workload<'a> {
    pub(crate) target: &'a TargetRef,
    pub(crate) current: u32,
    pub(crate) instances: Arc<[Instance]>,
    pub(crate) now: Timestamp,
}

/// Gathers what `wanted` names, in that order. What can't be had is left out, or ends the cycle where it is required.
pub(crate) async fn gather(
    wanted: &KubernetesMetrics,
    sources: &[Arc<dyn Source>],
    workload: &Workload<'_>,
) -> Result<Vec<Value>, CycleError> {
    let mut gathered = Vec::with_capacity(wanted.specs.len());
    for spec in &wanted.specs {
        let told = measure(spec, sources, workload).await.and_then(|measured| told(wanted, spec, workload, &measured));
        match told {
            Ok(told) => gathered.push(told),
            Err(problem) if wanted.required => {
                return Err(CycleError::KubernetesMetric { metric: spec.metric.name.clone(), problem });
            }
            Err(problem) => tracing::warn!(metric = spec.metric.name, "no Kubernetes metric: {problem}"),
        }
    }
    Ok(gathered)
}

async fn measure(
    spec: &KubernetesMetricSpec,
    sources: &[Arc<dyn Source>],
    workload: &Workload<'_>,
) -> Result<Measured, String> {
    let source = sources.iter().find(|source| source.answers(&spec.metric));
    let source = source.ok_or("nothing reads it here: it is a cluster's")?;
    let question = Question::new(Arc::new(workload.target.clone()), Arc::new(spec.metric.clone()))
        .with_instances(Arc::clone(&workload.instances))
        .with_until(Instant::now() + PATIENCE);
    let questions = [question];
    let late = || format!("{} took more than {PATIENCE:?}", source.name());
    let answers = tokio::time::timeout(PATIENCE, source.read(&questions)).await.map_err(|_| late())?;
    answers.into_iter().next().ok_or_else(late)
}

/// A metric as programs are told of it.
fn told(
    wanted: &KubernetesMetrics,
    spec: &KubernetesMetricSpec,
    workload: &Workload<'_>,
    measured: &Measured,
) -> Result<Value, String> {
    let body = match measured {
        Measured::Samples(samples) => of_pods(wanted, spec, workload, samples),
        Measured::Series(series) => current(spec, workload, series.iter().fold(0, |sum, one| one.saturating_add(sum))),
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
        Measured::Value(value) if value.is_finite() => current(spec, workload, (value * 1000.0).ceil() as i64),
        other => {
            let (state, why) = other.state();
            return Err(format!("{state}: {why}"));
        }
    };
    let part = match spec.metric.kind {
        MetricKind::Resource => "resource",
        MetricKind::Pods => "pods",
        MetricKind::Object => "object",
        _ => "external",
    };
    Ok(json!({ "current_replicas": workload.current, "spec": spec.written, part: body }))
}

/// Values, and requests where there are some, are in thousandths.
fn of_pods(
    wanted: &KubernetesMetrics,
    spec: &KubernetesMetricSpec,
    workload: &Workload<'_>,
    samples: &[InstanceSample],
) -> Value {
    let (mut info, mut requests) = (Map::new(), Map::new());
    for InstanceSample { instance, sample, request, .. } in samples {
        if let Some(Sample { value, at, window }) = sample {
            let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
            info.insert(instance.clone(), json!({ "Timestamp": time(*at), "Window": window, "Value": value }));
        }
        if let Some(request) = request {
            requests.insert(instance.clone(), json!(request));
        }
    }
    let cpu = (spec.metric.resource() == Some("cpu")).then_some(wanted.start_rules);
    let (mut ready, mut ignored, mut missing) = (0_u32, Map::new(), Map::new());
    for instance in workload.instances.iter() {
        let sample = samples.iter().find(|sample| sample.instance == instance.name).and_then(|one| one.sample);
        match instance_group(&instance.state, sample.as_ref(), cpu, workload.now) {
            InstanceGroup::Ignored => {}
            InstanceGroup::Counts(_) => ready += 1,
            // Programs are told of it in other words.
            InstanceGroup::Unready => drop(ignored.insert(instance.name.clone(), json!({}))),
            InstanceGroup::Missing => drop(missing.insert(instance.name.clone(), json!({}))),
        }
    }
    let newest = samples.iter().filter_map(|one| Some(one.sample?.at)).max().unwrap_or(workload.now);
    let mut body = json!({
        "pod_metrics_info": info, "ready_pod_count": ready, "ignored_pods": ignored, "missing_pods": missing,
        "total_pods": workload.instances.len(), "timestamp": time(newest),
    });
    if spec.metric.kind == MetricKind::Resource {
        body["requests"] = Value::Object(requests);
    }
    body
}

/// One number, in thousandths.
fn current(spec: &KubernetesMetricSpec, workload: &Workload<'_>, value: i64) -> Value {
    let field = if matches!(spec.metric.target, Target::AverageValue(_)) { "average_value" } else { "value" };
    let ready = workload.instances.iter().filter(|instance| instance.ready()).count();
    json!({ "current": { field: value }, "ready_pod_count": ready, "timestamp": time(workload.now) })
}

fn time(at: Timestamp) -> String {
    let seconds = jiff::Timestamp::from_second(at.as_millis().div_euclid(1000));
    seconds.unwrap_or_default().to_string()
}
