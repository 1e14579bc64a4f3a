//! The role that the controller is deployed with.

use std::sync::Arc;

use setpoint_kube::{ConfigMapStore, Controller, Kind, Lease, LeaseConfig};
use setpoint_runtime::source::fixed;
use setpoint_runtime::{Engine, Measured};

use setpoint_testkit::cluster::workload;

use crate::running::Running;
use crate::{as_deployed, cluster, eventually, install};

const POLICY: &str = "apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 10
  interval: 1s
  metrics: [{name: queue, target: {averageValue: 4}}]
  algorithm: {name: max-ratio}
";

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_needs_no_more_than_its_role_gives() {
    let Some((cluster, _)) = cluster("role").await else { return };
    // That it may not watch those of another kind keeps it from nothing.
    install(cluster, Kind::AiInference);
    let client = as_deployed(cluster, "alone");
    cluster.apply("role", &workload("Deployment", "web", 1));
    cluster.apply("role", POLICY);
    let lease = Lease::new(client.clone(), LeaseConfig::new("setpoint-system", "setpoint", "one"));
    let lease = lease.expect("it can be held");
    lease.acquire().await;
    let engine = Engine::builder()
        .source(Arc::new(fixed([("queue", Measured::Value(12.0))])))
        .store(Arc::new(ConfigMapStore::new(client.clone(), "setpoint-system", "setpoint")))
        .permit(Arc::new(lease.clone()));
    let running = Running::of(Controller::new(client, Some("role".into()), engine).expect("a controller"));
    eventually("the count", "3", || cluster.field("role", "deployment/web", ".spec.replicas")).await;
    let ready = ".status.conditions[?(@.type==\"Ready\")].status";
    eventually("its status", "True", || cluster.field("role", "sp/web", ready)).await;
    let events = || cluster.kubectl(&["-n", "role", "get", "events", "-o", "jsonpath={.items[*].reason}"]);
    eventually("an event", "true", || events().unwrap_or_default().contains("Scaled").to_string()).await;
    running.end().await;
    assert!(lease.hold(std::future::ready(())).await, "and gives its lease back");
}
