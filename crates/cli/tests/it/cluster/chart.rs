//! The controller as its Helm chart runs it: by the arguments of the pod, as the account that was installed.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use setpoint_testkit::cluster::{Cluster, ClusterOptions, workload};
use setpoint_testkit::guests::{component, root};
use setpoint_testkit::http::{AUTHORITY, Answer, Server, free_address};

use super::controller::{eventually, get, policy};
use crate::running::Running;
use crate::{Folder, setpoint};

const NAMESPACE: &str = "setpoint-system";

/// Installs the chart with `values`, each of them as JSON.
fn install(cluster: &Cluster, values: &[String]) {
    let chart = root().join("crates/kube/deploy/chart");
    let values = values.iter().flat_map(|value| ["--set-json", value]);
    let installed = ["install", "setpoint", chart.to_str().expect("UTF-8"), "--namespace", NAMESPACE];
    cluster.helm(&installed.into_iter().chain(values).collect::<Vec<_>>()).expect("it is installed");
}

/// The container of the pod that was installed.
fn container(cluster: &Cluster) -> Value {
    let found = cluster.kubectl(&["-n", NAMESPACE, "get", "deployment/setpoint", "-o", "json"]).expect("it is there");
    let mut found: Value = serde_json::from_str(&found).expect("JSON");
    found["spec"]["template"]["spec"]["containers"][0].take()
}

/// What that container runs, outside of it: as the same account and by the same arguments, with `mounts` in place of what is
/// mounted.
fn run(cluster: &Cluster, mounts: &Folder) -> Command {
    let token = cluster.kubectl(&["-n", NAMESPACE, "create", "token", "setpoint"]).expect("the account is there");
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "it", "cluster": { "server": cluster.api(), "insecure-skip-tls-verify": true } }],
        "users": [{ "name": "it", "user": { "token": token.trim() } }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
        "current-context": "it",
    });
    let arguments = container(cluster)["args"].take();
    let here = |argument: &Value| {
        argument.as_str().expect("text").replace("=/etc/setpoint/", &format!("={}/", mounts.path().display()))
    };
    let mut command = setpoint();
    command
        .args(arguments.as_array().expect("a list").iter().map(here))
        .arg("--kubeconfig")
        .arg(mounts.write("kubeconfig", kubeconfig.to_string()))
        .envs([("POD_NAME", "setpoint-0"), ("POD_NAMESPACE", NAMESPACE)])
        .stdin(Stdio::null());
    command
}

/// Of the workloads `web` in namespaces `shop` and `bank`, with policies that want 3 replicas by `algorithm`, that of `shop`
/// is scaled, and that of `bank` to `elsewhere`.
fn scales(cluster: &Cluster, mounts: &Folder, values: &[String], algorithm: &str, elsewhere: &str) {
    let port = free_address().expect("there is one").port();
    install(cluster, &[values, &[format!("metrics.port={port}")]].concat());
    cluster.established();
    for namespace in ["shop", "bank"] {
        cluster.apply(namespace, &workload("Deployment", "web", 1));
        let policy = policy("apps/v1", "Deployment", "web", "{stabilized: {scaleDownWindow: 40s}}");
        cluster.apply(namespace, &policy.replace("{name: max-ratio}", algorithm));
    }
    let running = Running::start(&mut run(cluster, mounts));
    let count = |namespace: &str| cluster.field(namespace, "deployment/web", ".spec.replicas");
    eventually("the count", "3", || count("shop"));
    let ready = ".status.conditions[?(@.type==\"Ready\")].status";
    eventually("its status", "True", || cluster.field("shop", "sp/web", ready));
    eventually("the count elsewhere", elsewhere, || count("bank"));
    let events = || cluster.kubectl(&["-n", "shop", "get", "events", "-o", "jsonpath={.items[*].reason}"]);
    eventually("an event", "true", || events().expect("a list").contains("Scaled").to_string());
    let holder = cluster.field(NAMESPACE, "lease/setpoint", ".spec.holderIdentity");
    assert!(holder.starts_with("setpoint-0_"), "{holder}");
    let states = cluster.kubectl(&["-n", NAMESPACE, "get", "configmaps", "-o", "name"]).expect("a list");
    assert!(states.contains("configmap/setpoint-"), "{states}");
    let account = format!("--as=system:serviceaccount:{NAMESPACE}:setpoint");
    let may = cluster.kubectl(&["auth", "can-i", "list", "pods", "-n", "bank", &account]);
    assert_eq!(may.is_ok(), elsewhere == "3", "it may do no more than it is to: {may:?}");
    let probe = container(cluster)["readinessProbe"]["httpGet"]["path"].take();
    let answer = get(&format!("127.0.0.1:{port}"), probe.as_str().expect("text"));
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    assert_eq!(running.end(), Some(0));
    cluster.helm(&["uninstall", "setpoint", "--namespace", NAMESPACE]).expect("it is removed");
    for namespace in ["shop", "bank"] {
        cluster.kubectl(&["-n", namespace, "delete", "sp,deployment,events.events.k8s.io", "--all"]).expect("gone");
    }
}

#[test]
fn the_controller_needs_no_more_than_the_chart_gives_it() {
    let Some(cluster) = &Cluster::start(ClusterOptions::default()) else { return };
    for namespace in [NAMESPACE, "shop", "bank"] {
        cluster.kubectl(&["create", "namespace", namespace]).expect("a new one");
    }
    // By which everything is 12.
    let prometheus = Server::start(|_| Answer::instant(Some("12")));
    let values = [format!("prometheus.url={}", json!(prometheus.url()))];
    scales(cluster, &Folder::new(), &values, "{name: max-ratio}", "3");

    let guarded = Server::start_tls(|asked| match asked.header("authorization") {
        Some("Bearer secret") => Answer::instant(Some("12")),
        _ => Answer::Body(401, "who are you?".to_owned()),
    });
    let values = [
        format!("prometheus.url={}", json!(guarded.url())),
        r#"prometheus.tokenSecret.name="prometheus""#.to_owned(),
        r#"prometheus.caConfigMap.name="authority""#.to_owned(),
        r#"plugins.volume={"configMap": {"name": "plugins"}}"#.to_owned(),
        r#"watchNamespace="shop""#.to_owned(),
    ];
    let mounts = Folder::new();
    mounts.write("prometheus-token/token", "secret");
    mounts.write("prometheus-ca/ca.crt", AUTHORITY);
    mounts.write("plugins/capped.wasm", component("capped-smooth-ratio"));
    let plugin = "{name: capped-smooth-ratio-plugin, config: {smoothingFactor: 1, maxScaleUp: 5}}";
    scales(cluster, &mounts, &values, plugin, "1");
}
