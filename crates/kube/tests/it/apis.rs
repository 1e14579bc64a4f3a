//! The cluster's metrics APIs, served by a test.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use setpoint_testkit::cluster::Cluster;
use setpoint_testkit::http::{Answer, Asked, Server};

const APIS: [(&str, &str); 3] =
    [("metrics.k8s.io", "v1beta1"), ("custom.metrics.k8s.io", "v1beta2"), ("external.metrics.k8s.io", "v1beta1")];

/// Has the API server pass the three APIs on to a server of this test, and forget that when it is done.
pub(crate) struct Apis<'a> {
    cluster: &'a Cluster,
    pub(crate) server: Server,
}

impl<'a> Apis<'a> {
    /// Answers by the parts of the path after `/apis/`, and the query. None is an error of the server.
    pub(crate) fn serve(
        cluster: &'a Cluster,
        space: &str,
        answer: impl Fn(&[&str], &str) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        let server = Server::start_tls(move |asked| answered(asked, &answer));
        let port = server.port();
        let service = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: apis}}\n\
             spec: {{type: ExternalName, externalName: localhost, ports: [{{port: {port}}}]}}\n"
        );
        cluster.apply(space, &service);
        for (group, version) in APIS {
            let api = json!({
                "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
                "metadata": { "name": format!("{version}.{group}") },
                "spec": {
                    "group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100,
                    "insecureSkipTLSVerify": true, "service": { "name": "apis", "namespace": space, "port": port },
                },
            });
            cluster.kubectl_with(&["apply", "-f", "-"], &api.to_string()).expect("an API");
            let name = format!("apiservice/{version}.{group}");
            cluster.kubectl(&["wait", "--for=condition=Available", &name, "--timeout=60s"]).expect("it is served");
        }
        Self { cluster, server }
    }
}

impl Drop for Apis<'_> {
    fn drop(&mut self) {
        for (group, version) in APIS {
            if let Err(error) = self.cluster.kubectl(&["delete", "apiservice", &format!("{version}.{group}")]) {
                eprintln!("an API stays: {error}");
            }
        }
    }
}

fn answered(asked: &Asked, answer: &impl Fn(&[&str], &str) -> Option<Value>) -> Answer {
    // The API server writes addresses anew: `*` and blanks come in another form than they were sent in.
    let target = asked.target.replace("%2A", "*").replace('+', "%20");
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let Some(rest) = path.strip_prefix("/apis/") else { return Answer::Body(404, String::new()) };
    let parts: Vec<&str> = rest.split('/').collect();
    if let [group, version] = parts[..] {
        let version = format!("{group}/{version}");
        let list = json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [] });
        return Answer::ok(list.to_string());
    }
    match answer(&parts, query) {
        Some(body) => Answer::ok(body.to_string()),
        None => {
            let message = "the adapter is ill";
            let status =
                json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "message": message });
            Answer::Body(500, status.to_string())
        }
    }
}

/// The time as the APIs write it.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    jiff::Timestamp::from_second(since.as_secs().try_into().expect("in range")).expect("in range").to_string()
}

/// What pods use of CPU, measured now over a second.
pub(crate) fn pod_metrics(space: &str, pods: &[String], cpu: &str) -> Value {
    let pod = |name: &String| {
        json!({
            "metadata": { "name": name, "namespace": space }, "timestamp": now(), "window": "1s",
            "containers": [{ "name": "main", "usage": { "cpu": cpu, "memory": "1Mi" } }],
        })
    };
    let items: Vec<Value> = pods.iter().map(pod).collect();
    json!({ "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items })
}

/// What each of some objects has of a metric now.
pub(crate) fn custom(space: &str, kind: &str, names: &[String], value: &str) -> Value {
    let item = |name: &String| {
        let object = json!({ "kind": kind, "name": name, "namespace": space, "apiVersion": "v1" });
        json!({ "describedObject": object, "metric": { "name": "any" }, "timestamp": now(), "value": value })
    };
    let items: Vec<Value> = names.iter().map(item).collect();
    json!({ "kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": {}, "items": items })
}

/// What the series of a metric are now.
pub(crate) fn external(values: &[&str]) -> Value {
    external_at(values, &now())
}

/// What they were.
pub(crate) fn external_at(values: &[&str], at: &str) -> Value {
    let item = |value: &&str| json!({ "metricName": "any", "metricLabels": {}, "timestamp": at, "value": value });
    let items: Vec<Value> = values.iter().map(item).collect();
    json!({
        "kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {}, "items": items,
    })
}
