//! What manifests of a cluster have in common.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use setpoint::{ConfigError, Metadata, TargetRef, near_miss, parse_config};

/// A manifest's metadata. What a server adds to it is nobody's mistake.
#[derive(Deserialize)]
pub(crate) struct WrittenMetadata {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

/// A manifest: its head was checked, its `spec` is for the dialect to read.
pub(crate) struct Manifest {
    pub(crate) metadata: WrittenMetadata,
    pub(crate) spec: Value,
}

impl Manifest {
    /// Checks what stands around the `spec` of a manifest of `kind`.
    pub(crate) fn read(document: &Value, version: &str, kind: &str) -> Result<Self, ConfigError> {
        const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
        let nothing = Map::new();
        let fields = document.as_object().unwrap_or(&nothing);
        for (field, wanted) in [("apiVersion", version), ("kind", kind)] {
            match fields.get(field).and_then(Value::as_str) {
                Some(found) if found == wanted => {}
                Some("") => return Err(ConfigError::new(field, format!("must not be empty: it is {wanted}"))),
                Some(found) => return Err(ConfigError::new(field, format!("must be {wanted}, got {found}"))),
                None => return Err(ConfigError::new(field, format!("must be {wanted}, and isn't given"))),
            }
        }
        let parts = ["metadata", "spec"];
        let empty = parts.iter().find(|part| fields.get(**part).is_some_and(Value::is_null));
        if let Some(stray) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
            let message = match empty {
                // As text that went through something that ate its spaces.
                Some(part) => format!("stands beside `{part}`, which is empty: the indentation is lost"),
                None => format!("unknown field `{stray}`; {}", near_miss(stray, &FIELDS)),
            };
            return Err(ConfigError::new(stray, message));
        }
        let part = |name: &str| match fields.get(name) {
            Some(Value::Null) | None => Err(ConfigError::new(name, "must be given")),
            Some(value) => Ok(value),
        };
        let metadata: WrittenMetadata = parse_config(part("metadata")?).map_err(|error| error.under("metadata"))?;
        if metadata.name.is_empty() {
            return Err(ConfigError::new("metadata.name", "must not be empty"));
        }
        Ok(Self { metadata, spec: part("spec")?.clone() })
    }
}

impl WrittenMetadata {
    /// As a policy has it. Annotations are the other system's own, and stay behind.
    pub(crate) fn policy(&self) -> Metadata {
        let mut metadata = Metadata::default();
        metadata.name.clone_from(&self.name);
        metadata.namespace.clone_from(&self.namespace);
        metadata.labels = self.labels.clone().unwrap_or_default();
        metadata
    }
}

/// A reference to what is scaled, in whose apiVersion and kind nothing may be missing: a handler is found by them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenTarget {
    api_version: String,
    kind: String,
    name: String,
    #[serde(default)]
    namespace: Option<String>,
}

impl WrittenTarget {
    pub(crate) fn read(&self, metadata: &WrittenMetadata) -> Result<TargetRef, ConfigError> {
        for (field, value) in [("apiVersion", &self.api_version), ("kind", &self.kind), ("name", &self.name)] {
            if value.trim().is_empty() {
                return Err(ConfigError::new(field, "must not be empty: what is scaled is found by it"));
            }
        }
        Ok(TargetRef {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            namespace: self.namespace.clone().or_else(|| metadata.namespace.clone()),
        })
    }
}
