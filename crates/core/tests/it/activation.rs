//! `activation`: to the idle count, and back.

use serde_json::{Value, json};
use setpoint::{AlgorithmManager, Observation, PolicySpec, Reading, Timestamp, Trace};

use crate::{decide, policy};

fn activated(config: Value) -> PolicySpec {
    policy("hpa", json!({}), 2, (0, 40)).with_stage("activation", config)
}

const fn readings(first: f64, second: f64) -> [Reading<'static>; 2] {
    [Reading::Value(first), Reading::Value(second)]
}

#[test]
fn a_workload_goes_idle_after_the_cooldown_and_wakes_at_once() {
    let (busy, quiet, gone) = (readings(9.0, 0.0), readings(2.0, 0.0), [Reading::Missing("down"), Reading::Value(0.0)]);
    let five = || activated(json!({ "thresholds": { "m0": 5 }, "cooldown": "1m" }));
    type Case<'a> = (&'a str, PolicySpec, &'a [(i64, u32, &'a [Reading<'a>])], &'a [u32]);
    let cases: [Case<'_>; 8] = [
        (
            "down after a minute, and up again",
            five(),
            &[(0, 1, &busy), (30, 9, &quiet), (59, 9, &quiet), (60, 9, &quiet), (90, 0, &quiet), (105, 0, &busy)],
            &[9, 18, 18, 0, 0, 1],
        ),
        ("the first look begins the cooldown", five(), &[(0, 3, &quiet), (59, 3, &quiet), (60, 3, &quiet)], &[6, 6, 0]),
        ("what isn't known makes nothing idle", five(), &[(0, 3, &busy), (600, 3, &gone)], &[27, 3]),
        ("and wakes nothing", five(), &[(0, 0, &gone)], &[0]),
        ("at the threshold is not above", five(), &[(0, 0, &readings(5.0, 0.0))], &[0]),
        ("a metric without a threshold says nothing", five(), &[(0, 0, &readings(0.0, 9.0))], &[0]),
        ("without thresholds every metric counts", activated(json!({})), &[(0, 0, &readings(0.0, 0.5))], &[1]),
        (
            "an idle and an active count of one's own",
            activated(json!({ "idleReplicas": 2, "activeReplicas": 5, "cooldown": "0s" })),
            &[(0, 5, &readings(0.0, 0.0)), (15, 2, &readings(0.1, 0.0)), (30, 5, &readings(0.1, 0.0))],
            &[2, 5, 5],
        ),
    ];
    for (name, policy, looks, want) in cases {
        assert_eq!(decide(&policy, looks), want, "{name}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_its_field() {
    let cases = [
        (json!({ "thresholds": { "m7": 5 } }), "stages[0].activation.thresholds.m7", "known: `m0`, `m1`"),
        (json!({ "idleReplicas": 3 }), "stages[0].activation.activeReplicas", "must be above idleReplicas 3, got 1"),
        (json!({ "threshold": 3 }), "stages[0].activation.threshold", "did you mean `thresholds`?"),
    ];
    for (config, path, message) in cases {
        let error = AlgorithmManager::new().add(&activated(config)).expect_err(path);
        assert_eq!(error.path, path);
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn a_restart_goes_on_with_the_cooldown() {
    let policy = activated(json!({ "thresholds": { "m0": 5 }, "cooldown": "1m" }));
    let mut manager = AlgorithmManager::new();
    let (before, after) = (manager.add(&policy).expect("good"), manager.add(&policy).expect("good"));
    let (busy, quiet) = (readings(9.0, 0.0), readings(0.0, 0.0));
    let look = |secs: i64, readings| Observation::new(Timestamp::from_millis(secs * 1000), 4, readings);
    manager.decide(before, &look(0, &busy), &mut Trace::off()).expect("a decision");
    let state = manager.snapshot(before).expect("a state");
    manager.restore(after, &state).expect("its own state");
    let mut trace = Trace::new();
    assert_eq!(manager.decide(after, &look(60, &quiet), &mut trace).expect("a decision").desired, 0);
    assert_eq!(trace.records(&policy.metrics)[0].text, "idle: no metric is above its threshold");
}
