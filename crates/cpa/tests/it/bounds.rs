//! Programs that go too far end, with all that they started.

use serde_json::json;
use setpoint_cpa::{ProgramLimits, RunType};
use setpoint_runtime::in_one_line;

use crate::{Scripted, autoscaler_with, has_python, lives, sh, target, until, workload};

#[tokio::test]
async fn an_evaluate_program_that_goes_too_far_is_ended_and_changes_nothing() {
    let scripted = Scripted::new("");
    let pid = |name: &str| scripted.path(name);
    let within = |millis: u64, script: &str| {
        let mut method = sh(script);
        method["timeout"] = json!(millis);
        method
    };
    let (brief, slow) = (|script: &str| within(300, script), |script: &str| within(2000, script));
    // What it does, and which file holds the id of what must be gone.
    let cases = [
        (
            "never ends",
            brief(&format!("echo $$ > {}; while :; do sleep 1000; done", pid("a").display())),
            Some("a"),
            "ended after 300ms",
        ),
        (
            "doesn't want to",
            brief(&format!("trap '' TERM INT; echo $$ > {}; while :; do sleep 1000; done", pid("b").display())),
            Some("b"),
            "ended after 300ms",
        ),
        ("floods", sh("exec yes"), None, "wrote more than 4096 bytes on standard output"),
        ("floods its errors", sh("exec yes >&2"), None, "wrote more than 4096 bytes on standard error"),
        (
            "leaves a child in a session of its own",
            sh(&format!("setsid sleep 1000 & echo $! > {}; exit 1", pid("c").display())),
            Some("c"),
            "exit code 1",
        ),
        (
            "forks",
            slow(&format!(
                "for i in $(seq 30); do setsid sleep 1000 & done; echo $! > {}; sleep 1000",
                pid("d").display()
            )),
            Some("d"),
            "ended after 2s",
        ),
        (
            "isn't there",
            json!({ "type": "shell", "shell": { "entrypoint": "/no/such/program" } }),
            None,
            "can't be started",
        ),
        ("says no text", sh(r"printf '\377\376'"), None, "not UTF-8"),
    ];
    for (name, program, left, says) in cases {
        let handler = workload(4, "7");
        let mut config = scripted.config(&json!({}));
        config["evaluate"] = program;
        let scaler =
            autoscaler_with(&config, &handler, |setup| setup.limits = ProgramLimits::default().with_output(4096));
        let error = scaler.scale(RunType::Scaler).await.expect_err(name);
        let told = in_one_line(&error);
        assert!(told.starts_with("no evaluation: ") && told.contains(says), "{name}: {told}");
        assert_eq!(handler.replicas(&target()), Some(4), "{name}");
        if let Some(file) = left {
            let pid = std::fs::read_to_string(scripted.path(file)).expect(name);
            until(name, || !lives(pid.trim())).await;
        }
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    if !has_python() {
        return;
    }
    let scripted = Scripted::new("");
    let mut config = scripted.config(&json!({}));
    let code = r#"a = bytearray(1 << 30); print('{"targetReplicas": 5}')"#;
    config["evaluate"] =
        json!({ "type": "shell", "timeout": 25_000, "shell": { "entrypoint": "python3", "command": ["-c", code] } });
    let handler = workload(4, "7");
    let within = |memory| {
        let limits = ProgramLimits::default().with_memory(memory);
        autoscaler_with(&config, &handler, |setup| setup.limits = limits)
    };
    let error = within(Some(512 << 20)).scale(RunType::Scaler).await.expect_err("too much");
    assert!(in_one_line(&error).contains("MemoryError"), "{}", in_one_line(&error));
    within(None).scale(RunType::Scaler).await.expect("with enough it runs");
    assert_eq!(handler.replicas(&target()), Some(5));
}

#[tokio::test]
async fn what_runs_for_other_pods_ends_when_one_fails() {
    let scripted = Scripted::new(r#"{"targetReplicas": 5}"#);
    let mut config = scripted.config(&json!({ "runMode": "per-pod" }));
    let folder = scripted.path("");
    let number = r"name=$(sed 's/.*hello-kubernetes-\([0-9]*\).*/\1/'); ";
    let waits = format!(
        "echo $$ > {0}pid-$name; while [ ! -s {0}pid-0 ]; do sleep 0.02; done; exec sleep 1000",
        folder.display()
    );
    let fails = format!("while [ ! -s {0}pid-1 ]; do sleep 0.02; done; echo $$ > {0}pid-0; exit 1", folder.display());
    config["metric"] = sh(&format!(r#"{number} if [ "$name" = 0 ]; then {fails}; else {waits}; fi"#));
    let scaler = autoscaler_with(&config, &workload(2, "7"), |_| ());
    scaler.scale(RunType::Scaler).await.expect_err("the first pod's");
    let pid = std::fs::read_to_string(scripted.path("pid-1")).expect("it ran");
    until("the other pod's", || !lives(pid.trim())).await;
}
