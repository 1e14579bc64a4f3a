//! `setpoint lint`: what a policy says and can't do.

use serde_json::Value;
use setpoint_testkit::guests;

use crate::Folder;

/// A policy between `bounds`, with `rest` as its spec's other fields.
fn policy(bounds: (u32, u32), rest: &str) -> String {
    let (min, max) = bounds;
    format!(
        "apiVersion: setpoint.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {{ name: p }}\nspec:\n  minReplicas: {min}\n  maxReplicas: {max}\n{rest}"
    )
}

const UTILIZATION: &str = "  metrics: [ { name: utilization, target: { utilization: 65 } } ]\n";
const MAX_RATIO: &str = "  algorithm: { name: max-ratio }\n";

/// What an API server writes into each manifest that it hands out.
const DEFAULT_UP: &str =
    "[ { type: Pods, value: 4, periodSeconds: 15 }, { type: Percent, value: 100, periodSeconds: 15 } ]";
const DEFAULT_DOWN: &str = "[ { type: Percent, value: 100, periodSeconds: 15 } ]";

/// Level, rule and field of each finding.
fn findings(folder: &Folder, text: &str, more: &[&str]) -> (i32, Vec<(String, String, String)>) {
    folder.write("policy.yaml", text);
    let ran = folder.run(&[&["lint", "policy.yaml", "--json"], more].concat());
    assert_eq!(ran.err, "");
    let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
    let found = report["findings"].as_array().expect("a list").iter().map(|finding| {
        let text = |field: &str| finding[field].as_str().unwrap_or_default().to_owned();
        assert!(!text("why").is_empty(), "{finding}");
        assert!(text("rule") == "invalid" || !text("instead").is_empty(), "{finding}");
        (text("level"), text("rule"), text("field"))
    });
    (ran.code, found.collect())
}

#[test]
fn each_rule_finds_what_it_is_for_and_nothing_in_what_is_sound() {
    let with = |rest: &str| format!("{UTILIZATION}{MAX_RATIO}{rest}");
    let behavior = |rest: &str| with(&format!("  behavior:\n    {rest}\n"));
    // Name, policy, and level, rule and field of each finding.
    type Case<'a> = (&'a str, String, &'a [(&'a str, &'a str, &'a str)]);
    let cases: Vec<Case<'_>> = vec![
        ("sound", policy((2, 20), &with("")), &[]),
        (
            "sound behavior",
            policy(
                (2, 20),
                &behavior(
                    "scaleDown: { stabilizationWindowSeconds: 300, policies: [ { type: Percent, value: 100, periodSeconds: 15 } ] }",
                ),
            ),
            &[],
        ),
        (
            "a window that is over before the next look",
            policy((2, 20), &behavior("scaleDown: { stabilizationWindowSeconds: 15 }")),
            &[("warning", "window-within-interval", "spec.behavior.scaleDown.stabilizationWindowSeconds")],
        ),
        (
            "the same of a stage",
            policy((2, 20), &with("  interval: 60s\n  stages: [ stabilized: { scaleDownWindow: 30s } ]\n")),
            &[("warning", "window-within-interval", "spec.stages[0].stabilized.scaleDownWindow")],
        ),
        (
            "a legacy window that is over before the next look",
            policy((2, 20), &with("  interval: 60s\n  stages: [ legacy-behavior: { downscaleStabilization: 59s } ]\n")),
            &[("warning", "window-within-interval", "spec.stages[0].legacy-behavior.downscaleStabilization")],
        ),
        (
            "one that still counts then",
            policy((2, 20), &with("  interval: 60s\n  stages: [ legacy-behavior: { downscaleStabilization: 60s } ]\n")),
            &[],
        ),
        (
            "the loosest decides, and one is never that",
            policy(
                (2, 20),
                &behavior(
                    "scaleUp: { policies: [ { type: Pods, value: 1, periodSeconds: 60 }, { type: Percent, value: 50, periodSeconds: 60 } ] }",
                ),
            ),
            &[("warning", "rate-policy-outdone", "spec.behavior.scaleUp.policies[0]")],
        ),
        (
            "the strictest decides, and one is never that",
            policy(
                (2, 20),
                &behavior(
                    "scaleUp: { selectPolicy: Min, policies: [ { type: Pods, value: 1, periodSeconds: 60 }, { type: Percent, value: 50, periodSeconds: 60 } ] }",
                ),
            ),
            &[("warning", "rate-policy-outdone", "spec.behavior.scaleUp.policies[1]")],
        ),
        (
            "each decides at some count",
            policy(
                (2, 20),
                &behavior(
                    "scaleUp: { policies: [ { type: Pods, value: 3, periodSeconds: 60 }, { type: Percent, value: 50, periodSeconds: 60 } ] }",
                ),
            ),
            &[],
        ),
        (
            "after the right changes the one with the longer period is the looser one",
            policy(
                (2, 20),
                &behavior(
                    "scaleUp: { policies: [ { type: Pods, value: 4, periodSeconds: 15 }, { type: Pods, value: 4, periodSeconds: 60 } ] }",
                ),
            ),
            &[],
        ),
        (
            "from zero a percentage goes nowhere",
            policy(
                (0, 20),
                "  metrics: [ { name: queue, target: { averageValue: 4 } } ]\n  algorithm: { name: hpa }\n  behavior: { scaleUp: { policies: [ { type: Pods, value: 1, periodSeconds: 60 }, { type: Percent, value: 100, periodSeconds: 60 } ] } }\n",
            ),
            &[],
        ),
        (
            "what an API server writes where nothing is written",
            policy(
                (4, 7),
                &with(&format!(
                    "  interval: 60s\n  behavior: {{ scaleUp: {{ stabilizationWindowSeconds: 0, selectPolicy: Max, policies: {DEFAULT_UP} }}, scaleDown: {{ selectPolicy: Max, policies: {DEFAULT_DOWN} }} }}\n"
                )),
            ),
            &[],
        ),
        (
            "the same in a direction that is switched off",
            policy(
                (4, 7),
                &behavior(&format!(
                    "scaleUp: {{ stabilizationWindowSeconds: 0, selectPolicy: Disabled, policies: {DEFAULT_UP} }}"
                )),
            ),
            &[],
        ),
        (
            "the same policies, of which the strictest is to decide",
            policy((4, 20), &behavior(&format!("scaleUp: {{ selectPolicy: Min, policies: {DEFAULT_UP} }}"))),
            &[("warning", "rate-policy-outdone", "spec.behavior.scaleUp.policies[1]")],
        ),
        (
            "a rate as wide as the bounds",
            policy((2, 20), &behavior("scaleUp: { policies: [ { type: Pods, value: 18, periodSeconds: 60 } ] }")),
            &[("warning", "rate-policy-too-wide", "spec.behavior.scaleUp.policies[0]")],
        ),
        (
            "a period shorter than the interval",
            policy(
                (2, 20),
                &with(
                    "  interval: 60s\n  behavior: { scaleUp: { policies: [ { type: Pods, value: 2, periodSeconds: 30 } ] } }\n",
                ),
            ),
            &[("warning", "period-within-interval", "spec.behavior.scaleUp.policies[0].periodSeconds")],
        ),
        (
            "a direction that is switched off, and how it would go",
            policy((2, 20), &behavior("scaleDown: { selectPolicy: Disabled, stabilizationWindowSeconds: 60 }")),
            &[("warning", "dead-field", "spec.behavior.scaleDown.stabilizationWindowSeconds")],
        ),
        (
            "a window of such a direction, that is over before the next look",
            policy((2, 20), &behavior("scaleDown: { selectPolicy: Disabled, stabilizationWindowSeconds: 10 }")),
            &[("warning", "dead-field", "spec.behavior.scaleDown.stabilizationWindowSeconds")],
        ),
        (
            "both directions switched off",
            policy(
                (2, 20),
                &behavior("scaleUp: { selectPolicy: Disabled }\n    scaleDown: { selectPolicy: Disabled }"),
            ),
            &[("warning", "never-scales", "spec.behavior")],
        ),
        (
            "steps of one replica within the tolerance",
            policy((10, 20), &with("")),
            &[("warning", "tolerance-swallows-a-replica", "spec.algorithm")],
        ),
        (
            "steps of one replica just outside it",
            policy((9, 20), &with("")).replace("minReplicas: 9", "minReplicas: 8"),
            &[],
        ),
        (
            "steps of one replica down, by its own tolerance",
            policy((7, 20), &behavior("scaleDown: { tolerance: 0.25 }")),
            &[("warning", "tolerance-swallows-a-replica", "spec.behavior.scaleDown.tolerance")],
        ),
        // From 7 replicas, loads for 5.25 to 5 want 6 and are no longer within a quarter.
        ("of which some act", policy((6, 20), &behavior("scaleDown: { tolerance: 0.25 }")), &[]),
        (
            "steps of one replica up and down, by one tolerance",
            policy((19, 40), &with("")),
            &[("warning", "tolerance-swallows-a-replica", "spec.algorithm")],
        ),
        (
            "a tolerance of a direction that is switched off",
            policy((19, 40), &behavior("scaleUp: { tolerance: 0 }\n    scaleDown: { selectPolicy: Disabled }")),
            &[],
        ),
        (
            "a percentage ends at 100",
            policy((2, 20), &with("").replace("utilization: 65", "utilization: 92")),
            &[("error", "target-out-of-reach", "spec.metrics[0].target.utilization")],
        ),
        (
            "that of a request doesn't",
            policy(
                (2, 20),
                "  metrics: [ { name: cpu, type: Resource, target: { utilization: 150 } } ]\n  algorithm: { name: hpa }\n",
            ),
            &[],
        ),
        (
            "a cap that keeps the last replicas",
            policy((1, 20), &with("  stages: [ capped: { maxScaleDown: 25% } ]\n")),
            &[("error", "min-unreachable", "spec.minReplicas")],
        ),
        (
            "a cap that lets them go",
            policy((1, 20), &with("  stages: [ capped: { maxScaleDown: 25%, minStep: 1 } ]\n")),
            &[],
        ),
        (
            "a cap that never grows",
            policy((2, 20), &with("  stages: [ capped: { maxScaleUp: 0 } ]\n")),
            &[("error", "max-unreachable", "spec.maxReplicas")],
        ),
        (
            "a floor that never shrinks, as asked for",
            policy((2, 20), &format!("{UTILIZATION}  algorithm: {{ name: max-ratio, config: {{ ratioFloor: 1 }} }}\n")),
            &[("warning", "min-unreachable", "spec.minReplicas")],
        ),
        (
            "a ratio that multiplies nothing",
            policy((0, 20), &with("")),
            &[("error", "asleep-at-zero", "spec.minReplicas")],
        ),
        (
            "HPA wakes up by an external metric",
            policy(
                (0, 20),
                "  metrics: [ { name: queue, target: { averageValue: 4 } } ]\n  algorithm: { name: hpa }\n",
            ),
            &[],
        ),
        (
            "weights that name no metric",
            policy(
                (2, 20),
                &format!(
                    "{UTILIZATION}  algorithm: {{ name: weighted-ratio, config: {{ weights: {{ utilisation: 2 }} }} }}\n"
                ),
            ),
            &[("error", "invalid", "spec.algorithm.config.weights.utilisation")],
        ),
        (
            "weights of nothing",
            policy(
                (2, 20),
                &format!(
                    "{UTILIZATION}  algorithm: {{ name: weighted-ratio, config: {{ weights: {{ utilization: 0 }} }} }}\n"
                ),
            ),
            &[
                ("error", "max-unreachable", "spec.maxReplicas"),
                ("error", "min-unreachable", "spec.minReplicas"),
                ("error", "weights-add-up-to-nothing", "spec.algorithm.config.weights"),
            ],
        ),
        (
            "a fallback for what doesn't fail",
            policy((2, 20), &with("  onFailure: { replicas: 6 }\n")),
            &[("warning", "dead-field", "spec.onFailure")],
        ),
        (
            "a quarantine for what doesn't fail",
            policy((2, 20), &with("  quarantine: never\n")),
            &[("warning", "dead-field", "spec.quarantine")],
        ),
        (
            "a quarantine that is over before anybody looks, and a fallback out of bounds",
            policy(
                (2, 20),
                &format!(
                    "  interval: 1m\n{UTILIZATION}  algorithm: {{ name: nomad }}\n  quarantine: {{ maxBackoff: 30s }}\n  onFailure: {{ lastGood: {{ for: 5m, then: {{ replicas: 60 }} }} }}\n"
                ),
            ),
            &[
                ("warning", "dead-field", "spec.quarantine.maxBackoff"),
                ("warning", "fallback-out-of-bounds", "spec.onFailure.lastGood.then.replicas"),
            ],
        ),
        (
            "tolerances that go before another",
            policy(
                (2, 20),
                &format!(
                    "{UTILIZATION}  algorithm: {{ name: max-ratio, config: {{ tolerance: 0.2 }} }}\n  behavior: {{ scaleUp: {{ tolerance: 0.05 }}, scaleDown: {{ tolerance: 0.05 }} }}\n"
                ),
            ),
            &[("warning", "dead-field", "spec.algorithm.config.tolerance")],
        ),
        (
            "fields of hpa about other metrics and bounds",
            policy(
                (2, 20),
                "  metrics: [ { name: queue, target: { averageValue: 4 } } ]\n  algorithm: { name: hpa, config: { cpuInitializationPeriod: 1m, scaleToZero: true } }\n",
            ),
            &[
                ("warning", "dead-field", "spec.algorithm.config.cpuInitializationPeriod"),
                ("warning", "dead-field", "spec.algorithm.config.scaleToZero"),
            ],
        ),
        ("one count", policy((4, 4), &with("")), &[("warning", "nothing-to-decide", "spec.maxReplicas")]),
        ("a policy that can't be made", policy((4, 2), &with("")), &[("error", "invalid", "spec.minReplicas")]),
    ];
    let folder = Folder::new();
    for (name, text, want) in cases {
        let (code, mut found) = findings(&folder, &text, &[]);
        found.sort();
        let want: Vec<(String, String, String)> =
            want.iter().map(|(level, rule, field)| ((*level).into(), (*rule).into(), (*field).into())).collect();
        assert_eq!(found, want, "{name}");
        assert_eq!(code, i32::from(want.iter().any(|(level, ..)| level == "error")), "{name}");
    }
}

#[test]
fn a_tolerance_says_which_steps_it_swallows() {
    let folder = Folder::new();
    folder.write("policy.yaml", policy((20, 40), &format!("{UTILIZATION}{MAX_RATIO}")));
    let ran = folder.run(&["lint", "policy.yaml", "--json"]);
    let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
    assert_eq!(
        report["findings"][0]["why"],
        "between 20 and 40 replicas a tolerance of 10 % swallows every step of one replica up and down: the smallest is 3 up and 2 down"
    );
}

#[test]
fn plugins_are_tried_as_they_are() {
    let folder = Folder::new();
    folder.write("smooth.wasm", guests::component("capped-smooth-ratio"));
    let rest = format!(
        "{UTILIZATION}  algorithm: {{ plugin: smooth.wasm, config: {{ maxScaleDown: 25% }} }}\n  behavior: {{ scaleUp: {{ tolerance: 0.1 }} }}\n  onFailure: {{ replicas: 60 }}\n"
    );
    let (code, found) = findings(&folder, &policy((1, 20), &rest), &[]);
    let rules: Vec<&str> = found.iter().map(|(_, rule, _)| rule.as_str()).collect();
    // Its tolerance is its own, the fallback is cut, and the last replicas stay.
    assert_eq!((code, rules), (1, vec!["min-unreachable", "dead-field", "fallback-out-of-bounds"]));
}

#[test]
fn a_load_that_comes_back_sooner_than_the_policy_is_down_is_told() {
    let folder = Folder::new();
    // Four hours of load, every hour: busy for 20 minutes.
    let mut trace = "time,rate\n".to_owned();
    for minute in 0..240 {
        trace += &format!("{},{}\n", minute * 60, if minute % 60 < 20 { 100 } else { 5 });
    }
    folder.write("load.csv", trace);
    let text = |window: u32| {
        let behavior = format!("  behavior: {{ scaleDown: {{ stabilizationWindowSeconds: {window} }} }}\n");
        policy((1, 20), &format!("{UTILIZATION}{MAX_RATIO}{behavior}"))
    };
    let slow = [("warning".to_owned(), "slower-than-the-load".to_owned(), "spec.behavior.scaleDown".to_owned())];
    assert_eq!(findings(&folder, &text(2700), &["--trace", "load.csv"]), (0, slow.to_vec()));
    assert_eq!(findings(&folder, &text(2700), &[]), (0, vec![]));
    assert_eq!(findings(&folder, &text(300), &["--trace", "load.csv"]), (0, vec![]));
}

#[test]
fn the_examples_are_sound_and_a_person_is_told_what_isn_t() {
    let folder = Folder::new();
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/policies");
    let mut files: Vec<String> = std::fs::read_dir(examples)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path().display().to_string())
        .collect();
    files.sort();
    let arguments: Vec<&str> = ["lint"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let ran = folder.run(&arguments);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out, format!("{} files: 0 errors, 0 warnings\n", files.len()));

    folder.write(
        "p.yaml",
        policy((1, 20), &format!("{UTILIZATION}{MAX_RATIO}  stages: [ capped: {{ maxScaleDown: 25% }} ]\n")),
    );
    let ran = folder.run(&["lint", "p.yaml"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (
            1,
            "\
p.yaml:5:3: error: spec.minReplicas [min-unreachable]
    why      with no load at all it stays at 3: 2.25 rounded up
    instead  3, or stages that let the last replicas go (capped: minStep: 1)

1 file: 1 error, 0 warnings
"
        )
    );
    // What is no document at all is bad input.
    folder.write("p.yaml", "a: [");
    let ran = folder.run(&["lint", "p.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}
