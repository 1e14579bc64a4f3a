//! The tutorial's own programs, as its readers have them.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint::InMemoryHandler;
use setpoint_cpa::{ResourceMetric, RunType};

use crate::{Scripted, autoscaler, has_python, sh, target, workload};

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

/// What the tutorial prints beside its programs.
fn printed(file: &str) -> String {
    let path = format!("{FOLDER}/{file}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test]
async fn what_they_are_handed_and_answer_is_what_is_printed() {
    if !has_python() {
        return;
    }
    // The text leaves out what else a Deployment has.
    let resource = printed("resource.json").replace("    },\n    ...\n", "    }\n");
    let resource: Value = serde_json::from_str(&resource).expect("JSON");
    let handler = |label: &str| {
        let mut resource = resource.clone();
        resource["metadata"]["labels"]["numPods"] = label.into();
        let manifest = resource.as_object().expect("an object").clone();
        Arc::new(InMemoryHandler::new([(target(), 3)]).with_manifest(target(), manifest))
    };
    let cycle = autoscaler(&config(), &handler("1")).scale(RunType::Scaler).await.expect("its own label");
    assert_eq!((cycle.metrics[0].value.as_str(), cycle.written), ("1", Some((3, 1))));

    let input: Value = serde_json::from_str(&printed("evaluate-input.json")).expect("JSON");
    let output: Value = serde_json::from_str(&printed("evaluate-output.json")).expect("JSON");
    let cycle = autoscaler(&config(), &handler("5")).scale(RunType::Scaler).await.expect("five");
    assert_eq!(
        (json!(cycle.metrics), json!(cycle.answer)),
        (input["metrics"].clone(), output["target_replicas"].clone())
    );
    // A program of today is handed all that is printed, and more.
    let scripted = Scripted::new(&printed("evaluate-output.json"));
    let answer = format!("cat > {}; cat {}", scripted.path("input").display(), scripted.path("answer").display());
    let config = json!({ "metric": sh("echo -n 5"), "evaluate": sh(&answer), "runMode": "per-resource" });
    let cycle = autoscaler(&config, &handler("5")).scale(RunType::Scaler).await.expect("five");
    assert_eq!(cycle.answer, 5);
    let handed = scripted.handed("input");
    for (field, value) in input.as_object().expect("an object") {
        assert_eq!(&handed[field], value, "{field}");
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
    let handler = Arc::new(
        InMemoryHandler::new([(target(), 4)])
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
