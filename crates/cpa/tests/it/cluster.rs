//! The tutorial on a real control plane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use setpoint_cpa::{Config, CustomPodAutoscaler, RunType, Setup};
use setpoint_kube::ScaleHandler;
use setpoint_testkit::cluster::{Cluster, ClusterOptions};
use setpoint_testkit::metrics_apis::{MetricsApis, pod_metrics};

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
        let mut setup = Setup::new(target(), Arc::<ScaleHandler>::clone(&handler));
        setup.sources = handler.sources().expect("a client");
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

    // And what the cluster's own metrics API says of them: so many replicas as pods use 200 thousandths of a core.
    let apis = MetricsApis::of(&cluster);
    let measured = cluster.pods("default", "hello-kubernetes")[..2].to_vec();
    apis.answered_by("default", move |group, wanted, _| {
        (group == "metrics.k8s.io" && wanted == ["pods"]).then(|| pod_metrics("default", &measured, "200m"))
    });
    let metric = "import json, sys; told = json.load(sys.stdin)['kubernetesMetrics'][0]['resource']; \
                  print(sum(pod['Value'] == 200 for pod in told['pod_metrics_info'].values()) * told['ready_pod_count'], end='')";
    let evaluate =
        "import json, sys; print(json.dumps({'targetReplicas': int(json.load(sys.stdin)['metrics'][0]['value'])}))";
    let cpu = json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "AverageValue" } } });
    let measured = scaler(&json!({
        "kubernetesMetricSpecs": [cpu], "requireKubernetesMetrics": true, "runMode": "per-resource",
        "metric": program(metric), "evaluate": program(evaluate), "maxReplicas": 5,
    }));
    // Both were ready for longer than they were measured.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let cycle = measured.scale(RunType::ApiDryRun).await.expect("a cycle");
    assert_eq!((cycle.answer, cycle.decision.desired), (4, 4), "two that count, measured twice 200");
}
