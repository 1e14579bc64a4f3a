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
fn an_hpa_s_metrics_are_read_where_its_controller_reads_them() {
    let identifier =
        json!({ "name": "queue", "selector": { "matchLabels": { "app": "web" }, "matchExpressions": null } });
    let target = json!({ "type": "AverageValue", "averageValue": "4" });
    let manifest = |metrics: &serde_json::Value| {
        json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "web" },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
                "maxReplicas": 10,
                "metrics": metrics,
            },
        })
    };
    let metrics = json!([
        { "type": "External", "external": { "metric": identifier, "target": target } },
        { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } },
        { "type": "Pods", "pods": { "metric": { "name": "queue", "selector": null }, "target": target } },
        { "type": "Object", "object": {
            "metric": { "name": "rate" }, "target": target, "describedObject": { "kind": "Service", "name": "front" },
        } },
    ]);
    let conversion = read(&manifest(&metrics)).expect("a good manifest");
    assert!(conversion.is_complete() && conversion.notes.is_empty(), "{:?}", conversion.notes);
    let sources: Vec<_> = conversion.policy.spec.metrics.iter().map(|metric| json!(metric.source)).collect();
    let selector = json!({ "matchLabels": { "app": "web" } });
    let object = json!({ "apiVersion": "v1", "kind": "Service", "name": "front" });
    assert_eq!(
        sources,
        [
            json!({ "external": { "metric": { "name": "queue", "selector": selector } } }),
            json!({ "resource": { "name": "cpu" } }),
            json!({ "custom": { "metric": { "name": "queue" } } }),
            json!({ "custom": { "metric": { "name": "rate" }, "describedObject": object } }),
        ]
    );
    assert_eq!(conversion.origin("spec.targetRef.name"), "spec.scaleTargetRef.name");
    assert_eq!(conversion.origin("spec.algorithm.config.tolerance"), "spec");
    assert_eq!(conversion.origin("spec.behavior.scaleUp"), "spec.behavior.scaleUp");
    assert_eq!(conversion.origin("spec.metrics[3].source.custom"), "spec.metrics[3].object");
    let wrong = json!([{ "type": "Pods", "pods": {
        "metric": { "name": "queue", "selector": { "matchLabel": {} } }, "target": target,
    } }]);
    refused(&manifest(&wrong), "spec.metrics[0].pods.metric.selector.matchLabel", "did you mean `matchLabels`?");
    refused(&json!({ "apiVersion": "autoscaling/v2", "kind": "HPA" }), "kind", "must be HorizontalPodAutoscaler");
}
