//! KubeAI Autoscaler's `AIInferenceAutoscalerPolicy`: its status in the words of its documents, and its definition.

use serde_json::{Map, Value, json};
use setpoint_runtime::{Look, Measured};

use super::{Definition, Names, column};
use crate::condition::{ConditionType, Finding, Truth};
use crate::crd::{bounds_rule, conditions, count, list, object, text, time};
use crate::status::{Since, unusable};

pub(super) const NAMES: Names = Names {
    group: "kubeai.io",
    version: "v1alpha1",
    kind: "AIInferenceAutoscalerPolicy",
    plural: "aiinferenceautoscalerpolicies",
    singular: "aiinferenceautoscalerpolicy",
    short: &["aiap", "aipolicy"],
};

pub(super) const DEFAULT_ALGORITHM: &str = "MaxRatio";

/// The policy's metrics, and the fields of `currentMetrics` that hold them.
const METRICS: [(&str, &str); 4] = [
    ("p99", "latencyP99Ms"),
    ("p95", "latencyP95Ms"),
    ("gpu", "gpuUtilizationPercent"),
    ("queue", "requestQueueDepth"),
];

/// Their reasons for what is found here, and `MetricsFetchFailed` where no metric at all could be read.
pub(super) fn findings(mut findings: Vec<Finding>, look: Option<&Look>, since: &Since) -> Vec<Finding> {
    use ConditionType::{AlgorithmValid, Ready, Scaling};
    let has_none =
        |look: &&Look| look.decision.is_some() && look.readings.iter().all(|(_, measured)| measured.usable().is_none());
    for finding in &mut findings {
        if finding.kind == Ready
            && finding.status == Truth::True
            && let Some(text) = look.filter(has_none).and_then(unusable)
        {
            *finding = Finding::new(Ready, Truth::False, "MetricsFetchFailed", text);
        }
        finding.reason = match (finding.kind, finding.status, finding.reason) {
            (Ready, Truth::True, _) => "Ready",
            (Scaling, Truth::True, _) if since.last_scale.is_some() => "Scaled",
            (AlgorithmValid, Truth::True, _) => "AlgorithmFound",
            (_, Truth::False, "TargetNotRead") => "TargetNotFound",
            (_, Truth::False, "NotScaled") => "ScaleFailed",
            (.., reason) => reason,
        };
    }
    findings
}

pub(super) fn status(look: &Look, algorithm: &str, since: &Since) -> Value {
    let mut status = json!({});
    if let Some(count) = look.count {
        status["currentReplicas"] = json!(count.asked);
    }
    if let Some(at) = since.last_scale {
        status["lastScaleTime"] = json!(at);
    }
    if let Some(decision) = look.decision {
        let why: Vec<&str> = look.reasons.iter().map(|reason| reason.text.as_str()).collect();
        status["desiredReplicas"] = json!(decision.desired);
        status["lastAlgorithm"] = json!(algorithm);
        status["lastScaleReason"] = json!(why.join("; "));
        // What can't be read any more, or isn't asked for, is taken out, and is no zero.
        let reading = |name: &str| look.readings.iter().find(|(known, _)| known == name);
        let fields = METRICS.iter().map(|(name, field)| {
            let whole = reading(name).and_then(|(_, measured)| whole(measured));
            ((*field).to_owned(), json!(whole))
        });
        status["currentMetrics"] = Value::Object(fields.collect::<Map<_, _>>());
    }
    status
}

/// A reading as their status has it: the nearest whole number, and the largest or smallest of 32 bits beyond those. The
/// decision is made by the reading itself.
fn whole(measured: &Measured) -> Option<i32> {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what is wanted")]
    let whole = |value: f64| value.round() as i32;
    measured.usable().filter(|value| value.is_finite()).map(whole)
}

pub(super) fn definition() -> Definition {
    Definition {
        description: "How many replicas serve a model, by latency, use of GPUs and queue.",
        columns: vec![
            column("Target", "string", ".spec.targetRef.name"),
            column("Min", "integer", ".spec.minReplicas"),
            column("Max", "integer", ".spec.maxReplicas"),
            column("Current", "integer", ".status.currentReplicas"),
            column("Algorithm", "string", ".status.lastAlgorithm"),
        ],
        spec: spec(),
        status: object(
            "What was last observed, decided and done.",
            json!({
                "observedGeneration": count("The generation of the policy that this is about."),
                "currentReplicas": count("How many replicas were asked for."),
                "desiredReplicas": count("How many there should be."),
                "lastScaleTime": time("When the count was last changed by this policy."),
                "lastAlgorithm": text("What made the last decision."),
                "lastScaleReason": text("What led to the last decision, step by step."),
                "currentMetrics": object("What was measured, in whole numbers; what couldn't be is left out.", json!({
                    "latencyP99Ms": count("The 99th percentile of latencies in milliseconds."),
                    "latencyP95Ms": count("The 95th percentile of latencies in milliseconds."),
                    "gpuUtilizationPercent": count("The use of GPUs in percent."),
                    "requestQueueDepth": count("The requests that wait, over all replicas."),
                })),
                "conditions": conditions("Ready, Scaling, AlgorithmValid, MetricsAvailable and CarriedOver."),
            }),
        ),
    }
}

fn spec() -> Value {
    let least = |minimum: i64, schema: Value| {
        let mut schema = schema;
        schema["minimum"] = minimum.into();
        schema
    };
    let or = |default: Value, schema: Value| {
        let mut schema = schema;
        schema["default"] = default;
        schema
    };
    let enabled = |default: bool| {
        or(default.into(), json!({ "type": "boolean", "description": "Whether it is looked at at all." }))
    };
    let query = |description: &str| text(description);
    let direction = |of: &str, window: i64| {
        object(
            &format!("How fast it may scale {of}. Without it there is no limit."),
            json!({
                "stabilizationWindowSeconds":
                    or(window.into(), least(0, count("The most careful of the answers of so many seconds is followed."))),
                "policies": list("How much it may change in a time; the largest of several holds.", json!({
                    "type": "object",
                    "description": "So many pods, or so much of the count, in a time.",
                    "required": ["type", "value", "periodSeconds"],
                    "properties": {
                        "type": { "type": "string", "enum": ["Pods", "Percent"], "description": "Of what." },
                        "value": least(1, count("How many.")),
                        "periodSeconds": least(1, count("In how many seconds.")),
                    },
                })),
            }),
        )
    };
    let mut percentage = least(1, count("The use of a GPU that is aimed at, in percent."));
    percentage["maximum"] = 100.into();
    let tolerance = json!({
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0.1,
        "description": "The distance from the targets within which nothing is done: 0.1 is a tenth.",
    });
    let weights = json!({ "type": "number", "minimum": 0, "description": "A metric's weight." });
    json!({
        "type": "object",
        "description": "What is scaled, by what and how.",
        "required": ["targetRef", "maxReplicas", "metrics"],
        "x-kubernetes-validations": [bounds_rule()],
        "properties": {
            "targetRef": {
                "type": "object",
                "description": "What is scaled, in the policy's own namespace.",
                "required": ["apiVersion", "kind", "name"],
                "properties": {
                    "apiVersion": text("Its group and version."),
                    "kind": text("Its kind: a Deployment, a StatefulSet, or anything else with a scale subresource."),
                    "name": text("Its name."),
                },
            },
            "minReplicas": or(1.into(), least(1, count("The smallest count."))),
            "maxReplicas": least(1, count("The largest count.")),
            "cooldownPeriod":
                or(300.into(), least(0, count("The seconds after a change in which there is no other; 0 for none."))),
            "metrics": object("What is looked at: at least one of these.", json!({
                "latency": object("How long requests take. One target is needed, or both.", json!({
                    "enabled": enabled(true),
                    "targetP99Ms": least(1, count("The 99th percentile that is aimed at, in milliseconds.")),
                    "targetP95Ms": least(1, count("The 95th percentile that is aimed at, in milliseconds.")),
                    "prometheusQuery": query("A query that gives seconds, in place of the default one."),
                })),
                "gpuUtilization": object("How busy the GPUs are.", json!({
                    "enabled": enabled(true),
                    "targetPercentage": percentage,
                    "prometheusQuery": query("A query that gives percent, in place of the default one."),
                })),
                "requestQueueDepth": object("How many requests wait.", json!({
                    "enabled": enabled(false),
                    "targetDepth": least(0, count("So many that wait a replica are aimed at.")),
                    "prometheusQuery": query("A query that gives the sum over all replicas, in place of the default one."),
                })),
            })),
            "algorithm": object("What decides.", json!({
                "name": or(
                    DEFAULT_ALGORITHM.into(),
                    text("MaxRatio, AverageRatio, WeightedRatio, CappedSmoothRatio, or a plugin's name."),
                ),
                "tolerance": tolerance,
                "weights": list("WeightedRatio's weights, of the metrics in use in the order P99, P95, GPU, queue.", weights),
            })),
            "scaleUp": direction("up", 60),
            "scaleDown": direction("down", 300),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_the_nearest_whole_number_and_never_one_that_was_not_read() {
        let cases = [
            (Measured::Value(0.0), Some(0)),
            (Measured::Value(0.9), Some(1)),
            (Measured::Value(512.4), Some(512)),
            (Measured::Value(1e300), Some(i32::MAX)),
            (Measured::Value(f64::NAN), None),
            (Measured::Missing("nobody knows".to_owned()), None),
        ];
        for (measured, want) in cases {
            assert_eq!(whole(&measured), want, "{measured:?}");
        }
    }
}
