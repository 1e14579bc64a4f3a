//! KEDA.

use serde_json::{Value, json};
use setpoint::{AlgorithmManager, MetricKind, Reading, Target};
use setpoint_dialects::Fate;

use crate::{converted, decide, fields, refused, with};

fn prometheus(name: &str, threshold: &str) -> Value {
    json!({
        "type": "prometheus",
        "name": name,
        "metadata": { "serverAddress": "http://prometheus:9090", "query": format!("sum({name})"), "threshold": threshold },
    })
}

fn document(triggers: Value) -> Value {
    json!({
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": { "name": "orders" },
        "spec": { "scaleTargetRef": { "name": "orders" }, "minReplicaCount": 1, "triggers": triggers },
    })
}

fn spec(mut document: Value, field: &str, value: Value) -> Value {
    document["spec"][field] = value;
    document
}

#[test]
fn triggers_become_metrics() {
    let value = with(prometheus("lag", "30"), "/metricType", Some(json!("Value")));
    let container = json!({ "type": "memory", "metricType": "AverageValue", "metadata": { "value": "2Gi", "containerName": "app" } });
    let triggers = json!([
        prometheus("rate", "20"), value, prometheus("", "5"), prometheus("", "6"),
        { "type": "cpu", "metadata": { "type": "Utilization", "value": 60 } },
        container,
    ]);
    let metrics = converted(&document(triggers)).policy.spec.metrics;
    let told: Vec<_> =
        metrics.iter().map(|it| (it.name.as_str(), it.kind, it.target, it.container.as_deref())).collect();
    let average = |value| Target::average_value(value).expect("in range");
    assert_eq!(
        told,
        [
            ("rate", MetricKind::External, average(20.0), None),
            ("lag", MetricKind::External, Target::value(30.0).expect("in range"), None),
            ("prometheus", MetricKind::External, average(5.0), None),
            ("prometheus#2", MetricKind::External, average(6.0), None),
            ("cpu", MetricKind::Resource, Target::utilization(60.0).expect("in range"), None),
            ("memory", MetricKind::ContainerResource, average(2_147_483_648.0), Some("app")),
        ]
    );
}

#[test]
fn a_workload_goes_to_zero_and_back_by_activation() {
    let mut trigger = prometheus("rate", "20");
    trigger["metadata"]["activationThreshold"] = json!("2");
    let to_zero = with(spec(document(json!([trigger])), "cooldownPeriod", json!(60)), "/spec/minReplicaCount", None);
    let policy = converted(&to_zero).policy;
    let at = |value| [Reading::Value(value)];
    let (busy, quiet, some) = (at(70.0), at(2.0), at(2.1));
    let looks: [(i64, u32, &[Reading<'_>]); 6] =
        [(0, 0, &quiet), (15, 0, &some), (30, 1, &busy), (45, 4, &quiet), (90, 4, &quiet), (105, 0, &busy)];
    // Up by at most four at a time, as an HPA without behavior; its five minutes down don't matter to going idle.
    assert_eq!(decide(&policy, &looks), [0, 1, 4, 4, 0, 1]);
    let idle = converted(&spec(spec(to_zero, "minReplicaCount", json!(3)), "idleReplicaCount", json!(0))).policy;
    assert_eq!(decide(&idle, &[(0, 0, &some), (15, 3, &some)]), [3, 3]);
}

#[test]
fn a_fallback_substitutes_the_failed_trigger_alone() {
    let fallback = json!({ "failureThreshold": 1, "replicas": 6 });
    let both = document(json!([prometheus("rate", "20"), { "type": "cpu", "metadata": { "value": "50" } }]));
    let policy = converted(&spec(both, "fallback", fallback)).policy;
    let failed = |cpu| [Reading::Missing("refused"), Reading::Value(cpu)];
    let (calm, busy) = (failed(50.0), failed(100.0));
    let looks: [(i64, u32, &[Reading<'_>]); 3] = [(0, 4, &calm), (15, 4, &calm), (30, 6, &busy)];
    assert_eq!(decide(&policy, &looks), [4, 6, 12]);
}

#[test]
fn a_formula_is_one_metric_beside_the_resources() {
    let modifiers = json!({ "scalingModifiers": { "formula": "(rate + lag) / 2", "target": "5" } });
    let triggers =
        json!([prometheus("rate", "1"), prometheus("lag", "1"), { "type": "cpu", "metadata": { "value": "50" } }]);
    let document = spec(document(triggers), "advanced", modifiers);
    let policy = converted(&document).policy;
    let at = |rate, lag, cpu| [rate, lag, cpu].map(Reading::Value);
    // (20 + 8) / 2 is 14, and 5 a replica makes 3; the CPU asks for twice as many.
    assert_eq!(decide(&policy, &[(0, 2, &at(20.0, 8.0, 50.0))]), [3]);
    assert_eq!(decide(&policy, &[(0, 2, &at(20.0, 8.0, 100.0))]), [4]);
    let wrong = with(document.clone(), "/spec/advanced/scalingModifiers/formula", Some(json!("rate + lagg")));
    refused(
        &wrong,
        "spec.advanced.scalingModifiers.formula",
        "at character 8: no metric is called `lagg` (did you mean `lag`?",
    );
    let text = with(document, "/spec/advanced/scalingModifiers/formula", Some(json!("rate == \"x\" ? 1 : 2")));
    refused(&text, "spec.advanced.scalingModifiers.formula", "text is not supported");
}

#[test]
fn behavior_is_the_hpa_s_own() {
    let behavior = json!({ "horizontalPodAutoscalerConfig": { "behavior": {
        "scaleUp": { "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 15 }] },
    } } });
    let document = spec(document(json!([prometheus("rate", "20")])), "advanced", behavior);
    assert_eq!(decide(&converted(&document).policy, &[(0, 2, &[Reading::Value(200.0)])]), [3]);
    let wrong = with(
        document,
        "/spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleUp/policies/0/value",
        Some(json!(0)),
    );
    refused(
        &wrong,
        "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.policies[0].value",
        "must be greater than 0, got 0",
    );
}

#[test]
fn what_has_no_counterpart_is_said_field_by_field() {
    let mut trigger = prometheus("rate", "20");
    trigger["authenticationRef"] = json!({ "name": "a" });
    trigger["useCachedMetrics"] = json!(true);
    trigger["metadata"]["unsafeSsl"] = json!("true");
    let mut all = document(json!([trigger, { "type": "kafka", "metadata": { "topic": "a" } }]));
    all["metadata"]["annotations"] = json!({ "autoscaling.keda.sh/paused": "true" });
    all["spec"]["initialCooldownPeriod"] = json!(60);
    all["spec"]["pollingInterval"] = json!(10);
    all["spec"]["scaleTargetRef"]["envSourceContainerName"] = json!("app");
    all["spec"]["fallback"] = json!({ "failureThreshold": 1, "replicas": 6 });
    all["spec"]["advanced"] = json!({
        "restoreToOriginalReplicaCount": true,
        "horizontalPodAutoscalerConfig": { "name": "x" },
        "scalingModifiers": { "formula": "rate", "target": "5", "activationTarget": "3" },
    });
    let conversion = converted(&all);
    assert_eq!(
        fields(&conversion, Fate::Lost),
        [
            "spec.triggers[1]",
            "spec.triggers[0].metadata.unsafeSsl",
            "spec.triggers[0].authenticationRef",
            "spec.triggers[0].useCachedMetrics",
            "spec.initialCooldownPeriod",
            "spec.fallback",
            "spec.advanced.restoreToOriginalReplicaCount",
            "spec.advanced.horizontalPodAutoscalerConfig.name",
            "spec.scaleTargetRef.envSourceContainerName",
            "spec.advanced.scalingModifiers.activationTarget",
            "metadata.annotations.autoscaling.keda.sh/paused",
        ]
    );
    assert_eq!(
        fields(&conversion, Fate::Changed),
        ["spec.triggers[0].metadata.ignoreNullValues", "spec.pollingInterval"]
    );
    AlgorithmManager::new().add(&conversion.policy.spec).expect("what is left is a policy");
}

#[test]
fn cpu_alone_never_goes_to_zero() {
    let cpu = with(document(json!([{ "type": "cpu", "metadata": { "value": "50" } }])), "/spec/minReplicaCount", None);
    let conversion = converted(&cpu);
    assert_eq!(conversion.policy.spec.min_replicas, 1);
    assert_eq!(fields(&conversion, Fate::Changed), ["spec.minReplicaCount"]);
}

#[test]
fn what_makes_no_sense_is_refused_at_its_field() {
    let rate = || document(json!([prometheus("rate", "20")]));
    let trigger = |pointer: &str, value: Option<Value>| with(rate(), &format!("/spec/triggers/0{pointer}"), value);
    let cases = [
        (document(json!([])), "spec.triggers", "there is none"),
        (
            document(json!([{ "type": "promethus" }])),
            "spec.triggers",
            "`promethus` has no counterpart (did you mean `prometheus`?",
        ),
        (
            trigger("/metadata/query", None),
            "spec.triggers[0].metadata.query",
            "needs it; given are serverAddress, threshold",
        ),
        (
            trigger("/metadata/threshold", Some(json!("many"))),
            "spec.triggers[0].metadata.threshold",
            "must be a number, got \"many\"",
        ),
        (
            trigger("/metadata/threshold", Some(json!("0"))),
            "spec.triggers[0].metadata.threshold",
            "greater than 0, got 0",
        ),
        (
            trigger("/metricType", Some(json!("Utilization"))),
            "spec.triggers[0].metricType",
            "must be AverageValue or Value",
        ),
        (trigger("/metricTyp", Some(json!("Value"))), "spec.triggers[0].metricTyp", "did you mean `metricType`?"),
        (spec(rate(), "maxReplicaCount", json!(0)), "spec.maxReplicaCount", "at least minReplicaCount 1, got 0"),
        (spec(rate(), "idleReplicaCount", json!(1)), "spec.idleReplicaCount", "below minReplicaCount 1, got 1"),
        (
            spec(rate(), "fallback", json!({ "failureThreshold": 3, "replicas": -1 })),
            "spec.fallback.replicas",
            "at least 0, got -1",
        ),
        (
            spec(rate(), "fallback", json!({ "failureThreshold": 3, "replicas": 1, "behavior": "dynamic" })),
            "spec.fallback.behavior",
            "known: `static`, `currentReplicas`",
        ),
        (
            spec(
                document(json!([{ "type": "cpu", "metadata": { "value": "50" } }])),
                "fallback",
                json!({ "failureThreshold": 3, "replicas": 1 }),
            ),
            "spec.fallback",
            "has to have the metricType AverageValue",
        ),
    ];
    for (document, path, message) in cases {
        refused(&document, path, message);
    }
}
