//! Metrics that the cluster tells: by its metrics APIs, and by its pods.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kube::Client;
use serde_json::{Value, json};
use setpoint_kube::{Controller, PodAddresses};
use setpoint_runtime::Engine;
use setpoint_testkit::cluster::workload;
use setpoint_testkit::http::{Answer, Asked, Server};
use setpoint_testkit::metrics_apis::{custom, external, now, pod_metrics};

use crate::running::Running;
use crate::{APIS, as_deployed, cluster, eventually};

const SPACE: &str = "measured";

/// The pods that are measured, by the workload's label.
type Known = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// What the APIs say of this test's metrics.
fn answer(group: &str, wanted: &[&str], query: &str, known: &Known) -> Option<Value> {
    let of = |app: &str| known.lock().expect("whole").get(app).cloned().unwrap_or_default();
    let selects = |app: &str| query.contains(&format!("labelSelector=app%3D{app}"));
    Some(match (group, wanted) {
        ("metrics.k8s.io", ["pods"]) => {
            let app = ["cpu", "unsaid", "part", "free"].into_iter().find(|app| selects(app));
            pod_metrics(SPACE, &app.map(of).unwrap_or_default(), "200m")
        }
        ("custom.metrics.k8s.io", ["pods", "*", "depth"]) if selects("depth") => {
            custom(SPACE, "Pod", &of("depth"), "12")
        }
        ("custom.metrics.k8s.io", ["services", "front", "rate"]) if query == "metricLabelSelector=verb%3DGET" => {
            custom(SPACE, "Service", &["front".to_owned()], "900")
        }
        ("external.metrics.k8s.io", ["jobs"]) if query == "labelSelector=queue%20in%20%28a%2Cb%29" => {
            external(&["10", "14500m"], &now())
        }
        ("external.metrics.k8s.io", ["nothing"]) => external(&[], ""),
        ("external.metrics.k8s.io", ["old"]) => external(&["7"], "2026-01-01T00:00:00Z"),
        _ => return None,
    })
}

fn policy(name: &str, kind: &str, metric: &Value) -> String {
    json!({
        "apiVersion": "setpoint.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": { "name": name },
        "spec": {
            "targetRef": { "apiVersion": "apps/v1", "kind": kind, "name": name },
            "maxReplicas": 10, "interval": "1s", "metrics": [metric], "algorithm": { "name": "hpa" },
        },
    })
    .to_string()
}

fn run(client: Client, space: &str, addresses: PodAddresses) -> Running {
    let controller = Controller::asking_pods_at(addresses, client, Some(space.to_owned()), Engine::builder());
    Running::of(controller.expect("a controller"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_apis_are_read_and_what_they_don_t_tell_is_no_zero() {
    let Some((cluster, _)) = cluster(SPACE).await else { return };
    let metric = |kind: &str, name: &str, target: Value, source: Value| json!({ "name": name, "type": kind, "target": target, "source": source });
    let percent = json!({ "utilization": 50 });
    let of_pods = |name: &str| json!({ "custom": { "metric": { "name": name } } });
    let outside = |name: &str| json!({ "external": { "metric": { "name": name } } });
    let object = json!({ "custom": {
        "metric": { "name": "rate", "selector": { "matchLabels": { "verb": "GET" } } },
        "describedObject": { "apiVersion": "v1", "kind": "Service", "name": "front" },
    } });
    let jobs = json!({ "external": { "metric": { "name": "jobs", "selector": { "matchExpressions": [
        { "key": "queue", "operator": "In", "values": ["a", "b"] },
    ] } } } });
    // Each from 2, of which both are measured; what comes later isn't, and counts as idle on the way up.
    let average = |value: i64| json!({ "averageValue": value });
    let part = json!({
        "name": "cpu", "type": "ContainerResource", "container": "main", "target": percent,
        "source": { "resource": { "name": "cpu", "container": "main" } },
    });
    let cases = [
        // 200 of 100 thousandths: 200 % against 50 %.
        ("cpu", metric("Resource", "cpu", percent.clone(), json!({ "resource": { "name": "cpu" } })), Ok("8")),
        ("unsaid", json!({ "name": "cpu", "type": "Resource", "target": percent }), Ok("8")),
        ("part", part, Ok("8")),
        ("depth", metric("Pods", "depth", average(4), of_pods("depth")), Ok("6")),
        ("rate", metric("Object", "rate", average(300), object), Ok("3")),
        ("jobs", metric("External", "jobs", average(5), jobs), Ok("5")),
        (
            "free",
            metric("Resource", "cpu", percent, json!({ "resource": { "name": "cpu" } })),
            Err("has no request for cpu"),
        ),
        ("ill", metric("External", "ill", average(5), outside("ill")), Err("the adapter is ill")),
        ("nothing", metric("External", "nothing", average(5), outside("nothing")), Err("has no series of it")),
        ("old", metric("External", "old", average(5), outside("old")), Err("more than 5m")),
        ("lost", metric("Pods", "lost", average(4), of_pods("lost")), Err("the adapter is ill")),
    ];
    let known = Known::default();
    let requests = "resources: {requests: {cpu: 100m}}";
    for (name, metric, _) in &cases {
        let manifest = workload("Deployment", name, 2);
        let manifest = if *name == "free" {
            manifest
        } else {
            manifest.replace("image: none", &format!("image: none, {requests}"))
        };
        cluster.apply(SPACE, &manifest);
        cluster.apply(SPACE, &policy(name, "Deployment", metric));
    }
    for (name, _, _) in &cases {
        eventually(name, "2", || cluster.field(SPACE, &format!("deployment/{name}"), ".status.readyReplicas")).await;
        known.lock().expect("whole").insert((*name).to_owned(), cluster.pods(SPACE, name));
    }
    let (asked, known) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&known));
    let counted = Arc::clone(&asked);
    APIS.answered_by(SPACE, move |group, wanted, query| {
        counted.fetch_add(1, Ordering::Relaxed);
        answer(group, wanted, query, &known)
    });
    let client = as_deployed(cluster, "setpoint");
    let running = run(client, SPACE, PodAddresses::default());
    for (name, _, want) in &cases {
        let replicas = || cluster.field(SPACE, &format!("deployment/{name}"), ".spec.replicas");
        let status = |path: &str| cluster.field(SPACE, &format!("sp/{name}"), path);
        match want {
            Ok(count) => {
                eventually(name, count, replicas).await;
                eventually(name, "True", || status(".status.conditions[?(@.type==\"MetricsAvailable\")].status")).await;
            }
            Err(text) => {
                let message = || status(".status.conditions[?(@.type==\"MetricsAvailable\")].message");
                eventually(name, "true", || message().contains(text).to_string()).await;
                assert_eq!(replicas(), "2", "{name}: {}", message());
            }
        }
    }
    for (name, _, want) in &cases {
        let replicas = cluster.field(SPACE, &format!("deployment/{name}"), ".spec.replicas");
        assert_eq!(replicas, want.unwrap_or("2"), "{name} stays");
    }
    assert!(asked.load(Ordering::Relaxed) > cases.len());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_asked_themselves() {
    let Some((cluster, client)) = cluster("scraped").await else { return };
    cluster.apply("scraped", &workload("StatefulSet", "llm", 2));
    let source = json!({ "pods": { "preset": "vllm-waiting", "labels": { "model_name": "a" } } });
    let metric = json!({ "name": "waiting", "type": "Pods", "target": { "averageValue": 2 }, "source": source });
    cluster.apply("scraped", &policy("llm", "StatefulSet", &metric));
    eventually("the pods", "2", || cluster.field("scraped", "statefulset/llm", ".status.readyReplicas")).await;
    let page = |waiting: u32| {
        move |asked: &Asked| {
            assert_eq!(asked.target, "/metrics");
            Answer::ok(format!(
                "# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{{model_name=\"a\"}} {waiting}\n\
                 vllm:num_requests_waiting{{model_name=\"b\"}} 100\n"
            ))
        }
    };
    let servers = [Server::start(page(4)), Server::start(page(6))];
    // Those that come later can't be read.
    let addresses: BTreeMap<String, String> =
        servers.iter().enumerate().map(|(index, server)| (format!("llm-{index}"), server.address())).collect();
    let addresses = PodAddresses::elsewhere(move |pod| {
        assert_eq!((pod.namespace, pod.port), ("scraped", 8000));
        addresses.get(pod.name).cloned()
    });
    let running = run(client, "scraped", addresses);
    let status = |path: &str| cluster.field("scraped", "sp/llm", path);
    // 10 wait, 2 for each: 5, and those that can't be read change nothing.
    eventually("the count", "5", || cluster.field("scraped", "statefulset/llm", ".spec.replicas")).await;
    eventually("the new pods", "5", || cluster.field("scraped", "statefulset/llm", ".status.readyReplicas")).await;
    eventually("what is current", "5", || status(".status.currentReplicas")).await;
    assert_eq!(status(".status.readings[0].value"), "5", "the mean of those that were read");
    assert_eq!(cluster.field("scraped", "statefulset/llm", ".spec.replicas"), "5");
    running.end().await;
}
