//! KubeAI Autoscaler.

use serde_json::{Value, json};
use setpoint::{AlgorithmManager, MetricSource, Reading};
use setpoint_dialects::Fate;

use crate::{converted, decide, fields, numbers, refused, with};

fn document() -> Value {
    json!({
        "apiVersion": "kubeai.io/v1alpha1",
        "kind": "AIInferenceAutoscalerPolicy",
        "metadata": { "name": "llm", "namespace": "ai" },
        "spec": {
            "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "llm" },
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": {
                "latency": { "enabled": true, "targetP99Ms": 500 },
                "gpuUtilization": { "enabled": true, "targetPercentage": 80 },
            },
        },
    })
}

#[test]
fn metrics_have_their_queries_or_the_controller_s() {
    let everything = json!({
        "latency": { "targetP99Ms": 500, "targetP95Ms": 300 },
        "gpuUtilization": { "targetPercentage": 80, "prometheusQuery": "avg(gpu)" },
        "requestQueueDepth": { "enabled": true, "targetDepth": 4 },
    });
    let queries = |document: &Value| -> Vec<(String, String)> {
        let metrics = converted(document).policy.spec.metrics;
        let query = |source| match source {
            Some(MetricSource::Prometheus(asked)) => asked.query,
            other => panic!("{other:?}"),
        };
        metrics.into_iter().map(|metric| (metric.name, query(metric.source))).collect()
    };
    let bucket = "sum(rate(inference_request_duration_seconds_bucket[5m])) by (le)";
    let own = |name: &str, query: String| (name.to_owned(), query);
    assert_eq!(
        queries(&with(document(), "/spec/metrics", Some(everything))),
        [
            own("p99", format!("1000 * histogram_quantile(0.99, {bucket})")),
            own("p95", format!("1000 * histogram_quantile(0.95, {bucket})")),
            own("gpu", "avg(gpu)".to_owned()),
            own("queue", "sum(inference_request_queue_depth)".to_owned()),
        ]
    );
    let one = json!({ "latency": { "targetP99Ms": 500, "targetP95Ms": 300, "prometheusQuery": "histogram_quantile(0.99, x)" } });
    assert_eq!(
        queries(&with(document(), "/spec/metrics", Some(one))),
        [
            own("p99", "1000 * (histogram_quantile(0.99, x))".to_owned()),
            own("p95", "1000 * (histogram_quantile(0.95, x))".to_owned()),
        ]
    );
}

#[test]
fn algorithms_have_their_names_and_parameters() {
    let algorithm = |given: Value| {
        let conversion = converted(&with(document(), "/spec/algorithm", Some(given)));
        let algorithm = conversion.policy.spec.algorithm.clone();
        (algorithm.name.expect("a name"), algorithm.config, conversion.is_complete())
    };
    let cases = [
        (json!({ "name": "MaxRatio" }), "max-ratio", Value::Null, true),
        (json!({ "name": "AverageRatio", "tolerance": 0 }), "average-ratio", json!({ "tolerance": 0 }), true),
        (
            json!({ "name": "WeightedRatio", "weights": [3, 1] }),
            "weighted-ratio",
            json!({ "weights": { "p99": 3, "gpu": 1 } }),
            true,
        ),
        (
            json!({ "name": "WeightedRatio", "weights": [3] }),
            "weighted-ratio",
            json!({ "weights": { "p99": 3 } }),
            true,
        ),
        (
            json!({ "name": "WeightedRatio", "weights": [3, 1, 7] }),
            "weighted-ratio",
            json!({ "weights": { "p99": 3, "gpu": 1 } }),
            false,
        ),
        (
            json!({ "name": "CappedSmoothRatio", "tolerance": 0.1 }),
            "capped-smooth-ratio",
            json!({ "tolerance": 0.1, "minStep": 1 }),
            true,
        ),
        (json!({ "name": "my-plugin", "tolerance": 0.2 }), "my-plugin", json!({ "tolerance": 0.2 }), true),
        (json!({ "name": "MaxRatio", "weights": [1] }), "max-ratio", Value::Null, false),
    ];
    for (given, name, config, complete) in cases {
        assert_eq!(algorithm(given.clone()), (name.to_owned(), config, complete), "{given}");
    }
    let unknown = converted(&with(document(), "/spec/algorithm", Some(json!({ "name": "maxratio" }))));
    let error = AlgorithmManager::new().add(&unknown.policy.spec).expect_err("unknown");
    assert!(error.message.contains("did you mean `max-ratio`?"), "{error}");
}

/// The controller's own rule, as its code has it but for the ratio of 1 that it begins with, and for the last instant of a
/// cooldown.
#[test]
fn it_decides_as_the_controller_s_rule_with_its_cooldown() {
    let policy = converted(&document()).policy;
    let mut number = numbers(7);
    let (mut current, mut last) = (4, None);
    let mut looks = Vec::new();
    let mut want = Vec::new();
    for step in 0..400_i64 {
        let (p99, gpu) = ((number() * 1200.0).round(), (number() * 100.0).round());
        looks.push((step * 30, current, [Reading::Value(p99), Reading::Value(gpu)]));
        let ratio = (p99 / 500.0).max(gpu / 80.0);
        let proposed =
            if (0.9..=1.1).contains(&ratio) { f64::from(current) } else { (f64::from(current) * ratio).ceil() };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
        let proposed = (proposed as u32).clamp(2, 10);
        let cooling = last.is_some_and(|last: i64| step * 30 - last <= 300);
        let desired = if cooling { current } else { proposed };
        want.push(desired);
        if desired != current {
            last = Some(step * 30);
        }
        current = desired;
    }
    let looks: Vec<(i64, u32, &[Reading<'_>])> =
        looks.iter().map(|(at, current, all)| (*at, *current, &all[..])).collect();
    assert_eq!(decide(&policy, &looks), want);
    assert!(want.windows(2).any(|pair| pair[1] < pair[0]), "it scales down");
}

#[test]
fn scale_up_and_scale_down_are_followed() {
    let up =
        json!({ "stabilizationWindowSeconds": 0, "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 30 }] });
    let limited = with(with(document(), "/spec/scaleUp", Some(up)), "/spec/cooldownPeriod", Some(json!(0)));
    let conversion = converted(&limited);
    let (busy, idle) = ([Reading::Value(1500.0), Reading::Value(80.0)], [Reading::Value(5.0), Reading::Value(1.0)]);
    let looks: [(i64, u32, &[Reading<'_>]); 3] = [(0, 4, &busy), (30, 5, &busy), (60, 6, &idle)];
    // One more at a time; down at once, for that direction says nothing.
    assert_eq!(decide(&conversion.policy, &looks), [5, 6, 2]);
    let windowed = converted(&with(limited, "/spec/scaleDown", Some(json!({}))));
    // The CRD's default of five minutes.
    assert_eq!(decide(&windowed.policy, &looks), [5, 6, 6]);
    assert!(fields(&windowed, Fate::Changed).contains(&"spec.cooldownPeriod"));
}

#[test]
fn what_makes_no_sense_is_refused_at_its_field() {
    let metrics = |metrics: Value| with(document(), "/spec/metrics", Some(metrics));
    let cases = [
        (with(document(), "/apiVersion", Some("".into())), "apiVersion", "must not be empty: it is kubeai.io/v1alpha1"),
        (
            with(document(), "/apiVersion", Some("kubeai.io/v1".into())),
            "apiVersion",
            "must be kubeai.io/v1alpha1, got kubeai.io/v1",
        ),
        (
            with(document(), "/kind", Some("AIPolicy".into())),
            "kind",
            "must be AIInferenceAutoscalerPolicy, got AIPolicy",
        ),
        (with(document(), "/metadata/name", Some("".into())), "metadata.name", "must not be empty"),
        (with(document(), "/spec/targetRef/kind", Some("".into())), "spec.targetRef.kind", "must not be empty"),
        (with(document(), "/spec/maxReplica", Some(5.into())), "spec.maxReplica", "did you mean `maxReplicas`?"),
        (
            with(document(), "/spec/maxReplicas", Some(1.into())),
            "spec.minReplicas",
            "minReplicas 2 is above maxReplicas 1",
        ),
        (metrics(json!({})), "spec.metrics", "at least one of"),
        (metrics(json!({ "latency": { "enabled": false, "targetP99Ms": 5 } })), "spec.metrics", "at least one of"),
        (metrics(json!({ "requestQueueDepth": { "targetDepth": 4 } })), "spec.metrics", "at least one of"),
        (metrics(json!({ "latency": {} })), "spec.metrics.latency", "needs a targetP99Ms"),
        (
            metrics(json!({ "latency": { "targetP99Ms": 0 } })),
            "spec.metrics.latency.targetP99Ms",
            "greater than 0, got 0",
        ),
        (
            metrics(json!({ "gpuUtilization": { "targetPercentage": 101 } })),
            "spec.metrics.gpuUtilization.targetPercentage",
            "must be in 1 to 100, got 101",
        ),
        (
            metrics(json!({ "requestQueueDepth": { "enabled": true, "targetDepth": 0 } })),
            "spec.metrics.requestQueueDepth.targetDepth",
            "greater than 0, got 0",
        ),
        (
            with(document(), "/spec/algorithm", Some(json!({ "name": "WeightedRatio", "weights": [1, -2] }))),
            "spec.algorithm.weights[1]",
            "must be at least 0, got -2",
        ),
        (
            with(document(), "/spec/algorithm", Some(json!({ "tolerance": 2 }))),
            "spec.algorithm.tolerance",
            "in 0 to 1, got 2",
        ),
        (
            with(document(), "/spec/scaleUp", Some(json!({ "stabilizationWindowSeconds": 4000 }))),
            "spec.scaleUp.stabilizationWindowSeconds",
            "at most 3600",
        ),
    ];
    for (document, path, message) in cases {
        refused(&document, path, message);
    }
}
