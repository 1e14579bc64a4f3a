//! Groups in a cluster, carried out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use setpoint_kube::{ConfigMapStore, Controller, inquire};
use setpoint_runtime::source::{Fixed, fixed};
use setpoint_runtime::{Engine, Measured, StateStore as _};
use setpoint_testkit::cluster::{Cluster, workload};

use crate::running::Running;
use crate::{cluster, eventually};

/// One prefill for two decodes, ten in all, decode first; looked at each second.
fn group(change: impl FnOnce(&mut Value)) -> String {
    let member = |name: &str, ratio: u32, priority: i32, metric: &str| {
        json!({ "name": name, "ratio": ratio, "priority": priority, "policy": {
            "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
            "minReplicas": 1, "maxReplicas": 20, "interval": "1s",
            "metrics": [{ "name": metric, "target": { "averageValue": 4 } }],
            "algorithm": { "name": "max-ratio" },
        } })
    };
    let mut group = json!({
        "apiVersion": "setpoint.dev/v1alpha1", "kind": "ScalingGroup", "metadata": { "name": "chat" },
        "spec": { "maxReplicas": 10, "members": [member("prefill", 1, 0, "queue"), member("decode", 2, 10, "kv")] },
    });
    change(&mut group["spec"]);
    group.to_string()
}

fn readings(queue: f64, kv: f64) -> Arc<Fixed> {
    Arc::new(fixed([("queue", Measured::Value(queue)), ("kv", Measured::Value(kv))]))
}

fn start(client: &kube::Client, namespace: &str, readings: &Arc<Fixed>) -> Running {
    let store = ConfigMapStore::new(client.clone(), namespace, "states");
    let engine = Engine::builder().source(Arc::<Fixed>::clone(readings)).store(Arc::new(store));
    Running::of(Controller::new(client.clone(), Some(namespace.to_owned()), engine).expect("a controller"))
}

fn deployments(cluster: &Cluster, namespace: &str) {
    cluster.apply(namespace, &workload("Deployment", "prefill", 1));
    cluster.apply(namespace, &workload("Deployment", "decode", 2));
}

/// Of each, as `prefill decode`.
fn counts(cluster: &Cluster, namespace: &str) -> String {
    let count = |name: &str| cluster.field(namespace, &format!("deployment/{name}"), ".spec.replicas");
    format!("{} {}", count("prefill"), count("decode"))
}

fn condition(cluster: &Cluster, namespace: &str, kind: &str, of: &str) -> String {
    cluster.field(namespace, "sg/chat", &format!(".status.conditions[?(@.type==\"{kind}\")].{of}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn members_follow_the_readings_at_their_ratio_and_share_the_budget() {
    let ns = "group-follows";
    let Some((cluster, client)) = cluster(ns).await else { return };
    deployments(cluster, ns);
    cluster.apply(ns, &group(|_| {}));
    let readings = readings(12.0, 8.0);
    let running = start(&client, ns, &readings);
    let counts = || counts(cluster, ns);
    eventually("prefill leads", "3 6", counts).await;
    let of = |path: &str| cluster.field(ns, "sg/chat", path);
    eventually("what is desired", "3 6", || of(".status.members[*].desiredReplicas")).await;
    eventually("what is current", "9", || of(".status.currentReplicas")).await;
    assert_eq!(of(".status.members[*].name"), "prefill decode");
    for kind in ["Ready", "Scaling", "AlgorithmValid", "MetricsAvailable"] {
        assert_eq!(condition(cluster, ns, kind, "status"), "True", "{kind}");
    }
    assert!(!of(".status.lastScaleTime").is_empty());

    readings.set("kv", Measured::Value(32.0));
    eventually("decode is served first", "2 8", counts).await;
    let because = || of(".status.members[0].lastDecision.because");
    eventually("why", "prefill has priority 0, and all together may have 10", because).await;

    // Prefill holds what it has: decode grows all the same, and nobody shrinks below its ratio.
    readings.set("queue", Measured::Missing("the exporter is down".into()));
    eventually("metrics", "False", || condition(cluster, ns, "MetricsAvailable", "status")).await;
    let message = condition(cluster, ns, "MetricsAvailable", "message");
    assert_eq!(message, "prefill: queue is missing: the exporter is down");
    readings.set("kv", Measured::Value(4.0));
    eventually("held", "2 4", counts).await;
    readings.set("kv", Measured::Value(24.0));
    eventually("and grown", "3 6", counts).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_all_its_targets_or_touches_none() {
    let ns = "group-claims";
    let Some((cluster, client)) = cluster(ns).await else { return };
    deployments(cluster, ns);
    cluster.kubectl(&["-n", ns, "autoscale", "deployment/decode", "--min=1", "--max=5", "--cpu=50%"]).expect("an HPA");
    cluster.apply(ns, &group(|_| {}));
    let running = start(&client, ns, &readings(12.0, 8.0));
    eventually("it is refused", "TargetTaken", || condition(cluster, ns, "Scaling", "reason")).await;
    let message = condition(cluster, ns, "Scaling", "message");
    assert_eq!(message, format!("the HorizontalPodAutoscaler {ns}/decode scales the same target"));
    assert_eq!(condition(cluster, ns, "Ready", "status"), "False");
    assert_eq!(counts(cluster, ns), "1 2", "prefill isn't scaled without decode");

    cluster.kubectl(&["-n", ns, "delete", "hpa/decode"]).expect("it goes");
    eventually("it takes over", "3 6", || counts(cluster, ns)).await;
    eventually("and says so", "True", || condition(cluster, ns, "Scaling", "status")).await;
    // A policy that comes later gets none of its targets.
    let policy = json!({
        "apiVersion": "setpoint.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": { "name": "late" },
        "spec": {
            "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "decode" },
            "maxReplicas": 20, "interval": "1s",
            "metrics": [{ "name": "kv", "target": { "averageValue": 1 } }],
            "algorithm": { "name": "max-ratio" },
        },
    });
    cluster.apply(ns, &policy.to_string());
    let scaling = ".status.conditions[?(@.type==\"Scaling\")].message";
    let want = format!("the older ScalingGroup {ns}/chat scales the same target");
    eventually("the late one", &want, || cluster.field(ns, "sp/late", scaling)).await;
    let found = inquire(&client, Some(ns), "late").await.expect("it is there");
    let others = found.others.iter().map(|other| (other.kind, other.key.as_str(), other.has_target));
    assert_eq!(others.collect::<Vec<_>>(), [("ScalingGroup", &*format!("{ns}/chat"), true)]);
    assert_eq!(found.unlisted, None);
    cluster.kubectl(&["-n", ns, "delete", "sg/chat"]).expect("it goes");
    eventually("the late one has it", "3 8", || counts(cluster, ns)).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_s_window_goes_on_in_the_next_controller() {
    let ns = "group-window";
    let Some((cluster, client)) = cluster(ns).await else { return };
    deployments(cluster, ns);
    let windowed = group(|spec| {
        for member in spec["members"].as_array_mut().expect("members") {
            member["policy"]["stages"] = json!([{ "stabilized": { "scaleDownWindow": "20s" } }]);
        }
    });
    cluster.apply(ns, &windowed);
    let running = start(&client, ns, &readings(12.0, 8.0));
    eventually("the counts", "3 6", || counts(cluster, ns)).await;
    // As a crash would: nothing is said to anybody.
    running.ended.abort();
    let began = std::time::Instant::now();
    let next = start(&client, ns, &readings(4.0, 4.0));
    let read = || cluster.field(ns, "sg/chat", ".status.members[0].readings[0].value");
    eventually("the new one's reading", "4", read).await;
    if began.elapsed() < std::time::Duration::from_secs(10) {
        assert_eq!(counts(cluster, ns), "3 6", "the window holds them");
    }
    eventually("the counts after the window", "1 2", || counts(cluster, ns)).await;
    next.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_by_the_server_or_by_the_controller() {
    let ns = "group-refused";
    let Some((cluster, client)) = cluster(ns).await else { return };
    let create = |group: &str| cluster.kubectl_with(&["-n", ns, "apply", "-f", "-"], group);
    type Change = fn(&mut Value);
    let at_once: [(&str, Change, &str); 6] = [
        ("a name with a space", |spec| spec["members"][1]["name"] = "decode 1".into(), "should match"),
        ("one member", |spec| drop(spec["members"].as_array_mut().expect("members").pop()), "at least 2 items"),
        ("one name", |spec| spec["members"][1]["name"] = "prefill".into(), "Duplicate value"),
        ("no ratio at all", |spec| spec["members"][1]["ratio"] = 0.into(), "greater than 0"),
        (
            "no target",
            |spec| drop(spec["members"][0]["policy"].as_object_mut().expect("an object").remove("targetRef")),
            "targetRef",
        ),
        (
            "crossed bounds",
            |spec| spec["members"][0]["policy"]["minReplicas"] = 30.into(),
            "minReplicas must not be above maxReplicas",
        ),
    ];
    for (name, change, want) in at_once {
        let error = create(&group(change)).expect_err(name);
        assert!(error.contains(want), "{name}: {error}");
    }
    deployments(cluster, ns);
    let running = start(&client, ns, &readings(12.0, 8.0));
    let by_the_controller: [(&str, Change, &str); 4] = [
        (
            "one target for two",
            |spec| spec["members"][1]["policy"]["targetRef"]["name"] = "prefill".into(),
            "spec.members[1].policy.targetRef: another member of the group scales it",
        ),
        (
            "one target for two, by another version",
            |spec| {
                let target = &mut spec["members"][1]["policy"]["targetRef"];
                *target = json!({ "apiVersion": "apps/v1beta2", "kind": "Deployment", "name": "prefill" });
            },
            "spec.members[1].policy.targetRef: another member of the group scales it",
        ),
        (
            "two intervals",
            |spec| spec["members"][1]["policy"]["interval"] = "30s".into(),
            "spec.members[1].policy.interval: all members of a group are looked at together",
        ),
        (
            "no such algorithm",
            |spec| spec["members"][1]["policy"]["algorithm"]["name"] = "max-ration".into(),
            "spec.members[1].policy.algorithm.name: ",
        ),
    ];
    for (name, change, want) in by_the_controller {
        create(&group(change)).expect("the server takes it");
        let says = || condition(cluster, ns, "AlgorithmValid", "message").starts_with(want).to_string();
        eventually(name, "true", says).await;
        assert_eq!(counts(cluster, ns), "1 2", "{name}");
    }
    create(&group(|_| {})).expect("a good one");
    eventually("mended", "3 6", || counts(cluster, ns)).await;
    let listed = cluster.kubectl(&["-n", ns, "get", "sg"]).expect("by its short name");
    for column in ["MEMBERS", "MAX", "CURRENT", "DESIRED", "READY", "AGE"] {
        assert!(listed.contains(column), "{listed}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_state_outlives_a_group_that_is_not_acted_on() {
    let ns = "group-states";
    let Some((cluster, client)) = cluster(ns).await else { return };
    deployments(cluster, ns);
    cluster.apply(ns, &group(|_| {}));
    let running = start(&client, ns, &readings(12.0, 8.0));
    eventually("the counts", "3 6", || counts(cluster, ns)).await;
    cluster.kubectl(&["-n", ns, "autoscale", "deployment/prefill", "--min=1", "--max=5", "--cpu=50%"]).expect("an HPA");
    eventually("it is refused", "TargetTaken", || condition(cluster, ns, "Scaling", "reason")).await;
    assert_eq!(kept(&client, ns).await, ["prefill", "decode"], "for whoever takes it on");
    cluster.apply(ns, &group(|spec| spec["members"][1]["name"] = "writers".into()));
    until_kept(&client, ns, &["prefill"]).await;
    cluster.kubectl(&["-n", ns, "delete", "sg/chat"]).expect("it goes");
    until_kept(&client, ns, &[]).await;
    running.end().await;
}

/// Whose states are kept, as one reads who comes anew.
async fn kept(client: &kube::Client, namespace: &str) -> Vec<&'static str> {
    let store = ConfigMapStore::new(client.clone(), namespace, "states");
    let mut kept = Vec::new();
    for name in ["prefill", "decode", "writers"] {
        let key = format!("scalinggroups.setpoint.dev/{namespace}/chat/{name}");
        if store.load(&key).await.expect("it can be read").is_some() {
            kept.push(name);
        }
    }
    kept
}

async fn until_kept(client: &kube::Client, namespace: &str, want: &[&str]) {
    let reached = async {
        while kept(client, namespace).await != want {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), reached).await;
    assert!(in_time.is_ok(), "{:?} are kept in place of {want:?}", kept(client, namespace).await);
}
