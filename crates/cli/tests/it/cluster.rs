//! The command and Kubernetes.

mod chart;
mod controller;
mod kubectl;

use setpoint_testkit::cluster::{Cluster, ClusterOptions, workload};
use setpoint_testkit::guests::{component, root};
use setpoint_testkit::http::{Answer, Server};

use self::controller::eventually;
use crate::running::Running;
use crate::{Folder, setpoint};

#[test]
fn the_definitions_that_are_deployed_are_those_that_are_printed() {
    let kinds: [(&[&str], &str); 4] = [
        (&[], "crd.yaml"),
        (&["--kind", "scaling-group"], "crd-group.yaml"),
        (&["--kind", "ai-inference"], "peers/ai-inference.yaml"),
        (&["--kind", "elastic-scaler"], "peers/elastic-scaler.yaml"),
    ];
    for (arguments, file) in kinds {
        let printed = setpoint().arg("crd").args(arguments).output().expect("it runs");
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let path = root().join("crates/kube/deploy").join(file);
        let deployed = std::fs::read_to_string(&path).unwrap_or_default();
        let printed = String::from_utf8(printed.stdout).expect("text");
        let command = format!("setpoint crd {}", arguments.join(" "));
        assert!(printed == deployed, "{}: write it anew, with `{}`", path.display(), command.trim_end());
    }
}

const POLICY: &str = "apiVersion: kubeai.io/v1alpha1
kind: AIInferenceAutoscalerPolicy
metadata: {name: llm}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
  maxReplicas: 10
  algorithm: {name: capped-smooth-ratio-plugin, tolerance: 0.1}
  metrics: {requestQueueDepth: {enabled: true, targetDepth: 4}}
";

#[test]
fn a_folder_of_plugins_serves_the_algorithms_that_another_autoscalers_policies_name() {
    let Some(cluster) = Cluster::start(ClusterOptions::default()) else { return };
    let definition = setpoint().args(["crd", "--kind", "ai-inference"]).output().expect("it runs").stdout;
    cluster.define(&String::from_utf8(definition).expect("text"));
    cluster.apply("default", &workload("Deployment", "llm", 2));
    cluster.apply("default", POLICY);

    // By which everything is 12.
    let prometheus = Server::start(|_| Answer::instant(Some("12")));
    let folder = Folder::new();
    folder.write("plugins/capped.wasm", component("capped-smooth-ratio"));
    let mut command = setpoint();
    command.args(["controller", "--plugin-cache", "off", "--prometheus", &prometheus.url(), "--kubeconfig"]);
    command.arg(cluster.kubeconfig()).arg("--plugins").arg(folder.path().join("plugins"));
    let running = Running::start(&mut command);
    let field = |object: &str, path: &str| cluster.field("default", object, path);
    // 12 wait, 4 a replica are aimed at, and of 2 that is 3: which is as far as the plugin goes at once.
    eventually("what is desired", "3", || field("aiap/llm", ".status.desiredReplicas"));
    assert_eq!(field("deployment/llm", ".spec.replicas"), "3");
    assert_eq!(field("aiap/llm", ".status.lastAlgorithm"), "capped-smooth-ratio-plugin");
    let valid = field("aiap/llm", ".status.conditions[?(@.type==\"AlgorithmValid\")].reason");
    assert_eq!(valid, "AlgorithmFound");
    assert_eq!(running.end(), Some(0));
}
