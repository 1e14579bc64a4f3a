//! The custom resource definition of `ScalingPolicy`, made from the policy's own types.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use setpoint::PolicySpec;

use crate::condition::ConditionType;
use crate::structural::structural;

/// The API group.
pub const GROUP: &str = "setpoint.dev";
/// The version.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "ScalingPolicy";
/// Of the kind, in addresses.
pub(crate) const PLURAL: &str = "scalingpolicies";

/// The definition, to be applied to a cluster.
///
/// ```
/// let crd = setpoint_kube::crd();
/// assert_eq!(crd["metadata"]["name"], "scalingpolicies.setpoint.dev");
/// ```
#[must_use]
pub fn crd() -> Value {
    let column = |name: &str, kind: &str, path: &str| json!({ "name": name, "type": kind, "jsonPath": path });
    let ready = format!(".status.conditions[?(@.type==\"{}\")].status", ConditionType::Ready.name());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{PLURAL}.{GROUP}") },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": format!("{KIND}List"),
                "plural": PLURAL,
                "singular": "scalingpolicy",
                "shortNames": ["sp"],
                "categories": ["all"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": [
                    column("Target", "string", ".spec.targetRef.name"),
                    column("Min", "integer", ".spec.minReplicas"),
                    column("Max", "integer", ".spec.maxReplicas"),
                    column("Current", "integer", ".status.currentReplicas"),
                    column("Desired", "integer", ".status.desiredReplicas"),
                    column("Ready", "string", &ready),
                    column("Age", "date", ".metadata.creationTimestamp"),
                ],
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "description": "How many replicas a workload has, by what is measured of it, and why.",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": { "type": "string" },
                        "kind": { "type": "string" },
                        "metadata": { "type": "object" },
                        "spec": spec(),
                        "status": status(),
                    },
                } },
            }],
        },
    })
}

fn spec() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<PolicySpec>();
    let mut spec = structural(&schema.to_value());
    let required = spec["required"].as_array_mut().expect("a policy has required fields");
    required.push("targetRef".into());
    let metrics = &mut spec["properties"]["metrics"];
    metrics["minItems"] = 1.into();
    // More than any policy has; rules over lists without a bound cost too much.
    metrics["maxItems"] = 64.into();
    spec["x-kubernetes-validations"] = json!([{
        "rule": "self.minReplicas <= self.maxReplicas",
        "message": "minReplicas must not be above maxReplicas",
        "fieldPath": ".minReplicas",
    }]);
    spec
}

fn status() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let time = |description: &str| json!({ "type": "string", "format": "date-time", "description": description });
    let count = |description: &str| json!({ "type": "integer", "format": "int64", "description": description });
    let number = |description: &str| json!({ "type": "number", "description": description });
    let object = |description: &str, properties: Value| json!({ "type": "object", "description": description, "properties": properties });
    let list = |description: &str, items: Value| json!({ "type": "array", "description": description, "items": items });
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
            "conditions": {
                "type": "array",
                "description": "Ready, Scaling, AlgorithmValid and MetricsAvailable.",
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
            },
        }),
    )
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
            let free = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            assert!(free || fields.get("type").is_some_and(Value::is_string), "{path} has no type: {schema}");
            for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
                check(property, &format!("{path}.{name}"));
            }
            for word in ["items", "additionalProperties"] {
                fields.get(word).into_iter().for_each(|inner| check(inner, &format!("{path}[]")));
            }
        }
        let crd = crd();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        check(schema, "");
        let spec = &schema["properties"]["spec"]["properties"];
        assert_eq!(spec["minReplicas"]["default"], 1);
        assert_eq!(spec["metrics"]["items"]["properties"]["target"]["maxProperties"], 1);
        assert_eq!(
            spec["algorithm"]["properties"]["of"]["items"]["properties"]["algorithm"]["x-kubernetes-preserve-unknown-fields"],
            true
        );
    }
}
