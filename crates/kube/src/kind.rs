//! The kinds of policies that are watched: this project's own, and other autoscalers'.

mod ai_inference;
mod elastic_scaler;
pub(crate) mod group;

use std::fmt;

use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;
use setpoint::ConfigError;
use setpoint_dialects::Dialect;
use setpoint_runtime::Look;

use crate::condition::Finding;
use crate::status::{Since, native_status};

/// A kind of policy: what it is called, whose it is, and how its status is written.
///
/// Everything else is the same for all of them. Of one age, the first in this order has the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// This project's own `ScalingPolicy`.
    ScalingPolicy,
    /// This project's own `ScalingGroup`.
    ScalingGroup,
    /// KubeAI Autoscaler's `AIInferenceAutoscalerPolicy`.
    AiInference,
    /// openFuyao's `ElasticScaler`.
    ElasticScaler,
}

/// What a kind is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    /// In addresses.
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short: &'static [&'static str],
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ScalingPolicy, Self::ScalingGroup, Self::AiInference, Self::ElasticScaler];

    pub(crate) const fn names(self) -> Names {
        match self {
            Self::ScalingPolicy => crate::crd::NAMES,
            Self::ScalingGroup => group::NAMES,
            Self::AiInference => ai_inference::NAMES,
            Self::ElasticScaler => elastic_scaler::NAMES,
        }
    }

    pub(crate) const fn dialect(self) -> Dialect {
        match self {
            Self::ScalingPolicy | Self::ScalingGroup => Dialect::Native,
            Self::AiInference => Dialect::Kubeai,
            Self::ElasticScaler => Dialect::ElasticScaler,
        }
    }

    /// Whether it is another project's.
    pub(crate) fn is_foreign(self) -> bool {
        self.dialect() != Dialect::Native
    }

    pub(crate) fn resource(self) -> ApiResource {
        let Names { group, version, kind, plural, .. } = self.names();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// What an object of this kind is called here, and its state: by namespace and name, behind the resource where it is no
    /// `ScalingPolicy`.
    pub(crate) fn key_of(self, object: &impl ResourceExt) -> String {
        let Names { group, plural, .. } = self.names();
        let own = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
        if self == Self::ScalingPolicy { own } else { format!("{plural}.{group}/{own}") }
    }

    /// What an engine calls the workloads that an object of this kind is about, and keeps their states by. They are known where
    /// the object isn't understood, too.
    pub(crate) fn workloads(self, object: &DynamicObject) -> Vec<String> {
        let key = self.key_of(object);
        if self == Self::ScalingGroup { group::member_keys(&key, object) } else { vec![key] }
    }

    /// The kind of what is called `key`, and its namespace and name.
    pub(crate) fn called(key: &str) -> (Self, &str) {
        // No namespace has a slash, and a key without a resource has one only.
        let foreign = key.split_once('/').filter(|(_, rest)| rest.contains('/')).and_then(|(resource, rest)| {
            let is_it =
                |kind: &Self| resource.strip_prefix(kind.names().plural) == Some(&format!(".{}", kind.names().group));
            Some((Self::ALL.into_iter().find(is_it)?, rest))
        });
        foreign.unwrap_or((Self::ScalingPolicy, key))
    }

    /// The name of the algorithm, as the document has it.
    pub(crate) fn algorithm(self, object: &DynamicObject) -> String {
        let pointer = match self {
            Self::ScalingPolicy | Self::AiInference => "/spec/algorithm/name",
            Self::ElasticScaler => "/spec/trigger/metricsTrigger/scalingAlgorithm",
            // Each member has one of its own.
            Self::ScalingGroup => return String::new(),
        };
        let written = object.data.pointer(pointer).and_then(Value::as_str);
        let otherwise = if self == Self::AiInference { ai_inference::DEFAULT_ALGORITHM } else { "" };
        written.filter(|name| !name.is_empty()).unwrap_or(otherwise).to_owned()
    }

    /// The reason of a condition, where an algorithm can't be made for `error`.
    pub(crate) fn algorithm_refused(self, error: &ConfigError) -> &'static str {
        match self {
            // Where there is none of that name, and not where one doesn't like its configuration.
            Self::AiInference if error.path == "spec.algorithm.name" => "UnknownAlgorithm",
            _ => "AlgorithmInvalid",
        }
    }

    /// What is found, in the words in which this kind's conditions are documented. `look` is what it was found by.
    pub(crate) fn findings(self, findings: Vec<Finding>, look: Option<&Look>, since: &Since) -> Vec<Finding> {
        match self {
            Self::AiInference => ai_inference::findings(findings, look, since),
            Self::ScalingPolicy | Self::ScalingGroup | Self::ElasticScaler => findings,
        }
    }

    /// The fields of this kind's status, but for its conditions, to be merged with what is there.
    pub(crate) fn status(self, look: &Look, algorithm: &str, since: &Since) -> Value {
        match self {
            Self::AiInference => ai_inference::status(look, algorithm, since),
            // Of a group, that is a member's.
            Self::ScalingPolicy | Self::ScalingGroup | Self::ElasticScaler => native_status(look, since),
        }
    }

    /// What the definition says of this kind's objects, but for its name, its group and what all have.
    pub(crate) fn schema(self) -> Definition {
        match self {
            Self::ScalingPolicy => crate::crd::native(),
            Self::ScalingGroup => group::definition(),
            Self::AiInference => ai_inference::definition(),
            Self::ElasticScaler => elastic_scaler::definition(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.names().kind)
    }
}

/// What differs from one definition to the next.
pub(crate) struct Definition {
    pub(crate) description: &'static str,
    /// What `kubectl get` prints between the name and the age.
    pub(crate) columns: Vec<Column>,
    pub(crate) spec: Value,
    pub(crate) status: Value,
}

/// Name, type and path of what `kubectl get` prints.
pub(crate) type Column = (&'static str, &'static str, String);

/// The column `name`.
pub(crate) fn column(name: &'static str, kind: &'static str, path: &str) -> Column {
    (name, kind, path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_the_kind_and_no_two_objects_have_the_same() {
        let mut keys = std::collections::BTreeSet::new();
        for kind in Kind::ALL {
            let object = DynamicObject::new("web", &kind.resource()).within("shop");
            let key = kind.key_of(&object);
            assert_eq!(Kind::called(&key), (kind, "shop/web"), "{key}");
            assert!(keys.insert(key));
        }
        let mut group = DynamicObject::new("chat", &Kind::ScalingGroup.resource()).within("shop");
        group.data = serde_json::json!({ "spec": { "members": [{ "name": "prefill" }, {}, { "name": "decode" }] } });
        let workloads = ["prefill", "decode"].map(|name| format!("scalinggroups.setpoint.dev/shop/chat/{name}"));
        assert_eq!(Kind::ScalingGroup.workloads(&group), workloads, "also where something is amiss");
        // A namespace can't be called after a resource: it has no dots.
        assert_eq!(Kind::called("elasticscalers/web"), (Kind::ScalingPolicy, "elasticscalers/web"));
    }
}
