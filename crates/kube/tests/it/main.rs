//! Against a real control plane: see `crates/xtask/kube-env`.

mod chart;
mod controller;
mod definition;
mod group;
mod handler;
mod install;
mod lease;
mod metrics;
mod peers;
mod prometheus;
mod role;
mod running;
mod store;
mod twin;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use kube::{Client, Config};
use setpoint_kube::Kind;
use setpoint_testkit::cluster::{Cluster, ClusterOptions};
use setpoint_testkit::metrics_apis::MetricsApis;

/// One for all tests, with pods that become ready at once. Each test has a namespace of its own.
static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(|| {
    let cluster = Cluster::start(ClusterOptions { nodes: Some(2), ..ClusterOptions::default() })?;
    install(&cluster, Kind::ScalingPolicy);
    install(&cluster, Kind::ScalingGroup);
    Some(cluster)
});

/// Its metrics APIs, which each test answers for its own namespace.
static APIS: LazyLock<MetricsApis> = LazyLock::new(|| MetricsApis::of(CLUSTER.as_ref().expect("whoever asks has one")));

/// Makes a kind known to the cluster.
fn install(cluster: &Cluster, kind: Kind) {
    cluster.define(&setpoint_kube::crd(kind).to_string());
}

/// The cluster, with a namespace; none where the test is to be skipped.
async fn cluster(namespace: &str) -> Option<(&'static Cluster, Client)> {
    let cluster = CLUSTER.as_ref()?;
    cluster.kubectl(&["create", "namespace", namespace]).expect("a new namespace");
    Some((cluster, setpoint_kube::connect(Some(&cluster.kubeconfig())).await.expect("a client")))
}

/// What is deployed for the controller to act by, with and without what it needs for other autoscalers' kinds.
static ROLES: LazyLock<()> = LazyLock::new(|| {
    let cluster = CLUSTER.as_ref().expect("whoever asks has one");
    let kubectl = |arguments: &[&str]| cluster.kubectl(arguments).expect("an administrator may");
    kubectl(&["create", "namespace", "setpoint-system"]);
    for file in ["rbac.yaml", "peers/rbac.yaml"] {
        let role = std::fs::read_to_string(format!("{}/deploy/{file}", env!("CARGO_MANIFEST_DIR"))).expect("a file");
        cluster.kubectl_with(&["apply", "-f", "-"], &role).expect("a role");
    }
    kubectl(&["-n", "setpoint-system", "create", "serviceaccount", "alone"]);
    let alone = "--serviceaccount=setpoint-system:alone";
    kubectl(&["create", "clusterrolebinding", "alone", "--clusterrole=setpoint-controller", alone]);
    kubectl(&["-n", "setpoint-system", "create", "rolebinding", "alone", "--role=setpoint-controller", alone]);
});

/// A client that may do what the controller may as it is deployed, and nothing more. As account `alone` also nothing that
/// it needs for other autoscalers' kinds.
fn as_deployed(cluster: &Cluster, account: &str) -> Client {
    LazyLock::force(&ROLES);
    let token = cluster.kubectl(&["-n", "setpoint-system", "create", "token", account]).expect("a token");
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
