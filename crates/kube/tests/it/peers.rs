//! Other autoscalers' policies in a cluster, carried out: their own documents' examples, as they are.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::Deserialize;
use setpoint::{
    ConfigError, EvaluateError, Need, Observation, Proposal, Registry, ScalingAlgorithm, Trace, algorithm_factory,
};
use setpoint_kube::{ConfigMapStore, Controller, Kind};
use setpoint_runtime::source::{Fetch, Fixed, Prometheus as Queries, PrometheusServer, fixed};
use setpoint_runtime::{Engine, EngineBuilder, Measured};
use setpoint_testkit::cluster::{Cluster, workload};
use setpoint_testkit::guests;
use setpoint_testkit::metrics_apis::{external, now, pod_metrics};
use tempfile::TempDir;

use crate::prometheus::Prometheus;
use crate::running::Running;
use crate::{APIS, as_deployed, cluster, eventually, install};

const P99: &str = "1000 * histogram_quantile(0.99, sum(rate(inference_request_duration_seconds_bucket[5m])) by (le))";
const GPU: &str = "avg(DCGM_FI_DEV_GPU_UTIL)";
const QUEUE: &str = "sum(inference_request_queue_depth)";

/// A controller of `namespace`, as it is deployed.
fn start(cluster: &Cluster, namespace: &str, engine: EngineBuilder) -> Running {
    let client = as_deployed(cluster, "setpoint");
    let store = ConfigMapStore::new(client.clone(), "setpoint-system", &format!("states-{namespace}"));
    let controller = Controller::new(client, Some(namespace.to_owned()), engine.store(Arc::new(store)));
    Running::of(controller.expect("a controller"))
}

/// An example of a system's own documents.
fn example(path: &str) -> String {
    let path = guests::root().join("crates/cli/tests/it/foreign").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(folder: &TempDir, file: &str, text: &str) {
    let path = folder.path().join(file);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
    std::fs::write(path, text).expect("it can be written");
}

fn ai_policy(name: &str, target: &str, more: &str) -> String {
    format!(
        "apiVersion: kubeai.io/v1alpha1
kind: AIInferenceAutoscalerPolicy
metadata: {{name: {name}}}
spec:
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: {target}}}
  maxReplicas: 10
  metrics: {{requestQueueDepth: {{enabled: true, targetDepth: 4}}}}
{more}"
    )
}

fn own_policy(name: &str, target: &str) -> String {
    format!(
        "apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: {name}}}
spec:
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: {target}}}
  maxReplicas: 10
  interval: 1s
  metrics: [{{name: queue, target: {{averageValue: 4}}, source: {{prometheus: {{query: \"{QUEUE}\"}}}}}}]
  algorithm: {{name: max-ratio}}
"
    )
}

fn condition(cluster: &Cluster, namespace: &str, object: &str, kind: &str, of: &str) -> String {
    cluster.field(namespace, object, &format!(".status.conditions[?(@.type==\"{kind}\")].{of}"))
}

/// An algorithm of a plugin, or of a program that embeds the controller: one more while the load of each is above the
/// threshold, in parts of 100 a second.
struct Custom(CustomConfig);

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CustomConfig {
    threshold: f64,
    #[serde(default)]
    cooldown_seconds: u32,
}

impl ScalingAlgorithm for Custom {
    fn evaluate(&mut self, look: &Observation<'_>, _: &mut Trace) -> Result<Proposal, EvaluateError> {
        let Some(total) = look.readings.first().and_then(|reading| reading.usable()) else {
            return Ok(Proposal::NoOpinion);
        };
        let is_loaded = total / (100.0 * f64::from(look.current)) > self.0.threshold;
        // The cooldown is longer than any test.
        let may = self.0.cooldown_seconds == 0 || look.current == 2;
        Ok(Need::from(look.current + u32::from(is_loaded && may)).into())
    }
}

/// The algorithm under the name that the guide has for it, and one that KubeAI Autoscaler would have from a plugin.
fn registry() -> Registry {
    #[derive(Deserialize, JsonSchema)]
    struct Tolerance {
        tolerance: f64,
    }
    let mut registry = Registry::builtin();
    let custom =
        algorithm_factory("one more", |_, config: CustomConfig| -> Result<Custom, ConfigError> { Ok(Custom(config)) });
    registry.register_algorithm("custom", custom).expect("it is free");
    let mine = algorithm_factory("one more", |_, config: Tolerance| -> Result<Custom, ConfigError> {
        Ok(Custom(CustomConfig { threshold: config.tolerance, cooldown_seconds: 0 }))
    });
    registry.register_algorithm("MyAlgorithm", mine).expect("it is free");
    registry
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ai_inference_policy_is_carried_out_and_its_status_is_as_its_documents_have_it() {
    let namespace = "ai-workloads";
    let Some((cluster, _)) = cluster(namespace).await else { return };
    install(cluster, Kind::AiInference);
    for name in ["llm-inference-server", "my-inference-server", "queued", "shared", "unknown", "plugged"] {
        cluster.apply(namespace, &workload("Deployment", name, 2));
    }
    let prometheus = Prometheus::start();
    prometheus.set(P99, Some(1249.6));
    prometheus.set(GPU, Some(98.0));
    prometheus.set(QUEUE, Some(20.0));
    let folder = tempfile::tempdir().expect("a folder");
    // The README's own commands, and its policy in the file that they name.
    write(&folder, "examples/basic-policy.yaml", &example("kubeai/llm-inference-policy.yaml"));
    cluster.shell(folder.path(), "kubectl apply -f examples/basic-policy.yaml").expect("as the README has it");
    cluster.apply(namespace, &example("kubeai/my-policy.yaml"));
    // The same name as one of theirs, and the older of two with one target.
    cluster.apply(namespace, &own_policy("my-policy", "shared"));
    eventually("a second", "true", || {
        let created = cluster.field(namespace, "sp/my-policy", ".metadata.creationTimestamp");
        (jiff::Timestamp::now().to_string().get(..19) > created.get(..19)).to_string()
    })
    .await;
    cluster.apply(namespace, &ai_policy("younger", "shared", ""));
    let weighted = "  cooldownPeriod: 0\n  algorithm: {name: WeightedRatio, tolerance: 0, weights: [2, 1]}\n";
    cluster.apply(namespace, &ai_policy("weighted", "queued", weighted));
    cluster.apply(namespace, &ai_policy("unknown", "unknown", "  algorithm: {name: MaxRatoi}\n"));
    cluster.apply(namespace, &ai_policy("plugged", "plugged", "  algorithm: {name: MyAlgorithm, tolerance: 0.05}\n"));

    let fetch = Fetch::new().expect("a client");
    let engine = || {
        let source = Arc::new(Queries::new(fetch.clone(), Some(PrometheusServer::new(prometheus.address()))));
        Engine::builder().registry(registry()).source(source)
    };
    let running = start(cluster, namespace, engine());
    let replicas = |name: &str| cluster.field(namespace, &format!("deployment/{name}"), ".spec.replicas");
    let of = |name: &str, path: &str| cluster.field(namespace, &format!("aiap/{name}"), path);
    let says = |name: &str, kind: &str, what: &str| condition(cluster, namespace, &format!("aiap/{name}"), kind, what);

    let cases = [
        ("llm-inference-server", "5", "1249.6 / 500 is 2.4992, and of 2 that is 4.9984"),
        ("my-inference-server", "3", "98 / 70 is 1.4, and of 2 that is 2.8"),
        ("queued", "5", "20 wait, and 4 a replica are aimed at"),
        ("shared", "5", "the same, by the own kind's policy"),
        ("plugged", "3", "one more"),
    ];
    for (name, want, why) in cases {
        eventually(&format!("{name} ({why})"), want, || replicas(name)).await;
    }
    let llm = "llm-inference-policy";
    eventually("what is desired", "5", || of(llm, ".status.desiredReplicas")).await;
    assert_eq!(of(llm, ".status.currentMetrics"), r#"{"gpuUtilizationPercent":98,"latencyP99Ms":1250}"#);
    assert_eq!(of(llm, ".status.lastAlgorithm"), "MaxRatio", "it names none");
    assert!(of(llm, ".status.lastScaleReason").contains("p99"), "{}", of(llm, ".status"));
    let documented = [
        ("Ready", "True", "Ready"),
        ("Scaling", "True", "Scaled"),
        ("AlgorithmValid", "True", "AlgorithmFound"),
        ("MetricsAvailable", "True", "AllRead"),
        ("CarriedOver", "True", "Whole"),
    ];
    for (kind, status, reason) in documented {
        assert_eq!((says(llm, kind, "status"), says(llm, kind, "reason")), (status.into(), reason.into()), "{kind}");
    }
    let scaled_at = of(llm, ".status.lastScaleTime");
    assert!(!scaled_at.is_empty());
    assert_eq!(of("my-policy", ".status.lastAlgorithm"), "CappedSmoothRatio");
    let listed = cluster.shell(folder.path(), "kubectl get aiap -n ai-workloads").expect("as the README has it");
    assert!(listed.contains(llm), "{listed}");
    let listed = cluster.kubectl(&["-n", namespace, "get", "aipolicy"]).expect("by its other short name");
    for column in ["TARGET", "MIN", "MAX", "CURRENT", "ALGORITHM", "AGE", "CappedSmoothRatio"] {
        assert!(listed.contains(column), "{listed}");
    }

    // What can't be done is said where their documents say it.
    let refused = [
        ("unknown", "AlgorithmValid", "UnknownAlgorithm", "`MaxRatoi`"),
        ("younger", "Scaling", "TargetTaken", "the older ScalingPolicy ai-workloads/my-policy scales the same target"),
        ("weighted", "CarriedOver", "InPart", "spec.algorithm.weights[1]: there are 1 metrics"),
    ];
    for (name, kind, reason, message) in refused {
        eventually(name, reason, || says(name, kind, "reason")).await;
        assert_eq!(says(name, kind, "status"), "False", "{name}");
        assert!(says(name, kind, "message").contains(message), "{name}: {}", says(name, kind, "message"));
    }
    assert_eq!(replicas("unknown"), "2", "no other algorithm stands in");
    let events = || cluster.kubectl(&["-n", namespace, "get", "events", "-o", "jsonpath={.items[*].reason}"]);
    eventually("an event", "true", || events().unwrap_or_default().contains("NotCarriedOver").to_string()).await;

    // Of one without readings nothing is made up: not even that there were some.
    prometheus.set(QUEUE, None);
    let spec = |spec: &str| format!("{{\"spec\":{spec}}}");
    let patch = |name: &str, text: &str| {
        let patch = ["-n", namespace, "patch", "aiap", name, "--type=merge", "-p", &spec(text)].map(ToOwned::to_owned);
        cluster.kubectl(&patch.each_ref().map(String::as_str)).expect("a good patch");
    };
    patch("weighted", r#"{"maxReplicas":9}"#);
    eventually("no readings", "MetricsFetchFailed", || says("weighted", "Ready", "reason")).await;
    assert_eq!(of("weighted", ".status.currentMetrics"), "{}");
    assert_eq!(replicas("queued"), "5");
    // It scales down, and without a cooldown at once.
    prometheus.set(QUEUE, Some(4.0));
    patch("weighted", r#"{"maxReplicas":8}"#);
    eventually("the count", "1", || replicas("queued")).await;

    // The next controller knows when the last one scaled, and that the cooldown goes on.
    running.end().await;
    prometheus.set(P99, Some(100.0));
    prometheus.set(GPU, Some(10.0));
    let running = start(cluster, namespace, engine());
    eventually("a reading", "100", || of(llm, ".status.currentMetrics.latencyP99Ms")).await;
    assert_eq!((replicas("llm-inference-server"), of(llm, ".status.lastScaleTime")), ("5".into(), scaled_at));
    assert_eq!(says(llm, "Scaling", "reason"), "Scaled");
    assert!(of(llm, ".status.lastScaleReason").contains("the last change is too recent"), "{}", of(llm, ".status"));
    // The older one goes, and the other kind's takes over.
    cluster.kubectl(&["-n", namespace, "delete", "sp/my-policy"]).expect("it goes");
    eventually("the younger", "True", || says("younger", "Scaling", "status")).await;
    prometheus.set(QUEUE, Some(12.0));
    patch("younger", r#"{"maxReplicas":9}"#);
    eventually("its count", "3", || replicas("shared")).await;
    running.end().await;
}

/// What the guide's second example scales: a resource that nobody but its own handler knew.
const CUSTOM_RESOURCE: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: customresources.custom.example.com}
spec:
  group: custom.example.com
  scope: Namespaced
  names: {kind: CustomResource, plural: customresources, singular: customresource, listKind: CustomResourceList}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {replicas: {type: integer}}}
          status: {type: object, properties: {replicas: {type: integer}, selector: {type: string}}}
";

/// What the documentation says that a custom resource takes.
const CUSTOM_ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: setpoint-custom-resources}
rules:
- apiGroups: [custom.example.com]
  resources: [customresources/scale]
  verbs: [get, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: setpoint-custom-resources}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: setpoint-custom-resources}
subjects: [{kind: ServiceAccount, name: setpoint, namespace: setpoint-system}]
";

#[tokio::test(flavor = "multi_thread")]
async fn an_elastic_scaler_is_watched_once_its_kind_is_installed_and_its_algorithm_is_called() {
    let namespace = "ai-inference";
    let Some((cluster, _)) = cluster(namespace).await else { return };
    cluster.apply(namespace, &workload("Deployment", "vllm-inference", 2));
    cluster.apply(namespace, &workload("Deployment", "web", 1));
    let readings: Arc<Fixed> = Arc::new(fixed([("queue", Measured::Value(12.0))]));
    // Its metrics are the cluster's own: what the guide calls External, and how much of its request each pod uses.
    let (qps, measured) = (Arc::new(AtomicU32::new(170)), Arc::new(Mutex::new(Vec::new())));
    APIS.answered_by(namespace, {
        let (qps, measured) = (Arc::clone(&qps), Arc::clone(&measured));
        move |group, wanted, query| match (group, wanted) {
            ("external.metrics.k8s.io", ["qps"]) => Some(external(&[&qps.load(Ordering::Relaxed).to_string()], &now())),
            ("metrics.k8s.io", ["pods"]) if query.contains("app%3Dmy-custom-resource") => {
                Some(pod_metrics(namespace, &measured.lock().expect("whole"), "200m"))
            }
            _ => None,
        }
    });
    let engine = Engine::builder().registry(registry()).source(Arc::<Fixed>::clone(&readings));
    let running = start(cluster, namespace, engine);
    let replicas = |object: &str| cluster.field(namespace, object, ".spec.replicas");
    // Nothing waits for a kind that isn't there.
    let own =
        own_policy("web", "web").replace(", source: {prometheus: {query: \"sum(inference_request_queue_depth)\"}}", "");
    cluster.apply(namespace, &own);
    eventually("the own kind's count", "3", || replicas("deployment/web")).await;

    install(cluster, Kind::ElasticScaler);
    let custom = example("elastic-scaler/custom-scaling-example.yaml");
    let resource = example("elastic-scaler/custom-resource-scaling.yaml");
    // As printed they are refused, with the words that are wrong.
    let apply_as_is = |manifest: &str| cluster.kubectl_with(&["-n", namespace, "apply", "-f", "-"], manifest);
    let printed = [
        (example("elastic-scaler/custom-scaling-example.as-printed.yaml"), "name"),
        (example("elastic-scaler/custom-resource-scaling.as-printed.yaml"), "name"),
        (custom.clone(), "Unsupported value: \"AverageValueValue\""),
        (resource.clone(), "unknown field \"spec.trigger.metricsTrigger.metrics[0].resource.metricsName\""),
        (custom.replace("apiVersion: apps/v1", "apiVersion: \"\""), "spec.targetRef.apiVersion"),
    ];
    for (manifest, want) in printed {
        let error = apply_as_is(&manifest).expect_err(want);
        assert!(error.contains(want), "{want}: {error}");
    }
    let custom = custom.replace("AverageValueValue", "AverageValue");
    // The guide's own commands, and its examples in the files that they name.
    let folder = tempfile::tempdir().expect("a folder");
    let guide = |script: &str| cluster.shell(folder.path(), script).unwrap_or_else(|error| panic!("{script}: {error}"));
    guide("kubectl cluster-info\nkubectl get nodes");
    write(&folder, "test-elastic-scaler.yaml", &custom);
    guide("kubectl apply -f test-elastic-scaler.yaml");
    // It has the one more that its algorithm gives it, and then waits.
    eventually("the count", "3", || replicas("deployment/vllm-inference")).await;
    let of = |name: &str, path: &str| cluster.field(namespace, &format!("elasticscaler/{name}"), path);
    let says = |name: &str, kind: &str, what: &str| {
        condition(cluster, namespace, &format!("elasticscaler/{name}"), kind, what)
    };
    let name = "custom-scaling-example";
    eventually("what is desired", "3", || of(name, ".status.desiredReplicas")).await;
    assert_eq!(of(name, ".status.readings"), r#"[{"name":"qps","state":"value","value":170}]"#);
    for kind in ["Ready", "Scaling", "AlgorithmValid", "MetricsAvailable", "CarriedOver"] {
        eventually(kind, "True", || says(name, kind, "status")).await;
    }
    let listed = cluster.kubectl(&["-n", namespace, "get", "elasticscalers"]).expect("a list");
    assert!(listed.contains("ALGORITHM") && listed.contains("custom"), "{listed}");
    let whole = guide("kubectl get elasticscalers -n ai-inference -o yaml");
    assert!(whole.contains("name: custom-scaling-example") && whole.contains("desiredReplicas: 3"), "{whole}");

    // Its configuration is judged by the algorithm's own schema, and an unknown algorithm is no other.
    let cases = [
        (custom.replace("threshold: 0.8", "thresold: 0.8"), "spec.trigger.metricsTrigger.algorithmConfig", "thresold"),
        (
            custom.replace("scalingAlgorithm: custom", "scalingAlgorithm: custm"),
            "spec.trigger.metricsTrigger.scalingAlgorithm",
            "did you mean `custom`?",
        ),
    ];
    for (manifest, path, want) in cases {
        cluster.apply(namespace, &manifest);
        eventually(want, "true", || says(name, "AlgorithmValid", "message").contains(want).to_string()).await;
        assert_eq!(says(name, "AlgorithmValid", "reason"), "AlgorithmInvalid");
        let message = says(name, "AlgorithmValid", "message");
        assert!(message.starts_with(path), "{message}");
        assert_eq!(says(name, "Ready", "status"), "False", "{want}");
    }

    // A resource that only a definition knows, by its use of the processor. Until it says which pods are its own nobody can
    // measure that.
    cluster.define(CUSTOM_RESOURCE);
    cluster.kubectl_with(&["apply", "-f", "-"], CUSTOM_ROLE).expect("a role");
    let custom_resource = "apiVersion: custom.example.com/v1alpha1\nkind: CustomResource\nmetadata: {name: my-custom-resource, namespace: ai-inference}\nspec: {replicas: 1}\n";
    write(&folder, "test-custom-resource.yaml", custom_resource);
    guide("kubectl apply -f test-custom-resource.yaml");
    write(&folder, "test-elastic-scaler.yaml", &resource.replace("metricsName", "name"));
    guide("kubectl apply -f test-elastic-scaler.yaml");
    let name = "custom-resource-scaling";
    eventually("the minimum", "2", || replicas("customresource/my-custom-resource")).await;
    eventually("what isn't measured", "False", || says(name, "MetricsAvailable", "status")).await;
    let requests = "image: none, resources: {requests: {cpu: 100m}}";
    let message = || says(name, "MetricsAvailable", "message");
    eventually("why", "true", || message().contains("doesn't say which pods are its own").to_string()).await;
    let owned = workload("Deployment", "my-custom-resource", 2).replace("image: none", requests);
    cluster.apply(namespace, &owned);
    let ready = || cluster.field(namespace, "deployment/my-custom-resource", ".status.readyReplicas");
    eventually("its pods", "2", ready).await;
    *measured.lock().expect("whole") = cluster.pods(namespace, "my-custom-resource");
    let status = r#"{"status":{"replicas":2,"selector":"app=my-custom-resource"}}"#;
    let patch = [
        "-n",
        namespace,
        "patch",
        "customresource",
        "my-custom-resource",
        "--subresource=status",
        "--type=merge",
        "-p",
    ];
    cluster.kubectl(&[&patch[..], &[status]].concat()).expect("a status");
    // 200 % of what both request, against 70 %: 5.7.
    eventually("the count", "6", || replicas("customresource/my-custom-resource")).await;
    let whole = guide("kubectl get customresources -n ai-inference -o yaml");
    assert!(whole.contains("name: my-custom-resource") && whole.contains("replicas: 6"), "{whole}");
    eventually("what is measured", "True", || says(name, "MetricsAvailable", "status")).await;

    // Without the kind there is nothing to act for, and the others go on.
    cluster.kubectl(&["delete", "crd", "elasticscalers.elasticscaler.io"]).expect("it goes");
    readings.set("queue", Measured::Value(20.0));
    eventually("the own kind's count", "5", || replicas("deployment/web")).await;
    install(cluster, Kind::ElasticScaler);
    qps.store(400, Ordering::Relaxed);
    let custom = custom
        .replace("cooldownSeconds: 60", "cooldownSeconds: 0")
        .replace("name: custom-scaling-example", "name: again");
    cluster.apply(namespace, &custom);
    eventually("the count of its return", "5", || replicas("deployment/vllm-inference")).await;
    running.end().await;
}
