#![doc = include_str!("../docs/hpa.md")]

use serde::de::DeserializeOwned;
use serde_json::Value;
use setpoint::hpa::Manifest;
use setpoint::{
    ConfigError, CustomQuery, DescribedObject, ExternalQuery, MetricIdentifier, MetricSource, ResourceQuery,
    parse_config,
};

use crate::conversion::Conversion;
use crate::dialect::Dialect;

pub(crate) const KIND: &str = "HorizontalPodAutoscaler";

/// Reads a manifest.
///
/// # Errors
///
/// [`ConfigError`] with the field's path for what the API server would refuse.
pub(crate) fn read(document: &Value) -> Result<Conversion, ConfigError> {
    if !Manifest::is_one(document) {
        return Err(ConfigError::new("kind", format!("must be {KIND}")));
    }
    let manifest = Manifest::from_value(document)?;
    let mut conversion = Conversion::new(manifest.policy(), Dialect::Hpa);
    conversion.made_of("spec.algorithm", "spec");
    conversion.made_of("spec.stages", "spec");
    conversion.came_from("spec.targetRef", "spec.scaleTargetRef");
    if manifest.spec().min == 0 {
        conversion.changed(
            "spec.minReplicas",
            "spec.minReplicas",
            "a workload that was scaled to zero is started again, which Kubernetes does behind a feature gate",
        );
    }
    let metrics = document.pointer("/spec/metrics").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    name_sources(&mut conversion, metrics, "spec.metrics")?;
    Ok(conversion)
}

/// Has each metric of the policy say where the controller reads it: of those that are `written` in the list at `field`, in
/// their order.
///
/// # Errors
///
/// [`ConfigError`] with the path of what no metrics API could be asked.
pub(crate) fn name_sources(conversion: &mut Conversion, written: &[Value], field: &str) -> Result<(), ConfigError> {
    for (index, metric) in written.iter().enumerate() {
        let Some((field, source)) = source(metric, &format!("{field}[{index}]"))? else { continue };
        conversion.policy.spec.metrics[index].source = Some(source);
        conversion.made_of(format!("spec.metrics[{index}].source"), field);
    }
    Ok(())
}

/// Where the controller reads a metric, and the field that says it. None for a resource that metrics.k8s.io doesn't measure.
fn source(metric: &Value, field: &str) -> Result<Option<(String, MetricSource)>, ConfigError> {
    let known = ["resource", "containerResource", "pods", "object", "external"];
    let Some((kind, written)) = known.into_iter().find_map(|kind| Some((kind, metric.get(kind)?))) else {
        return Ok(None);
    };
    let field = format!("{field}.{kind}");
    let metric = || part::<MetricIdentifier>(&written["metric"], &field, "metric");
    let source = match kind {
        "resource" | "containerResource" => {
            let Ok(name) = parse_config(&written["name"]) else { return Ok(None) };
            let container = written["container"].as_str().map(ToOwned::to_owned);
            MetricSource::Resource(ResourceQuery { name, container })
        }
        "external" => MetricSource::External(ExternalQuery { metric: metric()? }),
        "pods" => MetricSource::Custom(CustomQuery { metric: metric()?, described_object: None }),
        _ => {
            let mut object = written["describedObject"].clone();
            // Kinds of the core group have no group to name.
            if let Some(fields) = object.as_object_mut()
                && fields.get("apiVersion").is_none_or(|version| version.is_null() || version == "")
            {
                fields.insert("apiVersion".to_owned(), "v1".into());
            }
            let object: DescribedObject = part(&object, &field, "describedObject")?;
            MetricSource::Custom(CustomQuery { metric: metric()?, described_object: Some(object) })
        }
    };
    Ok(Some((field, source)))
}

/// A part of a metric as the policy has it, where a field that is null isn't there.
fn part<T: DeserializeOwned>(written: &Value, field: &str, name: &str) -> Result<T, ConfigError> {
    fn without_nulls(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let kept = fields.iter().filter(|(_, value)| !value.is_null());
                Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
            other => other.clone(),
        }
    }
    parse_config(&without_nulls(written)).map_err(|error| error.under(name).under(field))
}
