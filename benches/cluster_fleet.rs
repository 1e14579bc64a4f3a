//! What do 2,000 policies at 15 s cost on a cluster: is every look in time, and what do the API server and this controller
//! spend on them?
//!
//! A real API server and a real Prometheus, on this machine with the controller. Each policy has a deployment with two
//! pods and a query of its own; each 15 s one in twenty has another load. Not criterion's: one run is one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use setpoint::BoxFuture;
use setpoint_kube::{ConfigMapStore, Controller, GROUP, KIND, Kind, VERSION, connect};
use setpoint_runtime::source::{Fetch, Prometheus as PrometheusSource, PrometheusServer};
use setpoint_runtime::{Engine, Listener, Look, Written};
use setpoint_testkit::cluster::{Cluster, ClusterOptions};
use setpoint_testkit::prometheus::{Exporter, Prometheus};

const POLICIES: usize = 2000;
const A_NAMESPACE: usize = 100;
const PODS: usize = 2;
const INTERVAL: Duration = Duration::from_secs(15);
const MEASURED: Duration = Duration::from_secs(6 * 15);
/// One in so many has another load in the next interval.
const CHANGES: usize = 20;
/// How many objects are made at once.
const MAKERS: usize = 16;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    match std::env::args().nth(1).as_deref() {
        Some("controller") => controller().await,
        _ => measure().await,
    }
}

/// The process that is measured. It says when each policy was looked at once, and what it saw since when its input ends.
async fn controller() -> Result<(), Failure> {
    let argument = |index| std::env::args().nth(index).ok_or("an argument is missing");
    let (kubeconfig, prometheus) = (argument(2)?, argument(3)?);
    let client = connect(Some(kubeconfig.as_ref())).await?;
    let seen = Arc::new(Seen::default());
    let engine = Engine::builder()
        .source(Arc::new(PrometheusSource::new(Fetch::new()?, Some(PrometheusServer::new(prometheus)))))
        .store(Arc::new(ConfigMapStore::new(client.clone(), "default", "setpoint")))
        .listener(Arc::<Seen>::clone(&seen));
    let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    Controller::new(client, None, engine)?.run(async { drop(ended.await) }).await?;
    println!("{}", seen.summary());
    Ok(())
}

/// What the looks were like.
#[derive(Default)]
struct Seen(Mutex<Looks>);

#[derive(Default)]
struct Looks {
    /// Until each was looked at once.
    keys: BTreeSet<Arc<str>>,
    late: Vec<Duration>,
    took: Vec<Duration>,
    failures: BTreeMap<String, usize>,
    scaled: usize,
}

impl Listener for Seen {
    fn looked<'a>(&'a self, look: &'a Arc<Look>) -> BoxFuture<'a, ()> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.keys.len() < POLICIES {
            looks.keys.insert(Arc::clone(&look.key));
            if looks.keys.len() == POLICIES {
                println!("begun");
            }
        } else {
            looks.late.push(look.late);
            looks.took.push(look.took);
            looks.scaled += usize::from(matches!(look.written, Written::Done { .. }));
            if let Some(failure) = &look.failure {
                *looks.failures.entry(failure.message.clone()).or_default() += 1;
            }
        }
        Box::pin(std::future::ready(()))
    }
}

impl Seen {
    fn summary(&self) -> String {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = &mut *looks;
        looks.late.sort_unstable();
        looks.took.sort_unstable();
        let part = |sorted: &[Duration], part: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            sorted.get((part * (sorted.len().saturating_sub(1)) as f64) as usize).copied().unwrap_or_default()
        };
        let spread = |sorted: &[Duration]| {
            format!(
                "median {:.1?}, p99 {:.1?}, longest {:.1?}",
                part(sorted, 0.5),
                part(sorted, 0.99),
                part(sorted, 1.0)
            )
        };
        format!(
            "{} looks, {} scaled, {} failed {:?}\nlate: {}\ntook: {}",
            looks.took.len(),
            looks.scaled,
            looks.failures.values().sum::<usize>(),
            looks.failures,
            spread(&looks.late),
            spread(&looks.took)
        )
    }
}

async fn measure() -> Result<(), Failure> {
    let exporter = Exporter::start();
    (0..POLICIES).for_each(|index| exporter.set(&depth(index), load(index, 0)));
    let Some(cluster) = Cluster::start(ClusterOptions::default()) else { return Ok(()) };
    let Some(prometheus) = Prometheus::start(&[&exporter]) else { return Ok(()) };
    let client = connect(Some(&cluster.kubeconfig())).await?;
    eprintln!("making {POLICIES} policies, deployments, and {} pods", POLICIES * PODS);
    make(&cluster, &client).await?;

    let mut controller = start(&cluster, &prometheus)?;
    let mut lines = BufReader::new(controller.stdout.take().expect("piped")).lines();
    let begun = lines.next().transpose()?;
    assert_eq!(begun.as_deref(), Some("begun"));
    eprintln!("each was looked at once; measuring for {MEASURED:?}");
    let (api, spent) = (api_metrics(&cluster)?, cpu(&controller)?);
    for interval in 1..=MEASURED.as_secs() / INTERVAL.as_secs() {
        (0..POLICIES).for_each(|index| exporter.set(&depth(index), load(index, interval)));
        tokio::time::sleep(INTERVAL).await;
    }
    let (api_after, spent) = (api_metrics(&cluster)?, cpu(&controller)? - spent);
    let memory = memory(&controller)?;
    drop(controller.stdin.take());
    for line in lines {
        println!("{}", line?);
    }
    controller.wait()?;

    let seconds = MEASURED.as_secs_f64();
    let difference = |name: &str| api_after.get(name).copied().unwrap_or(0.0) - api.get(name).copied().unwrap_or(0.0);
    println!("controller: {:.0} % of one core, {memory:.0} MiB", 100.0 * spent / seconds);
    println!(
        "API server: {:.0} % of one core, {:.0} MiB",
        100.0 * difference("process_cpu_seconds_total") / seconds,
        api_after.get("process_resident_memory_bytes").copied().unwrap_or(0.0) / f64::from(1 << 20)
    );
    for name in api_after.keys().filter(|name| name.contains(' ')) {
        let a_second = difference(name) / seconds;
        if a_second >= 0.5 {
            println!("{a_second:8.1} requests/s {name}");
        }
    }
    Ok(())
}

fn depth(index: usize) -> String {
    format!("queue_depth{{queue=\"{}\"}}", name(index))
}

fn name(index: usize) -> String {
    format!("w{index:04}")
}

fn namespace(index: usize) -> String {
    format!("team-{}", index / A_NAMESPACE)
}

/// How long a queue is in an interval: one in [`CHANGES`] is another than before.
#[expect(clippy::cast_possible_truncation, reason = "of a few")]
fn load(index: usize, interval: u64) -> f64 {
    let turns = (interval as usize + CHANGES - 1 - index % CHANGES) / CHANGES;
    4.0 * ((index + turns * 3) % 9 + 1) as f64
}

/// A deployment, its pods and its policy, for each.
async fn make(cluster: &Cluster, client: &Client) -> Result<(), Failure> {
    cluster.define(&setpoint_kube::crd(Kind::ScalingPolicy).to_string());
    for index in (0..POLICIES).step_by(A_NAMESPACE) {
        let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": namespace(index) } }))?;
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    }
    let made = futures::stream::iter((0..POLICIES).map(|index| make_one(client, index)));
    made.buffer_unordered(MAKERS).try_collect::<()>().await
}

async fn make_one(client: &Client, index: usize) -> Result<(), Failure> {
    let (name, namespace) = (name(index), namespace(index));
    let labels = json!({ "app": name });
    let containers = json!([{ "name": "main", "image": "none" }]);
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": PODS,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": containers } },
        },
    }))?;
    let parameters = PostParams::default();
    Api::namespaced(client.clone(), &namespace).create(&parameters, &deployment).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    for pod in 0..PODS {
        let pod_name = format!("{name}-{pod}");
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": pod_name, "labels": labels },
            "spec": { "containers": containers, "nodeName": "node-0" },
        }))?;
        pods.create(&parameters, &pod).await?;
        let since = "2026-01-01T00:00:00Z";
        let status = json!({ "status": {
            "phase": "Running",
            "startTime": since,
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": since }],
        } });
        pods.patch_status(&pod_name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    }
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, KIND));
    let policy = DynamicObject::new(&name, &kind).data(policy(index));
    Api::namespaced_with(client.clone(), &namespace, &kind).create(&parameters, &policy).await?;
    Ok(())
}

fn policy(index: usize) -> Value {
    let name = name(index);
    json!({ "spec": {
        "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
        "minReplicas": 1,
        "maxReplicas": 20,
        "interval": format!("{}s", INTERVAL.as_secs()),
        "metrics": [{
            "name": "queue",
            "target": { "averageValue": 4 },
            "source": { "prometheus": { "query": depth(index) } },
        }],
        "algorithm": { "name": "max-ratio" },
        "stages": [{ "stabilized": { "scaleDownWindow": "1m" } }],
    } })
}

fn start(cluster: &Cluster, prometheus: &Prometheus) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("controller").arg(cluster.kubeconfig()).arg(prometheus.url());
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

/// What the API server says of itself: CPU, memory, and requests by verb and resource.
fn api_metrics(cluster: &Cluster) -> Result<BTreeMap<String, f64>, Failure> {
    let mut metrics = BTreeMap::new();
    for line in cluster.kubectl(&["get", "--raw", "/metrics"])?.lines() {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let label = |name: &str| {
            let (_, rest) = series.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let key = match series.split('{').next() {
            Some("apiserver_request_total") => {
                let subresource = label("subresource").filter(|sub| !sub.is_empty());
                let resource = label("resource").unwrap_or_default();
                let sub = subresource.map(|sub| format!("/{sub}")).unwrap_or_default();
                format!("{} {resource}{sub}", label("verb").unwrap_or_default())
            }
            Some(own @ ("process_cpu_seconds_total" | "process_resident_memory_bytes")) => own.to_owned(),
            _ => continue,
        };
        *metrics.entry(key).or_default() += value.parse::<f64>()?;
    }
    Ok(metrics)
}

/// Seconds of CPU that a process has spent.
fn cpu(process: &Child) -> Result<f64, Failure> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
    // After the name, which can hold anything: from the third field on.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / TICKS_A_SECOND)
}

/// MiB of memory that a process holds.
fn memory(process: &Child) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
