//! `remembered`: a metric that can't be read for a while still counts as it last read.

use serde_json::{Value, json};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Metric, MetricKind, Observation, PolicySpec, Reading, Target, Timestamp, Trace,
};

use crate::decide;

/// Queues of 4 a replica.
fn queues(names: &[&str]) -> PolicySpec {
    let target = Target::average_value(4.0).expect("in range");
    let metrics = names.iter().map(|name| Metric::new(*name, target)).collect();
    PolicySpec::new(1, 40, metrics, AlgorithmSpec::named("hpa", Value::Null)).expect("a good policy")
}

#[test]
fn a_metric_counts_as_it_last_read_until_that_is_too_old() {
    let (gone, old, nan) = (Reading::Missing("no answer"), Reading::Stale("5m"), Reading::Value(f64::NAN));
    let at = Reading::Value;
    let one = |config| queues(&["jobs"]).with_stage("remembered", config);
    let two = |config| queues(&["jobs", "mails"]).with_stage("remembered", config);
    let then = |forgotten: &str, remembered: Value| {
        let mut policy = two(remembered);
        policy.stages.insert(0, serde_json::from_str(forgotten).expect("a stage"));
        policy
    };
    let six = r#"{ "substituted": { "metrics": ["jobs"], "failureThreshold": 0, "replicas": 6 } }"#;
    type Case<'a> = (&'a str, PolicySpec, &'a [(i64, u32, &'a [Reading<'a>])], &'a [u32]);
    let cases: [Case<'_>; 9] = [
        (
            "until it is so old, and no longer",
            one(json!({ "for": "45s" })),
            &[(0, 4, &[at(48.0)]), (30, 5, &[gone]), (45, 5, &[gone]), (46, 5, &[gone])],
            &[12, 12, 12, 5],
        ),
        (
            "for two minutes unless told otherwise",
            one(json!({})),
            &[(0, 4, &[at(48.0)]), (120, 5, &[gone]), (121, 5, &[gone])],
            &[12, 12, 5],
        ),
        (
            "whatever is wrong with it",
            one(json!({})),
            &[(0, 4, &[at(48.0)]), (15, 5, &[old]), (30, 5, &[nan])],
            &[12, 12, 12],
        ),
        (
            "the last counts",
            one(json!({})),
            &[(0, 4, &[at(48.0)]), (15, 4, &[at(20.0)]), (30, 4, &[gone])],
            &[12, 5, 5],
        ),
        ("a zero is a reading", one(json!({})), &[(0, 4, &[at(0.0)]), (15, 4, &[gone])], &[1, 1]),
        ("never read, nothing to remember", one(json!({})), &[(0, 4, &[gone]), (15, 4, &[gone])], &[4, 4]),
        (
            "nobody knows how old it is when the clock is set back",
            one(json!({ "for": "1h" })),
            &[(100, 4, &[at(48.0)]), (99, 5, &[gone])],
            &[12, 5],
        ),
        (
            "only those that are named",
            two(json!({ "metrics": ["mails"] })),
            &[(0, 4, &[at(48.0), at(80.0)]), (15, 5, &[gone, at(20.0)]), (30, 5, &[at(20.0), gone])],
            &[20, 5, 5],
        ),
        (
            "what is forgotten is substituted, where that comes first in the list",
            then(six, json!({ "for": "30s", "metrics": ["jobs"] })),
            &[(0, 4, &[at(48.0), at(16.0)]), (30, 4, &[gone, at(16.0)]), (31, 4, &[gone, at(16.0)])],
            &[12, 12, 6],
        ),
    ];
    for (name, policy, looks, want) in cases {
        assert_eq!(decide(&policy, looks), want, "{name}");
    }
}

#[test]
fn a_decision_says_what_it_remembered() {
    let policy = queues(&["jobs"]).with_stage("remembered", json!({}));
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(&policy).expect("a good policy");
    let mut trace = Trace::new();
    for (secs, reading) in [(0, Reading::Value(48.0)), (90, Reading::Missing("no answer"))] {
        let readings = [reading];
        let look = Observation::new(Timestamp::from_millis(secs * 1000), 4, &readings);
        manager.decide(workload, &look, &mut trace).expect("a decision");
    }
    let said = trace.records(&policy.metrics);
    let text = &said.iter().find(|reason| reason.stage == "remembered").expect("it says so").text;
    assert_eq!(text, "jobs has no usable reading, and counts as 48, as it read 1m 30s ago");
}

#[test]
fn what_can_t_be_remembered_is_refused_where_it_is_written() {
    let mut policy = queues(&["jobs", "cpu"]);
    policy.metrics[1].kind = MetricKind::Pods;
    let cases = [
        ("no time", json!({ "for": "0s" }), "for", "must be above 0"),
        ("of pods", json!({ "metrics": ["cpu"] }), "metrics[0]", "samples are of instances"),
        ("mistyped", json!({ "metrics": ["jobs", "job"] }), "metrics[1]", "did you mean `jobs`?"),
    ];
    for (name, config, path, message) in cases {
        let error = AlgorithmManager::new().add(&policy.clone().with_stage("remembered", config)).expect_err(name);
        assert_eq!(error.path, format!("stages[0].remembered.{path}"), "{name}");
        assert!(error.message.contains(message), "{name}: {error}");
    }
}
