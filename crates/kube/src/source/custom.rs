//! custom.metrics.k8s.io: what an adapter says of pods, and of other objects.

use setpoint::{BoxFuture, CustomQuery, DescribedObject, Metric, MetricIdentifier, MetricSource, Sample, TargetRef};
use setpoint_runtime::source::read_each;
use setpoint_runtime::{InstanceSample, Measured, Question, Source, in_one_line};

use super::api::{MetricValues, MetricsApi, Now, encoded};
use super::{no_turn, of_each, unknown_pods};
use crate::handler::{ScaleHandler, namespace};
use crate::pods::PodBook;

const GROUP: &str = "custom.metrics.k8s.io";
const VERSIONS: &[&str] = &["v1beta2", "v1beta1"];

/// Reads metrics with a `custom` source that describes no object: each pod's.
pub(super) struct CustomPods {
    api: MetricsApi,
    pods: PodBook,
}

/// Reads metrics with a `custom` source that describes an object.
pub(super) struct CustomObjects {
    api: MetricsApi,
    handler: ScaleHandler,
}

impl CustomPods {
    pub(super) fn new(api: MetricsApi, pods: PodBook) -> Self {
        Self { api, pods }
    }
}

impl CustomObjects {
    pub(super) fn new(api: MetricsApi, handler: ScaleHandler) -> Self {
        Self { api, handler }
    }

    /// Where the metric of an object is: by its resource, which the API server knows of its kind.
    async fn place(&self, namespace: &str, object: &DescribedObject) -> Result<String, String> {
        let target = TargetRef {
            api_version: object.api_version.clone(),
            kind: object.kind.clone(),
            name: object.name.clone(),
            namespace: Some(namespace.to_owned()),
        };
        let (resource, is_namespaced) = self.handler.resource(&target).await.map_err(|error| in_one_line(&error))?;
        let (namespace, name) = (encoded(namespace), encoded(&object.name));
        Ok(match (is_namespaced, resource.as_str()) {
            (true, _) => format!("namespaces/{namespace}/{resource}/{name}"),
            // A namespace's own metrics are apart, so that they can't be taken for those in it.
            (false, "namespaces") => format!("namespaces/{name}/metrics"),
            (false, _) => format!("{resource}/{name}"),
        })
    }
}

fn query(metric: &Metric) -> Option<&CustomQuery> {
    match &metric.source {
        Some(MetricSource::Custom(query)) => Some(query),
        _ => None,
    }
}

/// What is at `place`: the values of a metric, of the series that are selected.
async fn values(api: &MetricsApi, place: &str, name: &str, selected: &[(&str, &str)]) -> Result<MetricValues, String> {
    let version = api.version(GROUP, VERSIONS).await?;
    let mut path = format!("/apis/{GROUP}/{version}/{place}/{}", encoded(name));
    let mut mark = '?';
    for (parameter, selector) in selected.iter().filter(|(_, selector)| !selector.is_empty()) {
        path.push_str(&format!("{mark}{parameter}={}", encoded(selector)));
        mark = '&';
    }
    let values = api.get(&path).await;
    if values.is_err() {
        // Perhaps another version is served by now.
        api.forget(GROUP);
    }
    values.map_err(|problem| format!("{GROUP}: {problem}"))
}

fn key(identifier: &MetricIdentifier) -> (String, String) {
    (identifier.name.clone(), identifier.selector.to_string())
}

impl Source for CustomPods {
    fn name(&self) -> &'static str {
        GROUP
    }

    fn answers(&self, metric: &Metric) -> bool {
        query(metric).is_some_and(|query| query.described_object.is_none())
    }

    fn needs_instances(&self) -> bool {
        true
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(async move {
            let key = |asked: &Question| {
                let listed = self.pods.of(&asked.target).ok_or_else(|| unknown_pods(&asked.target))?;
                let (name, series) = key(&query(&asked.metric).ok_or_else(no_turn)?.metric);
                Ok((namespace(&asked.target).to_owned(), listed.selector.clone(), name, series))
            };
            let ask = |(namespace, pods, name, series): (String, String, String, String)| async move {
                let place = format!("namespaces/{}/pods/*", encoded(&namespace));
                values(&self.api, &place, &name, &[("labelSelector", &pods), ("metricLabelSelector", &series)]).await
            };
            read_each(questions, key, |_| (), ask, |asked, values| of_pods(asked, values, Now::read())).await
        })
    }
}

fn of_pods(asked: &Question, values: &MetricValues, now: Now) -> Measured {
    if values.items.is_empty() {
        return Measured::Missing(format!("{GROUP} has it of none of the pods"));
    }
    let old: Vec<String> = values.items.iter().filter_map(|value| now.too_old(value.at())).collect();
    if old.len() == values.items.len() {
        return Measured::Stale(old.into_iter().next().unwrap_or_default());
    }
    let each = values.items.iter().map(|value| {
        let name = value.described_object.name.clone();
        let sample = match now.too_old(value.at()) {
            Some(problem) => Err(problem),
            None => {
                let at = value.at().unwrap_or(now.0);
                let sample = Sample { value: value.value.milli(), at, window: value.window() };
                Ok(InstanceSample::new(&name, Some(sample)))
            }
        };
        (name, sample)
    });
    of_each(&asked.metric.name, &asked.instances, each.collect())
}

impl Source for CustomObjects {
    fn name(&self) -> &'static str {
        GROUP
    }

    fn answers(&self, metric: &Metric) -> bool {
        query(metric).is_some_and(|query| query.described_object.is_some())
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(async move {
            let key = |asked: &Question| {
                let query = query(&asked.metric).ok_or_else(no_turn)?;
                let object = query.described_object.clone().ok_or_else(no_turn)?;
                let (name, series) = key(&query.metric);
                Ok((namespace(&asked.target).to_owned(), object, name, series))
            };
            let ask = |(namespace, object, name, series): (String, DescribedObject, String, String)| async move {
                let place = self.place(&namespace, &object).await?;
                values(&self.api, &place, &name, &[("metricLabelSelector", &series)]).await
            };
            read_each(questions, key, |_| (), ask, |_, values| of_one(values, Now::read())).await
        })
    }
}

fn of_one(values: &MetricValues, now: Now) -> Measured {
    match &values.items[..] {
        [] => Measured::Missing(format!("{GROUP} has no such metric of the object")),
        [value] => match now.too_old(value.at()) {
            Some(problem) => Measured::Stale(problem),
            // One that is exact, in thousandths.
            None => Measured::Series(vec![value.value.milli()]),
        },
        several => Measured::Invalid(format!("{GROUP} has {} values of the object, not one", several.len())),
    }
}
