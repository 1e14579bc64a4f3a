//! What `kubectl apply -k crates/kube/deploy` installs.

use serde_json::{Value, json};
use setpoint_testkit::cluster::{Cluster, ClusterOptions};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
const NAMESPACE: &str = "setpoint-system";

fn get(cluster: &Cluster, object: &str) -> Value {
    let found = cluster.kubectl(&["-n", NAMESPACE, "get", object, "-o", "json"]).expect("it is there");
    serde_json::from_str(&found).expect("JSON")
}

/// Whether the API server would take a pod like this, and if not, what it says.
fn admit(cluster: &Cluster, metadata: &Value, spec: &Value) -> Result<String, String> {
    let mut metadata = metadata.clone();
    metadata["name"] = json!("pod");
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
    cluster.kubectl_with(&["-n", NAMESPACE, "create", "--dry-run=server", "-f", "-"], &pod.to_string())
}

#[test]
fn the_base_is_applied_as_it_is_and_its_pod_has_no_power_it_does_not_need() {
    // A cluster of its own: what is applied here is cluster-wide.
    let Some(cluster) = Cluster::start(ClusterOptions::default()) else { return };
    cluster.kubectl(&["apply", "-k", DEPLOY]).expect("every object is valid");
    let template = get(&cluster, "deployment/setpoint")["spec"]["template"].take();
    let labels = &template["metadata"]["labels"];
    assert!(labels.is_object(), "{template}");
    let network = get(&cluster, "networkpolicy/setpoint");
    assert_eq!(network["spec"]["podSelector"]["matchLabels"], *labels, "it is about the controller's pods");
    let container = &template["spec"]["containers"][0];
    let open = &network["spec"]["ingress"][0]["ports"];
    assert_eq!((&open[0]["port"], &open[1]), (&container["ports"][0]["name"], &Value::Null), "one port, and its name");
    let budget = get(&cluster, "poddisruptionbudget/setpoint");
    assert_eq!(budget["spec"]["selector"]["matchLabels"], *labels, "so is the budget");

    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    admit(&cluster, &template["metadata"], &template["spec"]).expect("the pod is as restricted as its namespace wants");
    let cases = [
        ("root", "/securityContext/runAsUser", json!(0)),
        ("may be root", "/securityContext/runAsNonRoot", json!(false)),
        ("more privileges", "/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
        ("capabilities", "/containers/0/securityContext/capabilities/drop", json!([])),
        ("any system call", "/securityContext/seccompProfile/type", json!("Unconfined")),
    ];
    for (name, place, value) in cases {
        let mut spec = template["spec"].clone();
        *spec.pointer_mut(place).unwrap_or_else(|| panic!("{name}: {place} is set")) = value;
        let refused = admit(&cluster, &template["metadata"], &spec).expect_err(name);
        assert!(refused.contains("violates PodSecurity"), "{name}: {refused}");
    }
}
