//! Against a real control plane: see `crates/xtask/kube-env`.

mod controller;
mod definition;
mod handler;
mod lease;
mod metrics;
mod role;
mod store;

use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use kube::{Client, Config};
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

/// A client that may do what the controller may as it is deployed, and nothing more.
fn as_deployed(cluster: &Cluster) -> Client {
    static APPLIED: LazyLock<Mutex<bool>> = LazyLock::new(Mutex::default);
    let mut applied = APPLIED.lock().expect("whole");
    if !*applied {
        let role = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rbac.yaml")).expect("a file");
        cluster.kubectl(&["create", "namespace", "setpoint-system"]).expect("a new namespace");
        cluster.kubectl_with(&["apply", "-f", "-"], &role).expect("a role");
        *applied = true;
    }
    drop(applied);
    let token = cluster.kubectl(&["-n", "setpoint-system", "create", "token", "setpoint"]).expect("a token");
    let mut config = Config::new(cluster.api().parse().expect("an address"));
    config.accept_invalid_certs = true;
    config.auth_info.token = Some(token.trim().to_owned().into());
    Client::try_from(config).expect("a client")
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
