//! HorizontalPodAutoscaler manifests: see [`setpoint::hpa`] for what decides, and how exactly.

use serde_json::Value;
use setpoint::ConfigError;
use setpoint::hpa::Manifest;

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
    let selectors = document.pointer("/spec/metrics").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (index, metric) in selectors {
        for source in ["pods", "object", "external"] {
            if metric.pointer(&format!("/{source}/metric/selector")).is_some_and(|it| !it.is_null()) {
                conversion.lost(
                    format!("spec.metrics[{index}].{source}.metric.selector"),
                    "a policy's metric has a name and no selector: whoever fetches the reading selects its series",
                );
            }
        }
        if metric.pointer("/object/describedObject").is_some() {
            conversion.lost(
                format!("spec.metrics[{index}].object.describedObject"),
                "a policy's metric has a name and no object: whoever fetches the reading knows it",
            );
        }
    }
    Ok(conversion)
}
