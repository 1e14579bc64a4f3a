#![doc = include_str!("../docs/elastic_scaler.md")]

use serde::Deserialize;
use serde_json::{Value, json};
use setpoint::{AlgorithmSpec, Bounds, ConfigError, Hpa, Policy, PolicySpec, parse_config};

use crate::conversion::Conversion;
use crate::dialect::Dialect;
use crate::manifest::{Manifest, WrittenTarget};

pub(crate) const KIND: &str = "ElasticScaler";
const API_VERSION: &str = "elasticscaler.io/v1alpha1";
/// Where the guide has what decides.
const TRIGGER: &str = "spec.trigger.metricsTrigger";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    target_ref: WrittenTarget,
    min_replicas: Option<u32>,
    max_replicas: u32,
    trigger: Trigger,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trigger {
    #[serde(rename = "type")]
    kind: TriggerKind,
    metrics_trigger: MetricsTrigger,
}

#[derive(Clone, Copy, Deserialize)]
enum TriggerKind {
    MetricsTrigger,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MetricsTrigger {
    scaling_algorithm: String,
    #[serde(default)]
    algorithm_config: Value,
    metrics: Vec<Value>,
}

/// Reads an `ElasticScaler`.
///
/// # Errors
///
/// [`ConfigError`] with the field's path: another version or kind, an empty one, an unknown field or value with what was
/// probably meant, no metric. What `algorithmConfig` holds is checked by the algorithm, when it is made.
pub(crate) fn read(document: &Value) -> Result<Conversion, ConfigError> {
    let manifest = Manifest::read(document, API_VERSION, KIND)?;
    let spec: Spec = parse_config(&manifest.spec).map_err(|error| error.under("spec"))?;
    let target = spec.target_ref.read(&manifest.metadata).map_err(|error| error.under("spec.targetRef"))?;
    let TriggerKind::MetricsTrigger = spec.trigger.kind;
    let MetricsTrigger { scaling_algorithm, algorithm_config, metrics } = spec.trigger.metrics_trigger;
    let min = spec.min_replicas.unwrap_or(1);
    if let Err(error) = Bounds::new(min, spec.max_replicas) {
        return Err(ConfigError::new("spec.maxReplicas", error.to_string()));
    }
    if metrics.is_empty() {
        return Err(ConfigError::new(format!("{TRIGGER}.metrics"), "at least one metric is needed"));
    }
    let name = scaling_algorithm.trim();
    if name.is_empty() {
        let message = "must not be empty: HPA, or the name of an algorithm that is registered";
        return Err(ConfigError::new(format!("{TRIGGER}.scalingAlgorithm"), message));
    }
    let is_hpa = name.eq_ignore_ascii_case("HPA");
    let algorithm = AlgorithmSpec::named(if is_hpa { Hpa::NAME } else { name }, algorithm_config);
    let mut native = PolicySpec::new(min, spec.max_replicas, read_metrics(&metrics, spec.max_replicas)?, algorithm)
        .map_err(|error| error.under("spec"))?;
    native.target_ref = Some(target);
    if is_hpa {
        native = native.with_stage("legacy-behavior", json!({}));
    }
    let mut conversion = Conversion::new(Policy::new(manifest.metadata.policy(), native), Dialect::ElasticScaler);
    let written = format!("{TRIGGER}.metrics");
    conversion.came_from("spec.metrics", &*written);
    crate::hpa::name_sources(&mut conversion, &metrics, &written)?;
    conversion.came_from("spec.algorithm.config", format!("{TRIGGER}.algorithmConfig"));
    conversion.made_of("spec.algorithm", format!("{TRIGGER}.scalingAlgorithm"));
    conversion.made_of("spec.stages", format!("{TRIGGER}.scalingAlgorithm"));
    let text = if is_hpa {
        "what Kubernetes' own HPA does with these metrics, to the last bit, its five minutes before scaling down included"
            .to_owned()
    } else {
        format!(
            "`{name}` is asked, with its configuration; of v26.03 the guide says that it is registered and never called"
        )
    };
    conversion.changed(format!("{TRIGGER}.scalingAlgorithm"), "spec.algorithm", text);
    let annotations = manifest.metadata.annotations.iter().flatten();
    for (name, _) in annotations.filter(|(name, _)| name.starts_with("elasticscaler.io/")) {
        conversion.lost(
            format!("metadata.annotations.{name}"),
            "the guide doesn't say what it does; windows and rates are the policy's `behavior`",
        );
    }
    Ok(conversion)
}

/// The metrics, which are those of an HPA manifest: whose own reader knows them, and what they can't be.
fn read_metrics(metrics: &[Value], max: u32) -> Result<Vec<setpoint::Metric>, ConfigError> {
    let manifest = json!({
        "apiVersion": "autoscaling/v2",
        "kind": crate::hpa::KIND,
        "metadata": { "name": "metrics" },
        "spec": { "scaleTargetRef": { "kind": "any", "name": "any" }, "maxReplicas": max, "metrics": metrics },
    });
    let manifest = setpoint::hpa::Manifest::from_value(&manifest).map_err(|error| {
        let rest = error.path.strip_prefix("spec.").unwrap_or(&error.path).to_owned();
        ConfigError::new(format!("{TRIGGER}.{rest}"), error.message)
    })?;
    Ok(manifest.policy().spec.metrics)
}
