//! A `ScalingPolicy` as a cluster has it.

use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use setpoint::{ConfigError, MetricSource, Policy, PolicySpec, TargetRef};

use crate::condition::Condition;
use crate::crd::{GROUP, KIND, PLURAL, VERSION};

pub(crate) fn resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, KIND), PLURAL)
}

/// What is known of a policy without understanding it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) generation: Option<i64>,
    pub(crate) uid: Option<String>,
    pub(crate) created: String,
    pub(crate) conditions: Vec<Condition>,
}

impl Known {
    pub(crate) fn of(object: &DynamicObject) -> Self {
        let conditions = object.data.pointer("/status/conditions").cloned().unwrap_or_default();
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            generation: object.metadata.generation,
            uid: object.uid(),
            created: object.creation_timestamp().map(|time| time.0.to_string()).unwrap_or_default(),
            // Conditions of somebody else's making are made anew.
            conditions: serde_json::from_value(conditions).unwrap_or_default(),
        }
    }

    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// What an object is called here: by namespace and name.
pub(crate) fn key_of(object: &impl ResourceExt) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// What a policy says, and what it scales.
pub(crate) fn understand(object: &DynamicObject) -> Result<(PolicySpec, TargetRef), ConfigError> {
    let document = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": KIND,
        "metadata": { "name": object.name_any() },
        "spec": object.data.get("spec").cloned().unwrap_or(Value::Null),
    });
    let policy = Policy::from_value(&document)?.spec;
    let namespace = object.namespace();
    let mut target = policy
        .target_ref
        .clone()
        .ok_or_else(|| ConfigError::new("spec.targetRef", "says what is scaled, and must be given"))?;
    if target.namespace.is_some() && target.namespace != namespace {
        let message = "a policy scales what is in its own namespace: leave it out";
        return Err(ConfigError::new("spec.targetRef.namespace", message));
    }
    target.namespace = namespace;
    for (index, metric) in policy.metrics.iter().enumerate() {
        if matches!(metric.source, Some(MetricSource::Command(_))) {
            let path = format!("spec.metrics[{index}].source.command");
            return Err(ConfigError::new(path, "a cluster's controller runs no programs for those who write policies"));
        }
    }
    let mut algorithm = policy.algorithm.clone();
    algorithm.each_mut("spec.algorithm", &mut |algorithm, path| match &algorithm.plugin {
        None => Ok(()),
        Some(_) => {
            let message = "names a file of the controller's; name the plugin instead, as `name:`";
            Err(ConfigError::new(format!("{path}.plugin"), message))
        }
    })?;
    Ok((policy, target))
}
