//! `setpoint conformance`: what the real HPA controller decided is what we decide.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::Folder;

const EDGES: &[u8] = include_bytes!("vectors/hpa/edges.jsonl.gz");
const FAMILIES: &[u8] = include_bytes!("vectors/hpa/families.jsonl.gz");

fn plain(compressed: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(compressed).read_to_string(&mut text).expect("text");
    text
}

#[test]
fn every_vector_passes_compressed_or_plain() {
    let folder = Folder::new();
    folder.write("edges.jsonl.gz", EDGES);
    folder.write("families.jsonl", plain(FAMILIES));
    let ran = folder.run(&["conformance", "hpa", "edges.jsonl.gz", "families.jsonl"]);
    assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (0, "", "149 passed, 0 failed\n"));
    let ran = folder.run(&["conformance", "hpa", "edges.jsonl.gz", "--json"]);
    let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
    assert_eq!(report, json!({ "passed": 105, "failed": 0, "failures": [] }));
}

/// A check that could not fail would be none: one change of each thing that is compared has to be noticed.
#[test]
fn each_thing_that_is_compared_is_compared() {
    let scenarios = plain(EDGES);
    let scenario = |id: &str| -> Value {
        let line = scenarios.lines().find(|line| line.contains(&format!("\"id\":\"edge/{id}\"")));
        serde_json::from_str(line.expect("the scenario is there")).expect("JSON")
    };
    let first = "utilization-just-over-tolerance";
    let changes: [(&str, &str, Value, &str); 13] = [
        ("/steps/0/expect/write", first, json!(5), "write"),
        ("/steps/0/expect/proposal", first, json!(5), "proposal"),
        ("/steps/0/expect/desired", first, json!(5), "desired"),
        ("/steps/0/expect/current", first, json!(5), "current"),
        ("/steps/0/expect/conds/0/1", first, json!("False"), "conditions"),
        ("/steps/0/expect/conds/0/2", first, json!("ReadyForNewScale"), "conditions"),
        ("/steps/0/expect/conds/0/3", first, json!(14_999), "conditions"),
        ("/steps/0/expect/currents/0/u", first, json!(57), "current metrics"),
        ("/steps/0/expect/lastScale", first, json!(0), "last scale"),
        ("/steps/0/expect/metric", first, json!("memory resource"), "metric"),
        ("/steps/0/expect/reason", first, json!("All metrics below target"), "reason"),
        ("/steps/0/expect/statusPut", first, json!(false), "status written"),
        ("/hpa/flat/metrics/0/value", first, json!(51), "manifest"),
    ];
    let folder = Folder::new();
    for (path, id, value, what) in changes {
        let mut scenario = scenario(id);
        *scenario.pointer_mut(path).unwrap_or_else(|| panic!("{path} is there")) = value;
        folder.write("changed.jsonl", scenario.to_string());
        let ran = folder.run(&["conformance", "hpa", "changed.jsonl", "--json"]);
        assert_eq!(ran.code, 1, "{path}: {}", ran.out);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        assert_eq!(report["failures"][0]["what"], what, "{path}");
    }
    let mut order = scenario(first);
    order["steps"][0]["expect"]["conds"].as_array_mut().expect("a list").swap(0, 1);
    folder.write("changed.jsonl", order.to_string());
    assert_eq!(folder.run(&["conformance", "hpa", "changed.jsonl"]).code, 1, "the order of conditions counts");
    let mut error = scenario(first);
    error["steps"][0]["expect"]["err"] = json!("it failed");
    folder.write("changed.jsonl", error.to_string());
    assert_eq!(folder.run(&["conformance", "hpa", "changed.jsonl"]).code, 1, "whether there was an error counts");
}

#[test]
fn a_difference_is_shown_as_a_person_can_read_it() {
    let folder = Folder::new();
    let scenarios = plain(EDGES);
    let line = scenarios.lines().find(|line| line.contains("utilization-just-over-tolerance")).expect("it is there");
    folder.write("changed.jsonl", line.replacen("\"write\":4", "\"write\":9", 1));
    let ran = folder.run(&["conformance", "hpa", "changed.jsonl"]);
    assert_eq!(
        (ran.code, ran.err.as_str(), ran.out.as_str()),
        (
            1,
            "",
            "\
edge/utilization-just-over-tolerance, step 0 (t = 15000 ms): write
    at        changed.jsonl:1
    about     1680/3000 = 56%: 1.12 is outside: scale up.
    expected  Some(9)
    got       Some(4)
    ours      hpa: 3 -> 4: cpu is 56 % against 50 %: 1.12 times 3 replicas

0 passed, 1 failed
"
        )
    );
}

#[test]
fn files_that_hold_no_scenarios_are_bad_input() {
    let folder = Folder::new();
    folder.write("empty.jsonl", "\n");
    folder.write("not.jsonl.gz", "plain text");
    let cases = [
        ("empty.jsonl", "empty.jsonl: holds no scenario"),
        ("not.jsonl.gz", "not.jsonl.gz: can't be read"),
        ("absent.jsonl", "absent.jsonl: can't be read"),
    ];
    for (file, want) in cases {
        let ran = folder.run(&["conformance", "hpa", file]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{file}: {}", ran.err);
        assert!(ran.err.contains(want), "{file}: {}", ran.err);
    }
}

/// What was replayed before and after it counts, and the last line is what it always is.
#[test]
fn a_line_that_holds_no_scenario_is_one_that_failed() {
    let scenarios = plain(EDGES);
    let good = scenarios.lines().next().expect("a scenario");
    let cases: [(&str, &[u8], &str); 4] = [
        ("cut off", &good.as_bytes()[..good.len() / 2], "EOF while parsing"),
        ("something else", b"{\"id\": 3}", "invalid type"),
        ("not JSON", b"passed", "expected value at column 1"),
        ("not text", b"{\"id\": \"\xff\"}", "not UTF-8 text"),
    ];
    let folder = Folder::new();
    folder.write("good.jsonl", good);
    for (name, line, want) in cases {
        folder.write("bad.jsonl", [good.as_bytes(), line, b"", good.as_bytes()].join(&b"\n"[..]));
        let ran = folder.run(&["conformance", "hpa", "good.jsonl", "bad.jsonl", "good.jsonl"]);
        assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{name}");
        assert_eq!(ran.out.lines().last(), Some("4 passed, 1 failed"), "{name}: {}", ran.out);
        assert!(ran.out.starts_with("not a scenario: ") && ran.out.contains(want), "{name}: {}", ran.out);
        assert!(ran.out.contains("    at        bad.jsonl:2\n"), "{name}: {}", ran.out);
        let ran = folder.run(&["conformance", "hpa", "bad.jsonl", "--json"]);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        assert_eq!(
            (&report["passed"], &report["failed"], &report["failures"][0]["line"]),
            (&json!(2), &json!(1), &json!(2))
        );
        assert!(report["failures"][0]["error"].as_str().is_some_and(|error| error.contains(want)), "{name}: {report}");
    }
    // A damaged archive ends where it is damaged.
    let half = &EDGES[..EDGES.len() / 2];
    folder.write("half.jsonl.gz", half);
    let ran = folder.run(&["conformance", "hpa", "half.jsonl.gz"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert!(ran.out.contains("the rest can't be read") && ran.out.ends_with(" passed, 1 failed\n"), "{}", ran.out);
}

const AIBRIX_EDGES: &[u8] = include_bytes!("vectors/aibrix/edges.jsonl.gz");
const AIBRIX_FAMILIES: &[u8] = include_bytes!("vectors/aibrix/families.jsonl.gz");

#[test]
fn every_vector_of_aibrix_passes() {
    let folder = Folder::new();
    folder.write("edges.jsonl.gz", AIBRIX_EDGES);
    folder.write("families.jsonl", plain(AIBRIX_FAMILIES));
    let ran = folder.run(&["conformance", "aibrix", "edges.jsonl.gz", "families.jsonl"]);
    assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (0, "", "62 passed, 0 failed\n"));
}

#[test]
fn each_thing_that_is_compared_of_aibrix_is_compared() {
    let edges = plain(AIBRIX_EDGES);
    let families = plain(AIBRIX_FAMILIES);
    let scenario = |id: &str| -> Value {
        let line = edges.lines().find(|line| line.contains(&format!("\"id\":\"edge-{id}\"")));
        serde_json::from_str(line.expect("the scenario is there")).expect("JSON")
    };
    let changes: [(&str, &str, Value, &str); 8] = [
        ("/steps/0/expect/desired", "apa-rates", json!(7), "desired"),
        ("/steps/0/expect/scale", "apa-rates", json!(false), "scale"),
        ("/steps/0/expect/reason", "apa-rates", json!("kpa above target"), "reason"),
        ("/steps/1/expect/reason", "apa-rates", json!("stable"), "reason"),
        ("/steps/0/expect/reason", "bounds", json!("current replicas below minimum"), "reason"),
        ("/steps/0/expect/reason", "scale-from-zero", json!("stable"), "reason"),
        ("/spec/annotations/max-scale-up-rate", "apa-rates", json!("3"), "desired"),
        ("/steps/3/values/0/0", "kpa-panic", json!("0x4024000000000000"), "desired"),
    ];
    let folder = Folder::new();
    let differs = |scenario: &Value, what: &str, about: &str| {
        folder.write("changed.jsonl", scenario.to_string());
        let ran = folder.run(&["conformance", "aibrix", "changed.jsonl", "--json"]);
        assert_eq!(ran.code, 1, "{about}: {}{}", ran.out, ran.err);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        assert_eq!(report["failures"][0]["what"], what, "{about}");
    };
    for (path, id, value, what) in changes {
        let mut scenario = scenario(id);
        *scenario.pointer_mut(path).unwrap_or_else(|| panic!("{path} is there")) = value;
        differs(&scenario, what, path);
    }
    // An error that is none, and none that is one.
    let mut error = scenario("apa-rates");
    error["steps"][0]["expect"]["err"] = json!(true);
    differs(&error, "err", "an error");
    let failed = families.lines().find(|line| line.contains("\"err\":true")).expect("one that fails");
    let failed: Value = serde_json::from_str(&failed.replacen("\"err\":true,", "", 1)).expect("JSON");
    differs(&failed, "err", "no error");
    // What nobody knows is no vector.
    let mut unknown = scenario("apa-rates");
    unknown["steps"][0]["expect"]["confidence"] = json!(1);
    folder.write("changed.jsonl", unknown.to_string());
    let ran = folder.run(&["conformance", "aibrix", "changed.jsonl"]);
    assert_eq!((ran.code, ran.out.contains("unknown field `confidence`")), (1, true), "{}", ran.out);
}

const NOMAD_EDGES: &[u8] = include_bytes!("vectors/nomad/edges.jsonl.gz");
const NOMAD_FAMILIES: &[u8] = include_bytes!("vectors/nomad/families.jsonl.gz");

#[test]
fn every_nomad_vector_passes() {
    let folder = Folder::new();
    folder.write("edges.jsonl.gz", NOMAD_EDGES);
    folder.write("families.jsonl", plain(NOMAD_FAMILIES));
    let ran = folder.run(&["conformance", "nomad", "edges.jsonl.gz", "families.jsonl"]);
    assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (0, "", "100 passed, 0 failed\n"));
}

#[test]
fn each_thing_that_is_compared_of_nomad_is_compared() {
    let scenarios = plain(NOMAD_EDGES) + &plain(NOMAD_FAMILIES);
    let scenario = |id: &str| -> Value {
        let line = scenarios.lines().find(|line| line.contains(&format!("\"id\":\"{id}\"")));
        serde_json::from_str(line.expect("the scenario is there")).expect("JSON")
    };
    let (first, held, slow, strategy) =
        ("edge-up-beats-down", "edge-cooldown", "edge-slow-scaling", "s1-target-value-0001");
    let changes: [(&str, &str, Value, &str); 15] = [
        ("/steps/0/expect/outcome", first, json!("cooldown"), "outcome"),
        ("/steps/0/expect/dir", first, json!("none"), "direction"),
        ("/steps/0/expect/count", first, json!(8), "count"),
        ("/steps/0/expect/reason", first, json!("scaling up because metric is 8"), "reason"),
        ("/steps/0/metrics/q0/0/v", first, json!("0x4022000000000000"), "count"),
        ("/policy/checks/0/strategy", first, json!("fixed-value"), "outcome"),
        ("/policy/max", first, json!(6), "count"),
        ("/steps/1/expect/count", held, json!(99), "count"),
        ("/policy/cooldownMs", held, json!(0), "outcome"),
        ("/steps/1/expect/outcome", slow, json!("scale"), "outcome"),
        ("/steps/0/expect/count", strategy, json!(99), "vote"),
        ("/steps/0/expect/dir", strategy, json!("none"), "vote"),
        ("/steps/0/expect/reason", strategy, json!("because"), "vote"),
        ("/steps/0/expect/err", "s1-target-value-0062", json!("it failed"), "vote"),
        ("/config/target", strategy, json!("11"), "vote"),
    ];
    let folder = Folder::new();
    for (path, id, value, what) in changes {
        let mut scenario = scenario(id);
        *scenario.pointer_mut(path).unwrap_or_else(|| panic!("{path} is there")) = value;
        folder.write("changed.jsonl", scenario.to_string());
        let ran = folder.run(&["conformance", "nomad", "changed.jsonl", "--json"]);
        assert_eq!(ran.code, 1, "{path}: {}{}", ran.out, ran.err);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        assert_eq!(report["failures"][0]["what"], what, "{path}");
    }
    for path in ["", "/policy", "/policy/checks/0", "/steps/0", "/steps/0/expect", "/steps/0/metrics/q0/0"] {
        let mut scenario = scenario(first);
        scenario.pointer_mut(path).unwrap_or_else(|| panic!("{path} is there"))["unheardOf"] = json!(1);
        folder.write("changed.jsonl", scenario.to_string());
        let ran = folder.run(&["conformance", "nomad", "changed.jsonl"]);
        assert_ne!(ran.code, 0, "an unknown field of {path:?} is passed over: {}", ran.out);
    }
}

const KNATIVE_EDGES: &[u8] = include_bytes!("vectors/knative-kpa/edges.jsonl.gz");
const KNATIVE_FAMILIES: &[u8] = include_bytes!("vectors/knative-kpa/families.jsonl.gz");

#[test]
fn every_knative_vector_passes() {
    let folder = Folder::new();
    folder.write("edges.jsonl.gz", KNATIVE_EDGES);
    folder.write("families.jsonl", plain(KNATIVE_FAMILIES));
    let ran = folder.run(&["conformance", "knative-kpa", "edges.jsonl.gz", "families.jsonl"]);
    assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (0, "", "82 passed, 0 failed\n"));
}

#[test]
fn each_thing_that_is_compared_of_knative_is_compared() {
    let scenarios = plain(KNATIVE_EDGES) + &plain(KNATIVE_FAMILIES);
    let scenario = |id: &str| -> Value {
        let mut scenarios = scenarios.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        scenarios.find(|scenario| scenario["id"] == id).expect("the scenario is there")
    };
    let (first, windows, whole) = ("edge-panic-at-threshold", "f7-windows-0109", "f8-full-0208");
    let bits = json!("0x4034000000000001");
    let changes: [(&str, &str, Value, &str); 18] = [
        ("/steps/0/expect/valid", first, json!(false), "valid"),
        ("/steps/0/expect/desired", first, json!(5), "desired"),
        ("/steps/0/expect/ebc", first, json!(1), "excess burst capacity"),
        ("/steps/1/expect/panic", first, json!(false), "panic"),
        ("/steps/0/panic", first, json!("0x4049000000000000"), "desired"),
        ("/spec/target", first, json!("0x4034000000000000"), "desired"),
        ("/ready0", first, json!(9), "desired"),
        ("/steps/0/expect/err", "f7-windows-0136", Value::Null, "error"),
        ("/steps/0/expect/conc/0", windows, bits.clone(), "concurrency"),
        ("/steps/0/expect/rps/1", windows, bits.clone(), "requests a second"),
        ("/steps/0/recs/0/stat/0", windows, bits.clone(), "concurrency"),
        ("/windows/stableMs", windows, json!(8000), "concurrency"),
        ("/spec/metric", whole, json!("concurrency"), "metric"),
        ("/spec/panicThreshold", whole, json!("0x4008000000000000"), "spec"),
        ("/spec/initialScale", whole, json!(2), "initial scale"),
        ("/windows/panicMs", whole, json!(12_000), "windows"),
        ("/user/max", whole, json!(4), "bounds"),
        ("/user/annotations/target-utilization-percentage", whole, json!("56"), "spec"),
    ];
    let folder = Folder::new();
    for (path, id, value, what) in changes {
        let mut scenario = scenario(id);
        let place = scenario.pointer_mut(path).unwrap_or_else(|| panic!("{id} has {path}"));
        let before = std::mem::replace(place, value);
        assert_ne!(before, *place, "{path}");
        folder.write("changed.jsonl", scenario.to_string());
        let ran = folder.run(&["conformance", "knative-kpa", "changed.jsonl", "--json"]);
        assert_eq!(ran.code, 1, "{path}: {}{}", ran.out, ran.err);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        assert_eq!(report["failures"][0]["what"], what, "{path}");
    }
    for path in ["", "/spec", "/windows", "/user", "/steps/0", "/steps/0/recs/0", "/steps/0/expect"] {
        let mut scenario = scenario(whole);
        scenario.pointer_mut(path).unwrap_or_else(|| panic!("{path} is there"))["unheardOf"] = json!(1);
        folder.write("changed.jsonl", scenario.to_string());
        let ran = folder.run(&["conformance", "knative-kpa", "changed.jsonl"]);
        assert_ne!(ran.code, 0, "an unknown field of {path:?} is passed over: {}", ran.out);
    }
}
