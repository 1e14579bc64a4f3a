//! `setpoint decide`.

use serde_json::{Value, json};
use setpoint_testkit::guests;

use crate::{CHAT, Folder};

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn one_decision_a_line_with_its_reasons() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT);
    folder.write(
        "looks.jsonl",
        r#"{"now_ms": 0, "current": 4, "ready": 4, "readings": {"p99": 620.0, "gpu": {"missing": "scrape failed"}, "queue": 0}}

{"now_ms": 15000, "current": 5, "readings": {"p99": {"stale": "90 s old"}, "queue": 90}}
"#,
    );
    let ran = folder.run(&["decide", "--policy", "chat.yaml", "--observations", "looks.jsonl", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let decisions = lines(&ran.out);
    let numbers = |decision: &Value| json!([decision["now_ms"], decision["current"], decision["desired"]]);
    assert_eq!(decisions.iter().map(numbers).collect::<Vec<_>>(), [json!([0, 4, 5]), json!([15000, 5, 8])]);
    // Each also holds its effect as data: see `manifest.rs`.
    let words = |reason: &Value| {
        let mut reason = reason.clone();
        let effect = reason.as_object_mut().and_then(|reason| reason.remove("effect"));
        assert!(effect.is_some_and(|effect| effect["kind"].is_string()), "{reason}");
        reason
    };
    let reasons: Vec<Value> = decisions[1]["reasons"].as_array().expect("a list").iter().map(words).collect();
    assert_eq!(
        Value::from(reasons),
        json!([
            { "stage": "max-ratio", "from": 5, "to": 5, "text": "p99 is stale (90 s old)" },
            { "stage": "max-ratio", "from": 5, "to": 22.5, "text": "queue is 90 against 20: 4.5 times 5 replicas" },
            { "stage": "max-ratio", "from": 5, "to": 22.5, "text": "queue alone makes a proposal" },
            { "stage": "smoothed", "from": 22.5, "to": 11.09, "text": "the newest ratio 4.5 averages to 2.218" },
            { "stage": "capped", "from": 11.09, "to": 7.5, "text": "at most 2.5 more in one step" },
            { "stage": "rounding", "from": 7.5, "to": 8, "text": "7.5 rounded up" },
        ])
    );
    let effect = &decisions[1]["reasons"][0]["effect"];
    assert_eq!(effect, &json!({ "kind": "unusable", "metric": "p99", "state": "stale", "cause": "90 s old" }));
    let queue = &decisions[1]["metrics"][1];
    assert_eq!(json!([queue["reading"], queue["against"], queue["ratio"]]), json!([90.0, 20.0, 4.5]));
    // For a person the same, without colours where nobody looks.
    let ran = folder.run(&["decide", "--policy", "chat.yaml", "--observations", "looks.jsonl"]);
    assert!(
        ran.out.starts_with("t=0 ms: 4 -> 5, 1 more\n    max-ratio    4 -> 4.96: p99 is 620 against 500"),
        "{}",
        ran.out
    );
}

#[test]
fn a_state_file_goes_on_where_the_last_call_ended() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT);
    let look = |at: u32| {
        format!(
            "{{\"now_ms\": {}, \"current\": 6, \"readings\": {{\"p99\": {}, \"queue\": 3}}}}\n",
            at * 15_000,
            300 + at * 90
        )
    };
    let all: String = (0..8).map(look).collect();
    let whole = folder.run_with(&["decide", "--policy", "chat.yaml", "--json"], &all).out;
    let mut parts = String::new();
    for at in 0..8 {
        let ran = folder.run_with(&["decide", "--policy", "chat.yaml", "--json", "--state", "chat.state"], &look(at));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        parts += &ran.out;
    }
    assert_eq!(parts, whole);

    // Bad input changes nothing: no output, and the state as it was.
    let before = std::fs::read(folder.path().join("chat.state")).expect("a state");
    let ran = folder.run_with(
        &["decide", "--policy", "chat.yaml", "--json", "--state", "chat.state"],
        &format!("{}{{\"now_ms\": 1}}\n", look(9)),
    );
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("standard input:2: missing field `current`"), "{}", ran.err);
    assert_eq!(std::fs::read(folder.path().join("chat.state")).expect("a state"), before);

    // Another algorithm's state is refused.
    folder.write(
        "other.yaml",
        CHAT.replace(
            "capped-smooth-ratio, config: { smoothingFactor: 0.3, maxScaleUp: 50%, maxScaleDown: 25%, tolerance: 0.1 }",
            "max-ratio",
        ),
    );
    let ran = folder.run_with(&["decide", "--policy", "other.yaml", "--state", "chat.state"], &look(9));
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("chat.state: the state belongs to capped-smooth-ratio, this workload runs max-ratio"),
        "{}",
        ran.err
    );
}

#[test]
fn a_plugin_is_found_beside_the_policy_or_by_name() {
    let folder = Folder::new();
    folder.write("plugins/smooth.wasm", guests::component("capped-smooth-ratio"));
    let config = "config: { smoothingFactor: 0.3, maxScaleUp: 50%, maxScaleDown: 25%, tolerance: 0.1 }";
    let native = "name: capped-smooth-ratio";
    for (name, algorithm) in [
        ("by-file.yaml", "plugin: ./plugins/smooth.wasm"),
        ("by-name.yaml", "name: capped-smooth-ratio-plugin"),
        ("native.yaml", native),
    ] {
        assert!(CHAT.contains(native) && CHAT.contains(config));
        folder.write(name, CHAT.replace(native, algorithm));
    }
    let input: String = (0..20)
        .map(|at| {
            let p99 = 250 + (at * 137) % 700;
            format!(
                "{{\"now_ms\": {}, \"current\": {}, \"readings\": {{\"p99\": {p99}, \"queue\": 2}}}}\n",
                at * 15_000,
                3 + at % 9
            )
        })
        .collect();
    let desired = |policy: &str, more: &[&str]| -> Vec<Value> {
        let ran = folder.run_with(&[&["decide", "--policy", policy, "--json"], more].concat(), &input);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{policy}");
        lines(&ran.out).iter().map(|decision| decision["desired"].clone()).collect()
    };
    let native = desired("native.yaml", &[]);
    assert_eq!(native.len(), 20);
    assert_eq!(desired("by-file.yaml", &[]), native);
    assert_eq!(desired("by-name.yaml", &["--plugins", "plugins"]), native);
}

#[test]
fn a_failing_plugin_becomes_the_declared_fallback_and_the_command_goes_on() {
    let folder = Folder::new();
    folder.write("hostile.wasm", guests::component("hostile"));
    let policy = "\
apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: { name: hostile }
spec:
  minReplicas: 2
  maxReplicas: 40
  metrics: [ { name: p99, target: { value: 500 } } ]
  algorithm: { plugin: hostile.wasm, config: HOW }
  onFailure: { replicas: 6 }
";
    for how in ["endless-loop", "memory-bomb", "trap", "nan", "out-of-range"] {
        folder.write("hostile.yaml", policy.replace("HOW", how));
        let input = "{\"now_ms\": 0, \"current\": 4, \"readings\": {\"p99\": 1}}\n".repeat(2);
        let ran = folder.run_with(&["decide", "--policy", "hostile.yaml", "--json"], &input);
        assert_eq!(ran.code, 0, "{how}: {}", ran.err);
        for decision in lines(&ran.out) {
            assert_eq!(decision["desired"], 6, "{how}");
            let text = decision["reasons"][0]["text"].as_str().expect("text");
            assert!(text.starts_with("the algorithm failed: plugin hostile "), "{how}: {text}");
            // The same as data.
            let message = decision["reasons"][0]["effect"]["message"].as_str().expect("a message");
            assert!(text.ends_with(message) && message.starts_with("plugin hostile "), "{how}: {message}");
            assert_eq!(decision["reasons"][1]["effect"]["fallback"], "6 replicas", "{how}");
        }
    }
}

#[test]
fn a_plugin_that_goes_on_failing_is_left_alone_until_it_answers_and_each_step_is_explained() {
    let folder = Folder::new();
    folder.write("hostile.wasm", guests::component("hostile"));
    folder.write(
        "hostile.yaml",
        "\
apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: { name: hostile }
spec:
  maxReplicas: 40
  metrics: [ { name: p99, target: { value: 500 } } ]
  algorithm: { plugin: hostile.wasm, config: forgetful }
  onFailure: { lastGood: { for: 40s, then: { replicas: 6 } } }
  quarantine: { consecutiveFailures: 2, initialBackoff: 20s }
",
    );
    let start = 1_764_050_400_000_i64;
    let looks: String = [0, 15, 30, 45, 60]
        .map(|second| {
            let now = start + second * 1000;
            format!("{{\"now_ms\": {now}, \"current\": 4, \"readings\": {{\"p99\": 620}}}}\n")
        })
        .concat();
    let ran = folder.run_with(&["decide", "--policy", "hostile.yaml", "--explain"], &looks);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    // What a plugin crashed of is told as it comes.
    let told: String =
        ran.out.lines().filter(|line| !line.contains("failed:")).map(|line| format!("{line}\n")).collect();
    assert_eq!(
        told,
        "\
2025-11-25T06:00:00Z: 4 -> 7, 3 more
  because hostile gives no reason
  measured
    p99  620 against 500, ratio 1.24
  decided
    plugin  4 -> 7         hostile gives no reason

2025-11-25T06:00:15Z: 4 -> 7, 3 more
  because its last good answer, 7, is 15s old and counts for 25s more
  measured
    p99  620 against 500, ratio 1.24
  decided
    onFailure  4 -> 7         its last good answer, 7, is 15s old and counts for 25s more
  holds
    7 stands in for 25s, until 2025-11-25T06:00:40Z (onFailure)

2025-11-25T06:00:30Z: 4 -> 7, 3 more
  because its last good answer, 7, is 30s old and counts for 10s more
  measured
    p99  620 against 500, ratio 1.24
  decided
    onFailure  4              the algorithm is not asked for 20s, after 2 failures in a row
    onFailure  4 -> 7         its last good answer, 7, is 30s old and counts for 10s more
  holds
    the algorithm is not asked for 20s, until 2025-11-25T06:00:50Z (onFailure)
    7 stands in for 10s, until 2025-11-25T06:00:40Z (onFailure)

2025-11-25T06:00:45Z: 4 -> 6, 2 more
  because the declared fallback answers: 6 replicas
  measured
    p99  620 against 500, ratio 1.24
  decided
    onFailure  4              the algorithm is not asked for 5s, after 2 failures in a row
    onFailure  4              there is no good answer of the last 40s
    onFailure  4 -> 6         the declared fallback answers: 6 replicas
  holds
    the algorithm is not asked for 5s, until 2025-11-25T06:00:50Z (onFailure)

2025-11-25T06:01:00Z: 4 -> 7, 3 more
  because hostile gives no reason
  measured
    p99  620 against 500, ratio 1.24
  decided
    onFailure  4              the algorithm is tried again, after 2 failures in a row
    plugin     4 -> 7         hostile gives no reason
    onFailure  7              the algorithm answers again, after 2 failures in a row

"
    );
}
