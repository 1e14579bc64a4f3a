//! `setpoint conformance watermark`: what DataDog's controller decided is what we decide.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::Folder;

const EDGES: &[u8] = include_bytes!("vectors/watermark/edges.jsonl.gz");
const FAMILIES: &[u8] = include_bytes!("vectors/watermark/families.jsonl.gz");

fn plain(compressed: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(compressed).read_to_string(&mut text).expect("text");
    text
}

#[test]
fn every_vector_passes() {
    let folder = Folder::new();
    folder.write("edges.jsonl.gz", EDGES);
    folder.write("families.jsonl.gz", FAMILIES);
    let ran = folder.run(&["conformance", "watermark", "edges.jsonl.gz", "families.jsonl.gz"]);
    assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (0, "", "94 passed, 0 failed\n"));
}

/// A check that could not fail would be none: one change of each thing that is compared has to be noticed.
#[test]
fn each_thing_that_is_compared_is_compared() {
    let scenarios = plain(EDGES);
    let scenario = |id: &str| -> Value {
        let line = scenarios.lines().find(|line| line.contains(&format!("\"id\":\"{id}\"")));
        serde_json::from_str(line.expect("the scenario is there")).expect("JSON")
    };
    let changes: [(&str, &str, Value, &str); 11] = [
        ("/steps/0/expect/write", "edge-up-cap", json!(14), "write"),
        ("/steps/1/expect/write", "edge-first-sync-scales", json!(5), "write"),
        ("/steps/0/expect/desired", "edge-up-cap", json!(14), "desired"),
        ("/steps/0/expect/current", "edge-up-cap", json!(9), "current"),
        ("/steps/0/expect/lastScale", "edge-up-cap", json!(399_000), "last scale"),
        ("/steps/0/expect/scalings", "edge-up-cap", json!(2), "scalings"),
        ("/steps/0/expect/currents/0", "edge-up-cap", json!(800_001), "current metrics"),
        ("/steps/0/expect/conds/0/0", "edge-up-cap", json!("DryRun"), "conditions"),
        ("/steps/0/expect/conds/0/1", "edge-up-cap", json!("False"), "conditions"),
        ("/steps/0/expect/conds/0/2", "edge-up-cap", json!("ReadyForScale"), "conditions"),
        ("/steps/0/expect/conds/0/3", "edge-up-cap", json!(399_000), "conditions"),
    ];
    let folder = Folder::new();
    let failed = |scenario: &Value, about: &str| {
        folder.write("changed.jsonl", scenario.to_string());
        let ran = folder.run(&["conformance", "watermark", "changed.jsonl", "--json"]);
        assert_eq!(ran.code, 1, "{about}: {}", ran.out);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        report["failures"][0]["what"].clone()
    };
    for (path, id, value, what) in changes {
        let mut scenario = scenario(id);
        *scenario.pointer_mut(path).unwrap_or_else(|| panic!("{path} is there")) = value;
        assert_eq!(failed(&scenario, path), what, "{path}");
    }
    // A condition too few, and a default that isn't one.
    let mut fewer = scenario("edge-up-cap");
    fewer["steps"][0]["expect"]["conds"].as_array_mut().expect("a list").pop();
    assert_eq!(failed(&fewer, "conds"), "conditions");
    let mut unset = scenario("edge-no-up");
    unset["unset"] = json!(["upLimit"]);
    assert_eq!(failed(&unset, "unset"), "config");
}

#[test]
fn what_is_no_such_scenario_has_failed() {
    let scenarios = plain(EDGES);
    let folder = Folder::new();
    let first: Value = serde_json::from_str(scenarios.lines().next().expect("a line")).expect("JSON");
    let cases = [
        ("/steps/0/expect/extra", json!(1), "unknown field `extra`"),
        ("/steps/0/metrics/0/more", json!(1), "unknown field `more`"),
        ("/spec/dryRun", json!("no"), "invalid type"),
        ("/spec/min", json!(60), "minReplicas 60 is above maxReplicas 50"),
        ("/steps/0/metrics", json!([]), "0 answers for 1 metrics"),
        ("/steps/0/metrics/0/err", json!(true), "none, or more than one"),
    ];
    for (path, value, want) in cases {
        let mut scenario = first.clone();
        let (parent, name) = path.rsplit_once('/').expect("a path");
        scenario.pointer_mut(parent).expect("it is there")[name] = value;
        folder.write("bad.jsonl", scenario.to_string());
        let ran = folder.run(&["conformance", "watermark", "bad.jsonl"]);
        assert_eq!(ran.code, 1, "{path}: {}", ran.err);
        assert!(ran.out.contains(want), "{path}: {}", ran.out);
    }
}
