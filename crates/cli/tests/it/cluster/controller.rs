//! The controller as it is run, on a real control plane, by what a real Prometheus says.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use setpoint_testkit::cluster::{Cluster, ClusterOptions, workload};
use setpoint_testkit::guests;
use setpoint_testkit::prometheus::{Exporter, Prometheus};
use tempfile::TempDir;

use crate::running::Running;
use crate::{Folder, setpoint};

/// One whose API server nobody stops, with pods that become ready at once. Each test has a namespace of its own.
pub(super) static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(|| {
    let cluster = Cluster::start(ClusterOptions { nodes: Some(2), ..ClusterOptions::default() })?;
    define(&cluster);
    Some(cluster)
});

/// Applies the definition of policies, as the command prints it.
fn define(cluster: &Cluster) {
    let printed = setpoint().arg("crd").output().expect("it runs");
    cluster.define(&String::from_utf8(printed.stdout).expect("text"));
}

/// A controller of one namespace. It ends with this value, and what it logged is told if the test fails.
pub(super) struct Controller {
    running: Running,
    folder: TempDir,
}

impl Controller {
    /// `name` is what it calls itself in its lease.
    pub(super) fn start(cluster: &Cluster, name: &str, namespace: &str, prometheus: &str, more: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = File::create(folder.path().join("log")).expect("a file");
        let mut command = setpoint();
        command
            .args(["controller", "--namespace", namespace, "--own-namespace", namespace, "--prometheus", prometheus])
            .args(more)
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .env("POD_NAME", name)
            .stdin(Stdio::null())
            .stderr(log);
        Self { running: Running::start(&mut command), folder }
    }

    /// Its exit code, once it has ended by itself.
    fn ended(&mut self) -> Option<i32> {
        self.running.child.try_wait().expect("an answer").and_then(|status| status.code())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("a file")
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the controller's log:\n{}", self.log());
        }
    }
}

/// Waits until `field` is as wanted; panics with what it is when it isn't for three minutes.
pub(super) fn eventually(what: &str, want: &str, mut field: impl FnMut() -> String) {
    let end = Instant::now() + Duration::from_secs(180);
    loop {
        let found = field();
        if found == want {
            return;
        }
        assert!(Instant::now() < end, "{what} is {found:?} instead of {want:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What is answered at `address`, headers and all.
pub(super) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

/// A policy that looks each second at how long the queue of `name` is: one replica for each four in it.
pub(super) fn policy(api_version: &str, kind: &str, name: &str, stages: &str) -> String {
    format!(
        "apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: {name}}}
spec:
  targetRef: {{apiVersion: {api_version}, kind: {kind}, name: {name}}}
  minReplicas: 1
  maxReplicas: 10
  interval: 1s
  metrics:
  - name: queue
    target: {{averageValue: 4}}
    source: {{prometheus: {{query: 'queue_depth{{queue=\"{name}\"}}'}}}}
  algorithm: {{name: max-ratio}}
  stages: [{stages}]
"
    )
}

fn depth(of: &str) -> String {
    format!("queue_depth{{queue=\"{of}\"}}")
}

/// A kind of somebody's own, with a scale subresource.
const POOLS: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: pools.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Pool, plural: pools}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {scale: {specReplicasPath: .spec.workers, statusReplicasPath: .status.workers}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
const POOL: &str = "apiVersion: example.com/v1
kind: Pool
metadata: {name: render}
spec: {workers: 1}
";

#[test]
fn counts_follow_a_real_prometheus_and_what_is_declared_holds_when_it_is_gone() {
    let Some(cluster) = &*CLUSTER else { return };
    let exporter = Exporter::start();
    for (queue, now) in [("web", 20.0), ("db", 12.0), ("render", 8.0)] {
        exporter.set(&depth(queue), now);
    }
    let Some(mut prometheus) = Prometheus::start(&[&exporter]) else { return };
    let ns = "follows";
    cluster.kubectl(&["create", "namespace", ns]).expect("a new one");
    cluster.define(POOLS);
    cluster.apply(ns, POOL);
    cluster.apply(ns, &workload("Deployment", "web", 2));
    cluster.apply(ns, &workload("StatefulSet", "db", 1));
    cluster.apply(ns, &policy("apps/v1", "Deployment", "web", ""));
    let fallback = "{substituted: {failureThreshold: 3, replicas: 6}}";
    cluster.apply(ns, &policy("apps/v1", "StatefulSet", "db", fallback));
    cluster.apply(ns, &policy("example.com/v1", "Pool", "render", ""));
    let _controller = Controller::start(cluster, "one", ns, &prometheus.url(), &[]);
    let web = || cluster.field(ns, "deployment/web", ".spec.replicas");
    let db = || cluster.field(ns, "statefulset/db", ".spec.replicas");
    let render = || cluster.field(ns, "pool/render", ".spec.workers");
    eventually("the deployment", "5", web);
    eventually("the stateful set", "3", db);
    eventually("the custom resource", "2", render);
    eventually("pods", "5", || cluster.field(ns, "deployment/web", ".status.readyReplicas"));
    exporter.set(&depth("web"), 32.0);
    exporter.set(&depth("render"), 4.0);
    eventually("the deployment", "8", web);
    eventually("the custom resource", "1", render);

    prometheus.stop();
    // What is declared for it; and nothing else is a zero.
    eventually("the fallback", "6", db);
    let available = ".status.conditions[?(@.type==\"MetricsAvailable\")]";
    eventually("metrics", "False", || cluster.field(ns, "sp/web", &format!("{available}.status")));
    let message = cluster.field(ns, "sp/web", &format!("{available}.message"));
    assert!(message.contains("queue is missing: Prometheus: "), "{message}");
    assert_eq!((web().as_str(), render().as_str()), ("8", "1"), "they are held");
}

#[test]
fn a_leader_that_is_killed_within_a_window_loses_no_window() {
    let Some(cluster) = &*CLUSTER else { return };
    let exporter = Exporter::start();
    exporter.set(&depth("web"), 20.0);
    let Some(prometheus) = Prometheus::start(&[&exporter]) else { return };
    let ns = "killed";
    cluster.kubectl(&["create", "namespace", ns]).expect("a new one");
    cluster.apply(ns, &workload("Deployment", "web", 2));
    let window = Duration::from_secs(40);
    cluster.apply(ns, &policy("apps/v1", "Deployment", "web", "{stabilized: {scaleDownWindow: 40s}}"));
    let times = ["--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s"];
    let elected = [&["--leader-elect", "--leader-elect-retry-period=300ms"][..], &times].concat();
    let start = |name| Controller::start(cluster, name, ns, &prometheus.url(), &elected);
    let leads = |name: &str| {
        let holder = cluster.field(ns, "lease/setpoint", ".spec.holderIdentity");
        holder.starts_with(&format!("{name}_")).to_string()
    };
    let mut first = start("first");
    eventually("whether the first leads", "true", || leads("first"));
    let _second = start("second");
    let count = || cluster.field(ns, "deployment/web", ".spec.replicas");
    eventually("the count", "5", count);

    first.running.kill();
    let low_since = Instant::now();
    exporter.set(&depth("web"), 4.0);
    eventually("whether the second leads", "true", || leads("second"));
    eventually("its reading", "4", || cluster.field(ns, "sp/web", ".status.readings[0].value"));
    let found = count();
    let stages = cluster.field(ns, "sp/web", ".status.lastDecision.reasons[*].stage");
    // On a machine that took longer for all this than the window is, it is over.
    if low_since.elapsed() < window {
        assert_eq!(found, "5", "the window that the first began holds it");
        assert!(stages.contains("stabilized"), "{stages}");
    }
    eventually("the count after the window", "1", count);
}

#[test]
fn an_api_server_that_was_away_for_a_minute_finds_no_wrong_write() {
    let Some(mut cluster) = Cluster::start(ClusterOptions::default()) else { return };
    define(&cluster);
    let exporter = Exporter::start();
    exporter.set(&depth("web"), 20.0);
    exporter.set(&depth("api"), 20.0);
    let Some(prometheus) = Prometheus::start(&[&exporter]) else { return };
    for (ns, name) in [("alone", "web"), ("elected", "api")] {
        cluster.kubectl(&["create", "namespace", ns]).expect("a new one");
        cluster.apply(ns, &workload("Deployment", name, 2));
        cluster.apply(ns, &policy("apps/v1", "Deployment", name, ""));
    }
    let elected =
        |cluster: &Cluster, name| Controller::start(cluster, name, "elected", &prometheus.url(), &["--leader-elect"]);
    let mut alone = Controller::start(&cluster, "alone", "alone", &prometheus.url(), &[]);
    let mut first = elected(&cluster, "first");
    let web = |cluster: &Cluster, path: &str| cluster.field("alone", "deployment/web", path);
    let api = |cluster: &Cluster, path: &str| cluster.field("elected", "deployment/api", path);
    eventually("one count", "5", || web(&cluster, ".spec.replicas"));
    eventually("the other", "5", || api(&cluster, ".spec.replicas"));

    cluster.stop_api();
    let gone = Instant::now();
    // What comes and goes meanwhile was never seen with a count beside it.
    for queue in ["web", "api"] {
        exporter.set(&depth(queue), 40.0);
    }
    eventually("the exit code of who can't renew its lease", "Some(1)", || format!("{:?}", first.ended()));
    drop(first);
    // As its pod would be started anew.
    let mut second = elected(&cluster, "second");
    while gone.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(500));
    }
    for queue in ["web", "api"] {
        exporter.set(&depth(queue), 20.0);
    }
    // Until Prometheus has that.
    std::thread::sleep(Duration::from_secs(3));
    cluster.start_api().expect("it is back");
    let holder = || cluster.field("elected", "lease/setpoint", ".spec.holderIdentity");
    eventually("whether the second leads", "true", || holder().starts_with("second_").to_string());
    for queue in ["web", "api"] {
        exporter.set(&depth(queue), 8.0);
    }
    eventually("one count", "2", || web(&cluster, ".spec.replicas"));
    eventually("the other", "2", || api(&cluster, ".spec.replicas"));
    assert_eq!((alone.ended(), second.ended()), (None, None), "both run");
    // It was created, scaled to 5, and to 2.
    assert_eq!(web(&cluster, ".metadata.generation"), "3");
    assert_eq!(api(&cluster, ".metadata.generation"), "3");
}

#[test]
fn plugins_come_into_the_folder_of_a_running_controller_by_name_and_by_digest() {
    let Some(cluster) = &*CLUSTER else { return };
    let exporter = Exporter::start();
    for queue in ["named", "pinned"] {
        exporter.set(&depth(queue), 20.0);
    }
    let Some(prometheus) = Prometheus::start(&[&exporter]) else { return };
    let ns = "plugins";
    cluster.kubectl(&["create", "namespace", ns]).expect("a new one");
    let plugin = guests::component("capped-smooth-ratio");
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("any.wasm");
    let inspected = Folder::new();
    let digest = {
        let copy = inspected.write("any.wasm", &plugin);
        let ran = setpoint().args(["plugin", "inspect", "--json"]).arg(copy).output().expect("it runs");
        let told: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("JSON");
        told["digest"].as_str().expect("a digest").to_owned()
    };
    for (name, algorithm) in
        [("named", "capped-smooth-ratio-plugin".to_owned()), ("pinned", format!("capped-smooth-ratio-plugin@{digest}"))]
    {
        cluster.apply(ns, &workload("Deployment", name, 2));
        let policy = policy("apps/v1", "Deployment", name, "");
        let algorithm = format!("{{name: '{algorithm}', config: {{smoothingFactor: 1, maxScaleUp: 5}}}}");
        cluster.apply(ns, &policy.replace("{name: max-ratio}", &algorithm));
    }
    let plugins = folder.path().to_str().expect("UTF-8");
    let more = ["--plugins", plugins, "--metrics-address", "127.0.0.1:0", "--log-format", "json"];
    let controller = Controller::start(cluster, "one", ns, &prometheus.url(), &more);
    let valid = |name: &str, of: &str| {
        let path = format!(".status.conditions[?(@.type==\"AlgorithmValid\")].{of}");
        cluster.field(ns, &format!("sp/{name}"), &path)
    };
    for name in ["named", "pinned"] {
        eventually(name, "AlgorithmInvalid", || valid(name, "reason"));
    }
    fs::write(&file, &plugin).expect("written");
    for name in ["named", "pinned"] {
        eventually(name, "True", || valid(name, "status"));
        eventually(name, "5", || cluster.field(ns, &format!("deployment/{name}"), ".spec.replicas"));
    }
    // What it tells of itself, where it says that it does.
    let served = controller.log().lines().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        Some(line["address"].as_str()?.to_owned())
    });
    let served = served.expect("a line that names the address");
    let get = |path: &str| get(&served, path);
    for probe in ["/healthz", "/readyz"] {
        assert!(get(probe).ends_with("ok\n"), "{probe}: {}", get(probe));
    }
    let told = get("/metrics");
    for sample in [
        "setpoint_workloads 2",
        "setpoint_desired_replicas{workload=\"plugins/pinned\"} 5",
        "setpoint_reading{workload=\"plugins/named\",metric=\"queue\"} 20.0",
        "setpoint_plugin_failures_total{plugin=\"capped-smooth-ratio-plugin\"} 0",
    ] {
        assert!(told.contains(sample), "{sample}: {told}");
    }
}
