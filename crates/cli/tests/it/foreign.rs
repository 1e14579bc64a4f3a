//! Other autoscalers' documents: the examples of their own texts, read as they are, and written as policies.
//!
//! `foreign/` holds one folder a system; beside each document is what `setpoint convert` makes of it.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use setpoint_testkit::guests;

use crate::Folder;

/// A document, and what has to be repaired in it: the typos of the text that it stands in.
struct Example {
    system: &'static str,
    file: &'static str,
    repairs: &'static [(&'static str, &'static str)],
    /// Whether everything could be carried over.
    complete: bool,
}

const fn example(system: &'static str, file: &'static str) -> Example {
    Example { system, file, repairs: &[], complete: true }
}

const fn incomplete(system: &'static str, file: &'static str) -> Example {
    Example { system, file, repairs: &[], complete: false }
}

const EXAMPLES: [Example; 14] = [
    example("kubeai", "my-policy.yaml"),
    example("kubeai", "llm-inference-policy.yaml"),
    incomplete("kubeai", "everything.yaml"),
    Example {
        system: "elastic-scaler",
        file: "custom-scaling-example.yaml",
        repairs: &[("AverageValueValue", "AverageValue")],
        complete: true,
    },
    Example {
        system: "elastic-scaler",
        file: "custom-resource-scaling.yaml",
        repairs: &[("metricsName", "name")],
        complete: true,
    },
    incomplete("cpa", "config.yaml"),
    incomplete("cpa", "v2.yaml"),
    example("storage", "nginx-deployment.json"),
    example("storage", "ai-training-job.json"),
    example("storage", "web-frontend.json"),
    example("storage", "ai-inference.json"),
    example("storage", "model-training.json"),
    example("keda", "orders.yaml"),
    incomplete("keda", "modifiers.yaml"),
];

impl Example {
    fn path(&self, file: &str) -> PathBuf {
        guests::root().join("crates/cli/tests/it/foreign").join(self.system).join(file)
    }

    /// As it is in the text.
    fn printed(&self) -> String {
        fs::read_to_string(self.path(self.file)).expect("an example")
    }

    fn document(&self) -> String {
        let mut text = self.printed();
        for (typo, meant) in self.repairs {
            assert!(text.contains(typo), "{}: {typo}", self.file);
            text = text.replace(typo, meant);
        }
        text
    }

    /// What it is written as.
    fn native(&self) -> String {
        let name = self.file.rsplit_once('.').expect("an extension").0;
        fs::read_to_string(self.path(&format!("{name}.native.yaml"))).expect("what it is written as")
    }
}

fn convert_json(folder: &Folder, file: &str) -> Value {
    let ran = folder.run(&["convert", file, "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{file}");
    serde_json::from_str::<Value>(&ran.out).expect("JSON")[0].clone()
}

/// Looks with a reading for each metric, which wander around their targets and are missing now and then.
fn looks(metrics: &Value) -> String {
    let mut state = 20_251_125_u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 33).expect("31 bits")) / f64::from(1_u32 << 31)
    };
    let mut lines = String::new();
    for step in 0..120 {
        let current = 1 + (step / 10) % 6;
        let mut readings = json!({});
        for metric in metrics.as_array().expect("a list") {
            let target =
                metric["target"].as_object().and_then(|target| target.values().next()?.as_f64()).expect("a target");
            let name = metric["name"].as_str().expect("a name");
            let reading = target * f64::from(current) * number();
            readings[name] = if number() < 0.1 { json!({ "missing": "scrape failed" }) } else { json!(reading) };
        }
        lines += &json!({ "now_ms": step * 15_000, "current": current, "readings": readings }).to_string();
        lines.push('\n');
    }
    lines
}

#[test]
fn every_example_is_written_as_the_policy_that_it_means() {
    let folder = Folder::new();
    for example in &EXAMPLES {
        folder.write(example.file, example.document());
        let ran = folder.run(&["convert", example.file]);
        assert_eq!(ran.code, 0, "{}: {}", example.file, ran.err);
        assert_eq!(ran.out, example.native(), "{}", example.file);
        let checked = folder.run(&["convert", "--check", example.file]);
        assert_eq!(checked.code, i32::from(!example.complete), "{}: {}", example.file, checked.err);
        assert_eq!(checked.err.contains("not carried over"), !example.complete, "{}", example.file);
        // Written out again it is the same policy, with nothing left to say.
        folder.write("native.yaml", &ran.out);
        let again = convert_json(&folder, "native.yaml");
        let policy = &convert_json(&folder, example.file)["policy"];
        assert_eq!((&again["policy"], &again["notes"]), (policy, &json!([])), "{}", example.file);
    }
}

#[test]
fn every_example_decides_as_what_it_is_written_as() {
    let folder = Folder::new();
    folder.write("plugins/custom.wasm", guests::component("custom"));
    for example in &EXAMPLES {
        folder.write(example.file, example.document());
        folder.write("native.yaml", example.native());
        let input = looks(&convert_json(&folder, example.file)["policy"]["spec"]["metrics"]);
        let decide = |policy: &str| {
            let ran = folder.run_with(&["decide", "--policy", policy, "--plugins", "plugins", "--json"], &input);
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", example.file);
            ran.out
        };
        let decisions = decide(example.file);
        assert_eq!(decisions, decide("native.yaml"), "{}", example.file);
        let moved = |line: &str| {
            let decision: Value = serde_json::from_str(line).expect("a decision");
            decision["desired"] != decision["current"]
        };
        assert!(decisions.lines().filter(|line| moved(line)).count() > 5, "{}: nothing moves", example.file);
    }
}

#[test]
fn the_guide_s_typos_and_lost_indentation_are_answered_with_what_was_meant() {
    let folder = Folder::new();
    for (index, file) in [(3, "custom-scaling-example.as-printed.yaml"), (4, "custom-resource-scaling.as-printed.yaml")]
    {
        folder.write(file, fs::read_to_string(EXAMPLES[index].path(file)).expect("an example"));
    }
    folder.write("custom-scaling-example.yaml", EXAMPLES[3].printed());
    folder.write("custom-resource-scaling.yaml", EXAMPLES[4].printed());
    let cases = [
        ("custom-scaling-example.as-printed.yaml", "stands beside `metadata`, which is empty: the indentation is lost"),
        (
            "custom-resource-scaling.as-printed.yaml",
            "stands beside `metadata`, which is empty: the indentation is lost",
        ),
        (
            "custom-scaling-example.yaml",
            "custom-scaling-example.yaml:36:15: spec.trigger.metricsTrigger.metrics[0].external.target.type: unknown value \
             `AverageValueValue`; did you mean `AverageValue`?",
        ),
        (
            "custom-resource-scaling.yaml",
            "custom-resource-scaling.yaml:27:13: spec.trigger.metricsTrigger.metrics[0].resource.metricsName: unknown field \
             `metricsName`; did you mean `name`?",
        ),
    ];
    for (file, want) in cases {
        for command in [&["convert", file][..], &["decide", "--policy", file], &["simulate", "--policy", file]] {
            let ran = folder.run(command);
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{command:?}");
            assert!(ran.err.contains(want), "{command:?}: {}", ran.err);
        }
    }
}

#[test]
fn a_plugin_that_is_named_is_called_with_its_configuration() {
    let folder = Folder::new();
    for (file, plugin) in [("custom", "custom"), ("smooth", "capped-smooth-ratio")] {
        folder.write(&format!("plugins/{file}.wasm"), guests::component(plugin));
    }
    folder.write("custom.yaml", EXAMPLES[3].document());
    folder.write("calm.yaml", EXAMPLES[3].document().replace("threshold: 0.8", "threshold: 1.3"));
    let smooth = "capped-smooth-ratio-plugin";
    folder.write("policy.yaml", EXAMPLES[0].document().replace("CappedSmoothRatio", smooth));
    let look = |metric: &str, current: u32, value: u32| {
        format!("{{\"now_ms\": 0, \"current\": {current}, \"readings\": {{\"{metric}\": {value}}}}}\n")
    };
    for (file, name, input, desired) in [
        // 480 of 4 times 100 is above the threshold of 0.8, and below one of 1.3.
        ("custom.yaml", "custom", look("qps", 4, 480), 5),
        ("calm.yaml", "custom", look("qps", 4, 480), 4),
        // Three times as many are wanted, and half as many more allowed.
        ("policy.yaml", smooth, look("gpu", 4, 210), 6),
    ] {
        let ran = folder.run_with(&["decide", "--policy", file, "--plugins", "plugins", "--json"], &input);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{file}");
        let decision: Value = serde_json::from_str(&ran.out).expect("a decision");
        assert_eq!(decision["desired"], desired, "{file}: {}", ran.out);
        let without = folder.run_with(&["decide", "--policy", file], &input);
        assert_eq!(without.code, 2, "{file}");
        assert!(without.err.contains(&format!("no algorithm is called `{name}`")), "{}", without.err);
    }
    // The minute after a change nothing is changed.
    let minute = [(0, 4), (15_000, 5), (60_000, 5), (75_000, 5)];
    let looks: String = minute
        .map(|(now, current)| {
            json!({ "now_ms": now, "current": current, "readings": { "qps": 480 } }).to_string() + "\n"
        })
        .concat();
    let ran = folder.run_with(&["decide", "--policy", "custom.yaml", "--plugins", "plugins", "--json"], &looks);
    let desired =
        ran.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("a decision")["desired"].clone());
    assert_eq!(desired.collect::<Vec<_>>(), [5, 5, 5, 6], "{}{}", ran.out, ran.err);
    // Its own schema has the last word, at the field of the document that it came from.
    folder.write("custom.yaml", EXAMPLES[3].document().replace("threshold: 0.8", "treshold: 0.8"));
    let ran = folder.run_with(&["decide", "--policy", "custom.yaml", "--plugins", "plugins"], "");
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("custom.yaml:26:9: spec.trigger.metricsTrigger.algorithmConfig")
            && ran.err.contains("did you mean `threshold`?"),
        "{}",
        ran.err
    );
}

#[test]
fn an_algorithm_that_nobody_registered_is_an_error_at_its_name() {
    let folder = Folder::new();
    folder.write("custom.yaml", EXAMPLES[3].document());
    for command in [&["decide", "--policy", "custom.yaml"][..], &["lint", "custom.yaml"]] {
        let ran = folder.run(command);
        assert_ne!(ran.code, 0, "{command:?}");
        let said = ran.err + &ran.out;
        assert!(said.contains("custom.yaml:22:"), "{command:?}: {said}");
        assert!(said.contains("spec.trigger.metricsTrigger.scalingAlgorithm"), "{command:?}: {said}");
        assert!(said.contains("no algorithm is called `custom`"), "{command:?}: {said}");
    }
}

const SCENARIO: &str = "\
apiVersion: setpoint.dev/v1alpha1
kind: Scenario
metadata: { name: foreign }
spec:
  duration: 2h
  load: { trace: { file: load.csv } }
  service: { time: { mean: 200ms, distribution: constant }, concurrency: 8 }
  readings: { memory: utilization }
";

#[test]
fn they_are_simulated_side_by_side() {
    let folder = Folder::new();
    let files = [
        "llm-inference-policy.yaml",
        "my-policy.yaml",
        "custom-resource-scaling.yaml",
        "nginx-deployment.json",
        "web-frontend.json",
    ];
    for example in EXAMPLES.iter().filter(|example| files.contains(&example.file)) {
        folder.write(example.file, example.document());
    }
    let mut load = "time,rate\n".to_owned();
    for (minute, rate) in [20, 60, 180, 270, 120, 30, 20, 20, 90, 240, 60, 20].iter().enumerate() {
        load += &format!("{},{rate}\n", minute * 600);
    }
    folder.write("load.csv", load);
    folder.write("scenario.yaml", SCENARIO);
    let mut arguments = vec!["simulate", "--scenario", "scenario.yaml", "--json"];
    for file in files {
        arguments.extend(["--policy", file]);
    }
    let ran = folder.run(&arguments);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let comparison: Value = serde_json::from_str(&ran.out).expect("JSON");
    let runs = comparison["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), files.len());
    for run in runs {
        let counts: Vec<u64> =
            run["decisions"].as_array().expect("a list").iter().filter_map(|it| it["to"].as_u64()).collect();
        let (least, most) = (counts.iter().min(), counts.iter().max());
        assert!(most > least, "{}: {least:?} to {most:?}", run["policy"]);
        assert!(counts.windows(2).any(|pair| pair[1] < pair[0]), "{} scales down", run["policy"]);
    }
}

#[test]
fn a_lint_tells_what_is_lost_at_its_line() {
    let folder = Folder::new();
    folder.write("modifiers.yaml", EXAMPLES[13].document());
    let ran = folder.run(&["lint", "modifiers.yaml", "--json"]);
    let report: Value = serde_json::from_str(&ran.out).expect("JSON");
    let lost: Vec<&Value> =
        report["findings"].as_array().expect("a list").iter().filter(|it| it["rule"] == "not-carried-over").collect();
    assert_eq!(lost.len(), 10, "{report}");
    let kafka = lost.iter().find(|finding| finding["field"] == "spec.triggers[3]").expect("the trigger");
    assert_eq!((&kafka["line"], &kafka["level"]), (&json!(30), &json!("warning")));
}

#[test]
fn a_request_s_limit_is_of_one_look_and_no_mistake() {
    let folder = Folder::new();
    folder.write("request.json", EXAMPLES[7].document());
    let ran = folder.run(&["lint", "request.json"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "1 file: 0 errors, 0 warnings\n"), "{}", ran.err);
}

#[test]
fn several_documents_are_one_stream_in_a_file_or_from_standard_input() {
    let folder = Folder::new();
    for example in &EXAMPLES[..2] {
        folder.write(example.file, example.document());
    }
    let ran = folder.run(&["convert", "my-policy.yaml", "llm-inference-policy.yaml", "-o", "out/policies.yaml"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    let written = fs::read_to_string(folder.path().join("out/policies.yaml")).expect("a file");
    assert_eq!(written, format!("{}---\n{}", EXAMPLES[0].native(), EXAMPLES[1].native()));

    let piped = folder.run_with(&["convert", "-", "--from", "kubeai"], &EXAMPLES[0].document());
    assert_eq!((piped.code, piped.err.as_str()), (0, ""));
    assert_eq!(piped.out, EXAMPLES[0].native().replace("From my-policy.yaml", "From standard input"));

    // One that is no good leaves nothing of the others.
    let before = folder.files();
    folder.write("bad.yaml", EXAMPLES[0].document().replace("maxReplicas: 10", "maxReplicas: 0"));
    let ran = folder.run(&["convert", "my-policy.yaml", "bad.yaml", "-o", "all.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("bad.yaml:11:3: spec.maxReplicas: maxReplicas must be in 1 to"), "{}", ran.err);
    assert_eq!(folder.files().len(), before.len() + 1, "only the bad one is new");
}

#[test]
fn another_s_document_is_refused_as_that_and_nobody_s_with_the_known_kinds() {
    let folder = Folder::new();
    folder.write("my-policy.yaml", EXAMPLES[0].document());
    folder.write("deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec: {}\n");
    let cases = [
        (
            &["convert", "my-policy.yaml", "--from", "keda"][..],
            "my-policy.yaml:1:1: apiVersion: must be keda.sh/v1alpha1, got kubeai.io/v1alpha1",
        ),
        (
            &["convert", "my-policy.yaml", "--from", "storage"],
            "my-policy.yaml:1:1: apiVersion: unknown field `apiVersion`",
        ),
        (
            &["convert", "deployment.yaml"],
            "deployment.yaml:2:1: kind: unknown value `Deployment`; known: `ScalingPolicy`",
        ),
    ];
    for (arguments, want) in cases {
        let ran = folder.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.contains(want), "{arguments:?}: {}", ran.err);
    }
    let help = folder.run(&["convert", "--help"]).out;
    assert!(help.contains("Examples:") && help.contains("kubeai") && help.contains("--check"), "{help}");
    assert!(folder.run(&["completions", "bash"]).out.contains("elastic-scaler"));
}
