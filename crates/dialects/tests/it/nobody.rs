//! Whose document it is, and whose it isn't.

use serde_json::json;
use setpoint_dialects::{Dialect, read};

use crate::refused;

#[test]
fn a_document_is_known_by_its_kind_its_group_or_its_fields() {
    let cases = [
        (json!({ "kind": "ScalingPolicy" }), Dialect::Native),
        (json!({ "apiVersion": "setpoint.dev/v1alpha1" }), Dialect::Native),
        (json!({ "kind": "HorizontalPodAutoscaler" }), Dialect::Hpa),
        (json!({ "kind": "AIInferenceAutoscalerPolicy" }), Dialect::Kubeai),
        (json!({ "apiVersion": "kubeai.io/v1alpha1", "kind": "AIInferencePolicy" }), Dialect::Kubeai),
        (json!({ "apiVersion": "elasticscaler.io/v1alpha1", "kind": "" }), Dialect::ElasticScaler),
        (json!({ "apiVersion": "", "kind": "ElasticScaler" }), Dialect::ElasticScaler),
        (json!({ "kind": "ScaledObject" }), Dialect::Keda),
        (json!({ "workload_name": "a" }), Dialect::Storage),
        (json!({ "evaluate": {}, "metric": {} }), Dialect::Cpa),
    ];
    for (document, want) in cases {
        assert_eq!(Dialect::of(&document), Ok(want), "{document}");
    }
}

#[test]
fn nobody_s_document_is_answered_with_the_kinds_that_are_known() {
    refused(
        &json!({ "apiVersion": "apps/v1", "kind": "Deployment" }),
        "kind",
        "unknown value `Deployment`; known: `ScalingPolicy`, `HorizontalPodAutoscaler`, `AIInferenceAutoscalerPolicy`, \
         `ElasticScaler`, `ScaledObject`",
    );
    refused(&json!({ "kind": "ScaledObjects" }), "kind", "did you mean `ScaledObject`?");
    refused(&json!({ "kind": "ScalingGroup" }), "kind", "several policies");
}

#[test]
fn an_hpa_s_selector_is_reported() {
    let conversion = read(&json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "web" },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "maxReplicas": 10,
            "metrics": [{ "type": "External", "external": {
                "metric": { "name": "queue", "selector": { "matchLabels": { "app": "web" } } },
                "target": { "type": "AverageValue", "averageValue": "4" },
            } }],
        },
    }))
    .expect("a good manifest");
    assert!(!conversion.is_complete());
    assert_eq!(conversion.notes[0].field, "spec.metrics[0].external.metric.selector");
    assert_eq!(conversion.origin("spec.targetRef.name"), "spec.scaleTargetRef.name");
    assert_eq!(conversion.origin("spec.algorithm.config.tolerance"), "spec");
    assert_eq!(conversion.origin("spec.behavior.scaleUp"), "spec.behavior.scaleUp");
    refused(&json!({ "apiVersion": "autoscaling/v2", "kind": "HPA" }), "kind", "must be HorizontalPodAutoscaler");
}
