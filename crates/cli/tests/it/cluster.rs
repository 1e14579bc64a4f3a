//! The command and Kubernetes.

mod controller;
mod kubectl;

use setpoint_testkit::guests::root;

use crate::setpoint;

#[test]
fn the_definition_that_is_deployed_is_the_one_that_is_printed() {
    let printed = setpoint().arg("crd").output().expect("it runs");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let file = root().join("crates/kube/deploy/crd.yaml");
    let deployed = std::fs::read_to_string(&file).unwrap_or_default();
    let printed = String::from_utf8(printed.stdout).expect("text");
    assert!(printed == deployed, "{}: write it anew, with `setpoint crd`", file.display());
}
