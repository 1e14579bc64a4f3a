//! What Prometheus is asked for an autoscaler's metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint::{BoxFuture, Metric, MetricSource, PrometheusQuery, TargetRef};
use setpoint_runtime::source::Prometheus;
use setpoint_runtime::{Measured, Question, Source};

use crate::readings::METRICS;

/// A series of a workload's pods. cAdvisor has a container's beside that of its whole pod, which has no container's name.
macro_rules! pods {
    ($series:literal $(, $more:literal)?) => {
        concat!($series, r#"{namespace="$namespace",pod=~"$pods""#, $($more,)? "}")
    };
}

/// Percent of what all pods together request.
macro_rules! of_requests {
    ($used:expr, $resource:literal) => {
        concat!("100 * sum(", $used, ") / sum(", pods!("kube_pod_container_resource_requests", $resource), ")")
    };
}

/// The mean of all pods that have the series.
macro_rules! of_each_pod {
    ($rate:expr, $series:expr) => {
        concat!($rate, " / count(count by (pod) (", $series, "))")
    };
}

/// The queries that are asked unless others are given, by metric.
const DEFAULTS: [(&str, &str); METRICS.len()] = [
    (
        "cpu",
        of_requests!(
            concat!("rate(", pods!("container_cpu_usage_seconds_total", r#",container!="""#), "[2m])"),
            r#",resource="cpu""#
        ),
    ),
    ("memory", of_requests!(pods!("container_memory_working_set_bytes", r#",container!="""#), r#",resource="memory""#)),
    ("gpu", concat!("avg(", pods!("DCGM_FI_DEV_GPU_UTIL"), ")")),
    (
        "gpuMemory",
        concat!(
            "100 * sum(",
            pods!("DCGM_FI_DEV_FB_USED"),
            ") / (sum(",
            pods!("DCGM_FI_DEV_FB_USED"),
            ") + sum(",
            pods!("DCGM_FI_DEV_FB_FREE"),
            "))"
        ),
    ),
    (
        "storageReadThroughputMbps",
        of_each_pod!(
            concat!("sum(rate(", pods!("container_fs_reads_bytes_total", r#",container!="""#), "[2m])) / 1e6"),
            pods!("container_fs_reads_bytes_total", r#",container!="""#)
        ),
    ),
    (
        "storageWriteThroughputMbps",
        of_each_pod!(
            concat!("sum(rate(", pods!("container_fs_writes_bytes_total", r#",container!="""#), "[2m])) / 1e6"),
            pods!("container_fs_writes_bytes_total", r#",container!="""#)
        ),
    ),
    (
        "storageIops",
        of_each_pod!(
            concat!(
                "(sum(rate(",
                pods!("container_fs_reads_total", r#",container!="""#),
                "[2m])) + sum(rate(",
                pods!("container_fs_writes_total", r#",container!="""#),
                "[2m])))"
            ),
            pods!("container_fs_reads_total", r#",container!="""#)
        ),
    ),
];

/// What a query can stand for.
const PLACES: [&str; 4] = ["namespace", "name", "kind", "pods"];

/// The letters and digits of the parts of a pod's name that Kubernetes makes up.
const MADE_UP: &str = "[b-df-hj-np-tv-xz24-9]";

/// A query for each metric of an autoscaler, asked for its workload.
///
/// `$namespace`, `$name` and `$kind` in a query are the workload's, and `$pods` is a regular expression of the names that its
/// pods have, all of them for within a PromQL string. What a query gives is the reading: percent for `cpu`, `memory`, `gpu` and
/// `gpuMemory`, of one pod for the others. It has to be one number: none is a missing reading, several are an invalid one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queries(BTreeMap<String, String>);

/// A query that can't be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// There is no such metric.
    #[error("there is no metric {metric:?}: it is one of {}", METRICS.join(", "))]
    Metric {
        /// As it was called.
        metric: String,
    },
    /// There is nothing to put in its place.
    #[error("the query of {metric} has ${place}: there are only ${}", PLACES.join(", $"))]
    Place {
        /// Whose query.
        metric: String,
        /// What follows the `$`.
        place: String,
    },
}

impl Default for Queries {
    /// cAdvisor's and kube-state-metrics' series for CPU, memory and storage, DCGM exporter's for GPUs.
    fn default() -> Self {
        Self(DEFAULTS.into_iter().map(|(metric, query)| (metric.to_owned(), query.to_owned())).collect())
    }
}

impl Queries {
    /// The same with another query for `metric`; an empty one is none: then Prometheus isn't asked.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn with(mut self, metric: &str, query: &str) -> Result<Self, QueryError> {
        if !METRICS.contains(&metric) {
            return Err(QueryError::Metric { metric: metric.to_owned() });
        }
        for part in parts(query) {
            if let Part::Place(place) = part
                && !PLACES.contains(&place)
            {
                return Err(QueryError::Place { metric: metric.to_owned(), place: place.to_owned() });
            }
        }
        if query.trim().is_empty() {
            self.0.remove(metric);
        } else {
            self.0.insert(metric.to_owned(), query.to_owned());
        }
        Ok(self)
    }

    /// A source that asks `prometheus` these.
    #[must_use]
    pub fn asked_of(self, prometheus: Prometheus) -> impl Source + use<> {
        Asked { queries: self, prometheus }
    }

    /// The query of `metric`, as it is asked for `target`.
    fn of(&self, metric: &str, target: &TargetRef) -> Option<String> {
        let put = |part| match part {
            Part::Text(text) => text.to_owned(),
            Part::Place("namespace") => target.namespace.clone().unwrap_or_default(),
            Part::Place("name") => target.name.clone(),
            Part::Place("kind") => target.kind.clone(),
            Part::Place(_) => pods(target),
        };
        Some(parts(self.0.get(metric)?).map(put).collect())
    }
}

/// A piece of a query.
enum Part<'a> {
    Text(&'a str),
    Place(&'a str),
}

/// A `$` with letters after it is a place; any other, as the end of a regular expression, is text.
fn parts(query: &str) -> impl Iterator<Item = Part<'_>> {
    query.split('$').enumerate().flat_map(|(index, piece)| {
        let length = piece.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(piece.len());
        let (place, text) = piece.split_at(length);
        match (index, length) {
            (0, _) => [None, Some(Part::Text(piece))],
            (_, 0) => [Some(Part::Text("$")), Some(Part::Text(piece))],
            _ => [Some(Part::Place(place)), Some(Part::Text(text))],
        }
        .into_iter()
        .flatten()
    })
}

/// What the names of a workload's pods look like. A name in Kubernetes has nothing else that means something in a regular
/// expression but the dot.
fn pods(target: &TargetRef) -> String {
    let name = target.name.replace('.', r"\\.");
    match target.kind.as_str() {
        "StatefulSet" => format!("{name}-[0-9]+"),
        "ReplicaSet" => format!("{name}-{MADE_UP}{{5}}"),
        _ => format!("{name}-{MADE_UP}{{1,10}}-{MADE_UP}{{5}}"),
    }
}

struct Asked {
    queries: Queries,
    prometheus: Prometheus,
}

impl Source for Asked {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn answers(&self, metric: &Metric) -> bool {
        metric.source.is_none() && self.queries.0.contains_key(&metric.name)
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(async move {
            let asked = |question: &Question| {
                let query = self.queries.of(&question.metric.name, &question.target);
                let query = query.expect("it answers only for those that have one");
                let source = MetricSource::Prometheus(PrometheusQuery::new(query));
                let metric = Arc::unwrap_or_clone(Arc::clone(&question.metric)).with_source(source);
                Question::new(Arc::clone(&question.target), Arc::new(metric))
            };
            let asked: Vec<Question> = questions.iter().map(asked).collect();
            self.prometheus.read(&asked).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: &str, name: &str) -> TargetRef {
        TargetRef {
            api_version: "apps/v1".to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: Some("ml".to_owned()),
        }
    }

    #[test]
    fn queries_are_about_the_workload() -> Result<(), QueryError> {
        let cases = [
            (r#"up{namespace="$namespace",job="$name"}"#, "Deployment", "web", r#"up{namespace="ml",job="web"}"#),
            (r#"up{kind="$kind"}"#, "StatefulSet", "web", r#"up{kind="StatefulSet"}"#),
            (r#"up{pod=~"$pods"}"#, "StatefulSet", "a.b", r#"up{pod=~"a\\.b-[0-9]+"}"#),
            (r#"up{pod=~"$pods"}"#, "ReplicaSet", "web", r#"up{pod=~"web-[b-df-hj-np-tv-xz24-9]{5}"}"#),
            (
                r#"up{pod=~"$pods"}"#,
                "Deployment",
                "web",
                r#"up{pod=~"web-[b-df-hj-np-tv-xz24-9]{1,10}-[b-df-hj-np-tv-xz24-9]{5}"}"#,
            ),
            (r#"up{pod=~"^$name-.$"}"#, "Deployment", "web", r#"up{pod=~"^web-.$"}"#),
            ("$name$name", "Deployment", "web", "webweb"),
        ];
        for (query, kind, name, want) in cases {
            let queries = Queries::default().with("gpu", query)?;
            assert_eq!(queries.of("gpu", &target(kind, name)).as_deref(), Some(want), "{query}");
        }
        Ok(())
    }

    #[test]
    fn each_metric_has_a_query_whose_parentheses_close() {
        let target = target("Deployment", "web");
        for metric in METRICS {
            let query = Queries::default().of(metric, &target).expect(metric);
            for (open, close) in [("(", ")"), ("{", "}"), ("[", "]")] {
                assert_eq!(query.matches(open).count(), query.matches(close).count(), "{query}");
            }
            assert!(query.contains(r#"namespace="ml""#) && !query.contains('$'), "{query}");
        }
        let cpu = Queries::default().of("cpu", &target).expect("it has one");
        let pods = r#"namespace="ml",pod=~"web-[b-df-hj-np-tv-xz24-9]{1,10}-[b-df-hj-np-tv-xz24-9]{5}""#;
        let want = format!(
            "100 * sum(rate(container_cpu_usage_seconds_total{{{pods},container!=\"\"}}[2m])) / \
             sum(kube_pod_container_resource_requests{{{pods},resource=\"cpu\"}})"
        );
        assert_eq!(cpu, want);
    }

    #[test]
    fn what_can_t_be_asked_is_said() {
        let unknown = Queries::default().with("cpus", "up").expect_err("no such metric").to_string();
        assert!(unknown.contains("cpus") && unknown.contains("gpuMemory"), "{unknown}");
        let nowhere = Queries::default().with("cpu", "up{pod=\"$pod\"}").expect_err("no such place").to_string();
        assert!(nowhere.contains("$pod:") && nowhere.contains("$pods"), "{nowhere}");
        let none = Queries::default().with("cpu", "").expect("none");
        assert_eq!(none.of("cpu", &target("Deployment", "web")), None);
    }
}
