//! The tutorial on a real control plane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use setpoint_cpa::{Config, CustomPodAutoscaler, RunType, Setup};
use setpoint_kube::ScaleHandler;
use setpoint_testkit::cluster::{Cluster, ClusterOptions};

use crate::{has_python, sh, target, tutorial};

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_from_its_label_to_its_pods() {
    if !has_python() {
        return;
    }
    let Some(cluster) = Cluster::start(ClusterOptions { nodes: Some(1), ..ClusterOptions::default() }) else { return };
    let manifest = std::fs::read_to_string(format!("{}/deployment.yaml", tutorial::FOLDER)).expect("it is there");
    cluster.kubectl_with(&["apply", "-f", "-"], &manifest).expect("a good manifest");
    let client = setpoint_kube::connect(Some(&cluster.kubeconfig())).await.expect("a client");
    let handler = Arc::new(ScaleHandler::new(client));
    let scaler = |config: &serde_json::Value| {
        let config = Config::read(config).unwrap_or_else(|error| panic!("{error}"));
        let setup = Setup::new(target(), Arc::<ScaleHandler>::clone(&handler));
        CustomPodAutoscaler::new(&config, setup).expect("it can be run")
    };
    let replicas = || {
        cluster.kubectl(&["get", "deployment/hello-kubernetes", "-o", "jsonpath={.spec.replicas}"]).expect("a count")
    };

    let tutorial = scaler(&tutorial::config());
    let asked = tutorial.scale(RunType::ApiDryRun).await.expect("a cycle");
    assert_eq!((asked.decision.desired, replicas().as_str()), (5, "1"));
    tutorial.scale(RunType::Scaler).await.expect("a cycle");
    assert_eq!(replicas(), "5");
    cluster.kubectl(&["label", "deployment/hello-kubernetes", "--overwrite", "numPods=3"]).expect("a label");
    tutorial.scale(RunType::Scaler).await.expect("a cycle");
    assert_eq!(replicas(), "3");

    // Each pod is handed whole: one more than there are with an address of their own.
    let ready = || {
        cluster.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}"])
    };
    let end = Instant::now() + Duration::from_secs(120);
    while ready().expect("pods") != "True True True" {
        assert!(Instant::now() < end, "the pods are {:?}", ready());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let metric = "import json, sys; print(json.load(sys.stdin)['resource']['status']['podIP'], end='')";
    let evaluate = "import json, sys; spec = json.load(sys.stdin); print(json.dumps({'targetReplicas': \
                    1 + len({metric['value'] for metric in spec['metrics']})}))";
    let program = |code: &str| sh(&format!("exec python3 -c \"{code}\""));
    let per_pod = scaler(&json!({ "metric": program(metric), "evaluate": program(evaluate), "runMode": "per-pod" }));
    let cycle = per_pod.scale(RunType::Scaler).await.expect("a cycle");
    assert!(cycle.metrics.iter().all(|metric| metric.resource.starts_with("hello-kubernetes-")), "{:?}", cycle.metrics);
    assert_eq!((cycle.written, replicas().as_str()), (Some((3, 4)), "4"));
}
