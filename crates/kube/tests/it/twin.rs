//! Kubernetes' own HorizontalPodAutoscaler controller and ours, side by side over the same readings: twin workloads, of
//! which one is scaled by a manifest and the other by the policy that this manifest is converted into.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use setpoint::Span;
use setpoint_kube::{Controller, Kind};
use setpoint_runtime::Engine;
use setpoint_testkit::cluster::{Cluster, ClusterOptions, workload};
use setpoint_testkit::metrics_apis::{MetricsApis, custom, external, now, pod_metrics};
use tokio::runtime::Handle;

use crate::install;
use crate::running::Running;

const SPACE: &str = "twins";
const SIDES: [&str; 2] = ["theirs", "ours"];

/// Both look so often. Windows and periods below end between two looks, far enough from either for those that come late.
const TICK: u64 = 3;

/// What is read at one look: of all pods together, and how many pods have no sample.
#[derive(Clone, Copy)]
struct Step {
    load: i64,
    unmeasured: usize,
}

const fn load(load: i64) -> Step {
    Step { load, unmeasured: 0 }
}

struct Pair {
    name: &'static str,
    metric: Value,
    behavior: Value,
    /// A step a look of each side; the last one stays.
    script: Vec<Step>,
    /// The least and the most that it takes the count to: what happens between is for the two to agree on.
    reaches: (i32, i32),
}

fn pairs() -> Vec<Pair> {
    let resource = json!({ "type": "Resource", "resource": {
        "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 },
    } });
    let pods = json!({ "type": "Pods", "pods": {
        "metric": { "name": "depth" }, "target": { "type": "AverageValue", "averageValue": "4" },
    } });
    let external = json!({ "type": "External", "external": {
        "metric": { "name": "jobs", "selector": { "matchLabels": { "side": "SIDE" } } },
        "target": { "type": "AverageValue", "averageValue": "10" },
    } });
    let steps = |loads: &[i64]| loads.iter().copied().map(load).collect::<Vec<_>>();
    let at_once = json!({
        "scaleUp": { "policies": [{ "type": "Pods", "value": 3, "periodSeconds": 1 }] },
        "scaleDown": { "stabilizationWindowSeconds": 0, "policies": [{ "type": "Percent", "value": 50, "periodSeconds": 1 }] },
    });
    vec![
        // Windows of 2 looks up and 4 down, and rates over 3 looks: none of it depends on when pods come.
        Pair {
            name: "queue",
            metric: external,
            behavior: json!({
                "scaleUp": {
                    "stabilizationWindowSeconds": 8, "selectPolicy": "Max",
                    "policies": [
                        { "type": "Pods", "value": 3, "periodSeconds": 11 },
                        { "type": "Percent", "value": 50, "periodSeconds": 11 },
                    ],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": 14,
                    "policies": [{ "type": "Percent", "value": 40, "periodSeconds": 8 }],
                },
            }),
            script: steps(&[
                20, 20, 20, 90, 35, 90, 90, 90, 90, 90, 105, 98, 90, 90, 20, 20, 85, 20, 20, 20, 20, 20, 20, 20, 20,
                20, 5, 5,
            ]),
            reaches: (2, 9),
        },
        // A pod without a sample counts as idle on the way up, and as at its target on the way down.
        Pair {
            name: "cpu",
            metric: resource,
            behavior: at_once.clone(),
            script: vec![
                load(100),
                load(100),
                load(107),
                load(180),
                load(180),
                Step { load: 420, unmeasured: 2 },
                load(420),
                load(420),
                load(400),
                Step { load: 150, unmeasured: 1 },
                load(150),
                load(150),
                load(20),
                load(20),
                load(20),
            ],
            reaches: (1, 9),
        },
        Pair {
            name: "depth",
            metric: pods,
            behavior: at_once,
            script: steps(&[8, 8, 30, 30, 31, 33, 12, 12, 3, 3, 3, 3]),
            reaches: (1, 8),
        },
    ]
}

/// Who asks for which pair, by the labels that it selects by.
struct Looks {
    pairs: Vec<Pair>,
    client: Client,
    runtime: Handle,
    /// The count that each workload had at each look that got a reading.
    counts: Mutex<BTreeMap<(&'static str, &'static str), Vec<i32>>>,
}

impl Looks {
    /// What a side reads at its next look at a workload of `count`.
    fn next(&self, name: &str, side: &'static str, count: i32) -> Option<Step> {
        let pair = self.pairs.iter().find(|pair| pair.name == name)?;
        let mut counts = self.counts.lock().expect("whole");
        let looks = counts.entry((pair.name, side)).or_default();
        looks.push(count);
        Some(pair.script[(looks.len() - 1).min(pair.script.len() - 1)])
    }

    /// The pods that have a sample at a side's next look, and what each has. None until there are as many as asked for,
    /// and all have been ready for a second: nobody has samples of pods that were not.
    fn samples(&self, name: &str, side: &'static str) -> Option<(Vec<String>, i64)> {
        let (count, mut pods) = self
            .runtime
            .block_on(async { tokio::try_join!(self.count(name, side), self.ready(name, side)) })
            .inspect_err(|error| eprintln!("{name}-{side} is not seen: {error}"))
            .ok()?;
        let settled = usize::try_from(count) == Ok(pods.len());
        let step = settled.then(|| self.next(name, side, count))??;
        let each = step.load / i64::from(count);
        Some((pods.split_off(step.unmeasured), each))
    }

    async fn count(&self, name: &str, side: &str) -> kube::Result<i32> {
        let workload = Api::<Deployment>::namespaced(self.client.clone(), SPACE).get(&format!("{name}-{side}")).await?;
        Ok(workload.spec.and_then(|spec| spec.replicas).unwrap_or(1))
    }

    /// The names of its pods, in order; none while one of them isn't ready for long enough.
    async fn ready(&self, name: &str, side: &str) -> kube::Result<Vec<String>> {
        let selected = ListParams::default().labels(&format!("app={name}-{side}"));
        let pods = Api::<Pod>::namespaced(self.client.clone(), SPACE).list(&selected).await?;
        let a_second_ago = jiff::Timestamp::now() - Duration::from_secs(1);
        let is_ready = |pod: &Pod| {
            let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
            conditions.into_iter().flatten().any(|condition| {
                let since = condition.last_transition_time.as_ref().map(|time| time.0);
                condition.type_ == "Ready" && condition.status == "True" && since.is_some_and(|at| at <= a_second_ago)
            })
        };
        if !pods.iter().all(is_ready) {
            return Ok(Vec::new());
        }
        let mut names: Vec<String> = pods.into_iter().filter_map(|pod| pod.metadata.name).collect();
        names.sort();
        Ok(names)
    }

    fn answer(&self, group: &str, wanted: &[&str], query: &str) -> Option<Value> {
        let asks = |label: &str| SIDES.into_iter().find(|side| query.contains(&format!("{label}{side}")));
        match (group, wanted) {
            ("metrics.k8s.io", ["pods"]) => {
                let (pods, each) = self.samples("cpu", asks("labelSelector=app%3Dcpu-")?)?;
                Some(pod_metrics(SPACE, &pods, &format!("{each}m")))
            }
            ("custom.metrics.k8s.io", ["pods", "*", "depth"]) => {
                let (pods, each) = self.samples("depth", asks("labelSelector=app%3Ddepth-")?)?;
                Some(custom(SPACE, "Pod", &pods, &each.to_string()))
            }
            ("external.metrics.k8s.io", ["jobs"]) => {
                let side = asks("labelSelector=side%3D")?;
                let count = self.runtime.block_on(self.count("queue", side));
                let count = count.inspect_err(|error| eprintln!("queue-{side} is not seen: {error}")).ok()?;
                Some(external(&[&self.next("queue", side, count)?.load.to_string()], &now()))
            }
            _ => None,
        }
    }
}

fn manifest(pair: &Pair, side: &str) -> Value {
    let written = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": format!("{}-{side}", pair.name) },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": format!("{}-{side}", pair.name) },
            "minReplicas": 1, "maxReplicas": 9, "metrics": [pair.metric], "behavior": pair.behavior,
        },
    });
    serde_json::from_str(&written.to_string().replace("SIDE", side)).expect("still JSON")
}

/// The policy that the manifest means, looked at as often as the manifest is.
fn policy(manifest: &Value) -> Value {
    let mut policy = setpoint_dialects::read(manifest).expect("a manifest").policy;
    policy.spec.interval = Span::from_secs(TICK);
    serde_json::to_value(policy).expect("plain data")
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_own_controller_and_this_one_make_the_same_moves_at_the_same_looks() {
    // A cluster of its own, for its controllers look more often than is usual.
    let sync = format!("--horizontal-pod-autoscaler-sync-period={TICK}s");
    let options = ClusterOptions { nodes: Some(2), controller_manager_flags: vec![sync] };
    let Some(cluster) = Cluster::start(options) else { return };
    install(&cluster, Kind::ScalingPolicy);
    cluster.kubectl(&["create", "namespace", SPACE]).expect("a new namespace");
    let client = setpoint_kube::connect(Some(&cluster.kubeconfig())).await.expect("a client");
    let looks = Arc::new(Looks {
        pairs: pairs(),
        client: client.clone(),
        runtime: Handle::current(),
        counts: Mutex::default(),
    });
    for pair in &looks.pairs {
        for side in SIDES {
            let manifest = workload("Deployment", &format!("{}-{side}", pair.name), 2);
            cluster.apply(SPACE, &manifest.replace("image: none", "image: none, resources: {requests: {cpu: 100m}}"));
        }
    }
    let apis = MetricsApis::of(&cluster);
    apis.answered_by(SPACE, {
        let looks = Arc::clone(&looks);
        move |group, wanted, query| looks.answer(group, wanted, query)
    });
    for pair in &looks.pairs {
        cluster.apply(SPACE, &manifest(pair, "theirs").to_string());
        cluster.apply(SPACE, &policy(&manifest(pair, "ours")).to_string());
    }
    let running =
        Running::of(Controller::new(client, Some(SPACE.to_owned()), Engine::builder()).expect("a controller"));
    let long_enough = Instant::now() + Duration::from_secs(300);
    let enough = |pair: &Pair, side| {
        // One more than the script has, to see what its last step led to.
        looks.counts.lock().expect("whole").get(&(pair.name, side)).map_or(0, Vec::len) > pair.script.len()
    };
    while !looks.pairs.iter().all(|pair| SIDES.into_iter().all(|side| enough(pair, side))) {
        let counts = looks.counts.lock().expect("whole").clone();
        assert!(Instant::now() < long_enough, "not all looked often enough: {counts:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    running.end().await;
    drop(apis);
    let counts = looks.counts.lock().expect("whole");
    for Pair { name, script, reaches, .. } in &looks.pairs {
        let [theirs, ours] = SIDES.map(|side| &counts[&(*name, side)][..=script.len()]);
        eprintln!("{name}: {theirs:?}");
        assert_eq!(ours, theirs, "{name}");
        let reached = (theirs.iter().min().copied(), theirs.iter().max().copied());
        assert_eq!(reached, (Some(reaches.0), Some(reaches.1)), "{name}: {theirs:?}");
    }
}
