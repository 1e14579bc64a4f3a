//! A HorizontalPodAutoscaler manifest is a policy as it is.

use serde_json::Value;

use crate::Folder;

const WEB: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: web
  uid: 6f1c1f8e-2d3e-4f0c-9a43-2f0d3f3b7a10
  managedFields: [ { manager: kubectl, operation: Update } ]
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }
  minReplicas: 2
  maxReplicas: 20
  metrics:
    - type: Resource
      resource: { name: cpu, target: { type: Utilization, averageUtilization: 50 } }
    - type: External
      external:
        metric: { name: queue, selector: { matchLabels: { app: web } } }
        target: { type: AverageValue, averageValue: 500m }
  behavior:
    scaleUp: { policies: [ { type: Pods, value: 3, periodSeconds: 60 } ] }
    scaleDown: { stabilizationWindowSeconds: 120 }
status:
  currentReplicas: 4
  desiredReplicas: 4
";

fn decisions(folder: &Folder, input: &str) -> Vec<Value> {
    let ran = folder.run_with(&["decide", "--policy", "web.yaml", "--json"], input);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    ran.out.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn it_decides_by_samples_series_windows_and_rates() {
    let folder = Folder::new();
    folder.write("web.yaml", WEB);
    let cpu = |a: &str, b: &str| format!(r#"{{"requests": "1", "samples": {{"a": "{a}", "b": "{b}"}}}}"#);
    let look = |at: u32, current: u32, cpu: &str, queue: &str| {
        format!(
            r#"{{"now_ms": {}, "current": {current}, "instances": [{{"name": "a"}}, {{"name": "b"}}], "readings": {{"cpu": {cpu}, "queue": {queue}}}}}
"#,
            at * 1000
        )
    };
    let input = [
        // 100 % of 50 % doubles two; 4 of the queue by half a replica each wants 8; 3 more a minute are allowed.
        look(0, 2, &cpu("1", "1"), r#"{"series": ["1500m", "2.5"]}"#),
        // The same 15 s later: the rate is used up.
        look(15, 5, &cpu("1", "1"), r#"{"series": ["1500m", "2.5"]}"#),
        // Nothing to do: the window still knows of 8.
        look(30, 5, &cpu("0", "0"), "0"),
        // A failed metric blocks the way down, whatever the window says.
        look(300, 5, r#"{"missing": "no metrics"}"#, "0"),
        look(315, 5, &cpu("0", "0"), "0"),
    ];
    let decisions = decisions(&folder, &input.concat());
    let desired: Vec<u64> = decisions.iter().map(|decision| decision["desired"].as_u64().expect("a count")).collect();
    assert_eq!(desired, [5, 5, 5, 5, 2]);
    // The whole path is there as data: readings, each proposal, the winner, the rate and until when it holds.
    let first = &decisions[0];
    assert_eq!(first["metrics"][0]["reading"], 100.0);
    assert_eq!(first["metrics"][1]["ratio"], 4.0);
    let effects: Vec<&Value> = first["reasons"].as_array().expect("a list").iter().map(|it| &it["effect"]).collect();
    let kinds: Vec<&str> = effects.iter().map(|effect| effect["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["proposed", "proposed", "highest", "rate_limited"]);
    assert_eq!((&effects[2]["metric"], &effects[3]["start"]), (&"queue".into(), &2.into()));
    assert_eq!((&effects[3]["until_ms"], &effects[3]["left_ms"]), (&60_000.into(), &60_000.into()));
    assert_eq!(decisions[1]["reasons"][3]["effect"]["left_ms"], 45_000);
    let stabilized = &decisions[2]["reasons"][3];
    assert_eq!((&stabilized["effect"]["kind"], &stabilized["to"]), (&"stabilized".into(), &5.into()));
}

#[test]
fn it_is_simulated_beside_other_policies() {
    let folder = Folder::new();
    let cpu = WEB.replace("    - type: External\n      external:\n        metric: { name: queue, selector: { matchLabels: { app: web } } }\n        target: { type: AverageValue, averageValue: 500m }\n", "");
    folder.write("web.yaml", cpu);
    let ran = folder.run(&["simulate", "--policy", "web.yaml", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let comparison: Value = serde_json::from_str(&ran.out).expect("JSON");
    let run = &comparison["runs"][0];
    assert_eq!(run["policy"], "web");
    let largest = run["decisions"].as_array().expect("a list").iter().map(|it| it["to"].as_u64()).max();
    assert_eq!(largest, Some(Some(20)), "the peak of the day takes all there are");
}

#[test]
fn what_the_api_server_refuses_is_refused_at_its_line() {
    let cases = [
        (
            "version",
            "autoscaling/v2\n",
            "autoscaling/v1\n",
            "web.yaml:1:1: apiVersion: autoscaling/v1 is not supported, use autoscaling/v2",
        ),
        (
            "misspelt",
            "averageUtilization: 50",
            "averageUtilisation: 50",
            "web.yaml:13:59: spec.metrics[0].resource.target.averageUtilisation: unknown field `averageUtilisation`; did you mean `averageUtilization`?",
        ),
        (
            "a source of another type",
            "type: Resource",
            "type: Pods",
            "web.yaml:13:7: spec.metrics[0].resource: a metric of type Pods has `pods`, not this",
        ),
        (
            "a target that the type can't have",
            "type: AverageValue, averageValue: 500m",
            "type: Utilization, averageUtilization: 50",
            "spec.metrics[1].external.target.averageUtilization: a metric of type External has no utilization",
        ),
        (
            "zero",
            "averageValue: 500m",
            "averageValue: 0",
            "spec.metrics[1].external.target.averageValue: must be greater than 0, got 0",
        ),
        ("no quantity", "averageValue: 500m", "averageValue: 50%", "\"50%\" is not a quantity such as \"500m\""),
        ("crossed bounds", "maxReplicas: 20", "maxReplicas: 1", "minReplicas 2 is above maxReplicas 1"),
        (
            "a tolerance in percent",
            "scaleDown: {",
            "scaleDown: { tolerance: 10%,",
            "spec.behavior.scaleDown.tolerance: \"10%\" is not a quantity such as \"500m\", \"1.5\" or \"2Gi\"; 10 % is 0.1",
        ),
        (
            "a long window",
            "Seconds: 120",
            "Seconds: 7200",
            "spec.behavior.scaleDown.stabilizationWindowSeconds: must be at most 3600",
        ),
        (
            "a long period",
            "periodSeconds: 60",
            "periodSeconds: 3600",
            "spec.behavior.scaleUp.policies[0].periodSeconds: must be in 1 to 1800",
        ),
        (
            "no policies",
            "policies: [ { type: Pods, value: 3, periodSeconds: 60 } ]",
            "policies: []",
            "at least one policy is needed",
        ),
    ];
    let folder = Folder::new();
    for (name, from, to, want) in cases {
        assert!(WEB.contains(from), "{name}");
        folder.write("web.yaml", WEB.replacen(from, to, 1));
        let ran = folder.run_with(&["decide", "--policy", "web.yaml"], "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{name}");
        assert!(ran.err.contains(want), "{name}: {}", ran.err);
    }
}

#[test]
fn explain_says_what_why_and_until_when() {
    let folder = Folder::new();
    folder.write("web.yaml", WEB);
    let input = r#"{"now_ms": 1764050400000, "current": 4, "readings": {"cpu": 96, "queue": {"stale": "90 s old"}}}"#;
    let ran = folder.run_with(&["decide", "--policy", "web.yaml", "--explain"], input);
    assert_eq!(
        (ran.code, ran.err.as_str(), ran.out.as_str()),
        (
            0,
            "",
            "\
2025-11-25T06:00:00Z: 4 -> 7, 3 more
  because at most 3 more in 1m, from 4; holds for 1m more
  measured
    cpu    96 % against 50 %, ratio 1.92
    queue  stale: 90 s old
  decided
    hpa       4 -> 8         cpu is 96 % against 50 %: 1.92 times 4 replicas
    hpa       4              queue is stale (90 s old)
    hpa       4 -> 8         cpu alone makes a proposal
    behavior  8 -> 7         at most 3 more in 1m, from 4; holds for 1m more
  holds
    no more than 7 for 1m, until 2025-11-25T06:01:00Z (behavior)

"
        )
    );
}

/// How the manifest explains its decision for each observation of `input`.
fn explained(manifest: &str, input: &str) -> String {
    let folder = Folder::new();
    folder.write("web.yaml", manifest);
    let ran = folder.run_with(&["decide", "--policy", "web.yaml", "--explain"], input);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    ran.out
}

/// A manifest of one queue without `behavior`: HPA's older rules.
const LEGACY: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: web }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }
  minReplicas: 0
  maxReplicas: 40
  metrics:
    - type: External
      external: { metric: { name: queue }, target: { type: AverageValue, averageValue: 5 } }
";

#[test]
fn what_was_measured_is_what_the_proposal_was_made_from() {
    // HPA compares each replica's share, and cuts percents: not the sum with a share's target.
    let out = explained(LEGACY, r#"{"now_ms": 0, "current": 2, "readings": {"queue": {"series": [4, "6"]}}}"#);
    assert!(out.contains("    queue  5 against 5 a replica, ratio 1\n"), "{out}");
    let out = explained(WEB, r#"{"now_ms": 0, "current": 4, "readings": {"cpu": 96.7, "queue": {"stale": "old"}}}"#);
    assert!(out.contains("    cpu    96 % against 50 %, ratio 1.92\n"), "{out}");
    // Outside the bounds no metric is looked at; what is measured is told all the same.
    for (current, cause) in [(2, "what the instances request is not known"), (1, "no usable samples")] {
        let look = format!(
            r#"{{"now_ms": 0, "current": {current}, "instances": [{{"name": "a"}}], "readings": {{"cpu": {{"samples": {{"a": 1}}}}}}}}"#
        );
        let out = explained(WEB, &look);
        assert!(out.contains(&format!("    cpu    invalid: {cause}\n")), "{out}");
    }
}

#[test]
fn from_zero_the_explanation_shows_the_total() {
    let down = r#"{"now_ms": 0, "current": 1, "readings": {"queue": 0}}"#;
    let up = r#"{"now_ms": 900000, "current": 0, "last_action": {"at_ms": 600000, "from": 1, "to": 0}, "readings": {"queue": 15}}"#;
    let out = explained(LEGACY, &format!("{down}\n{up}\n"));
    assert!(out.contains("0 -> 3, 3 more\n  because queue is 15 in total, at 5 a replica: 3\n"), "{out}");
    assert!(out.contains("    queue  15 in total, at 5 a replica\n"), "{out}");
}

#[test]
fn without_behavior_what_holds_the_count_is_what_was_decided() {
    let looks = [
        r#"{"now_ms": 0, "current": 2, "readings": {"queue": 100}}"#,
        // The window asks for 20 still, and so it grows; at most to twice the count.
        r#"{"now_ms": 15000, "current": 4, "readings": {"queue": 10}}"#,
    ];
    let out = explained(LEGACY, &looks.join("\n"));
    assert!(out.contains("t=15000 ms: 4 -> 8, 4 more\n"), "{out}");
    assert!(out.contains("  holds\n    no fewer than 8 for 4m 45s"), "{out}");
}

#[test]
fn a_workload_that_is_left_alone_is_so_for_the_algorithm_s_reason() {
    let out = explained(WEB, r#"{"now_ms": 0, "current": 0, "readings": {"cpu": 96, "queue": 1}}"#);
    assert!(
        out.starts_with(
            "t=0 ms: keep 0\n  because scaling is off at zero replicas, except after scaling there of its own accord\n"
        ),
        "{out}"
    );
}

#[test]
fn a_direction_that_select_policy_disables_is_called_so() {
    let disabled = WEB.replace(
        "scaleUp: { policies: [ { type: Pods, value: 3, periodSeconds: 60 } ] }",
        "scaleUp: { selectPolicy: Disabled }",
    );
    let out = explained(&disabled, r#"{"now_ms": 0, "current": 4, "readings": {"cpu": 96, "queue": 1}}"#);
    assert!(
        out.starts_with("t=0 ms: keep 4\n  because scaling up is switched off by selectPolicy: Disabled\n"),
        "{out}"
    );
}

#[test]
fn a_metric_that_no_scenario_knows_is_told_where_to_give_it_a_reading() {
    let folder = Folder::new();
    folder.write("web.yaml", WEB.replace("name: queue, selector", "name: pending_jobs, selector"));
    let ran = folder.run(&["simulate", "--policy", "web.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.err.contains("its `spec.readings` gives one of these another name, as in `{ pending_jobs: inflight }`"),
        "{}",
        ran.err
    );
}
