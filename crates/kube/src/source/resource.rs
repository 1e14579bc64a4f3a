//! metrics.k8s.io: what each pod uses of CPU and memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use setpoint::{BoxFuture, Metric, MetricSource, Quantity, Sample, Target};
use setpoint_runtime::source::read_each;
use setpoint_runtime::{InstanceSample, Measured, Question, Source};

use super::api::{MetricsApi, Now, encoded, time};
use super::unknown_pods;
use crate::handler::namespace;
use crate::pods::{Listed, PodBook};

/// Reads metrics with a `resource` source, and those of type `Resource` or `ContainerResource` that name none. The pods'
/// requests come from their specs.
pub(super) struct Resource {
    api: MetricsApi,
    pods: PodBook,
}

impl Resource {
    pub(super) fn new(api: MetricsApi, pods: PodBook) -> Self {
        Self { api, pods }
    }
}

/// Which resource, and of which container.
fn wanted(metric: &Metric) -> Option<(&str, Option<&str>)> {
    match &metric.source {
        Some(MetricSource::Resource(query)) => Some((query.name.as_str(), query.container.as_deref())),
        None => Some((metric.resource()?, metric.container.as_deref())),
        Some(_) => None,
    }
}

#[derive(Debug, Deserialize)]
struct PodMetricsList {
    #[serde(default)]
    items: Vec<PodMetrics>,
}

#[derive(Debug, Deserialize)]
struct PodMetrics {
    metadata: Named,
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    window: Option<kube::core::Duration>,
    #[serde(default)]
    containers: Vec<ContainerMetrics>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct ContainerMetrics {
    name: String,
    #[serde(default)]
    usage: HashMap<String, Quantity>,
}

impl PodMetrics {
    /// What it uses, of one container or of all. One of them without a value makes the pod one without.
    fn used(&self, resource: &str, container: Option<&str>) -> Option<i64> {
        let mut counted = self.containers.iter().filter(|one| container.is_none_or(|name| one.name == name)).peekable();
        counted.peek()?;
        counted.try_fold(0_i64, |sum, one| Some(sum.saturating_add(one.usage.get(resource)?.milli())))
    }
}

impl Source for Resource {
    fn name(&self) -> &'static str {
        "metrics.k8s.io"
    }

    fn answers(&self, metric: &Metric) -> bool {
        wanted(metric).is_some()
    }

    fn needs_instances(&self) -> bool {
        true
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(async move {
            let listed = |asked: &Question| self.pods.of(&asked.target).ok_or_else(|| unknown_pods(&asked.target));
            let key = |asked: &Question| Ok((namespace(&asked.target).to_owned(), listed(asked)?.selector.clone()));
            let ask = |(namespace, selector): (String, String)| async move {
                let (namespace, selector) = (encoded(&namespace), encoded(&selector));
                let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods?labelSelector={selector}");
                let list = self.api.get::<PodMetricsList>(&path).await;
                list.map_err(|problem| format!("metrics.k8s.io: {problem}"))
            };
            let judge = |asked: &Question, list: &PodMetricsList| match listed(asked) {
                Ok(listed) => judged(asked, &listed, list, Now::read()),
                Err(unknown) => unknown,
            };
            read_each(questions, key, |_| (), ask, judge).await
        })
    }
}

/// The reading that `list` gives. Every pod has to request the resource for a utilization, measured or not.
fn judged(asked: &Question, listed: &Arc<Listed>, list: &PodMetricsList, now: Now) -> Measured {
    let Some((resource, container)) = wanted(&asked.metric) else {
        return Measured::Missing("it is no resource".to_owned());
    };
    let is_part = matches!(asked.metric.target, Target::Utilization(_));
    let mut requests = HashMap::new();
    if is_part {
        for (name, facts) in &listed.pods {
            match facts.requests.of(resource, container) {
                Ok(request) => drop(requests.insert(name.as_str(), request)),
                Err(error) => return Measured::Invalid(format!("{name}: {error}")),
            }
        }
    }
    let (mut samples, mut old) = (HashMap::new(), None);
    for pod in &list.items {
        let at = time(&pod.timestamp);
        if let Some(problem) = now.too_old(at) {
            old = Some(format!("{}: {problem}", pod.metadata.name));
            continue;
        }
        if let Some(value) = pod.used(resource, container) {
            let window = pod.window.map_or(Duration::from_secs(60), |window| window.into());
            samples.insert(pod.metadata.name.as_str(), Sample { value, at: at.unwrap_or(now.0), window });
        }
    }
    if samples.is_empty() {
        return match old {
            Some(problem) => Measured::Stale(problem),
            None => Measured::Missing(format!("metrics.k8s.io has no {resource} of any of the pods")),
        };
    }
    let known = listed.pods.keys().map(|name| {
        InstanceSample::new(name, samples.get(name.as_str()).copied())
            .with_request(requests.get(name.as_str()).copied())
    });
    let others = samples.iter().filter(|(name, _)| !listed.pods.contains_key(**name));
    let others = others.map(|(name, sample)| InstanceSample::new(*name, Some(*sample)));
    Measured::Samples(known.chain(others).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_uses_what_its_containers_do() {
        let pod: PodMetrics = serde_json::from_value(json!({
            "metadata": { "name": "a" }, "timestamp": "2026-01-01T00:00:00Z", "window": "1m0.5s",
            "containers": [
                { "name": "app", "usage": { "cpu": "250m", "memory": "1Mi" } },
                { "name": "proxy", "usage": { "cpu": "100500u" } },
            ],
        }))
        .expect("as the API has it");
        let cases = [
            ("all", "cpu", None, Some(351)),
            ("one", "cpu", Some("app"), Some(250)),
            ("one of them is not measured", "memory", None, None),
            ("measured", "memory", Some("app"), Some(1_048_576_000)),
            ("not there", "cpu", Some("web"), None),
        ];
        for (name, resource, container, want) in cases {
            assert_eq!(pod.used(resource, container), want, "{name}");
        }
        assert_eq!(pod.window.map(Duration::from), Some(Duration::from_millis(60_500)));
    }
}
