//! A cluster's three metrics APIs, answered by tests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::http::{Answer, Asked, Server};

/// What a test answers for its namespace: of the API's group, what is asked for there, and the query. None: a failure.
type Answers = Arc<dyn Fn(&str, &[&str], &str) -> Option<Value> + Send + Sync>;

/// What answers all three. One for all tests of a cluster, for it knows each API once.
pub struct MetricsApis {
    /// By namespace.
    answers: Arc<Mutex<BTreeMap<String, Answers>>>,
    server: Server,
}

impl fmt::Debug for MetricsApis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsApis").field("server", &self.server).finish_non_exhaustive()
    }
}

const SERVED: [(&str, &str); 3] =
    [("metrics.k8s.io", "v1beta1"), ("custom.metrics.k8s.io", "v1beta2"), ("external.metrics.k8s.io", "v1beta1")];

impl MetricsApis {
    /// Has `cluster` pass the three APIs on, for as long as this lives. Nobody answers yet.
    ///
    /// # Panics
    ///
    /// When the APIs are not served within a minute.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let answers: Arc<Mutex<BTreeMap<String, Answers>>> = Arc::default();
        let known = Arc::clone(&answers);
        let server = Server::start_tls(move |asked| answer(asked, |space| locked(&known).get(space).cloned()));
        let apis = Self { answers, server };
        apis.register(cluster);
        apis
    }

    /// From now on `answers` answers what is asked about `namespace`: of an API's group, what is asked for there, and the
    /// query. None is a failure.
    pub fn answered_by(
        &self,
        namespace: &str,
        answers: impl Fn(&str, &[&str], &str) -> Option<Value> + Send + Sync + 'static,
    ) {
        locked(&self.answers).insert(namespace.to_owned(), Arc::new(answers));
    }

    fn register(&self, cluster: &Cluster) {
        let port = self.server.port();
        let service = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: apis}}\n\
             spec: {{type: ExternalName, externalName: localhost, ports: [{{port: {port}}}]}}\n"
        );
        cluster.apply("default", &service);
        for (group, version) in SERVED {
            let api = json!({
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": { "name": format!("{version}.{group}") },
                "spec": {
                    "group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100,
                    "insecureSkipTLSVerify": true, "service": { "name": "apis", "namespace": "default", "port": port },
                },
            });
            cluster.kubectl_with(&["apply", "-f", "-"], &api.to_string()).expect("an API");
            let name = format!("apiservice/{version}.{group}");
            cluster.kubectl(&["wait", "--for=condition=Available", &name, "--timeout=60s"]).expect("it is served");
        }
    }
}

/// A test that panics meanwhile has left nothing half done.
fn locked(answers: &Mutex<BTreeMap<String, Answers>>) -> MutexGuard<'_, BTreeMap<String, Answers>> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(asked: &Asked, answers: impl Fn(&str) -> Option<Answers>) -> Answer {
    // The API server writes addresses anew: `*` and blanks come in another form than they were sent in.
    let target = asked.target.replace("%2A", "*").replace('+', "%20");
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let Some(rest) = path.strip_prefix("/apis/") else { return Answer::Body(404, String::new()) };
    let parts: Vec<&str> = rest.split('/').collect();
    let found = match &parts[..] {
        [group, version] => Some(json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{group}/{version}"), "resources": [],
        })),
        [group, _, "namespaces", space, wanted @ ..] => {
            answers(space).and_then(|answers| answers(group, wanted, query))
        }
        _ => None,
    };
    match found {
        Some(body) => Answer::ok(body.to_string()),
        None => {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": "the adapter is ill",
            });
            Answer::Body(500, status.to_string())
        }
    }
}

/// The time as the APIs write it.
#[must_use]
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%FT%TZ").to_string()
}

/// What metrics.k8s.io says of `pods`, each of which uses `cpu`.
#[must_use]
pub fn pod_metrics(space: &str, pods: &[String], cpu: &str) -> Value {
    let pod = |name: &String| {
        json!({
            "metadata": { "name": name, "namespace": space }, "timestamp": now(), "window": "1s",
            "containers": [{ "name": "main", "usage": { "cpu": cpu, "memory": "1Mi" } }],
        })
    };
    let items: Vec<Value> = pods.iter().map(pod).collect();
    json!({ "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items })
}

/// What custom.metrics.k8s.io says of objects, each of which has `value`.
#[must_use]
pub fn custom(space: &str, kind: &str, names: &[String], value: &str) -> Value {
    let item = |name: &String| {
        let object = json!({ "kind": kind, "name": name, "namespace": space, "apiVersion": "v1" });
        json!({ "describedObject": object, "metric": { "name": "any" }, "timestamp": now(), "value": value })
    };
    let items: Vec<Value> = names.iter().map(item).collect();
    json!({ "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": {}, "items": items })
}

/// What external.metrics.k8s.io says: a series for each of `values`, taken at a time.
#[must_use]
pub fn external(values: &[&str], at: &str) -> Value {
    let item = |value: &&str| json!({ "metricName": "any", "metricLabels": {}, "timestamp": at, "value": value });
    let items: Vec<Value> = values.iter().map(item).collect();
    json!({
        "kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {}, "items": items,
    })
}
