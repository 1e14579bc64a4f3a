//! Against a real control plane: see `crates/xtask/kube-env`.

mod controller;
mod definition;
mod handler;
mod lease;
mod role;
mod store;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use kube::Client;
use setpoint_testkit::cluster::{Cluster, ClusterOptions};

/// One for all tests, with pods that become ready at once. Each test has a namespace of its own.
static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(|| {
    let cluster = Cluster::start(ClusterOptions { nodes: Some(2), ..ClusterOptions::default() })?;
    cluster.kubectl_with(&["apply", "-f", "-"], &setpoint_kube::crd().to_string()).expect("the definition is applied");
    cluster
        .kubectl(&["wait", "--for=condition=Established", "crd/scalingpolicies.setpoint.dev", "--timeout=30s"])
        .expect("and established");
    Some(cluster)
});

/// The cluster, with a namespace; none where the test is to be skipped.
async fn cluster(namespace: &str) -> Option<(&'static Cluster, Client)> {
    let cluster = CLUSTER.as_ref()?;
    cluster.kubectl(&["create", "namespace", namespace]).expect("a new namespace");
    Some((cluster, setpoint_kube::connect(Some(&cluster.kubeconfig())).await.expect("a client")))
}

/// Waits until `field` is as wanted; panics with what it is when it isn't for two minutes.
async fn eventually(what: &str, want: &str, field: impl Fn() -> String) {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let found = field();
        if found == want {
            return;
        }
        assert!(Instant::now() < end, "{what} is {found:?} instead of {want:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
