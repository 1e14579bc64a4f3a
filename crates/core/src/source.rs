//! Where a reading comes from, as a policy says it. Nothing in this library reads one.

mod cluster;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::cluster::{
    CustomQuery, DescribedObject, ExternalQuery, LabelOperator, LabelRequirement, LabelSelector, MetricIdentifier,
    ResourceName, ResourceQuery,
};
use crate::config::ConfigError;
use crate::metric::Metric;
use crate::time::Span;

/// Where a reading comes from. Who runs a policy says which of these it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum MetricSource {
    /// What a Prometheus server answers.
    Prometheus(PrometheusQuery),
    /// A number in the JSON that an address answers with.
    Http(HttpQuery),
    /// What each pod serves in Prometheus' text format. Only for a metric of type `Pods`.
    Pods(PodScrape),
    /// What each pod uses of a resource, by the cluster's metrics.k8s.io. For a metric of type `Resource` or
    /// `ContainerResource`.
    Resource(ResourceQuery),
    /// What the cluster's custom.metrics.k8s.io says of each pod, or of one object. For a metric of type `Pods` or `Object`.
    Custom(CustomQuery),
    /// What the cluster's external.metrics.k8s.io says. For a metric of type `External`.
    External(ExternalQuery),
    /// What a program prints. Only where whoever wrote the policy runs it: a cluster's controller reads no such metric.
    Command(CommandQuery),
}

/// An instant query to a Prometheus server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusQuery {
    /// The query, in PromQL. An answer without a sample is a missing reading.
    pub query: String,
    /// The server's address. Default: the one that whoever runs the policy knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// How old the sample may be; one that is older is stale. For a query of one series as it was scraped: of what is
    /// computed Prometheus tells no age. Default: as the server has it, 5 minutes unless it is told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
}

/// A GET request whose answer is JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpQuery {
    /// The address, `http` or `https`.
    pub url: String,
    /// Where in the answer the number is, as a JSON Pointer (RFC 6901): `/data/queue`. Default: the answer is the number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pointer: String,
}

/// A series that each pod serves. Exactly one of `metric` and `preset`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodScrape {
    /// The series' name: `vllm:num_requests_waiting`. Those of one pod with the same name add up; a counter is read as its
    /// rate a second between two looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// A well-known server's series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<PodMetricPreset>,
    /// Only series with all of these labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The port, 1 to 65535. Default: the preset's, else 8080.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The path. Default `/metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Series of well-known servers, by what they tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PodMetricPreset {
    /// vLLM's waiting requests.
    VllmWaiting,
    /// vLLM's running requests.
    VllmRunning,
    /// vLLM's use of its KV cache, 0 to 1.
    VllmCacheUsage,
    /// Triton's pending requests.
    TritonPending,
    /// A GPU's utilization, by NVIDIA's DCGM exporter, in percent.
    DcgmUtilization,
    /// A GPU's used memory, by NVIDIA's DCGM exporter, in MiB.
    DcgmMemoryUsed,
}

/// A program that prints a reading: a number, or JSON with one under `value`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandQuery {
    /// The program and its arguments. No shell reads them.
    pub command: Vec<String>,
}

impl PrometheusQuery {
    /// `query`, to the server that is known.
    #[must_use]
    pub fn new(query: impl Into<String>) -> Self {
        Self { query: query.into(), server: None, max_age: None }
    }
}

impl MetricSource {
    /// Whether it can be read, as the source of `metric`.
    pub(crate) fn check(&self, metric: &Metric) -> Result<(), ConfigError> {
        match self {
            Self::Prometheus(asked) => {
                not_empty("prometheus.query", &asked.query)?;
                if asked.max_age == Some(Span::ZERO) {
                    return Err(ConfigError::new("prometheus.maxAge", "must be above 0: no sample is younger"));
                }
                asked.server.as_deref().map_or(Ok(()), |server| is_address("prometheus.server", server))
            }
            Self::Http(asked) => {
                is_address("http.url", &asked.url)?;
                if !asked.pointer.is_empty() && !asked.pointer.starts_with('/') {
                    return Err(ConfigError::new("http.pointer", "a JSON Pointer begins with `/`, or is empty"));
                }
                Ok(())
            }
            Self::Pods(asked) => {
                asked.check().and_then(|()| cluster::no_utilization(metric)).map_err(|error| error.under("pods"))
            }
            Self::Resource(asked) => asked.check(metric).map_err(|error| error.under("resource")),
            Self::Custom(asked) => asked.check(metric).map_err(|error| error.under("custom")),
            Self::External(asked) => asked.check(metric).map_err(|error| error.under("external")),
            Self::Command(asked) => match asked.command.first() {
                Some(program) => not_empty("command.command[0]", program),
                None => Err(ConfigError::new("command.command", "needs a program")),
            },
        }
    }
}

impl PodScrape {
    fn check(&self) -> Result<(), ConfigError> {
        match (&self.metric, self.preset) {
            (Some(metric), None) => not_empty("metric", metric)?,
            (None, Some(_)) => {}
            (None, None) => return Err(ConfigError::new("", "give a `metric`, or a `preset`")),
            (Some(_), Some(_)) => return Err(ConfigError::new("preset", "give either `metric` or `preset`, not both")),
        }
        if self.port == Some(0) {
            return Err(ConfigError::new("port", "must be from 1 to 65535"));
        }
        match self.path.as_deref() {
            Some(path) if !path.starts_with('/') => Err(ConfigError::new("path", "must begin with `/`")),
            _ => Ok(()),
        }
    }
}

fn not_empty(field: &str, text: &str) -> Result<(), ConfigError> {
    if text.trim().is_empty() { Err(ConfigError::new(field, "must not be empty")) } else { Ok(()) }
}

fn is_address(field: &str, text: &str) -> Result<(), ConfigError> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ => Err(ConfigError::new(field, format!("must be an address like http://prometheus:9090, got {text:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::metric::Metric;

    #[test]
    fn a_source_that_can_be_read_by_nobody_is_refused_at_its_field() {
        let cases: [(&str, Value, &str, &str); 14] = [
            ("no query", json!({ "prometheus": { "query": " " } }), "External", "source.prometheus.query"),
            (
                "no address",
                json!({ "prometheus": { "query": "up", "server": "prometheus:9090" } }),
                "External",
                "source.prometheus.server",
            ),
            (
                "no age at all",
                json!({ "prometheus": { "query": "up", "maxAge": "0s" } }),
                "External",
                "source.prometheus.maxAge",
            ),
            ("no scheme", json!({ "http": { "url": "localhost/queue" } }), "External", "source.http.url"),
            ("another scheme", json!({ "http": { "url": "file:///etc/passwd" } }), "External", "source.http.url"),
            ("no host", json!({ "http": { "url": "http:///queue" } }), "External", "source.http.url"),
            ("a path", json!({ "http": { "url": "http://a", "pointer": "a.b" } }), "External", "source.http.pointer"),
            ("neither", json!({ "pods": {} }), "Pods", "source.pods"),
            ("both", json!({ "pods": { "metric": "a", "preset": "vllm-waiting" } }), "Pods", "source.pods.preset"),
            ("port 0", json!({ "pods": { "metric": "a", "port": 0 } }), "Pods", "source.pods.port"),
            ("a loose path", json!({ "pods": { "metric": "a", "path": "metrics" } }), "Pods", "source.pods.path"),
            ("one number of all pods", json!({ "pods": { "metric": "a" } }), "External", "source.pods"),
            ("no program", json!({ "command": { "command": [] } }), "External", "source.command.command"),
            ("a nameless one", json!({ "command": { "command": [""] } }), "External", "source.command.command[0]"),
        ];
        for (name, source, kind, path) in cases {
            let metric = json!({ "name": "m", "type": kind, "target": { "averageValue": 1 }, "source": source });
            let metric: Metric = serde_json::from_value(metric).expect(name);
            assert_eq!(metric.check().expect_err(name).path, path, "{name}");
        }
    }

    #[test]
    fn a_source_that_can_be_read_is_taken() {
        let cases = [
            json!({ "prometheus": { "query": "up" } }),
            json!({ "http": { "url": "https://queue.example/depth", "pointer": "/data/0" } }),
            json!({ "pods": { "preset": "dcgm-utilization", "port": 9400 } }),
            json!({ "command": { "command": ["./depth", "--json"] } }),
        ];
        for source in cases {
            let kind = if source.get("pods").is_some() { "Pods" } else { "External" };
            let metric = json!({ "name": "m", "type": kind, "target": { "averageValue": 1 }, "source": source });
            let metric: Metric = serde_json::from_value(metric).expect("a metric");
            assert_eq!(metric.check(), Ok(()));
            assert_eq!(serde_json::to_value(&metric.source).expect("JSON"), source);
        }
    }
}
