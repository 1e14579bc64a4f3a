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

/// An HPA between `bounds`, with `rest` as its spec's other fields.
fn manifest(bounds: (u32, u32), rest: &str) -> String {
    let (min, max) = bounds;
    format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{ name: h }}\nspec:\n  scaleTargetRef: {{ apiVersion: apps/v1, kind: Deployment, name: web }}\n  minReplicas: {min}\n  maxReplicas: {max}\n{rest}"
    )
}

/// A policy for utilization with a named algorithm, its configuration's fields, and `rest`.
fn algorithm(name: &str, config: &str, rest: &str) -> String {
    policy((2, 20), &format!("{UTILIZATION}  algorithm: {{ name: {name}, config: {{ {config} }} }}\n{rest}"))
}

/// A policy of two checks of one group.
fn nomad(one: &str, other: &str) -> String {
    let checks = format!(
        "checks: [ {{ name: one, group: g, strategy: {one} }}, {{ name: other, group: g, strategy: {other} }} ]"
    );
    algorithm("nomad", &checks, "")
}

/// Level, rule and field of each finding.
fn findings(folder: &Folder, text: &str, more: &[&str]) -> (i32, Vec<(String, String, String)>) {
    folder.write("policy.yaml", text);
    let ran = folder.run(&[&["lint", "policy.yaml", "--json"], more].concat());
    assert_eq!(ran.err, "");
    let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
    let found = report["findings"].as_array().expect("a list").iter().map(|finding| {
        let text = |field: &str| finding[field].as_str().unwrap_or_default().to_owned();
        assert!(!text("why").is_empty(), "{finding}");
        assert!(!text("instead").is_empty(), "{finding}");
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
            "a tolerance of everything there is below 1",
            policy((2, 8), &behavior("scaleDown: { tolerance: 10 }")),
            &[("error", "tolerance-never-shrinks", "spec.behavior.scaleDown.tolerance")],
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
            &[("error", "weights-add-up-to-nothing", "spec.algorithm.config.weights")],
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
        (
            "a window inside a combinator that is over before the next look",
            policy(
                (2, 20),
                &format!(
                    "{UTILIZATION}  algorithm: {{ name: max, of: [ {{ algorithm: {{ name: max-ratio }}, stages: [ stabilized: {{ scaleDownWindow: 5s }} ] }} ] }}\n"
                ),
            ),
            &[("warning", "window-within-interval", "spec.algorithm.of[0].stages[0].stabilized.scaleDownWindow")],
        ),
        (
            "a floor and a ceiling inside a combinator, as asked for",
            policy(
                (2, 20),
                &format!(
                    "{UTILIZATION}  algorithm: {{ name: max, of: [ {{ algorithm: {{ name: max-ratio }} }}, {{ algorithm: {{ name: nomad-fixed-value, config: {{ value: 4 }} }}, role: floor }}, {{ algorithm: {{ name: nomad-fixed-value, config: {{ value: 9 }} }}, role: ceiling }} ] }}\n"
                ),
            ),
            &[("warning", "max-unreachable", "spec.maxReplicas"), ("warning", "min-unreachable", "spec.minReplicas")],
        ),
        (
            "a tolerance for what is inside a combinator",
            policy(
                (2, 20),
                &format!(
                    "{UTILIZATION}  algorithm: {{ name: max, of: [ {{ algorithm: {{ name: max-ratio }} }} ] }}\n  behavior: {{ scaleUp: {{ tolerance: 0.05 }} }}\n"
                ),
            ),
            &[],
        ),
        ("APA", algorithm("aibrix-apa", "", ""), &[]),
        ("APA as AIBrix has it", algorithm("aibrix-apa", "exact: true", ""), &[]),
        (
            "KPA as AIBrix has it, for what all replicas share",
            algorithm("aibrix-kpa", "exact: true", "")
                .replace("name: utilization, target: { utilization: 65 }", "name: queue, target: { averageValue: 4 }"),
            &[],
        ),
        // There a percentage of each over its target is a number of pods.
        (
            "and for a percentage of each",
            algorithm("aibrix-kpa", "exact: true", ""),
            &[("error", "max-unreachable", "spec.maxReplicas")],
        ),
        (
            "APA's tolerances are behavior's to set",
            algorithm("aibrix-apa", "", "  behavior: { scaleUp: { tolerance: 0.05 } }\n"),
            &[],
        ),
        (
            "which goes before its own",
            algorithm("aibrix-apa", "scaleUpTolerance: 0.2", "  behavior: { scaleUp: { tolerance: 0.05 } }\n"),
            &[("warning", "dead-field", "spec.algorithm.config.scaleUpTolerance")],
        ),
        (
            "APA that tolerates all",
            algorithm("aibrix-apa", "scaleDownTolerance: 1", ""),
            &[("error", "tolerance-never-shrinks", "spec.algorithm.config.scaleDownTolerance")],
        ),
        (
            "a target that APA never exceeds",
            algorithm("aibrix-apa", "", "").replace("utilization: 65", "utilization: 95"),
            &[("error", "target-out-of-reach", "spec.metrics[0].target.utilization")],
        ),
        (
            "rates of nothing",
            algorithm("aibrix-apa", "maxScaleUpRate: 1, maxScaleDownRate: 1", ""),
            &[("error", "max-unreachable", "spec.maxReplicas"), ("error", "min-unreachable", "spec.minReplicas")],
        ),
        (
            "windows of KPA that are over before the next look",
            algorithm("aibrix-kpa", "panicWindow: 30s, scaleDownCooldownWindow: 45s", "  interval: 60s\n"),
            &[
                ("warning", "window-within-interval", "spec.algorithm.config.panicWindow"),
                ("warning", "window-within-interval", "spec.algorithm.config.scaleDownCooldownWindow"),
            ],
        ),
        (
            "a watermark that tolerates no zero",
            algorithm("watermark", "watermarks: { utilization: { low: 40, high: 70 } }", ""),
            &[("warning", "stays-without-load", "spec.algorithm")],
        ),
        ("one that does", algorithm("watermark", "tolerateZero: true", ""), &[]),
        (
            "a watermark that the metric can't exceed",
            algorithm("watermark", "tolerateZero: true, watermarks: { utilization: { low: 40, high: 95 } }", ""),
            &[("error", "max-unreachable", "spec.maxReplicas")],
        ),
        (
            "a watermark's tolerance is behavior's to set",
            algorithm("watermark", "tolerateZero: true", "  behavior: { scaleUp: { tolerance: 0.05 } }\n"),
            &[],
        ),
        (
            "a watermark's window that is over before the next look",
            algorithm("watermark", "tolerateZero: true, upscaleForbiddenWindowSeconds: 5", ""),
            &[("warning", "window-within-interval", "spec.algorithm.config.upscaleForbiddenWindowSeconds")],
        ),
        (
            "a readiness delay is no window",
            algorithm("watermark", "tolerateZero: true, readinessDelaySeconds: 5", ""),
            &[],
        ),
        (
            "Nomad's thresholds, open at both ends",
            nomad("{ threshold: { lowerBound: 80, delta: 2 } }", "{ threshold: { upperBound: 30, delta: -1 } }"),
            &[],
        ),
        (
            "thresholds that act in bands alone",
            nomad(
                "{ threshold: { lowerBound: 80, upperBound: 90, delta: 2 } }",
                "{ threshold: { lowerBound: 10, upperBound: 30, delta: -1 } }",
            ),
            &[
                ("warning", "stays-under-overload", "spec.algorithm"),
                ("warning", "stays-without-load", "spec.algorithm"),
            ],
        ),
        (
            "thresholds that wait for more values than their window has looks",
            nomad("{ threshold: { lowerBound: 80, delta: 2 } }", "{ threshold: { upperBound: 30, delta: -1 } }")
                + "  interval: 30s\n",
            &[("error", "max-unreachable", "spec.maxReplicas"), ("error", "min-unreachable", "spec.minReplicas")],
        ),
        (
            "a fixed value as a floor",
            nomad("{ fixed-value: { value: 5 } }", "{ target-value: { target: 60 } }").replace("group: g, ", ""),
            &[("warning", "min-unreachable", "spec.minReplicas")],
        ),
        (
            "a cooldown that is over before the next look, and a tolerance that nobody has",
            algorithm("nomad", "cooldownOnScaleUp: 10s", "  behavior: { scaleUp: { tolerance: 0.05 } }\n"),
            &[
                ("warning", "dead-field", "spec.behavior.scaleUp.tolerance"),
                ("warning", "window-within-interval", "spec.algorithm.config.cooldownOnScaleUp"),
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

/// Advice that is followed has to help.
#[test]
fn what_to_write_instead_follows_the_cause_and_can_be_written() {
    let with = |rest: &str| format!("{UTILIZATION}{MAX_RATIO}{rest}");
    let up = |policies: &str| with(&format!("  behavior: {{ scaleUp: {{ policies: {policies} }} }}\n"));
    let queue = |config: &str, rest: &str| {
        format!(
            "  metrics: [ {{ name: queue, target: {{ averageValue: 4 }} }} ]\n  algorithm: {{ name: hpa, config: {{ {config} }} }}\n{rest}"
        )
    };
    let smooth =
        |config: &str| format!("{UTILIZATION}  algorithm: {{ name: capped-smooth-ratio, config: {{ {config} }} }}\n");
    let pods = "[ { type: Pods, value: 40, periodSeconds: 60 } ]";
    let cases = [
        ("its own cap", policy((1, 20), &smooth("")), "3, or minStep: 1 in spec.algorithm.config"),
        (
            "both caps",
            policy((1, 20), &(smooth("") + "  stages: [ capped: { maxScaleDown: 0.1 } ]\n")),
            "9, or minStep: 1 in spec.stages[0].capped",
        ),
        (
            "a cap of nothing",
            policy((2, 20), &with("  stages: [ capped: { maxScaleUp: 0 } ]\n")),
            "2, or a maxScaleUp above 0, or minStep: 1 in spec.stages[0].capped",
        ),
        (
            "a floor",
            policy(
                (1, 20),
                &format!("{UTILIZATION}  algorithm: {{ name: max-ratio, config: {{ ratioFloor: 0.8 }} }}\n"),
            ),
            "4, or a ratioFloor of 0 in spec.algorithm.config",
        ),
        (
            "a floor within the tolerance",
            policy(
                (1, 9),
                &format!("{UTILIZATION}  algorithm: {{ name: max-ratio, config: {{ ratioFloor: 0.95 }} }}\n"),
            ),
            "9, or a ratioFloor of 0 in spec.algorithm.config",
        ),
        (
            "a ratio of no replicas",
            policy((0, 9), &with("")),
            "1, or the algorithm hpa with a metric of type Object or External",
        ),
        (
            "a percentage of no replicas",
            policy(
                (0, 9),
                &queue(
                    "",
                    "  behavior: { scaleUp: { policies: [ { type: Percent, value: 50, periodSeconds: 60 } ] } }\n",
                ),
            ),
            "1, or a policy of type Pods beside in spec.behavior.scaleUp.policies",
        ),
        (
            "the smaller of a percentage of no replicas and another",
            policy(
                (0, 9),
                &queue(
                    "",
                    "  behavior: { scaleUp: { selectPolicy: Min, policies: [ { type: Percent, value: 50, periodSeconds: 60 }, { type: Pods, value: 2, periodSeconds: 60 } ] } }\n",
                ),
            ),
            "1, or policies of type Pods alone in spec.behavior.scaleUp",
        ),
        (
            "not woken",
            policy((0, 9), &queue("scaleToZero: false", "")),
            "1, or scaleToZero: true in spec.algorithm.config",
        ),
        (
            "nothing to be woken by",
            policy(
                (0, 9),
                "  metrics: [ { name: cpu, type: Resource, target: { utilization: 50 } } ]\n  algorithm: { name: hpa }\n",
            ),
            "1, or a metric of type Object or External, with a target of value or averageValue",
        ),
        (
            "a percentage of what no replicas can do",
            policy((0, 9), &queue("", "").replace("averageValue: 4", "utilization: 65")),
            "1, or a value or an averageValue as the target of a metric of type Object or External",
        ),
        (
            "no way up from zero",
            policy((0, 9), &queue("", "  behavior: { scaleUp: { selectPolicy: Disabled } }\n")),
            "1, or selectPolicy: Max in spec.behavior.scaleUp",
        ),
        ("too wide", policy((2, 20), &up(pods)), "a value of 17 or less"),
        (
            "one step",
            policy((2, 3), &up(pods)),
            "no spec.behavior.scaleUp.policies: from 2 to 3 is one step, which no rate makes smaller",
        ),
        (
            "too wide a percentage",
            policy((9, 18), &up("[ { type: Percent, value: 100, periodSeconds: 60 } ]")),
            "a value of 88 or less",
        ),
        (
            "too wide for any percentage",
            policy(
                (1000, 1003),
                &with(
                    "  behavior: { scaleUp: { tolerance: 0, policies: [ { type: Percent, value: 1, periodSeconds: 60 } ] }, scaleDown: { tolerance: 0 } }\n",
                ),
            ),
            "type: Pods, and a value of 2 or less",
        ),
        (
            "outdone",
            policy(
                (2, 20),
                &up("[ { type: Pods, value: 1, periodSeconds: 60 }, { type: Pods, value: 2, periodSeconds: 60 } ]"),
            ),
            "drop this one",
        ),
        (
            "no period is as long as the interval",
            policy((2, 20), &(up("[ { type: Pods, value: 2, periodSeconds: 60 } ]") + "  interval: 1h\n")),
            "an interval of 60 s or less; no period is as long as this one",
        ),
        (
            "no window is longer than the interval",
            policy((2, 20), &with("  interval: 1h\n  behavior: { scaleDown: { stabilizationWindowSeconds: 60 } }\n")),
            "0, to say that there is none: no window is longer than the interval",
        ),
        (
            "a tolerance up",
            policy((10, 20), &with("")),
            "0.099 or less acts on one replica near 10, 0.0526 or less at every count up to 20",
        ),
        (
            "a tolerance down",
            policy((9, 20), &with("  behavior: { scaleUp: { tolerance: 0 }, scaleDown: { tolerance: 0.2 } }\n")),
            "0.099 or less acts on one replica near 9, 0.0499 or less at every count up to 20",
        ),
        (
            "a tolerance of many",
            policy((100, 5000), &with("")),
            "0.0099 or less acts on one replica near 100, 0.000199 or less at every count up to 5000",
        ),
        (
            "a tolerance that brings other rules",
            manifest((30, 60), ""),
            "a tolerance under scaleUp and scaleDown: 0.0322 or less acts on one replica near 30, 0.0166 or less at every count up to 60; but any `behavior` brings v2's rates too, up by 4 pods or 100 % every 15 s, in place of twice the count or 4",
        ),
        (
            "a tolerance beside rules",
            manifest((30, 60), "  behavior: { scaleDown: { tolerance: 0 } }\n"),
            "a tolerance under scaleUp: 0.0333 or less acts on one replica near 30, 0.0169 or less at every count up to 60",
        ),
    ];
    let folder = Folder::new();
    for (name, text, want) in cases {
        folder.write("policy.yaml", text);
        let ran = folder.run(&["lint", "policy.yaml", "--json"]);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        let found = report["findings"].as_array().expect("a list");
        let instead: Vec<&str> = found.iter().filter_map(|finding| finding["instead"].as_str()).collect();
        assert_eq!(instead, [want], "{name}: {report}");
    }
}

/// Level by level as an API server hands it out, and with what a person adds.
#[test]
fn a_manifest_with_its_defaults_written_out_is_clean() {
    let folder = Folder::new();
    let metrics = "  metrics:
    - { type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 80 } } }
    - { type: Resource, resource: { name: memory, target: { type: AverageValue, averageValue: 500Mi } } }
    - { type: Pods, pods: { metric: { name: rps }, target: { type: AverageValue, averageValue: 1k } } }
    - { type: External, external: { metric: { name: queue }, target: { type: Value, value: '30' } } }
";
    let behavior = format!(
        "  behavior:
    scaleUp: {{ stabilizationWindowSeconds: 0, selectPolicy: Max, policies: {DEFAULT_UP} }}
    scaleDown: {{ stabilizationWindowSeconds: 300, selectPolicy: Max, policies: {DEFAULT_DOWN} }}
"
    );
    let status = "status: { currentReplicas: 3, desiredReplicas: 3, conditions: [] }\n";
    for (min, max) in [(1, 3), (1, 10), (2, 5), (3, 100)] {
        for rest in [String::new(), metrics.to_owned(), metrics.to_owned() + &behavior + status] {
            let (code, found) = findings(&folder, &manifest((min, max), &rest), &[]);
            assert_eq!((code, found), (0, vec![]), "{min} to {max}: {rest}");
        }
    }
}

#[test]
fn a_bound_that_is_not_reached_names_what_held_it() {
    let cases = [
        (
            "the check that came nearest to a vote",
            nomad("{ threshold: { lowerBound: 80, delta: 2 } }", "{ threshold: { upperBound: 30, delta: -1 } }")
                + "  interval: 30s\n",
            "with no load at all it stays at 20: check 2 votes none: 3 of the 5 values it takes of utilization are within bounds",
            "20, or a threshold check whose bounds hold the value then, with a withinBoundsTrigger that its queryWindow has looks for",
        ),
        (
            "a fixed value",
            nomad("{ fixed-value: { value: 5 } }", "{ target-value: { target: 60 } }").replace("group: g, ", ""),
            "with no load at all it stays at 5: check 1 votes none: the fixed value 5",
            "5, or no fixed-value check, which is a floor under the others",
        ),
        (
            "a rate",
            algorithm("aibrix-apa", "maxScaleDownRate: 1", ""),
            "with no load at all it stays at 20: utilization asks for 0",
            "20, or a maxScaleDownRate above 1 in spec.algorithm.config",
        ),
        (
            "a limit",
            algorithm("watermark", "tolerateZero: true, scaleUpLimitFactor: 0", ""),
            "under any load it stays at 2: the most that scaleUpLimitFactor allows in one step",
            "2, or a scaleUpLimitFactor above 0 in spec.algorithm.config",
        ),
        (
            "a zero",
            algorithm("watermark", "", ""),
            "with no load at all it stays at 20: utilization is 0, which is not tolerated: as it is; it goes down to 2 only while there is some",
            "tolerateZero: true in spec.algorithm.config",
        ),
        (
            "a multiple",
            algorithm("watermark", "tolerateZero: true, replicaScalingAbsoluteModulo: 7", ""),
            "with no load at all it stays at 7: ",
            "7, or a replicaScalingAbsoluteModulo of 1 in spec.algorithm.config",
        ),
        (
            "a metric that can't be above its target",
            policy((2, 20), &format!("{UTILIZATION}{MAX_RATIO}").replace("65", "150")),
            "a utilization ends at 100 %. The target is 150 %, which it can't reach: this metric never asks for more",
            "90 at most, better less",
        ),
    ];
    let folder = Folder::new();
    for (name, text, why, instead) in cases {
        folder.write("policy.yaml", text);
        let ran = folder.run(&["lint", "policy.yaml", "--json"]);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        let found = &report["findings"][0];
        assert!(found["why"].as_str().unwrap_or_default().starts_with(why), "{name}: {report}");
        assert_eq!(found["instead"], instead, "{name}");
    }
}

/// Whatever there is in it, within what a person waits for.
#[test]
fn a_large_policy_ends_within_the_budget() {
    let folder = Folder::new();
    let each = |make: &dyn Fn(usize) -> String| (1..=90).map(make).collect::<Vec<_>>().join(", ");
    let metrics = each(&|index| format!("{{ name: m{index}, target: {{ averageValue: 4 }} }}"));
    let rates = each(&|index| {
        format!(
            "{{ type: Pods, value: {}, periodSeconds: 60 }}, {{ type: Percent, value: {}, periodSeconds: 60 }}",
            100 + index,
            200 - index
        )
    });
    let text = policy(
        (1, 2_147_483_647),
        &format!(
            "  metrics: [ {metrics} ]\n  algorithm: {{ name: hpa }}\n  interval: 1s\n  behavior: {{ scaleUp: {{ policies: [ {rates} ] }}, scaleDown: {{ stabilizationWindowSeconds: 3600, selectPolicy: Min, policies: [ {{ type: Percent, value: 1, periodSeconds: 1800 }} ] }} }}\n"
        ),
    );
    let begin = std::time::Instant::now();
    let (code, found) = findings(&folder, &text, &[]);
    let took = begin.elapsed();
    assert_eq!(code, 0);
    assert_eq!(found[0].1, "unfinished");
    assert!(
        found[1..].iter().all(|(_, rule, _)| rule == "rate-policy-outdone") && found.len() == 179,
        "{}",
        found.len()
    );
    // The trying has 5 s; the rest is room for a busy machine.
    assert!(took.as_secs() < 30, "{took:?}");
}

#[test]
fn a_file_that_can_t_be_read_is_named_with_its_line() {
    let folder = Folder::new();
    folder.write("good.yaml", policy((2, 20), &format!("{UTILIZATION}{MAX_RATIO}")));
    folder.write("bad.yaml", "apiVersion: setpoint.dev/v1alpha1\nspec: [\n");
    folder.write("bad.csv", "time,rate\n0,1\n60,much\n");
    let cases: [(&[&str], &str); 3] = [
        (&["lint", "good.yaml", "bad.yaml"], "error: bad.yaml:3:1: "),
        (&["lint", "good.yaml", "nowhere.yaml"], "error: nowhere.yaml: can't be read: "),
        (&["lint", "good.yaml", "--trace", "bad.csv"], "error: bad.csv:3: "),
    ];
    for (arguments, want) in cases {
        let ran = folder.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.starts_with(want), "{arguments:?}: {}", ran.err);
    }
}

/// As documented, so that those who parse it find all of it.
#[test]
fn the_report_as_json_is_whole() {
    let folder = Folder::new();
    folder.write("a.yaml", policy((4, 2), &format!("{UTILIZATION}{MAX_RATIO}")));
    folder.write("b.yaml", policy((4, 4), &format!("{UTILIZATION}{MAX_RATIO}")));
    let ran = folder.run(&["lint", "a.yaml", "b.yaml", "--json"]);
    let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
    let keys = |value: &Value| {
        let mut keys: Vec<String> = value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&report), ["errors", "files", "findings", "notes", "warnings"]);
    assert_eq!(
        (ran.code, &report["files"], &report["errors"], &report["warnings"], &report["notes"]),
        (1, &2.into(), &1.into(), &1.into(), &0.into())
    );
    for finding in report["findings"].as_array().expect("a list") {
        assert_eq!(keys(finding), ["column", "field", "file", "instead", "level", "line", "rule", "why"]);
    }
    let documented = include_str!("../../docs/lint.md");
    for key in keys(&report).iter().chain(&keys(&report["findings"][0])) {
        assert!(documented.contains(&format!("`{key}`")), "{key}");
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
fn a_plugin_that_fails_is_told_as_that() {
    let folder = Folder::new();
    folder.write("hostile.wasm", guests::component("hostile"));
    let cases = [
        (
            "endless-loop",
            "with no load at all the algorithm failed: plugin hostile took longer than its deadline of 100ms",
        ),
        ("refuse", "with no load at all the algorithm failed: plugin hostile can't answer: not today"),
        ("trap", "with no load at all the algorithm failed: plugin hostile crashed: "),
    ];
    for (how, want) in cases {
        // It is asked twice, for its words too: left alone after the first failure it would have none.
        let rest = format!(
            "{UTILIZATION}  algorithm: {{ plugin: hostile.wasm, config: {how} }}\n  onFailure: {{ replicas: 6 }}\n  quarantine: {{ consecutiveFailures: 1 }}\n"
        );
        folder.write("policy.yaml", policy((1, 20), &rest));
        let ran = folder.run(&["lint", "policy.yaml", "--json"]);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        let found = report["findings"].as_array().expect("a list");
        assert_eq!((ran.code, found.len()), (1, 1), "{how}: {report}");
        let field = |name: &str| found[0][name].as_str().unwrap_or_default();
        assert_eq!((field("rule"), field("field")), ("algorithm-fails", "spec.algorithm"), "{how}");
        assert!(field("why").starts_with(want), "{how}: {}", field("why"));
        assert_eq!(
            field("instead"),
            "an algorithm or a configuration that answers: as it is, spec.onFailure decides then (6 replicas)"
        );
    }
}

/// Not a silence that could be taken for praise.
#[test]
fn what_could_not_be_tried_to_the_end_is_told() {
    let folder = Folder::new();
    let rest = |rest: &str| policy((1, 20), &format!("{UTILIZATION}{MAX_RATIO}{rest}"));
    let cases = [
        (
            "a window of more looks than are tried",
            rest("  interval: 1s\n  stages: [ legacy-behavior: { downscaleStabilization: 400d } ]\n"),
            "is 34562000 looks back, more than are tried",
        ),
        (
            "more steps than are tried",
            rest("  stages: [ capped: { maxScaleDown: 0, minStep: 1 } ]\n")
                .replace("maxReplicas: 20", "maxReplicas: 2000000"),
            ", which were ",
        ),
    ];
    for (name, text, want) in cases {
        folder.write("policy.yaml", text);
        let ran = folder.run(&["lint", "policy.yaml", "--json"]);
        let report: Value = serde_json::from_str(&ran.out).expect("JSON alone");
        assert_eq!((ran.code, &report["errors"], &report["notes"]), (0, &0.into(), &1.into()), "{name}: {report}");
        let note = &report["findings"][0];
        assert_eq!(
            (&note["level"], &note["rule"], &note["field"]),
            (&"note".into(), &"unfinished".into(), &"spec".into())
        );
        let why = note["why"].as_str().unwrap_or_default();
        assert!(why.starts_with("whether it reaches its bounds could not be told: ") && why.contains(want), "{why}");
    }
    let ran = folder.run(&["lint", "policy.yaml"]);
    assert!(ran.out.ends_with("1 file: 0 errors, 0 warnings, 1 note\n"), "{}", ran.out);
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

    // Of a manifest the field is one that it could have.
    let mut trace = "time,rate\n".to_owned();
    for minute in 0..32 {
        trace += &format!("{},{}\n", minute * 60, if minute % 8 < 3 { 100 } else { 5 });
    }
    folder.write("short.csv", trace);
    let slow = [("warning".to_owned(), "slower-than-the-load".to_owned(), "spec.behavior".to_owned())];
    assert_eq!(findings(&folder, &manifest((1, 8), ""), &["--trace", "short.csv"]), (0, slow.to_vec()));

    // What may not be done for a while after the way up is slow too.
    let cooldown = algorithm("nomad", "cooldown: 2h", "");
    let slow = [("warning".to_owned(), "slower-than-the-load".to_owned(), "spec.algorithm".to_owned())];
    assert_eq!(findings(&folder, &cooldown, &["--trace", "load.csv"]), (0, slow.to_vec()));

    // A metric that is the count itself never comes to rest, and is down at once.
    let count = policy(
        (1, 20),
        "  metrics: [ { name: wanted, target: { value: 1 } } ]\n  algorithm: { name: nomad-pass-through }\n",
    );
    assert_eq!(findings(&folder, &count, &["--trace", "load.csv"]), (0, vec![]));

    // Longer than is tried, and so longer than the load takes to come back.
    let stage = "  stages: [ stabilized: { scaleDownWindow: 100d } ]\n";
    let endless = policy((1, 20), &format!("{UTILIZATION}{MAX_RATIO}{stage}"));
    let (code, found) = findings(&folder, &endless, &["--trace", "load.csv"]);
    let found: Vec<(&str, &str)> = found.iter().map(|(_, rule, field)| (rule.as_str(), field.as_str())).collect();
    assert_eq!((code, found), (0, vec![("unfinished", "spec"), ("slower-than-the-load", "spec.stages")]));
}

#[test]
fn a_period_is_found_among_few_requests_and_its_absence_is_told() {
    let folder = Folder::new();
    // Bursts of a second, most of them in the first two of each five minutes.
    let (mut bursts, mut random) = ("time,rate\n".to_owned(), 1_u32);
    for second in 0..3600 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let often = if second % 300 < 120 { 9000 } else { 900 };
        bursts += &format!("{second},{}\n", if random >> 16 < often { 4 } else { 0 });
    }
    folder.write("bursts.csv", bursts);
    let text =
        policy((1, 20), &format!("{UTILIZATION}{MAX_RATIO}  stages: [ stabilized: {{ scaleDownWindow: 5m }} ]\n"));
    let slow = [("warning".to_owned(), "slower-than-the-load".to_owned(), "spec.stages".to_owned())];
    assert_eq!(findings(&folder, &text, &["--trace", "bursts.csv"]), (0, slow.to_vec()));

    let climb: String = (0..60).map(|minute| format!("{},{}\n", minute * 60, minute + 1)).collect();
    folder.write("climb.csv", format!("time,rate\n{climb}"));
    let none = [("note".to_owned(), "no-period".to_owned(), String::new())];
    assert_eq!(findings(&folder, &text, &["--trace", "climb.csv"]), (0, none.to_vec()));
    let ran = folder.run(&["lint", "policy.yaml", "--trace", "climb.csv"]);
    assert!(ran.out.starts_with("climb.csv:1:1: note: the document [no-period]\n"), "{}", ran.out);
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
    why      with no load at all it stays at 3: at most 0.75 fewer in one step, and 2.25 rounded up
    instead  3, or minStep: 1 in spec.stages[0].capped

1 file: 1 error, 0 warnings
"
        )
    );
    // What is no document at all is bad input.
    folder.write("p.yaml", "a: [");
    let ran = folder.run(&["lint", "p.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}
