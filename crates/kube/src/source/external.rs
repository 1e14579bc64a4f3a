//! external.metrics.k8s.io: what an adapter says of things outside of the cluster.

use setpoint::{BoxFuture, ExternalQuery, Metric, MetricSource};
use setpoint_runtime::source::read_each;
use setpoint_runtime::{Measured, Question, Source};

use super::api::{MetricValues, MetricsApi, Now, encoded};
use super::no_turn;
use crate::handler::namespace;

const GROUP: &str = "external.metrics.k8s.io";

/// Reads metrics with an `external` source: series that add up. One of them that is too old makes all of it stale, for
/// without it the sum is another.
pub(super) struct External {
    api: MetricsApi,
}

impl External {
    pub(super) fn new(api: MetricsApi) -> Self {
        Self { api }
    }
}

fn query(metric: &Metric) -> Option<&ExternalQuery> {
    match &metric.source {
        Some(MetricSource::External(query)) => Some(query),
        _ => None,
    }
}

impl Source for External {
    fn name(&self) -> &'static str {
        GROUP
    }

    fn answers(&self, metric: &Metric) -> bool {
        query(metric).is_some()
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(async move {
            let key = |asked: &Question| {
                let identifier = &query(&asked.metric).ok_or_else(no_turn)?.metric;
                let selector = identifier.selector.to_string();
                Ok((namespace(&asked.target).to_owned(), identifier.name.clone(), selector))
            };
            let ask = |(namespace, name, selector): (String, String, String)| async move {
                let (namespace, name) = (encoded(&namespace), encoded(&name));
                let mut path = format!("/apis/{GROUP}/v1beta1/namespaces/{namespace}/{name}");
                if !selector.is_empty() {
                    path.push_str(&format!("?labelSelector={}", encoded(&selector)));
                }
                self.api.get::<MetricValues>(&path).await.map_err(|problem| format!("{GROUP}: {problem}"))
            };
            read_each(questions, key, |_| (), ask, |_, values| judged(values, Now::read())).await
        })
    }
}

fn judged(values: &MetricValues, now: Now) -> Measured {
    if values.items.is_empty() {
        return Measured::Missing(format!("{GROUP} has no series of it"));
    }
    match values.items.iter().find_map(|value| now.too_old(value.at())) {
        Some(problem) => Measured::Stale(problem),
        None => Measured::Series(values.items.iter().map(|value| value.value.milli()).collect()),
    }
}
