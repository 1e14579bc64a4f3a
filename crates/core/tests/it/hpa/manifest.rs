//! HPA manifests: what is read from them, and what is refused where.

use serde_json::{Value, json};
use setpoint::hpa::{Manifest, MetricTarget};
use setpoint::{ConfigError, Policy};

fn document(metrics: Value) -> Value {
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
}

fn read(metrics: Value) -> Result<Manifest, ConfigError> {
    Manifest::from_value(&document(metrics))
}

fn cpu(target: Value) -> Value {
    json!([{ "type": "Resource", "resource": { "name": "cpu", "target": target } }])
}

#[test]
fn the_value_that_is_set_says_what_a_target_is_and_not_its_type() {
    let cases = [
        (json!({ "type": "Utilization", "averageValue": "500m" }), MetricTarget::AverageValue(500)),
        (json!({ "type": "AverageValue", "averageUtilization": 60 }), MetricTarget::Utilization(60)),
        (json!({ "type": "Value", "averageUtilization": 60 }), MetricTarget::Utilization(60)),
    ];
    for (target, want) in cases {
        let manifest = read(cpu(target.clone())).unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(manifest.spec().metrics[0].target, want, "{target}");
    }
}

#[test]
fn a_metric_that_the_controller_could_not_use_is_refused_at_its_field() {
    let pods = |target: Value| json!([{ "type": "Pods", "pods": { "metric": { "name": "q" }, "target": target } }]);
    let container = |name: &str, container: &str| {
        let target = json!({ "type": "Utilization", "averageUtilization": 60 });
        json!([{
            "type": "ContainerResource",
            "containerResource": { "name": name, "container": container, "target": target },
        }])
    };
    let cases = [
        (
            "two values",
            cpu(json!({ "type": "Utilization", "averageUtilization": 60, "averageValue": "1" })),
            "spec.metrics[0].resource.target.averageValue: a target has one value, and `averageUtilization` is set too",
        ),
        (
            "none",
            cpu(json!({ "type": "Utilization" })),
            "spec.metrics[0].resource.target: a target of such a metric needs `averageUtilization` or `averageValue`",
        ),
        (
            "a word that is no type",
            cpu(json!({ "type": "Percent", "averageUtilization": 60 })),
            "spec.metrics[0].resource.target.type: unknown value `Percent`",
        ),
        (
            "one value of all",
            cpu(json!({ "type": "Value", "value": 5 })),
            "spec.metrics[0].resource.target.value: a metric of type Resource has a value an instance",
        ),
        (
            "a utilization of what isn't requested",
            pods(json!({ "type": "AverageValue", "averageUtilization": 60 })),
            "spec.metrics[0].pods.target.averageUtilization: a metric of type Pods has no utilization",
        ),
        (
            "a percentage below 1",
            cpu(json!({ "type": "Utilization", "averageUtilization": 0 })),
            "spec.metrics[0].resource.target.averageUtilization: must be greater than 0, got 0",
        ),
        (
            "a negative amount",
            pods(json!({ "type": "AverageValue", "averageValue": "-500m" })),
            "spec.metrics[0].pods.target.averageValue: must be greater than 0, got -500m",
        ),
        ("an empty container", container("cpu", ""), "spec.metrics[0].containerResource.container: must not be empty"),
        ("an empty name", container("", "app"), "spec.metrics[0].containerResource.name: must not be empty"),
    ];
    for (name, metrics, want) in cases {
        let error = read(metrics).expect_err(name).to_string();
        assert!(error.starts_with(want), "{name}: {error}");
    }
}

#[test]
fn an_older_version_is_told_from_a_misspelt_field() {
    let mut old = document(json!([]));
    old["apiVersion"] = json!("autoscaling/v1");
    old["spec"] = json!({ "scaleTargetRef": {}, "targetCPUUtilizationPercentage": 60 });
    let error = Policy::from_value(&old).expect_err("v1").to_string();
    assert!(error.starts_with("apiVersion: autoscaling/v1 is not supported, use autoscaling/v2"), "{error}");
    // As for every document: what it is goes before what it holds.
    let policy = json!({ "Spec": {}, "apiVersion": "setpoint.dev/v2", "kind": "ScalingPolicy" });
    let error = Policy::from_value(&policy).expect_err("v2").to_string();
    assert!(error.starts_with("apiVersion: unknown value `setpoint.dev/v2`"), "{error}");
}

#[test]
fn metrics_of_one_name_are_numbered_past_names_that_are_taken() {
    let metric = |name: &str| {
        let target = json!({ "type": "Value", "value": 5 });
        json!({ "type": "External", "external": { "metric": { "name": name }, "target": target } })
    };
    let names = |given: &[&str]| -> Vec<String> {
        let manifest = read(given.iter().map(|name| metric(name)).collect()).expect("a good manifest");
        manifest.policy().spec.metrics.into_iter().map(|metric| metric.name).collect()
    };
    assert_eq!(names(&["a", "b", "a", "a"]), ["a", "b", "a#2", "a#3"]);
    assert_eq!(names(&["a", "a#2", "a", "a#2"]), ["a", "a#2", "a#3", "a#2#2"]);
    // As many as a document can hold take no noticeable time.
    let many = names(&vec!["a"; 20_000]);
    assert_eq!(many.last().map(String::as_str), Some("a#20000"));
}
