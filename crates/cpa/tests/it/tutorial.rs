//! The tutorial's own programs, as its readers have them.

use serde_json::{Value, json};
use setpoint_cpa::{ResourceMetric, RunType};

use crate::{autoscaler, has_python, target, workload};

/// The folder of the programs.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tutorial");

/// The tutorial's configuration with its programs where they are, and another time for a slow machine.
pub(crate) fn config() -> Value {
    let method = |program: &str| {
        let command = format!("python3 '{FOLDER}/{program}.py'");
        json!({ "type": "shell", "timeout": 25_000, "shell": command })
    };
    json!({ "evaluate": method("evaluate"), "metric": method("metric"), "runMode": "per-resource" })
}

#[tokio::test]
async fn its_programs_run_unchanged() {
    if !has_python() {
        return;
    }
    // The label, the count before, and the count after.
    for (label, before, after) in [("5", 1, 5), ("2", 5, 2), ("3", 3, 3), ("40", 1, 10), ("0", 2, 1)] {
        let handler = workload(before, label);
        let cycle = autoscaler(&config(), &handler).scale(RunType::Scaler).await.expect(label);
        let metric = ResourceMetric { resource: "hello-kubernetes".into(), value: label.into() };
        assert_eq!((cycle.metrics, cycle.answer.to_string()), (vec![metric], label.to_owned()), "{label}");
        assert_eq!(handler.replicas(&target()), Some(after), "{label}: {:?}", cycle.reasons);
    }
}

#[tokio::test]
async fn what_they_complain_of_is_said_and_nothing_changes() {
    if !has_python() {
        return;
    }
    let cases = [("five", "Invalid metric value"), ("2.5", "Invalid metric value")];
    for (label, want) in cases {
        let handler = workload(4, label);
        let error = autoscaler(&config(), &handler).scale(RunType::Scaler).await.expect_err(label);
        let told = setpoint_runtime::in_one_line(&error);
        assert!(told.contains("no evaluation") && told.contains(want), "{told}");
        assert_eq!(handler.replicas(&target()), Some(4));
    }
    // A resource without the label.
    let handler = std::sync::Arc::new(
        setpoint::InMemoryHandler::new([(target(), 4)])
            .with_manifest(target(), json!({ "metadata": { "labels": {} } }).as_object().expect("an object").clone()),
    );
    let error = autoscaler(&config(), &handler).scale(RunType::Scaler).await.expect_err("no label");
    let told = setpoint_runtime::in_one_line(&error);
    assert!(told.contains("no metric of hello-kubernetes") && told.contains("No 'numPods' label"), "{told}");
}

#[tokio::test]
async fn the_same_programs_of_today_are_handed_objects() {
    if !has_python() {
        return;
    }
    let program = |code: &str| json!({ "type": "shell", "timeout": 25_000, "shell": { "entrypoint": "python3", "command": ["-c", code] } });
    let metric = "import json, sys\nprint(json.load(sys.stdin)['resource']['metadata']['labels']['numPods'], end='')";
    let evaluate = "import json, sys\nspec = json.load(sys.stdin)\nassert spec['runType'] == spec['run_type'] == 'scaler'\n\
                    print(json.dumps({'targetReplicas': int(spec['metrics'][0]['value']) * 2}))";
    let config = json!({ "metric": program(metric), "evaluate": program(evaluate), "runMode": "per-resource" });
    let handler = workload(1, "3");
    let cycle = autoscaler(&config, &handler).scale(RunType::Scaler).await.expect("a cycle");
    assert_eq!((cycle.answer, cycle.written), (6, Some((1, 6))));
}
