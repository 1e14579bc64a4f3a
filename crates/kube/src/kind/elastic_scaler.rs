//! openFuyao's `ElasticScaler`: its definition. Its guide names no field of the status; it has those of a policy.

use serde_json::{Value, json};

use super::{Definition, Names, column};
use crate::condition::ConditionType;
use crate::crd::{anything, bounds_rule, condition_column, count, list, object, policy_status, text};

pub(super) const NAMES: Names = Names {
    group: "elasticscaler.io",
    version: "v1alpha1",
    kind: "ElasticScaler",
    plural: "elasticscalers",
    singular: "elasticscaler",
    short: &[],
};

pub(super) fn definition() -> Definition {
    Definition {
        description: "How many replicas a workload has, by metrics and an algorithm.",
        columns: vec![
            column("Target", "string", ".spec.targetRef.name"),
            column("Algorithm", "string", ".spec.trigger.metricsTrigger.scalingAlgorithm"),
            column("Min", "integer", ".spec.minReplicas"),
            column("Max", "integer", ".spec.maxReplicas"),
            column("Current", "integer", ".status.currentReplicas"),
            column("Desired", "integer", ".status.desiredReplicas"),
            ("Ready", "string", condition_column(ConditionType::Ready)),
        ],
        spec: spec(),
        status: policy_status("Ready, Scaling, AlgorithmValid, MetricsAvailable and CarriedOver."),
    }
}

fn spec() -> Value {
    let named = |description: &str| json!({ "type": "string", "minLength": 1, "description": description });
    let replicas = |description: &str| {
        let mut schema = count(description);
        schema["minimum"] = 0.into();
        schema
    };
    let mut min = replicas("The smallest count.");
    min["default"] = 1.into();
    json!({
        "type": "object",
        "description": "What is scaled, by what and how.",
        "required": ["targetRef", "maxReplicas", "trigger"],
        "x-kubernetes-validations": [bounds_rule()],
        "properties": {
            "targetRef": {
                "type": "object",
                "description": "What is scaled.",
                "required": ["apiVersion", "kind", "name"],
                "properties": {
                    "apiVersion": named("Its group and version."),
                    "kind": named("Its kind: anything with a scale subresource, or spec.replicas."),
                    "name": named("Its name."),
                    "namespace": text("The ElasticScaler's own namespace, or left out."),
                },
            },
            "minReplicas": min,
            "maxReplicas": replicas("The largest count."),
            "trigger": {
                "type": "object",
                "description": "What makes it scale.",
                "required": ["type", "metricsTrigger"],
                "properties": {
                    "type": { "type": "string", "enum": ["MetricsTrigger"], "description": "Of which kind it is." },
                    "metricsTrigger": {
                        "type": "object",
                        "description": "What is measured, and what makes a count of it.",
                        "required": ["scalingAlgorithm", "metrics"],
                        "properties": {
                            "scalingAlgorithm": named("HPA, or the name of another algorithm: a plugin's, for one."),
                            "algorithmConfig": anything("The algorithm's configuration, which it checks itself."),
                            "metrics": metrics(),
                        },
                    },
                },
            },
        },
    })
}

/// As an HPA has them.
fn metrics() -> Value {
    let quantity = |description: &str| json!({ "x-kubernetes-int-or-string": true, "description": description });
    let target = json!({
        "type": "object",
        "description": "What the reading should be.",
        "required": ["type"],
        "properties": {
            "type": { "type": "string", "enum": ["Utilization", "AverageValue", "Value"], "description": "In which terms." },
            "averageUtilization": count("In percent of what the pods request."),
            "averageValue": quantity("So much a pod."),
            "value": quantity("So much in all."),
        },
    });
    let metric = json!({
        "type": "object",
        "description": "Which metric.",
        "required": ["name"],
        "properties": { "name": text("Its name."), "selector": anything("Which of its series, by labels.") },
    });
    let kind = |description: &str, field: &str, schema: Value| json!({ "type": "object", "description": description, "required": [field, "target"], "properties": { field: schema, "target": target } });
    let resource_name = text("cpu, memory, or another resource.");
    let mut container = kind("The use of a resource by one container of each pod.", "name", resource_name.clone());
    container["properties"]["container"] = text("The container.");
    let mut described = kind("What is measured of one object.", "metric", metric.clone());
    described["properties"]["describedObject"] = anything("Which object.");
    let mut metrics = list(
        "What is looked at: at least one metric.",
        object(
            "A metric.",
            json!({
                "type": {
                    "type": "string",
                    "enum": ["Resource", "External", "ContainerResource", "Pods", "Object"],
                    "description": "Of what it is; the field of that name says more.",
                },
                "resource": kind("The use of a resource by the pods.", "name", resource_name),
                "external": kind("What is measured outside of the cluster.", "metric", metric.clone()),
                "containerResource": container,
                "pods": kind("What is measured of each pod.", "metric", metric),
                "object": described,
            }),
        ),
    );
    metrics["items"]["required"] = json!(["type"]);
    metrics["minItems"] = 1.into();
    metrics["maxItems"] = 64.into();
    metrics
}
