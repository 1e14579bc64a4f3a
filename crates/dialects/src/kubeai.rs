#![doc = include_str!("../docs/kubeai.md")]

use serde::Deserialize;
use serde_json::{Value, json};
use setpoint::hpa::{PolicyKind, ScalingPolicy, ScalingRules};
use setpoint::{
    AlgorithmSpec, Behavior, ConfigError, Metric, MetricSource, Policy, PolicySpec, PrometheusQuery, Span, StageSpec,
    Target, parse_config,
};

use crate::conversion::{Conversion, Note, at};
use crate::dialect::Dialect;
use crate::manifest::{Manifest, WrittenTarget};

pub(crate) const KIND: &str = "AIInferenceAutoscalerPolicy";
const API_VERSION: &str = "kubeai.io/v1alpha1";

/// Every so often the controller looks at a policy, in seconds.
const INTERVAL: u64 = 30;
/// The cooldown where none is given, in seconds: the CRD's default.
const COOLDOWN: u64 = 300;

const LATENCY: &str = "sum(rate(inference_request_duration_seconds_bucket[5m])) by (le)";
const GPU: &str = "avg(DCGM_FI_DEV_GPU_UTIL)";
const QUEUE: &str = "sum(inference_request_queue_depth)";

/// Names of algorithms there, and here.
const ALGORITHMS: [(&str, &str); 4] = [
    ("MaxRatio", "max-ratio"),
    ("AverageRatio", "average-ratio"),
    ("WeightedRatio", "weighted-ratio"),
    ("CappedSmoothRatio", "capped-smooth-ratio"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    target_ref: WrittenTarget,
    min_replicas: Option<u32>,
    max_replicas: u32,
    cooldown_period: Option<u64>,
    metrics: Metrics,
    algorithm: Option<Algorithm>,
    scale_up: Option<Direction>,
    scale_down: Option<Direction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metrics {
    latency: Option<Latency>,
    gpu_utilization: Option<GpuUtilization>,
    request_queue_depth: Option<QueueDepth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Latency {
    enabled: Option<bool>,
    #[serde(rename = "targetP99Ms")]
    target_p99_ms: Option<f64>,
    #[serde(rename = "targetP95Ms")]
    target_p95_ms: Option<f64>,
    prometheus_query: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GpuUtilization {
    enabled: Option<bool>,
    target_percentage: Option<f64>,
    prometheus_query: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QueueDepth {
    enabled: Option<bool>,
    target_depth: Option<f64>,
    prometheus_query: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Algorithm {
    #[serde(default)]
    name: Option<String>,
    tolerance: Option<f64>,
    #[serde(default)]
    weights: Option<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Direction {
    stabilization_window_seconds: Option<u32>,
    policies: Option<Vec<ScalingPolicy>>,
}

/// Reads an `AIInferenceAutoscalerPolicy`.
///
/// # Errors
///
/// [`ConfigError`] with the field's path: another version, an unknown or missing field, no metric that is enabled, a
/// target or a weight out of range, bounds that exclude each other.
pub(crate) fn read(document: &Value) -> Result<Conversion, ConfigError> {
    let manifest = Manifest::read(document, API_VERSION, KIND)?;
    let spec: Spec = parse_config(&manifest.spec).map_err(|error| error.under("spec"))?;
    let target = spec.target_ref.read(&manifest.metadata).map_err(|error| error.under("spec.targetRef"))?;
    let read = spec.metrics.read().map_err(|error| error.under("spec.metrics"))?;
    let names: Vec<String> = read.iter().map(|metric| metric.metric.name.clone()).collect();
    let metrics = read.iter().map(|metric| metric.metric.clone()).collect();
    let (algorithm, notes) = spec.algorithm(&names).map_err(|error| error.under("spec.algorithm"))?;
    let min = spec.min_replicas.unwrap_or(1);
    let mut native =
        PolicySpec::new(min.max(1), spec.max_replicas, metrics, algorithm).map_err(|error| error.under("spec"))?;
    native.target_ref = Some(target);
    native.interval = Span::from_secs(INTERVAL);

    let mut conversion = Conversion::new(Policy::new(manifest.metadata.policy(), native), Dialect::Kubeai);
    if min == 0 {
        let text = "0 is 1 there, and so it is here: it never goes to zero";
        conversion.changed("spec.minReplicas", "spec.minReplicas", text);
    }
    for (index, Read { field, query_field, notes, .. }) in read.iter().enumerate() {
        conversion.made_of(format!("spec.metrics[{index}]"), format!("spec.metrics.{field}"));
        conversion.made_of(format!("spec.metrics[{index}].source"), format!("spec.metrics.{query_field}"));
        for note in notes {
            conversion.changed(format!("spec.metrics.{field}"), format!("spec.metrics[{index}]"), *note);
        }
    }
    if spec.metrics.request_queue_depth.as_ref().is_some_and(|queue| queue.enabled.is_none()) {
        conversion.changed("spec.metrics.requestQueueDepth", "", "the queue is off unless it says `enabled: true`");
    }
    conversion.changed(
        "spec.metrics",
        "spec.metrics",
        "a reading of 0 counts, and a missing one keeps replicas from being taken away; there both are as if the metric \
         were not in the policy",
    );
    conversion.came_from("spec.algorithm.config", "spec.algorithm");
    conversion.notes.extend(notes);
    spec.restrain(&mut conversion)?;
    Ok(conversion)
}

/// A metric that is on, and what is to be said about it.
struct Read {
    metric: Metric,
    field: &'static str,
    query_field: &'static str,
    notes: Vec<&'static str>,
}

fn from_prometheus(query: String) -> MetricSource {
    MetricSource::Prometheus(PrometheusQuery::new(query))
}

impl Metrics {
    /// The metrics that are on, in the order in which weights go by them.
    fn read(&self) -> Result<Vec<Read>, ConfigError> {
        let mut read = Vec::new();
        if let Some(latency) = self.latency.as_ref().filter(|latency| latency.enabled.unwrap_or(true)) {
            latency.read(&mut read).map_err(|error| error.under("latency"))?;
        }
        if let Some(gpu) = self.gpu_utilization.as_ref().filter(|gpu| gpu.enabled.unwrap_or(true)) {
            read.push(gpu.read().map_err(|error| error.under("gpuUtilization"))?);
        }
        if let Some(queue) = self.request_queue_depth.as_ref().filter(|queue| queue.enabled.unwrap_or(false)) {
            read.push(queue.read().map_err(|error| error.under("requestQueueDepth"))?);
        }
        if read.is_empty() {
            return Err(ConfigError::new(
                "",
                "at least one of latency, gpuUtilization and requestQueueDepth is to be on",
            ));
        }
        Ok(read)
    }
}

impl Latency {
    fn read(&self, read: &mut Vec<Read>) -> Result<(), ConfigError> {
        if self.target_p99_ms.is_none() && self.target_p95_ms.is_none() {
            return Err(ConfigError::new("", "a latency needs a targetP99Ms, a targetP95Ms, or both"));
        }
        let both = self.target_p99_ms.is_some() && self.target_p95_ms.is_some();
        let targets =
            [("p99", "0.99", "targetP99Ms", self.target_p99_ms), ("p95", "0.95", "targetP95Ms", self.target_p95_ms)];
        for (name, quantile, field, target) in targets {
            let Some(target) = target else { continue };
            let mut notes = Vec::new();
            let query = match &self.prometheus_query {
                None => format!("1000 * histogram_quantile({quantile}, {LATENCY})"),
                Some(own) => {
                    if own.contains("1000") {
                        notes.push(
                            "the query is taken to give seconds, as there; if it multiplies by 1000 itself, take that out",
                        );
                    }
                    let (other, is_p95) = (if name == "p95" { "0.99" } else { "0.95" }, name == "p95");
                    let own = match own.contains(other) && !own.contains(quantile) && (is_p95 || both) {
                        true => {
                            notes.push("of the one query for both percentiles this is the one with its own; there they are the same");
                            own.replace(other, quantile)
                        }
                        false => own.clone(),
                    };
                    format!("1000 * ({own})")
                }
            };
            read.push(Read {
                metric: Metric::new(name, Target::value(target).map_err(at(field))?)
                    .with_source(from_prometheus(query)),
                field: if name == "p99" { "latency.targetP99Ms" } else { "latency.targetP95Ms" },
                query_field: "latency.prometheusQuery",
                notes,
            });
        }
        Ok(())
    }
}

impl GpuUtilization {
    fn read(&self) -> Result<Read, ConfigError> {
        let Some(target) = self.target_percentage else {
            return Err(ConfigError::new("targetPercentage", "must be given, in 1 to 100"));
        };
        if !(1.0..=100.0).contains(&target) {
            return Err(ConfigError::new("targetPercentage", format!("must be in 1 to 100, got {target}")));
        }
        let target = Target::utilization(target).map_err(at("targetPercentage"))?;
        let query = self.prometheus_query.clone().unwrap_or_else(|| GPU.to_owned());
        Ok(Read {
            metric: Metric::new("gpu", target).with_source(from_prometheus(query)),
            field: "gpuUtilization.targetPercentage",
            query_field: "gpuUtilization.prometheusQuery",
            notes: Vec::new(),
        })
    }
}

impl QueueDepth {
    fn read(&self) -> Result<Read, ConfigError> {
        let Some(target) = self.target_depth else {
            return Err(ConfigError::new("targetDepth", "must be given, above 0"));
        };
        let target = Target::average_value(target).map_err(at("targetDepth"))?;
        let query = self.prometheus_query.clone().unwrap_or_else(|| QUEUE.to_owned());
        Ok(Read {
            metric: Metric::new("queue", target).with_source(from_prometheus(query)),
            field: "requestQueueDepth.targetDepth",
            query_field: "requestQueueDepth.prometheusQuery",
            notes: Vec::new(),
        })
    }
}

impl Spec {
    /// What decides, for metrics of these `names`.
    fn algorithm(&self, names: &[String]) -> Result<(AlgorithmSpec, Vec<Note>), ConfigError> {
        let mut notes = Vec::new();
        let given = self.algorithm.as_ref();
        let name = given.and_then(|algorithm| algorithm.name.as_deref()).unwrap_or("MaxRatio");
        if name.trim().is_empty() {
            return Err(ConfigError::new("name", "must not be empty"));
        }
        let own = ALGORITHMS.iter().find(|(theirs, _)| *theirs == name).map(|(_, own)| *own);
        let tolerance = given.and_then(|algorithm| algorithm.tolerance);
        if let Some(tolerance) = tolerance.filter(|tolerance| !(0.0..=1.0).contains(tolerance)) {
            return Err(ConfigError::new("tolerance", format!("must be in 0 to 1, got {tolerance}")));
        }
        let mut config = serde_json::Map::new();
        if let Some(tolerance) = tolerance {
            config.insert("tolerance".to_owned(), json!(tolerance));
        }
        let weights = given.and_then(|algorithm| algorithm.weights.as_deref()).unwrap_or_default();
        let changed = |text: &str| Note::changed("spec.algorithm", "spec.algorithm", text);
        match own {
            Some("max-ratio") => notes.push(changed(
                "it scales down too; theirs begins at a ratio of 1 and never does (ratioFloor: 1 is the same)",
            )),
            Some("capped-smooth-ratio") => {
                config.insert("minStep".to_owned(), json!(1));
                notes.push(changed(
                    "it scales down too, by a quarter or by one replica at a time; theirs begins at a ratio of 1 and never \
                     does. A tolerance of 0 is 0, where theirs makes it 0.1. What was smoothed survives a restart",
                ));
            }
            Some("weighted-ratio") => {
                let is_wrong = |weight: &f64| !(*weight >= 0.0 && weight.is_finite());
                if let Some(index) = weights.iter().position(is_wrong) {
                    let message = format!("must be at least 0, got {}", weights[index]);
                    return Err(ConfigError::new(format!("weights[{index}]"), message));
                }
                let by_name = names.iter().zip(weights).map(|(name, weight)| (name.clone(), json!(weight)));
                config.insert("weights".to_owned(), Value::Object(by_name.collect()));
                notes.push(Note::changed(
                    "spec.algorithm.weights",
                    "spec.algorithm",
                    "weights go by the metric's name; there by the place in p99, p95, gpu, queue, and onto another one when \
                     a reading is missing",
                ));
                for index in names.len()..weights.len() {
                    notes.push(Note::lost(
                        format!("spec.algorithm.weights[{index}]"),
                        format!("there are {} metrics, and no metric for this weight", names.len()),
                    ));
                }
            }
            Some(_) => {}
            None => notes.push(changed(
                "an algorithm of a plugin, which has to be there; without it this is an error, where theirs goes on with \
                 MaxRatio",
            )),
        }
        if own != Some("weighted-ratio") && !weights.is_empty() {
            let text = format!("only WeightedRatio has weights; {name} looks at none");
            notes.push(Note::lost("spec.algorithm.weights", text));
        }
        let config = if config.is_empty() { Value::Null } else { Value::Object(config) };
        Ok((AlgorithmSpec::named(own.unwrap_or(name), config), notes))
    }

    /// Windows and rates, then the cooldown.
    fn restrain(&self, conversion: &mut Conversion) -> Result<(), ConfigError> {
        let mut stages = Vec::new();
        if self.scale_up.is_some() || self.scale_down.is_some() {
            // No limit at all, within the bounds. On the way down that is the default.
            let no_limit = ScalingPolicy {
                kind: PolicyKind::Pods,
                value: i32::try_from(self.max_replicas).unwrap_or(i32::MAX),
                period_seconds: 15,
            };
            let rules = |given: &Option<Direction>, window: u32, otherwise: Option<ScalingPolicy>| {
                let own = given.as_ref();
                let default = if own.is_some() { window } else { 0 };
                let window = own.and_then(|own| own.stabilization_window_seconds).unwrap_or(default);
                let policies = own.and_then(|own| own.policies.clone()).filter(|policies| !policies.is_empty());
                Some(ScalingRules {
                    stabilization_window_seconds: Some(window),
                    policies: policies.or_else(|| Some(vec![otherwise?])),
                    ..ScalingRules::default()
                })
            };
            let behavior = Behavior {
                scale_up: rules(&self.scale_up, 60, Some(no_limit)),
                scale_down: rules(&self.scale_down, 300, None),
            };
            behavior.check().map_err(|error| error.under("spec"))?;
            stages.push(("behavior", serde_json::to_value(&behavior).expect("a behavior is plain data")));
            for (name, given) in [("scaleUp", &self.scale_up), ("scaleDown", &self.scale_down)] {
                if given.is_some() {
                    conversion.changed(
                        format!("spec.{name}"),
                        "spec.stages[0]",
                        format!("{name} is followed; their controller never reads it"),
                    );
                }
                conversion.came_from(format!("spec.stages[0].behavior.{name}"), format!("spec.{name}"));
            }
        }
        let cooldown = self.cooldown_period.unwrap_or(COOLDOWN);
        let place = format!("spec.stages[{}]", stages.len());
        if cooldown == 0 {
            let text = "0 is no cooldown; there it is 300";
            conversion.changed("spec.cooldownPeriod", "", text);
        } else {
            let span = Span::from_secs(cooldown);
            stages.push(("cooled", json!({ "afterUp": span, "afterDown": span })));
            conversion.made_of(place.clone(), "spec.cooldownPeriod");
            conversion.changed(
                "spec.cooldownPeriod",
                place,
                "it survives a restart, and doesn't hold back a count that is outside the bounds",
            );
        }
        let stages = stages.into_iter().map(|(name, config)| StageSpec { name: name.to_owned(), config });
        conversion.policy.spec.stages.extend(stages);
        Ok(())
    }
}
