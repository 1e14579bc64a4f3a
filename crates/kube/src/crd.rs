//! The custom resource definitions: that of `ScalingPolicy`, made from the policy's own types, and other autoscalers'.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use setpoint::PolicySpec;

use crate::condition::ConditionType;
use crate::kind::{Column, Definition, Kind, Names, column};
use crate::structural::structural;

/// The API group of this project's own kind.
pub const GROUP: &str = "setpoint.dev";
/// Its version.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "ScalingPolicy";
/// Of the kind, in addresses.
const PLURAL: &str = "scalingpolicies";

/// What this project's own kind is called.
pub(crate) const NAMES: Names =
    Names { group: GROUP, version: VERSION, kind: KIND, plural: PLURAL, singular: "scalingpolicy", short: &["sp"] };

/// The definition of a kind, to be applied to a cluster.
///
/// ```
/// use setpoint_kube::{Kind, crd};
///
/// assert_eq!(crd(Kind::ScalingPolicy)["metadata"]["name"], "scalingpolicies.setpoint.dev");
/// assert_eq!(crd(Kind::AiInference)["spec"]["names"]["shortNames"][0], "aiap");
/// ```
#[must_use]
pub fn crd(kind: Kind) -> Value {
    let printed = |(name, kind, path): &Column| json!({ "name": name, "type": kind, "jsonPath": path });
    let names = kind.names();
    let Definition { description, columns, spec, status } = kind.schema();
    let mut columns: Vec<Value> = columns.iter().map(printed).collect();
    columns.push(printed(&column("Age", "date", ".metadata.creationTimestamp")));
    let mut called = json!({
        "kind": names.kind,
        "listKind": format!("{}List", names.kind),
        "plural": names.plural,
        "singular": names.singular,
        "categories": ["all"],
    });
    if !names.short.is_empty() {
        called["shortNames"] = json!(names.short);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{}", names.plural, names.group) },
        "spec": {
            "group": names.group,
            "scope": "Namespaced",
            "names": called,
            "versions": [{
                "name": names.version,
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": columns,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "description": description,
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": { "type": "string" },
                        "kind": { "type": "string" },
                        "metadata": { "type": "object" },
                        "spec": spec,
                        "status": status,
                    },
                } },
            }],
        },
    })
}

/// Of this project's own kind.
pub(crate) fn native() -> Definition {
    Definition {
        description: "How many replicas a workload has, by what is measured of it, and why.",
        columns: vec![
            column("Target", "string", ".spec.targetRef.name"),
            column("Min", "integer", ".spec.minReplicas"),
            column("Max", "integer", ".spec.maxReplicas"),
            column("Current", "integer", ".status.currentReplicas"),
            column("Desired", "integer", ".status.desiredReplicas"),
            ("Ready", "string", condition_column(ConditionType::Ready)),
        ],
        spec: spec(),
        status: policy_status("Ready, Scaling, AlgorithmValid and MetricsAvailable."),
    }
}

/// Where a condition's status is, for `kubectl get`.
pub(crate) fn condition_column(kind: ConditionType) -> String {
    format!(".status.conditions[?(@.type==\"{}\")].status", kind.name())
}

pub(crate) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

pub(crate) fn time(description: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": description })
}

pub(crate) fn count(description: &str) -> Value {
    json!({ "type": "integer", "format": "int64", "description": description })
}

pub(crate) fn object(description: &str, properties: Value) -> Value {
    json!({ "type": "object", "description": description, "properties": properties })
}

pub(crate) fn list(description: &str, items: Value) -> Value {
    json!({ "type": "array", "description": description, "items": items })
}

/// Whatever it is, for whoever reads it to judge.
pub(crate) fn anything(description: &str) -> Value {
    json!({ "x-kubernetes-preserve-unknown-fields": true, "description": description })
}

/// That a `spec`'s bounds aren't crossed.
pub(crate) fn bounds_rule() -> Value {
    json!({
        "rule": "self.minReplicas <= self.maxReplicas",
        "message": "minReplicas must not be above maxReplicas",
        "fieldPath": ".minReplicas",
    })
}

fn spec() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<PolicySpec>();
    let mut spec = structural(&schema.to_value());
    as_in_a_cluster(&mut spec);
    spec
}

/// What the `spec` of a policy must say in a cluster, and how much it may.
pub(crate) fn as_in_a_cluster(spec: &mut Value) {
    let required = spec["required"].as_array_mut().expect("a policy has required fields");
    required.push("targetRef".into());
    let metrics = &mut spec["properties"]["metrics"];
    metrics["minItems"] = 1.into();
    // More than any policy has; rules over lists without a bound cost too much.
    metrics["maxItems"] = 64.into();
    spec["x-kubernetes-validations"] = json!([bounds_rule()]);
}

/// The status of this project's own kind, and of those whose own isn't documented.
pub(crate) fn policy_status(types: &str) -> Value {
    let number = |description: &str| json!({ "type": "number", "description": description });
    object(
        "What was last observed, decided and done.",
        json!({
            "observedGeneration": count("The generation of the policy that this is about."),
            "currentReplicas": count("How many replicas were asked for."),
            "readyReplicas": count("How many of them served."),
            "desiredReplicas": count("How many there should be."),
            "lastScaleTime": time("When the count was last changed by this policy."),
            "readings": list("What was measured.", object("A metric's reading.", json!({
                "name": text("The metric."),
                "state": text("value, missing, stale or invalid."),
                "value": number("The value, where there is one."),
                "message": text("Why there is none."),
            }))),
            "lastDecision": object("The last decision, step by step.", json!({
                "at": time("When."),
                "from": count("The replicas there were."),
                "to": count("The replicas there should be."),
                "outcome": text("What kind of answer it comes from: need, hold, no_opinion, suspend or fallback."),
                "because": text("The step that it hung on in the end, in words."),
                "reasons": list("What led to it, in order.", object("A step.", json!({
                    "stage": text("Which stage."),
                    "from": number("The exact number before."),
                    "to": number("The exact number after."),
                    "text": text("What happened."),
                }))),
            })),
            "conditions": conditions(types),
        }),
    )
}

/// Conditions of these `types`, as Kubernetes' API conventions have them.
pub(crate) fn conditions(types: &str) -> Value {
    json!({
        "type": "array",
        "description": types,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": text("Which condition."),
                "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                "observedGeneration": count("The generation of the policy that it is about."),
                "lastTransitionTime": time("Since when it is so."),
                "reason": text("Why, in one word."),
                "message": text("Why, in words."),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_no_references_and_no_field_without_a_type() {
        fn check(schema: &Value, path: &str) {
            let fields = schema.as_object().unwrap_or_else(|| panic!("{path} is no schema"));
            for word in ["$ref", "oneOf", "anyOf", "const", "$defs"] {
                assert!(!fields.contains_key(word), "{path} has {word}");
            }
            let free = ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"]
                .iter()
                .any(|word| fields.get(*word) == Some(&json!(true)));
            assert!(free || fields.get("type").is_some_and(Value::is_string), "{path} has no type: {schema}");
            for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
                check(property, &format!("{path}.{name}"));
            }
            for word in ["items", "additionalProperties"] {
                fields.get(word).into_iter().for_each(|inner| check(inner, &format!("{path}[]")));
            }
        }
        let definitions = Kind::ALL.map(crd);
        let schemas = definitions.each_ref().map(|crd| &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
        for (kind, schema) in Kind::ALL.iter().zip(schemas) {
            check(schema, &kind.to_string());
        }
        let [schema, ..] = schemas;
        let spec = &schema["properties"]["spec"]["properties"];
        assert_eq!(spec["minReplicas"]["default"], 1);
        assert_eq!(spec["metrics"]["items"]["properties"]["target"]["maxProperties"], 1);
        assert_eq!(
            spec["algorithm"]["properties"]["of"]["items"]["properties"]["algorithm"]["x-kubernetes-preserve-unknown-fields"],
            true
        );
    }
}
