//! `substituted`: what a metric that has failed for too long is taken to ask for.

use serde_json::{Value, json};
use setpoint::{AlgorithmManager, AlgorithmSpec, Metric, PolicySpec, Reading, Target};

use crate::decide;

fn substituted(config: Value) -> PolicySpec {
    let metrics = vec![
        Metric::new("rate", Target::average_value(20.0).expect("in range")),
        Metric::new("lag", Target::value(30.0).expect("in range")),
    ];
    let policy = PolicySpec::new(1, 40, metrics, AlgorithmSpec::named("hpa", Value::Null)).expect("a good policy");
    policy.with_stage("substituted", config)
}

#[test]
fn a_failed_metric_asks_for_its_replicas_beside_the_others() {
    let (fine, failed) =
        ([Reading::Value(80.0), Reading::Value(30.0)], [Reading::Missing("down"), Reading::Value(30.0)]);
    let busy = [Reading::Missing("down"), Reading::Value(90.0)];
    let other = [Reading::Value(80.0), Reading::Missing("down")];
    let six = |behavior: &str| substituted(json!({ "failureThreshold": 1, "replicas": 6, "behavior": behavior }));
    type Case<'a> = (&'a str, PolicySpec, &'a [(i64, u32, &'a [Reading<'a>])], &'a [u32]);
    let cases: [Case<'_>; 8] = [
        ("from the second failure on", six("static"), &[(0, 4, &failed), (15, 4, &failed)], &[4, 6]),
        ("no fewer than the others ask for", six("static"), &[(0, 9, &failed), (15, 9, &failed)], &[9, 9]),
        ("a busy one still adds", six("static"), &[(0, 4, &failed), (15, 4, &busy)], &[4, 12]),
        (
            "a reading begins anew",
            six("static"),
            &[(0, 4, &failed), (15, 4, &fine), (30, 4, &failed), (45, 4, &failed)],
            &[4, 4, 4, 6],
        ),
        ("the current count", six("currentReplicas"), &[(0, 4, &failed), (15, 4, &failed)], &[4, 4]),
        (
            "the higher",
            six("currentReplicasIfHigher"),
            &[(0, 4, &failed), (15, 4, &failed), (30, 8, &failed)],
            &[4, 6, 8],
        ),
        (
            "a value for all says no count, and is not substituted",
            six("static"),
            &[(0, 4, &other), (15, 4, &other)],
            &[4, 4],
        ),
        ("without a count nothing changes", substituted(json!({ "failureThreshold": 0 })), &[(0, 4, &failed)], &[4]),
    ];
    for (name, policy, looks, want) in cases {
        assert_eq!(decide(&policy, looks), want, "{name}");
    }
}

#[test]
fn only_a_metric_that_says_a_count_can_be_named() {
    for (name, message) in [("lag", "`lag` can't be substituted"), ("rat", "did you mean `rate`?")] {
        let policy = substituted(json!({ "metrics": [name] }));
        let error = AlgorithmManager::new().add(&policy).expect_err(name);
        assert_eq!(error.path, "stages[0].substituted.metrics[0]");
        assert!(error.message.contains(message), "{error}");
    }
}
