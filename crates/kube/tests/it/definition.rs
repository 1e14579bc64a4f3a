//! What the API server makes of the definition.

use serde_json::{Value, json};
use setpoint::{Policy, ScalingGroup};

use crate::cluster;

fn policy(change: impl FnOnce(&mut Value)) -> String {
    let mut policy = json!({
        "apiVersion": "setpoint.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": { "name": "web" },
        "spec": {
            "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [{ "name": "queue", "target": { "averageValue": 4 } }],
            "algorithm": { "name": "max-ratio", "config": { "tolerance": 0.1 } },
            "stages": [{ "capped": { "maxScaleUp": "50%" } }],
            "behavior": { "scaleDown": { "stabilizationWindowSeconds": 600 } },
            "onFailure": { "replicas": 6 },
        },
    });
    change(&mut policy["spec"]);
    policy.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_policies_are_refused_with_a_message_that_says_why() {
    let Some((cluster, _)) = cluster("definition").await else { return };
    let create = |policy: &str| cluster.kubectl_with(&["-n", "definition", "apply", "-f", "-"], policy);
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 8] = [
        ("crossed bounds", |spec| spec["minReplicas"] = 11.into(), "minReplicas must not be above maxReplicas"),
        (
            "the default minimum above",
            |spec| {
                spec.as_object_mut().expect("an object").remove("minReplicas");
                spec["maxReplicas"] = 0.into();
            },
            "minReplicas must not be above maxReplicas",
        ),
        ("no metric", |spec| spec["metrics"] = json!([]), "at least 1 items"),
        ("no target", |spec| drop(spec.as_object_mut().expect("an object").remove("targetRef")), "targetRef"),
        (
            "two targets of a metric",
            |spec| {
                spec["metrics"][0]["target"] = json!({ "value": 1, "utilization": 2 });
            },
            "at most 1 item",
        ),
        ("a word for a number", |spec| spec["maxReplicas"] = "many".into(), "maxReplicas"),
        ("a typo", |spec| spec["maxReplica"] = 5.into(), "unknown field \"spec.maxReplica\""),
        ("an unknown pause", |spec| spec["pause"] = "sideways".into(), "Unsupported value: \"sideways\""),
    ];
    for (name, change, want) in cases {
        let error = create(&policy(change)).expect_err(name);
        assert!(error.contains(want), "{name}: {error}");
    }
    create(&policy(|_| {})).expect("a good one");
    let combined = policy(|spec| {
        spec["algorithm"] = json!({ "name": "max", "of": [
            { "algorithm": { "name": "hpa" }, "stages": [{ "capped": { "maxScaleUp": "50%" } }] },
            { "algorithm": { "name": "min", "of": [{ "algorithm": { "name": "hpa" } }] } },
        ] });
    });
    create(&combined).expect("a combinator");
    let kept = cluster.kubectl(&["-n", "definition", "get", "sp", "web", "-o", "jsonpath={.spec.algorithm.of}"]);
    let kept: Value = serde_json::from_str(&kept.expect("it is there")).expect("JSON");
    assert_eq!(kept[1]["algorithm"]["of"][0]["algorithm"]["name"], "hpa", "nothing inside is dropped");
    let listed = cluster.kubectl(&["-n", "definition", "get", "sp"]).expect("by its short name");
    for column in ["TARGET", "MIN", "MAX", "CURRENT", "DESIRED", "READY", "AGE"] {
        assert!(listed.contains(column), "{listed}");
    }
    let explained = cluster.kubectl(&["explain", "scalingpolicy.spec.metrics.target"]).expect("it explains");
    assert!(explained.contains("averageValue") && explained.contains("a queue of so many a replica"), "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_good_policies() {
    let Some((cluster, _)) = cluster("examples").await else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/cluster");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let file = entry.expect("an entry").path();
        let name = file.display().to_string();
        let created = cluster.kubectl(&["-n", "examples", "create", "--dry-run=server", "-o", "json", "-f", &name]);
        let created: Value = serde_json::from_str(&created.unwrap_or_else(|error| panic!("{error}"))).expect("JSON");
        let metadata = json!({ "name": created["metadata"]["name"] });
        let policy = json!({
            "apiVersion": created["apiVersion"], "kind": created["kind"], "metadata": metadata, "spec": created["spec"],
        });
        let read = if ScalingGroup::is_one(&policy) {
            ScalingGroup::from_value(&policy).map(drop)
        } else {
            Policy::from_value(&policy).map(drop)
        };
        if let Err(error) = read {
            panic!("{name}: {error}");
        }
        count += 1;
    }
    assert!(count >= 3, "the examples moved");
}
