//! `cooldown`: after a change, none for a while.

use serde_json::json;
use setpoint::{Action, AlgorithmManager, Observation, PolicySpec, Reading, Timestamp, Trace};

use crate::{decide, policy};

fn cooled(up: &str, down: &str) -> PolicySpec {
    policy("max-ratio", json!({}), 1, (2, 40)).with_stage("cooldown", json!({ "scaleUp": up, "scaleDown": down }))
}

const UP: &[Reading<'static>] = &[Reading::Value(2.0)];
const DOWN: &[Reading<'static>] = &[Reading::Value(0.5)];
const KEEP: &[Reading<'static>] = &[Reading::Value(1.0)];

#[test]
fn each_direction_waits_its_own_time_after_any_change() {
    type Case<'a> = (&'a str, PolicySpec, &'a [(i64, u32, &'a [Reading<'a>])], &'a [u32]);
    let cases: [Case<'_>; 6] = [
        ("the first change waits for nothing", cooled("5m", "5m"), &[(0, 4, UP)], &[8]),
        (
            "at the end of the time it is over",
            cooled("60s", "60s"),
            &[(0, 4, UP), (30, 8, UP), (59, 8, DOWN), (60, 8, UP)],
            &[8, 8, 8, 16],
        ),
        ("down waits, up doesn't", cooled("0s", "5m"), &[(0, 4, UP), (15, 8, DOWN), (30, 8, UP)], &[8, 8, 16]),
        ("up waits, down doesn't", cooled("5m", "0s"), &[(0, 8, DOWN), (15, 4, UP), (30, 4, DOWN)], &[4, 4, 2]),
        ("the bounds don't wait", cooled("5m", "5m"), &[(0, 4, UP), (15, 1, KEEP), (30, 50, KEEP)], &[8, 2, 40]),
        (
            "a clock that was set back keeps nobody waiting",
            cooled("60s", "60s"),
            &[(1000, 4, UP), (10, 8, UP), (20, 16, DOWN)],
            &[8, 16, 16],
        ),
    ];
    for (name, policy, looks, want) in cases {
        assert_eq!(decide(&policy, looks), want, "{name}");
    }
}

#[test]
fn a_change_that_was_refused_begins_nothing_and_the_reason_says_until_when() {
    let policy = cooled("60s", "60s");
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(&policy).expect("a good policy");
    let action = |applied| Some(Action { at: Timestamp::from_millis(0), from: 2, to: 4, applied });
    let look = |secs: i64, applied| {
        Observation::new(Timestamp::from_millis(secs * 1000), 4, UP).with_last_action(action(applied))
    };
    let mut trace = Trace::new();
    assert_eq!(manager.decide(workload, &look(15, false), &mut trace).expect("a decision").desired, 8);
    assert_eq!(manager.decide(workload, &look(20, true), &mut trace).expect("a decision").desired, 4);
    let texts: Vec<String> = trace.records(&policy.metrics).into_iter().map(|reason| reason.text).collect();
    assert!(texts.contains(&"the last change was too recent for another up, for 40s more".to_owned()), "{texts:?}");
}

#[test]
fn a_restart_forgets_no_change() {
    let policy = cooled("60s", "60s");
    let mut manager = AlgorithmManager::new();
    let before = manager.add(&policy).expect("a good policy");
    let look = |secs: i64, current, readings| Observation::new(Timestamp::from_millis(secs * 1000), current, readings);
    manager.decide(before, &look(0, 4, UP), &mut Trace::off()).expect("a decision");
    manager.decide(before, &look(15, 8, UP), &mut Trace::off()).expect("a decision");
    let state = manager.snapshot(before).expect("a state");
    let after = manager.add(&policy).expect("a good policy");
    manager.restore(after, &state).expect("its own state");
    assert_eq!(manager.decide(after, &look(30, 8, UP), &mut Trace::off()).expect("a decision").desired, 8);
}
