//! The command and Kubernetes.

mod controller;
mod kubectl;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::json;
use setpoint_testkit::cluster::{Cluster, ClusterOptions};
use setpoint_testkit::guests::{component, root};

use crate::{Folder, setpoint};

#[test]
fn the_definitions_that_are_deployed_are_those_that_are_printed() {
    let kinds: [(&[&str], &str); 3] = [
        (&[], "crd.yaml"),
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

/// A command that ends with this value, however a test does.
struct Running(Child);

impl Running {
    fn end(mut self) -> Option<i32> {
        Command::new("kill").arg(self.0.id().to_string()).status().expect("it runs");
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Prometheus by which everything is 12: its address. It answers until the process ends.
fn prometheus() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            // Some of the question is enough: what is asked makes no difference.
            let asked = stream.read(&mut [0; 16384]).expect("a question");
            let series = json!({ "metric": {}, "value": [jiff::Timestamp::now().as_second(), "12"] });
            let data = json!({ "resultType": "vector", "result": [series] });
            let answer = json!({ "status": "success", "data": data }).to_string();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
            if asked > 0 {
                stream.write_all(format!("{head}{answer}").as_bytes()).expect("an answer");
            }
        }
    });
    address
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: llm}
spec:
  replicas: 2
  selector: {matchLabels: {app: llm}}
  template:
    metadata: {labels: {app: llm}}
    spec: {containers: [{name: main, image: none}]}
";

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
    let apply = |manifest: &str| cluster.kubectl_with(&["apply", "-f", "-"], manifest).expect("a good manifest");
    apply(&String::from_utf8(definition).expect("text"));
    let established = ["wait", "--for=condition=Established", "crd/aiinferenceautoscalerpolicies.kubeai.io"];
    cluster.kubectl(&established).expect("established");
    apply(DEPLOYMENT);
    apply(POLICY);

    let folder = Folder::new();
    folder.write("plugins/capped.wasm", component("capped-smooth-ratio"));
    let mut command = setpoint();
    command.args(["controller", "--plugin-cache", "off", "--prometheus", &prometheus(), "--kubeconfig"]);
    command.arg(cluster.kubeconfig()).arg("--plugins").arg(folder.path().join("plugins"));
    let running = Running(command.spawn().expect("it starts"));
    let field = |object: &str, path: &str| {
        let path = format!("jsonpath={{{path}}}");
        cluster.kubectl(&["get", object, "-o", &path]).unwrap_or_else(|error| error)
    };
    let end = Instant::now() + Duration::from_secs(120);
    // 12 wait, 4 a replica are aimed at, and of 2 that is 3: which is as far as the plugin goes at once.
    while field("aiap/llm", ".status.desiredReplicas") != "3" {
        assert!(Instant::now() < end, "{}", field("aiap/llm", ".status"));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(field("deployment/llm", ".spec.replicas"), "3");
    assert_eq!(field("aiap/llm", ".status.lastAlgorithm"), "capped-smooth-ratio-plugin");
    let valid = field("aiap/llm", ".status.conditions[?(@.type==\"AlgorithmValid\")].reason");
    assert_eq!(valid, "AlgorithmFound");
    assert_eq!(running.end(), Some(0));
}
