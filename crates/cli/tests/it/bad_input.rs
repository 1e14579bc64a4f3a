//! Bad input: exit code 2, one message that names file, line or field and the way out, nothing half done.

use setpoint_testkit::guests;

use crate::{CHAT, Folder};

const LOOK: &str = "{\"now_ms\": 0, \"current\": 4, \"readings\": {\"p99\": 620, \"queue\": 0}}\n";

#[track_caller]
fn refused(folder: &Folder, arguments: &[&str], input: &str, want: &str) {
    let before = folder.files();
    let ran = folder.run_with(arguments, input);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
    assert!(ran.err.starts_with("error: ") && ran.err.trim_end().lines().count() == 1, "one message: {}", ran.err);
    assert!(ran.err.contains(want), "{arguments:?}: {} should contain {want}", ran.err);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    assert_eq!(folder.files(), before, "something was left behind");
}

#[test]
fn a_bad_policy_is_refused_at_its_line() {
    let cases = [
        (
            "unknown algorithm",
            "capped-smooth-ratio",
            "CappedSmooth",
            "chat.yaml:11:16: spec.algorithm.name: no algorithm is called `CappedSmooth`; did you mean `capped-smooth-ratio`? known: `aibrix-apa`",
        ),
        (
            "misspelt config field",
            "tolerance: 0.1",
            "tolerence: 0.1",
            "chat.yaml:11:111: spec.algorithm.config.tolerence: unknown field `tolerence`; did you mean `tolerance`?",
        ),
        (
            "out of range",
            "tolerance: 0.1",
            "tolerance: 7",
            "spec.algorithm.config.tolerance: tolerance must be a fraction in [0, 1], got 7",
        ),
        (
            "min above max",
            "minReplicas: 2",
            "minReplicas: 50",
            "chat.yaml:5:3: spec.minReplicas: minReplicas 50 is above maxReplicas 40",
        ),
        ("a NaN", "value: 500", "value: .nan", "chat.yaml:9:37: .nan is not a number"),
        (
            "a zero target",
            "value: 500",
            "value: 0",
            "spec.metrics[0].target.value: target must be a number greater than 0, got 0",
        ),
        (
            "unknown field",
            "interval: 15s",
            "intervall: 15s",
            "chat.yaml:7:3: spec.intervall: unknown field `intervall`; did you mean `interval`?",
        ),
        (
            "too short an interval",
            "interval: 15s",
            "interval: 100ms",
            "chat.yaml:7:3: spec.interval: must be at least 1s",
        ),
        ("a missing field", "  maxReplicas: 40\n", "", "spec: missing field `maxReplicas`"),
        (
            "two metrics of one name",
            "name: queue",
            "name: p99",
            "chat.yaml:10:9: spec.metrics[1].name: there is another metric called \"p99\"",
        ),
        (
            "name and plugin",
            "{ name: capped-smooth-ratio,",
            "{ name: x, plugin: y,",
            "spec.algorithm.plugin: give either `name` or `plugin`, not both",
        ),
        (
            "no such plugin",
            "{ name: capped-smooth-ratio,",
            "{ plugin: nope.wasm,",
            "spec.algorithm.plugin: nope.wasm: No such file",
        ),
        (
            "unknown stage",
            "onFailure: hold",
            "stages: [ smothed: {} ]",
            "spec.stages[0].smothed: no stage is called `smothed`; did you mean `smoothed`?",
        ),
        (
            "two names in a stage",
            "onFailure: hold",
            "stages: [ { smoothed: {}, capped: {} } ]",
            "spec.stages[0]: a stage has one name",
        ),
        (
            "a bad fallback",
            "onFailure: hold",
            "onFailure: { replica: 6 }",
            "spec.onFailure: unknown value `replica`; did you mean `replicas`?",
        ),
        (
            "a last good answer that is always too old",
            "onFailure: hold",
            "onFailure: { lastGood: { for: 15s } }",
            "spec.onFailure.lastGood.for: must be longer than the interval of 15s",
        ),
        (
            "no such plugin after the last good answer",
            "onFailure: hold",
            "onFailure: { lastGood: { for: 5m, then: { algorithm: { plugin: nope.wasm } } } }",
            "spec.onFailure.lastGood.then.algorithm.plugin: nope.wasm: No such file",
        ),
        (
            "a quarantine that ends before it begins",
            "onFailure: hold",
            "quarantine: { initialBackoff: 20m }",
            "spec.quarantine.maxBackoff: must be at least the initialBackoff of 20m, got 10m",
        ),
        (
            "another kind",
            "kind: ScalingPolicy",
            "kind: Deployment",
            "kind: unknown value `Deployment`; known: `ScalingPolicy`",
        ),
        ("not YAML", "spec:\n", "spec: [\n", "chat.yaml:"),
    ];
    for (name, from, to, want) in cases {
        let folder = Folder::new();
        assert!(CHAT.contains(from), "{name}");
        folder.write("chat.yaml", CHAT.replacen(from, to, 1));
        for command in
            [&["decide", "--policy", "chat.yaml"][..], &["simulate", "--report", "out.html", "--policy", "chat.yaml"]]
        {
            refused(&folder, command, LOOK, want);
        }
    }
}

#[test]
fn a_bad_component_is_refused_where_it_is_named() {
    let good = guests::component("capped-smooth-ratio");
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT.replace("{ name: capped-smooth-ratio,", "{ plugin: plugins/bad.wasm,"));
    let cases = [
        ("truncated", &good[..good.len() / 2], "not valid (truncated or damaged?)"),
        ("empty", &[][..], "the file is empty, not a WebAssembly component"),
        ("text", &b"hello"[..], "the file is something else, not a WebAssembly component"),
    ];
    for (_, bytes, want) in cases {
        folder.write("plugins/bad.wasm", bytes);
        refused(&folder, &["decide", "--policy", "chat.yaml"], LOOK, want);
        refused(
            &folder,
            &["decide", "--policy", "chat.yaml"],
            LOOK,
            "chat.yaml:11:16: spec.algorithm.plugin: plugins/bad.wasm:",
        );
        refused(&folder, &["algorithms", "--json", "--plugins", "plugins"], "", "plugins/bad.wasm: the ");
    }
}

#[test]
fn a_bad_trace_is_refused_at_its_line() {
    let folder = Folder::new();
    let row = |line: usize| if line == 4711 { "4711,abc\n".to_owned() } else { format!("{line},5\n") };
    let trace: String = (2..6000).map(row).collect();
    folder.write("bad.csv", format!("time,rate\n{trace}"));
    refused(&folder, &["simulate", "--trace", "bad.csv", "--report", "out.html"], "", "bad.csv:4711: column \"rate\"");
    let cases = [
        ("NaN", "time,rate\n0,1\n1,NaN\n", "bad.csv:3: column \"rate\""),
        ("negative", "time,rate\n0,-1\n", "bad.csv:2: column \"rate\""),
        ("backwards", "time,rate\n5,1\n4,1\n", "bad.csv:3: column \"time\""),
        ("no header", "0,1\n1,1\n", "bad.csv:1: expected the header"),
        ("no rows", "time,rate\n", "bad.csv:1: expected a row"),
        ("empty", "", "bad.csv:1: expected the header"),
        (
            "tokens",
            "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,48x,10",
            "bad.csv:2: column \"ContextTokens\"",
        ),
    ];
    for (name, text, want) in cases {
        folder.write("bad.csv", text);
        refused(&folder, &["simulate", "--json", "--trace", "bad.csv"], "", want);
        assert!(!name.is_empty());
    }
    refused(&folder, &["simulate", "--trace", "nope.csv"], "", "nope.csv: No such file");
}

#[test]
fn a_bad_scenario_is_refused_at_its_line() {
    let folder = Folder::new();
    let scenario = "\
apiVersion: setpoint.dev/v1alpha1
kind: Scenario
metadata: { name: flat }
spec:
  duration: 10m
  load: { constant: { rate: 5 } }
";
    let cases = [
        ("rate: 5", "rate: -5", "flat.yaml:6:23: spec.load.constant.rate: expected a number"),
        (
            "duration: 10m",
            "duratoin: 10m",
            "flat.yaml:5:3: spec.duratoin: unknown field `duratoin`; did you mean `duration`?",
        ),
        ("  duration: 10m\n", "", "spec.duration"),
        ("constant", "constnat", "did you mean `constant`?"),
    ];
    for (from, to, want) in cases {
        folder.write("flat.yaml", scenario.replace(from, to));
        refused(&folder, &["simulate", "--scenario", "flat.yaml"], "", want);
    }
}

#[test]
fn a_metric_the_scenario_has_not_is_refused_with_those_it_has() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT.replace("name: p99", "name: p999"));
    let want = "chat.yaml:9:9: spec.metrics[0].name: the scenario \"day-of-chat\" gives no reading called `p999`; did you mean `p99`? known: `utilization`";
    refused(&folder, &["simulate", "--policy", "chat.yaml"], "", want);
}

#[test]
fn bad_observations_are_refused_at_their_line() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT);
    let cases = [
        (
            "{\"now_ms\": 0, \"current\": 4, \"readings\": {\"p99\": NaN}}",
            "standard input:2: readings.p99: expected value at column",
        ),
        (
            "{\"now_ms\": 0, \"current\": 4, \"readings\": {\"p99\": \"high\"}}",
            "standard input:2: readings.p99: invalid type: string \"high\", expected a number",
        ),
        (
            "{\"now_ms\": 0, \"current\": 4.5, \"readings\": {}}",
            "standard input:2: current: invalid type: floating point `4.5`",
        ),
        ("[]", "standard input:2: "),
    ];
    for (line, want) in cases {
        refused(&folder, &["decide", "--policy", "chat.yaml", "--state", "s"], &format!("{LOOK}{line}\n{LOOK}"), want);
    }
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let folder = Folder::new();
    for arguments in [
        &["simulate", "--trace", "a", "--scenario", "b"][..],
        &["simulate", "--json", "--quiet"],
        &["simulate", "--seed", "-1"],
        &["decide"],
        &["frobnicate"],
    ] {
        let ran = folder.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.contains("--help"), "{}", ran.err);
    }
}
