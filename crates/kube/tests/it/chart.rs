//! What `helm install setpoint crates/kube/deploy/chart` installs: the same as the kustomize base, and what is asked for besides.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::LazyLock;

use serde_json::{Value, json};
use setpoint_testkit::cluster::{Cluster, ClusterOptions};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart");
const NAMESPACE: &str = "setpoint-system";

/// As much of Prometheus Operator as there is to install.
const MONITORING: [(&str, &str); 2] = [("ServiceMonitor", "servicemonitors"), ("PrometheusRule", "prometheusrules")];

/// Where nothing is installed: it says what would become of it.
static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(|| start(ClusterOptions::default()));

/// One that has what the chart takes for granted, and whose namespace takes no pod but a restricted one.
fn start(options: ClusterOptions) -> Option<Cluster> {
    let cluster = Cluster::start(options)?;
    let restricted = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let metadata = json!({ "name": NAMESPACE, "labels": restricted });
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata });
    cluster.apply("default", &namespace.to_string());
    for (kind, plural) in MONITORING {
        let version = json!({
            "name": "v1", "served": true, "storage": true,
            "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
        });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.monitoring.coreos.com") },
            "spec": {
                "group": "monitoring.coreos.com", "scope": "Namespaced",
                "names": { "kind": kind, "plural": plural }, "versions": [version],
            },
        });
        cluster.define(&definition.to_string());
    }
    Some(cluster)
}

/// All that can be switched on.
const EVERYTHING: [&str; 28] = [
    r#"image={"repository": "registry.example.com/setpoint", "tag": "edge", "pullPolicy": "Always"}"#,
    r#"imagePullSecrets=[{"name": "registry"}]"#,
    "replicas=3",
    r#"prometheus.url="https://prometheus.example.com""#,
    r#"prometheus.tokenSecret={"name": "prometheus", "key": "bearer"}"#,
    r#"prometheus.caConfigMap={"name": "authority"}"#,
    r#"plugins.volume={"configMap": {"name": "plugins"}}"#,
    r#"peers.aiInference={"enabled": true, "define": true}"#,
    r#"peers.elasticScaler={"enabled": true, "define": true}"#,
    r#"extraArgs=["--log-format=json"]"#,
    r#"extraEnv=[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]"#,
    r#"rbac.extraRules=[{"apiGroups": ["argoproj.io"], "resources": ["rollouts/scale"], "verbs": ["get", "patch"]}]"#,
    r#"serviceAccount={"name": "scaler", "annotations": {"example.com/role": "scaler"}}"#,
    "metrics.port=9000",
    r#"metrics.serviceMonitor={"enabled": true, "interval": "15s", "labels": {"release": "kps"}}"#,
    r#"prometheusRule={"enabled": true, "labels": {"release": "kps"}}"#,
    r#"dashboard={"enabled": true, "annotations": {"grafana_folder": "Scaling"}}"#,
    r#"networkPolicy.from=[{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]"#,
    r#"podDisruptionBudget.minAvailable="50%""#,
    r#"resources.limits={"memory": "1Gi"}"#,
    "podSecurityContext.runAsUser=1000",
    r#"podLabels={"team": "platform"}"#,
    r#"podAnnotations={"example.com/mesh": "off"}"#,
    r#"priorityClassName="system-cluster-critical""#,
    r#"nodeSelector={"type": "kwok"}"#,
    r#"tolerations=[{"key": "control", "operator": "Exists"}]"#,
    r#"affinity={"nodeAffinity": {}}"#,
    r#"topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]"#,
];

/// Helm's `command` on the chart, with `values`, each of them as JSON.
fn helm(cluster: &Cluster, command: &[&str], values: &[&str]) -> Result<String, String> {
    let values = values.iter().flat_map(|value| ["--set-json", value]);
    cluster.helm(&command.iter().copied().chain(["--namespace", NAMESPACE]).chain(values).collect::<Vec<_>>())
}

fn template(cluster: &Cluster, values: &[&str]) -> Result<String, String> {
    helm(cluster, &["template", "setpoint", CHART, "--include-crds"], values)
}

/// What the API server would make of a manifest: by kind and name, its objects with all defaults.
fn objects(cluster: &Cluster, manifest: &str) -> BTreeMap<String, Value> {
    let taken = cluster.kubectl_with(&["apply", "--dry-run=server", "-o", "json", "-f", "-"], manifest);
    let taken = taken.unwrap_or_else(|problem| panic!("{problem}"));
    let mut list: Value = serde_json::from_str(&taken).expect("JSON");
    let Value::Array(items) = list["items"].take() else { panic!("no list: {taken}") };
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    items.into_iter().map(|item| (text(&item["kind"]) + "/" + &text(&item["metadata"]["name"]), item)).collect()
}

fn rendered(cluster: &Cluster, values: &[&str]) -> BTreeMap<String, Value> {
    objects(cluster, &template(cluster, values).expect("it renders"))
}

fn kustomized(cluster: &Cluster, folder: &str) -> BTreeMap<String, Value> {
    objects(cluster, &cluster.kubectl(&["kustomize", folder]).expect("it is built"))
}

/// What an object says, without who manages it and what became of it.
fn said(object: &Value) -> Value {
    let mut said = object.clone();
    said["metadata"] = json!({ "namespace": object["metadata"]["namespace"] });
    said.as_object_mut().expect("an object").remove("status");
    said
}

#[test]
fn by_default_it_says_what_the_base_does_and_lint_finds_nothing() {
    let Some(cluster) = &*CLUSTER else { return };
    let mut base = kustomized(cluster, DEPLOY);
    base.remove(&format!("Namespace/{NAMESPACE}")).expect("Helm has its own way to make it");
    let chart = rendered(cluster, &[]);
    assert_eq!(chart.keys().collect::<Vec<_>>(), base.keys().collect::<Vec<_>>());
    for (name, object) in &base {
        assert_eq!(said(&chart[name]), said(object), "{name}");
    }
    for values in [&[][..], &EVERYTHING] {
        helm(cluster, &["lint", "--strict", CHART], values).expect("nothing to find");
    }
    let shown = cluster.helm(&["show", "chart", CHART]).expect("it is a chart");
    for field in ["version", "appVersion"] {
        let wanted = format!("\n{field}: {}\n", env!("CARGO_PKG_VERSION"));
        assert!(shown.contains(&wanted), "Chart.yaml has another {field} than the crates: {shown}");
    }
}

#[test]
fn everything_that_is_asked_for_is_there() {
    let Some(cluster) = &*CLUSTER else { return };
    let chart = rendered(cluster, &EVERYTHING);
    let container = "/spec/template/spec/containers/0";
    let pod = "/spec/template/spec";
    let cases = [
        ("Deployment/setpoint", "/spec/replicas".to_owned(), json!(3)),
        ("Deployment/setpoint", format!("{container}/image"), json!("registry.example.com/setpoint:edge")),
        ("Deployment/setpoint", format!("{container}/imagePullPolicy"), json!("Always")),
        ("Deployment/setpoint", format!("{pod}/imagePullSecrets"), json!([{ "name": "registry" }])),
        (
            "Deployment/setpoint",
            format!("{container}/args"),
            json!([
                "controller",
                "--leader-elect",
                "--plugin-cache=off",
                "--prometheus=https://prometheus.example.com",
                "--prometheus-token-file=/etc/setpoint/prometheus-token/bearer",
                "--prometheus-ca-file=/etc/setpoint/prometheus-ca/ca.crt",
                "--metrics-address=0.0.0.0:9000",
                "--plugins=/etc/setpoint/plugins",
                "--log-format=json",
            ]),
        ),
        ("Deployment/setpoint", format!("{container}/ports/0/containerPort"), json!(9000)),
        ("Deployment/setpoint", format!("{container}/env/2/name"), json!("HTTPS_PROXY")),
        (
            "Deployment/setpoint",
            format!("{container}/volumeMounts"),
            json!(["plugins", "prometheus-ca", "prometheus-token"].map(|name| json!({
                "name": name, "mountPath": format!("/etc/setpoint/{name}"), "readOnly": true,
            }))),
        ),
        ("Deployment/setpoint", format!("{pod}/volumes/0/configMap/name"), json!("plugins")),
        ("Deployment/setpoint", format!("{pod}/volumes/1/configMap/name"), json!("authority")),
        ("Deployment/setpoint", format!("{pod}/volumes/2/secret/secretName"), json!("prometheus")),
        ("Deployment/setpoint", format!("{container}/resources/limits"), json!({ "memory": "1Gi" })),
        ("Deployment/setpoint", format!("{container}/securityContext/readOnlyRootFilesystem"), json!(true)),
        ("Deployment/setpoint", format!("{pod}/securityContext/runAsUser"), json!(1000)),
        ("Deployment/setpoint", format!("{pod}/securityContext/runAsNonRoot"), json!(true)),
        ("Deployment/setpoint", format!("{pod}/serviceAccountName"), json!("scaler")),
        ("Deployment/setpoint", "/spec/template/metadata/labels/team".to_owned(), json!("platform")),
        ("Deployment/setpoint", "/spec/template/metadata/annotations".to_owned(), json!({ "example.com/mesh": "off" })),
        ("Deployment/setpoint", format!("{pod}/priorityClassName"), json!("system-cluster-critical")),
        ("Deployment/setpoint", format!("{pod}/nodeSelector"), json!({ "type": "kwok" })),
        ("Deployment/setpoint", format!("{pod}/tolerations/0/key"), json!("control")),
        ("Deployment/setpoint", format!("{pod}/affinity"), json!({ "nodeAffinity": {} })),
        ("Deployment/setpoint", format!("{pod}/topologySpreadConstraints/0/topologyKey"), json!("zone")),
        ("ServiceAccount/scaler", "/metadata/annotations/example.com~1role".to_owned(), json!("scaler")),
        ("ClusterRoleBinding/setpoint-controller", "/subjects/0/name".to_owned(), json!("scaler")),
        ("ClusterRoleBinding/setpoint-controller-peers", "/subjects/0/name".to_owned(), json!("scaler")),
        ("RoleBinding/setpoint-controller", "/subjects/0/name".to_owned(), json!("scaler")),
        ("PodDisruptionBudget/setpoint", "/spec/minAvailable".to_owned(), json!("50%")),
        (
            "NetworkPolicy/setpoint",
            "/spec/ingress/0/from/0/namespaceSelector/matchLabels/team".to_owned(),
            json!("monitoring"),
        ),
        ("Service/setpoint", "/spec/clusterIP".to_owned(), json!("None")),
        ("Service/setpoint", "/spec/selector".to_owned(), json!({ "app.kubernetes.io/name": "setpoint" })),
        ("Service/setpoint", "/spec/ports/0/targetPort".to_owned(), json!("metrics")),
        ("ServiceMonitor/setpoint", "/metadata/labels/release".to_owned(), json!("kps")),
        ("ServiceMonitor/setpoint", "/spec/endpoints".to_owned(), json!([{ "port": "metrics", "interval": "15s" }])),
        ("PrometheusRule/setpoint", "/metadata/labels/release".to_owned(), json!("kps")),
        ("ConfigMap/setpoint-dashboard", "/metadata/labels/grafana_dashboard".to_owned(), json!("1")),
        ("ConfigMap/setpoint-dashboard", "/metadata/annotations/grafana_folder".to_owned(), json!("Scaling")),
    ];
    for (name, place, wanted) in cases {
        let object = chart.get(name).unwrap_or_else(|| panic!("no {name} among {:?}", chart.keys()));
        assert_eq!(object.pointer(&place), Some(&wanted), "{place} of {name}");
    }
    let monitored = &chart["ServiceMonitor/setpoint"]["spec"]["selector"]["matchLabels"];
    for (label, value) in monitored.as_object().expect("labels") {
        assert_eq!(chart["Service/setpoint"]["metadata"]["labels"][label], *value, "the monitor finds the service");
    }

    let read = |file: &str| fs::read_to_string(format!("{DEPLOY}/monitoring/{file}")).expect("a file");
    assert_eq!(chart["ConfigMap/setpoint-dashboard"]["data"]["setpoint.json"], read("dashboard.json"));
    let alerts = read("alerts.yaml");
    let named: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let rules = chart["PrometheusRule/setpoint"]["spec"]["groups"][0]["rules"].as_array().expect("a list");
    assert_eq!(rules.iter().map(|rule| &rule["alert"]).collect::<Vec<_>>(), named);
    let summary = rules[1]["annotations"]["summary"].as_str().expect("text");
    assert!(summary.starts_with("{{ $labels.workload }}"), "Prometheus' own templates are left to it: {summary}");

    let base = kustomized(cluster, DEPLOY);
    let mut rules = base["ClusterRole/setpoint-controller"]["rules"].clone();
    let more = json!({ "apiGroups": ["argoproj.io"], "resources": ["rollouts/scale"], "verbs": ["get", "patch"] });
    rules.as_array_mut().expect("a list").push(more);
    assert_eq!(chart["ClusterRole/setpoint-controller"]["rules"], rules);
    for (name, object) in kustomized(cluster, &format!("{DEPLOY}/peers")) {
        match object["kind"].as_str() {
            Some("ClusterRole") => assert_eq!(chart[&name]["rules"], object["rules"], "{name}"),
            Some("CustomResourceDefinition") => assert_eq!(said(&chart[&name]), said(&object), "{name}"),
            _ => assert!(chart.contains_key(&name), "{name}"),
        }
    }
}

#[test]
fn what_is_switched_off_is_not_there() {
    let Some(cluster) = &*CLUSTER else { return };
    let names = |values: &[&str]| rendered(cluster, values).into_keys().collect::<BTreeSet<_>>();
    let whole = names(&[]);
    let without = |of: &BTreeSet<String>, other: &BTreeSet<String>| of.difference(other).cloned().collect::<Vec<_>>();
    let roles = [
        "ClusterRole/setpoint-controller",
        "ClusterRoleBinding/setpoint-controller",
        "Role/setpoint-controller",
        "RoleBinding/setpoint-controller",
    ];
    let watched = ["Role/setpoint-controller-watched", "RoleBinding/setpoint-controller-watched"];
    // Of values, and of what isn't there by them, and is.
    type Names<'a> = &'a [&'a str];
    let cases: [(&str, Names<'_>, Names<'_>, Names<'_>); 7] = [
        ("a budget for one", &["replicas=1"], &["PodDisruptionBudget/setpoint"], &[]),
        ("any budget", &["podDisruptionBudget.enabled=false"], &["PodDisruptionBudget/setpoint"], &[]),
        ("the network policy", &["networkPolicy.enabled=false"], &["NetworkPolicy/setpoint"], &[]),
        ("roles", &["rbac.create=false"], &roles, &[]),
        ("the account", &["serviceAccount.create=false"], &["ServiceAccount/setpoint"], &[]),
        ("power over the cluster", &[r#"watchNamespace="default""#], &roles[..2], &watched),
        (
            "the other peer",
            &["peers.aiInference.enabled=true"],
            &[],
            &["ClusterRole/setpoint-controller-peers", "ClusterRoleBinding/setpoint-controller-peers"],
        ),
    ];
    for (what, values, gone, instead) in cases {
        let found = names(values);
        assert_eq!(without(&whole, &found), gone, "{what}");
        assert_eq!(without(&found, &whole), instead, "{what}");
    }
    let one = &rendered(cluster, &["peers.aiInference.enabled=true"])["ClusterRole/setpoint-controller-peers"];
    let groups: Vec<&Value> = one["rules"].as_array().expect("rules").iter().map(|rule| &rule["apiGroups"]).collect();
    assert_eq!(groups, [&json!(["kubeai.io"]); 2], "nothing about the other one");
    // In one namespace it may do the same as in all.
    let everywhere = &rendered(cluster, &[])["ClusterRole/setpoint-controller"]["rules"];
    let there = &rendered(cluster, &[r#"watchNamespace="default""#])["Role/setpoint-controller-watched"];
    assert_eq!((&there["rules"], &there["metadata"]["namespace"]), (everywhere, &json!("default")));
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_is_wrong() {
    let Some(cluster) = &*CLUSTER else { return };
    let cases: [(&str, &[&str], &str); 9] = [
        ("a word for a number", &[r#"replicas="two""#], "at '/replicas': got string, want integer"),
        ("a typo", &["replica=3"], "additional properties 'replica' not allowed"),
        ("a typo deeper", &[r#"prometheus.address="http://a""#], "at '/prometheus': additional properties 'address'"),
        ("an address without a scheme", &[r#"prometheus.url="prometheus:9090""#], "at '/prometheus/url'"),
        ("half a digest", &[r#"image.digest="sha256:12""#], "at '/image/digest'"),
        ("a port for root alone", &["metrics.port=80"], "at '/metrics/port': minimum: got 80, want 1,024"),
        ("two volumes", &[r#"plugins.volume={"name": "a", "emptyDir": {}}"#], "at '/plugins/volume': maxProperties"),
        (
            "several that all scale",
            &["leaderElection.enabled=false"],
            "replicas is 2 without leaderElection.enabled: each would scale",
        ),
        (
            "a token for nobody",
            &[r#"prometheus={"url": "", "tokenSecret": {"name": "token"}}"#],
            "prometheus.tokenSecret and prometheus.caConfigMap are for the server at prometheus.url, which is empty",
        ),
    ];
    for (name, values, wanted) in cases {
        let refused = template(cluster, values).expect_err(name);
        assert!(refused.contains(wanted), "{name}: {refused}");
    }
}

#[test]
fn an_install_is_taken_as_it_is_and_leaves_nothing_but_definitions() {
    let Some(cluster) = &start(ClusterOptions { nodes: Some(2), ..ClusterOptions::default() }) else { return };
    let all = || -> BTreeSet<String> {
        let kinds = "crd,clusterrole,clusterrolebinding,role,rolebinding,serviceaccount,deployment,service,configmap,secret,\
                     networkpolicy,poddisruptionbudget,servicemonitor,prometheusrule";
        let listed = cluster.kubectl(&["get", kinds, "--all-namespaces", "-o", "name"]).expect("a list");
        listed.lines().map(str::to_owned).collect()
    };
    let before = all();
    // Until its pods are ready: under `restricted` there would be none that aren't.
    helm(cluster, &["install", "setpoint", CHART, "--wait", "--timeout=120s"], &EVERYTHING).expect("it is installed");
    assert_eq!(cluster.field(NAMESPACE, "deployment/setpoint", ".status.readyReplicas"), "3");
    let second = cluster.helm(&["install", "second", CHART, "--namespace", "default"]).expect_err("one is enough");
    assert!(second.contains("\"setpoint-controller\" in namespace \"\" exists and cannot be imported"), "{second}");

    let notes = helm(cluster, &["upgrade", "setpoint", CHART, "--reset-values", "--wait"], &[]).expect("and changed");
    assert!(notes.contains("kubectl -n setpoint-system get lease setpoint"), "{notes}");
    assert_eq!(cluster.field(NAMESPACE, "deployment/setpoint", ".spec.replicas"), "2");
    cluster.kubectl(&["apply", "-f", &format!("{CHART}/crds")]).expect("the way to another definition");
    helm(cluster, &["uninstall", "setpoint", "--wait"], &[]).expect("and removed");
    let left: Vec<String> = all().difference(&before).cloned().collect();
    let definition = |name: &str| format!("customresourcedefinition.apiextensions.k8s.io/{name}");
    assert_eq!(
        left,
        [
            "aiinferenceautoscalerpolicies.kubeai.io",
            "elasticscalers.elasticscaler.io",
            "scalinggroups.setpoint.dev",
            "scalingpolicies.setpoint.dev",
        ]
        .map(definition)
    );
}

/// The values of `values.yaml`, as `image.tag`, with their defaults as they are written there.
fn values(text: &str) -> Vec<(String, String)> {
    let mut above: Vec<&str> = Vec::new();
    let mut values = Vec::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':').filter(|(name, _)| !name.trim_start().starts_with('#')) else {
            continue;
        };
        above.truncate((name.len() - name.trim_start().len()) / 2);
        above.push(name.trim());
        if !value.trim().is_empty() {
            values.push((above.join("."), value.trim().to_owned()));
        }
    }
    values
}

#[test]
fn its_readme_has_each_value_with_its_default() {
    let read = |file: &str| fs::read_to_string(format!("{CHART}/{file}")).expect("a file");
    let readme = read("README.md");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split("` | `");
        Some((cells.next()?.to_owned(), cells.next()?.split_once("` |")?.0.to_owned()))
    };
    let told: Vec<(String, String)> = readme.lines().filter_map(row).collect();
    assert_eq!(told, values(&read("values.yaml")), "README.md beside values.yaml");
}
