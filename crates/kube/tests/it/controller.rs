//! Policies in a cluster, carried out.

use std::sync::Arc;
use std::time::Duration;

use setpoint::{Need, algorithm_factory, algorithm_fn};
use setpoint_kube::{ConfigMapStore, Controller};
use setpoint_runtime::source::{Fixed, fixed};
use setpoint_runtime::{Engine, Measured};
use setpoint_testkit::cluster::{Cluster, workload};

use crate::running::Running;
use crate::{cluster, eventually};

/// A policy of one metric that a test sets, looked at each second.
fn policy(name: &str, target: &str, more: &str) -> String {
    format!(
        "apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: {name}}}
spec:
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: {target}}}
  minReplicas: 1
  maxReplicas: 10
  interval: 1s
  metrics: [{{name: queue, target: {{averageValue: 4}}}}]
  algorithm: {{name: max-ratio}}
{more}"
    )
}

/// A controller of `namespace`, whose queue is as deep as a test says.
fn start(client: &kube::Client, namespace: &str, queue: &Arc<Fixed>) -> Running {
    let store = ConfigMapStore::new(client.clone(), namespace, "states");
    let engine = Engine::builder().source(Arc::<Fixed>::clone(queue)).store(Arc::new(store));
    let controller = Controller::new(client.clone(), Some(namespace.to_owned()), engine);
    Running::of(controller.expect("a controller"))
}

fn queue(depth: f64) -> Arc<Fixed> {
    Arc::new(fixed([("queue", Measured::Value(depth))]))
}

fn condition(cluster: &Cluster, namespace: &str, policy: &str, kind: &str, of: &str) -> String {
    cluster.field(namespace, &format!("sp/{policy}"), &format!(".status.conditions[?(@.type==\"{kind}\")].{of}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_follows_the_readings_and_the_status_says_why() {
    let Some((cluster, client)) = cluster("follows").await else { return };
    cluster.apply("follows", &workload("Deployment", "web", 2));
    cluster.apply("follows", &policy("web", "web", ""));
    let queue = queue(20.0);
    let running = start(&client, "follows", &queue);
    let replicas = || cluster.field("follows", "deployment/web", ".spec.replicas");
    eventually("the count", "5", replicas).await;
    let of = |path: &str| cluster.field("follows", "sp/web", path);
    eventually("what is desired", "5", || of(".status.desiredReplicas")).await;
    eventually("what is current", "5", || of(".status.currentReplicas")).await;
    assert_eq!(of(".status.readings[0].value"), "20");
    assert!(of(".status.lastDecision.reasons[*].text").contains("queue is 20"), "{}", of(".status"));
    for kind in ["Ready", "Scaling", "AlgorithmValid", "MetricsAvailable"] {
        assert_eq!(condition(cluster, "follows", "web", kind, "status"), "True", "{kind}");
    }
    assert!(!of(".status.lastScaleTime").is_empty());
    let events = || cluster.kubectl(&["-n", "follows", "get", "events", "-o", "jsonpath={.items[*].reason}"]);
    eventually("an event", "true", || events().unwrap_or_default().contains("Scaled").to_string()).await;

    // A reading that can't be had is no zero.
    let since = condition(cluster, "follows", "web", "Ready", "lastTransitionTime");
    queue.set("queue", Measured::Missing("the queue is down".into()));
    eventually("metrics", "False", || condition(cluster, "follows", "web", "MetricsAvailable", "status")).await;
    let message = condition(cluster, "follows", "web", "MetricsAvailable", "message");
    assert_eq!(message, "queue is missing: the queue is down");
    assert_eq!(condition(cluster, "follows", "web", "Ready", "lastTransitionTime"), since, "that has not changed");
    assert_eq!(replicas(), "5");

    // Nobody decides while it is paused; what somebody else does is told.
    queue.set("queue", Measured::Value(40.0));
    cluster.apply("follows", &policy("web", "web", "  pause: all\n"));
    eventually("paused", "Paused", || condition(cluster, "follows", "web", "Scaling", "reason")).await;
    let paused_at = replicas();
    cluster.kubectl(&["-n", "follows", "scale", "deployment/web", "--replicas=3"]).expect("anybody may");
    eventually("another's change", "true", || events().unwrap_or_default().contains("ChangedByOther").to_string())
        .await;
    assert_eq!(replicas(), "3", "paused at {paused_at}");
    cluster.apply("follows", &policy("web", "web", "  pause: none\n"));
    eventually("the count", "10", replicas).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_done_is_said_and_nobody_fights() {
    let Some((cluster, client)) = cluster("refused").await else { return };
    for name in ["web", "api", "shy"] {
        cluster.apply("refused", &workload("Deployment", name, 2));
    }
    cluster
        .kubectl(&["-n", "refused", "autoscale", "deployment/api", "--min=1", "--max=5", "--cpu=50%"])
        .expect("an HPA of its own");
    cluster.apply("refused", &policy("first", "web", ""));
    eventually("a second", "true", || {
        // Creation times have whole seconds: the second is to be younger.
        let created = cluster.field("refused", "sp/first", ".metadata.creationTimestamp");
        let now = cluster.kubectl(&["get", "--raw", "/version"]).map(|_| jiff_now());
        (now.expect("an answer") > created).to_string()
    })
    .await;
    cluster.apply("refused", &policy("second", "web", ""));
    cluster.apply("refused", &policy("rival", "api", ""));
    cluster.apply("refused", &policy("nobody", "nobody", ""));
    let wrong = policy("wrong", "shy", "").replace("max-ratio", "max-ratoi");
    cluster.apply("refused", &wrong);
    let running = start(&client, "refused", &queue(20.0));
    let cases = [
        ("second", "Scaling", "TargetTaken", "the older ScalingPolicy refused/first scales the same target"),
        ("rival", "Scaling", "TargetTaken", "the HorizontalPodAutoscaler refused/api scales the same target"),
        ("wrong", "AlgorithmValid", "AlgorithmInvalid", "did you mean `max-ratio`?"),
        ("nobody", "Ready", "TargetNotRead", "does not exist"),
    ];
    for (name, kind, reason, message) in cases {
        eventually(name, reason, || condition(cluster, "refused", name, kind, "reason")).await;
        let found = condition(cluster, "refused", name, kind, "message");
        assert!(found.contains(message), "{name}: {found}");
        assert_eq!(condition(cluster, "refused", name, "Ready", "status"), "False", "{name}");
    }
    eventually("the first's count", "5", || cluster.field("refused", "deployment/web", ".spec.replicas")).await;
    assert_eq!(cluster.field("refused", "deployment/api", ".spec.replicas"), "2", "that is the HPA's");
    // The first goes, and the second takes over.
    cluster.kubectl(&["-n", "refused", "delete", "sp/first"]).expect("it goes");
    eventually("the second", "True", || condition(cluster, "refused", "second", "Scaling", "status")).await;
    cluster.apply("refused", &wrong.replace("max-ratoi", "max-ratio"));
    eventually("mended", "True", || condition(cluster, "refused", "wrong", "AlgorithmValid", "status")).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_two_policies_have_are_scaled_by_neither() {
    let Some((cluster, client)) = cluster("ambiguous").await else { return };
    let ns = "ambiguous";
    // Deployments tell their own pods apart by a hash that their selectors don't have.
    for name in ["one", "two"] {
        cluster.apply(ns, &workload("Deployment", name, 2).replace(&format!("app: {name}"), "app: both"));
    }
    cluster.apply(ns, &workload("Deployment", "other", 2));
    for name in ["one", "two", "other"] {
        cluster.apply(ns, &policy(name, name, ""));
        eventually("its pods", "2", || cluster.field(ns, &format!("deployment/{name}"), ".status.replicas")).await;
    }
    let queue = queue(8.0);
    let running = start(&client, ns, &queue);
    for (name, other) in [("one", "ambiguous/two"), ("two", "ambiguous/one")] {
        eventually(name, "AmbiguousSelector", || condition(cluster, ns, name, "Scaling", "reason")).await;
        assert_eq!(condition(cluster, ns, name, "Scaling", "status"), "False");
        let want =
            format!("the target's selector finds pods that ScalingPolicy {other} has, too: tell them apart by a label");
        assert_eq!(condition(cluster, ns, name, "Scaling", "message"), want);
    }
    let count = |name: &str| cluster.field(ns, &format!("deployment/{name}"), ".spec.replicas");
    queue.set("queue", Measured::Value(20.0));
    eventually("who shares nothing", "5", || count("other")).await;
    assert_eq!((count("one").as_str(), count("two").as_str()), ("2", "2"), "the others are left alone");
    let events = || cluster.kubectl(&["-n", ns, "get", "events", "-o", "jsonpath={.items[*].reason}"]);
    eventually("an event", "true", || events().unwrap_or_default().contains("AmbiguousSelector").to_string()).await;

    cluster.kubectl(&["-n", ns, "delete", "sp/two"]).expect("it goes");
    eventually("the first's count", "5", || count("one")).await;
    eventually("the first", "True", || condition(cluster, ns, "one", "Scaling", "status")).await;
    assert_eq!(count("two"), "2", "nobody scales it");
    running.end().await;
}

/// The time as a creation timestamp has it.
fn jiff_now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seconds = i64::try_from(since.as_secs()).expect("before the year 292 billion");
    jiff::Timestamp::from_second(seconds).expect("in range").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_goes_on_in_the_next_controller() {
    let Some((cluster, client)) = cluster("window").await else { return };
    cluster.apply("window", &workload("Deployment", "web", 2));
    cluster.apply("window", &policy("web", "web", "  stages: [{stabilized: {scaleDownWindow: 20s}}]\n"));
    let replicas = || cluster.field("window", "deployment/web", ".spec.replicas");
    let running = start(&client, "window", &queue(20.0));
    eventually("the count", "5", replicas).await;
    // As a crash would: nothing is said to anybody.
    running.ended.abort();
    let began = std::time::Instant::now();
    let next = start(&client, "window", &queue(4.0));
    eventually("the new one's reading", "4", || cluster.field("window", "sp/web", ".status.readings[0].value")).await;
    if began.elapsed() < Duration::from_secs(10) {
        assert_eq!(replicas(), "5", "the window holds it");
    }
    let reasons = cluster.field("window", "sp/web", ".status.lastDecision.reasons[*].stage");
    assert!(reasons.contains("stabilized"), "{reasons}");
    eventually("the count after the window", "1", replicas).await;
    next.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_waits_for_the_algorithm_it_names() {
    let Some((cluster, client)) = cluster("waits").await else { return };
    cluster.apply("waits", &workload("Deployment", "web", 2));
    cluster.apply("waits", &policy("web", "web", "").replace("max-ratio", "ours"));
    let engine = Engine::builder().source(queue(20.0));
    let controller = Controller::new(client, Some("waits".to_owned()), engine).expect("a controller");
    let algorithms = controller.algorithms();
    let running = Running::of(controller);
    let valid = || condition(cluster, "waits", "web", "AlgorithmValid", "reason");
    eventually("the algorithm", "AlgorithmInvalid", valid).await;
    let seven = algorithm_factory("always seven", |_, _: serde_json::Value| {
        Ok(algorithm_fn(|_, _| Ok(Need::replicas(7.0)?.into())))
    });
    algorithms.register("ours", seven).expect("a free name");
    eventually("the count", "7", || cluster.field("waits", "deployment/web", ".spec.replicas")).await;
    eventually("the condition", "True", || condition(cluster, "waits", "web", "AlgorithmValid", "status")).await;
    running.end().await;
}
