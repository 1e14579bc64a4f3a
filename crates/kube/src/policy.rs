//! A policy as a cluster has it, of whatever kind.

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use setpoint::{ConfigError, MetricSource, PolicySpec, TargetRef};
use setpoint_dialects::{Conversion, Fate, read_as};

use crate::condition::Condition;
use crate::kind::{Kind, Names};

/// What is known of a policy without understanding it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) generation: Option<i64>,
    pub(crate) uid: Option<String>,
    pub(crate) created: String,
    /// What decides, as the document has it.
    pub(crate) algorithm: String,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) last_scale: Option<Timestamp>,
}

impl Known {
    pub(crate) fn of(kind: Kind, object: &DynamicObject) -> Self {
        let status = |pointer: &str| object.data.pointer(pointer).cloned().unwrap_or_default();
        Self {
            kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            generation: object.metadata.generation,
            uid: object.uid(),
            created: object.creation_timestamp().map(|time| time.0.to_string()).unwrap_or_default(),
            algorithm: kind.algorithm(object),
            // Conditions of somebody else's making are made anew.
            conditions: serde_json::from_value(status("/status/conditions")).unwrap_or_default(),
            last_scale: serde_json::from_value(status("/status/lastScaleTime")).unwrap_or_default(),
        }
    }
}

/// A policy that is understood.
#[derive(Debug)]
pub(crate) struct Understood {
    pub(crate) target: TargetRef,
    conversion: Conversion,
}

impl Understood {
    pub(crate) const fn policy(&self) -> &PolicySpec {
        &self.conversion.policy.spec
    }

    /// What an error about the policy says of the document that it was read from.
    pub(crate) fn tell(&self, error: ConfigError) -> String {
        placed(&self.conversion, error).to_string()
    }

    /// What of the document couldn't be carried over, if anything.
    pub(crate) fn lost(&self) -> Option<String> {
        let lost = self.conversion.notes.iter().filter(|note| note.fate == Fate::Lost);
        let lost: Vec<String> = lost.map(|note| format!("{}: {}", note.field, note.text)).collect();
        (!lost.is_empty()).then(|| lost.join("; "))
    }
}

/// The same error, in the document that the policy was read from.
fn placed(conversion: &Conversion, error: ConfigError) -> ConfigError {
    ConfigError::new(conversion.origin(&error.path), error.message)
}

/// What a policy says, and what it scales.
pub(crate) fn understand(kind: Kind, object: &DynamicObject) -> Result<Understood, ConfigError> {
    let Names { group, version, kind: name, .. } = kind.names();
    let mut metadata = json!({ "name": object.name_any() });
    if kind.is_foreign() {
        // Some of what another project's policy means stands here.
        metadata["annotations"] = json!(object.annotations());
    }
    let document = json!({
        "apiVersion": format!("{group}/{version}"),
        "kind": name,
        "metadata": metadata,
        "spec": object.data.get("spec").cloned().unwrap_or(Value::Null),
    });
    let conversion = read_as(kind.dialect(), &document)?;
    let target = check(&conversion.policy.spec, object.namespace()).map_err(|error| placed(&conversion, error))?;
    Ok(Understood { target, conversion })
}

/// What a policy may not say in a cluster.
fn check(policy: &PolicySpec, namespace: Option<String>) -> Result<TargetRef, ConfigError> {
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
    Ok(target)
}
