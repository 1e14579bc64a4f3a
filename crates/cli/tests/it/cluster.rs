//! What the command says of Kubernetes.

use setpoint_testkit::guests::root;

use crate::setpoint;

#[test]
fn the_definitions_that_are_deployed_are_those_that_are_printed() {
    let kinds: [(&[&str], &str); 3] = [
        (&[], "crd.yaml"),
        (&["--kind", "ai-inference"], "peers/ai-inference.yaml"),
        (&["--kind", "elastic-scaler"], "peers/elastic-scaler.yaml"),
    ];
    for (arguments, file) in kinds {
        let printed = setpoint().arg("crd").args(arguments).output().expect("it runs");
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let path = root().join("crates/kube/deploy").join(file);
        let deployed = std::fs::read_to_string(&path).unwrap_or_default();
        let printed = String::from_utf8(printed.stdout).expect("text");
        let command = format!("setpoint crd {}", arguments.join(" "));
        assert!(printed == deployed, "{}: write it anew, with `{}`", path.display(), command.trim_end());
    }
}
