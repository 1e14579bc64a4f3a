//! Failures: what answers instead, how long an algorithm that goes on failing is left alone, and the way back.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::{Value, json};
use setpoint::failure::Fact;
use setpoint::{
    AlgorithmManager, Effect, EvaluateError, FailureKind, Health, Hold, Need, Observation, Outcome, PolicySpec,
    Proposal, Reading, Timestamp, Trace, WorkloadError, WorkloadId, algorithm_factory, algorithm_fn,
};
use setpoint_testkit::allocations::counted;

/// What the algorithm does when it is called.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Need(f64),
    Hold,
    Silent,
    Suspend,
    Fail(FailureKind),
}

use Act::{Fail, Silent, Suspend};
const TRAP: Act = Fail(FailureKind::Trap);
const REFUSE: Act = Fail(FailureKind::Refused);
const TEN: Act = Act::Need(9.5);

/// What the algorithm of these tests does next, and how often it was called.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<(Option<Act>, usize)>>);

impl Script {
    fn manager(&self) -> AlgorithmManager {
        let mut manager = AlgorithmManager::new();
        let script = self.clone();
        let factory = algorithm_factory("does as the test says", move |_, _: Value| {
            let script = script.clone();
            Ok(algorithm_fn(move |_: &Observation<'_>, trace: &mut Trace| {
                let mut script = script.0.lock().expect("no test panics here");
                script.1 += 1;
                trace.note("scripted", 4.0, 4.0, format_args!("called"));
                match script.0.expect("the test says what") {
                    Act::Need(need) => Ok(Need::replicas(need)?.into()),
                    Act::Hold => Ok(Proposal::Hold(Hold::Said)),
                    Act::Silent => Ok(Proposal::NoOpinion),
                    Act::Suspend => Ok(Proposal::Suspend),
                    Act::Fail(kind) => Err(EvaluateError::new(kind, "as the test says")),
                }
            }))
        });
        manager.registry_mut().register_algorithm("scripted", factory).expect("a free name");
        manager
    }

    fn set(&self, act: Act) {
        self.0.lock().expect("no test panics here").0 = Some(act);
    }

    fn calls(&self) -> usize {
        self.0.lock().expect("no test panics here").1
    }
}

fn spec(more: Value) -> PolicySpec {
    let mut spec = json!({
        "minReplicas": 2, "maxReplicas": 40, "interval": "1s",
        "metrics": [{ "name": "load", "target": { "value": 1 } }],
        "algorithm": { "name": "scripted" },
    });
    spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    serde_json::from_value(spec).expect("a policy")
}

struct Stand {
    script: Script,
    manager: AlgorithmManager,
    workload: WorkloadId,
    policy: PolicySpec,
    trace: Trace,
}

impl Stand {
    fn new(more: Value) -> Self {
        let (script, policy) = (Script::default(), spec(more));
        let mut manager = script.manager();
        let workload = manager.add(&policy).expect("a good policy");
        Self { script, manager, workload, policy, trace: Trace::new() }
    }

    /// At 4 replicas: what is desired, and whether the algorithm was called.
    fn look(&mut self, now: Timestamp, act: Act) -> (u32, Outcome, bool) {
        let calls = self.script.calls();
        self.script.set(act);
        let look = Observation::new(now, 4, &[Reading::Value(1.0)]);
        let decision = self.manager.decide(self.workload, &look, &mut self.trace).expect("a decision");
        (decision.desired, decision.outcome, self.script.calls() > calls)
    }

    fn at(&mut self, second: i64, act: Act) -> (u32, Outcome, bool) {
        self.look(Timestamp::from_millis(second * 1000), act)
    }

    fn health(&self) -> Health {
        self.manager.health(self.workload).expect("it is there")
    }

    fn facts(&self) -> Vec<&'static str> {
        let name = |effect: &Effect| match effect {
            Effect::Failed { .. } => Some("failed"),
            Effect::FellBack { .. } => Some("fell back"),
            Effect::Failure(Fact::Quarantined { .. }) => Some("quarantined"),
            Effect::Failure(Fact::Trial { .. }) => Some("trial"),
            Effect::Failure(Fact::Recovered { .. }) => Some("recovered"),
            Effect::Failure(Fact::LastGood { .. }) => Some("last good"),
            Effect::Failure(Fact::NoLastGood { .. }) => Some("no last good"),
            _ => None,
        };
        self.trace.reasons().iter().filter_map(|reason| name(&reason.effect)).collect()
    }

    /// Snapshot, and all anew.
    fn restart(&mut self) {
        let state = self.manager.snapshot(self.workload).expect("a state");
        self.manager = self.script.manager();
        self.workload = self.manager.add(&self.policy).expect("a good policy");
        self.manager.restore(self.workload, &state).expect("its own state");
        assert_eq!(self.manager.snapshot(self.workload), Ok(state));
    }
}

/// After two failures for 10s, 20s, 30s.
fn quick() -> Value {
    json!({ "consecutiveFailures": 2, "initialBackoff": "10s", "maxBackoff": "30s" })
}

#[test]
fn a_row_of_failures_is_left_alone_for_longer_and_longer_and_one_answer_ends_it() {
    // At which second the algorithm would do what, and whether it is called.
    type Row<'a> = (&'a str, Value, &'a [(i64, Act, bool)]);
    let cases: [Row<'_>; 14] = [
        ("well", quick(), &[(0, TEN, true), (1, TEN, true), (2, TEN, true)]),
        ("one failure is none", quick(), &[(0, TRAP, true), (1, TEN, true), (2, TRAP, true), (3, TEN, true)]),
        (
            "two begin a quarantine",
            quick(),
            &[(0, TRAP, true), (1, TRAP, true), (2, TEN, false), (10, TEN, false), (11, TEN, true)],
        ),
        (
            "an answer ends the row",
            quick(),
            &[(0, TRAP, true), (1, TRAP, true), (11, TEN, true), (12, TRAP, true), (13, TEN, true)],
        ),
        (
            "it begins anew as short as ever",
            quick(),
            &[
                (0, TRAP, true),
                (1, TRAP, true),
                (11, TRAP, true),
                (31, TEN, true),
                (32, TRAP, true),
                (33, TRAP, true),
                (42, TEN, false),
                (43, TEN, true),
            ],
        ),
        (
            "failed trials double it, up to the largest",
            quick(),
            &[
                (0, TRAP, true),
                (1, TRAP, true),
                (10, TRAP, false),
                (11, TRAP, true),
                (30, TRAP, false),
                (31, TRAP, true),
                (60, TRAP, false),
                (61, TRAP, true),
                (90, TRAP, false),
                (91, TRAP, true),
            ],
        ),
        (
            "each kind of fault counts",
            quick(),
            &[
                (0, Fail(FailureKind::Nonsense), true),
                (1, Fail(FailureKind::Deadline), true),
                (2, TEN, false),
                (11, Fail(FailureKind::Resources), true),
                (12, TEN, false),
            ],
        ),
        (
            "refusals don't count",
            quick(),
            &[(0, REFUSE, true), (1, REFUSE, true), (2, REFUSE, true), (3, REFUSE, true)],
        ),
        ("nor do they end a row", quick(), &[(0, TRAP, true), (1, REFUSE, true), (2, TRAP, true), (3, TEN, false)]),
        (
            "nor decide a trial",
            quick(),
            &[
                (0, TRAP, true),
                (1, TRAP, true),
                (11, REFUSE, true),
                (12, REFUSE, true),
                (13, TRAP, true),
                (32, TEN, false),
                (33, TEN, true),
            ],
        ),
        (
            "no opinion is an answer",
            quick(),
            &[(0, TRAP, true), (1, Silent, true), (2, TRAP, true), (3, Suspend, true), (4, TRAP, true), (5, TEN, true)],
        ),
        (
            "a trial waits for a look",
            quick(),
            &[(0, TRAP, true), (1, TRAP, true), (500, TRAP, true), (519, TEN, false), (520, TEN, true)],
        ),
        (
            "never",
            json!("never"),
            &[(0, TRAP, true), (1, TRAP, true), (2, TRAP, true), (3, TRAP, true), (4, TRAP, true)],
        ),
        (
            "by default after three for 30s",
            json!({}),
            &[
                (0, TRAP, true),
                (15, TRAP, true),
                (30, TRAP, true),
                (45, TEN, false),
                (59, TEN, false),
                (60, TRAP, true),
                (119, TEN, false),
                (120, TEN, true),
            ],
        ),
    ];
    for (name, quarantine, looks) in cases {
        let mut stand = Stand::new(json!({ "quarantine": quarantine }));
        for &(second, act, called) in looks {
            let (desired, outcome, was_called) = stand.at(second, act);
            let answered = called && !matches!(act, Fail(_));
            assert_eq!(was_called, called, "{name}, at {second}");
            assert_eq!(outcome == Outcome::Fallback, !answered, "{name}, at {second}");
            assert_eq!(desired, if answered && act == TEN { 10 } else { 4 }, "{name}, at {second}");
        }
    }
}

#[test]
fn the_last_good_answer_stands_in_until_it_is_too_old() {
    type Row<'a> = (&'a str, Value, &'a [(i64, Act, u32)]);
    let hold = json!({ "lastGood": { "for": "60s" } });
    let six = json!({ "lastGood": { "for": "60s", "then": { "replicas": 6 } } });
    let cases: [Row<'_>; 9] = [
        (
            "it is what it was",
            hold.clone(),
            &[(0, TEN, 10), (1, TRAP, 10), (59, TRAP, 10), (60, TRAP, 4), (90, TRAP, 4)],
        ),
        ("then what the policy says", six.clone(), &[(0, TEN, 10), (59, TRAP, 10), (60, TRAP, 6)]),
        (
            "or another algorithm",
            json!({ "lastGood": { "for": "60s", "then": { "algorithm": { "name": "nomad-fixed-value", "config": { "value": 7 } } } } }),
            &[(0, TEN, 10), (59, TRAP, 10), (60, TRAP, 7)],
        ),
        ("without one too", six.clone(), &[(0, TRAP, 6), (1, Silent, 4), (2, TRAP, 6)]),
        (
            "a newer one counts",
            six.clone(),
            &[(0, TEN, 10), (50, Act::Need(12.0), 12), (61, TRAP, 12), (109, TRAP, 12), (110, TRAP, 6)],
        ),
        ("a hold holds again", six.clone(), &[(0, TEN, 10), (1, Act::Hold, 4), (2, TRAP, 4), (61, TRAP, 6)]),
        ("hands off stay off", six.clone(), &[(0, TEN, 10), (1, Suspend, 4), (2, TRAP, 4), (61, TRAP, 6)]),
        ("to have no opinion is no answer", six.clone(), &[(0, TEN, 10), (1, Silent, 4), (2, TRAP, 10), (60, TRAP, 6)]),
        ("bounds come after it", six, &[(0, Act::Need(99.0), 40), (1, TRAP, 40), (2, Act::Need(0.0), 2), (3, TRAP, 2)]),
    ];
    for (name, on_failure, looks) in cases {
        for restarting in [false, true] {
            // Quarantined or not, it answers.
            for quarantine in
                [json!("never"), json!({ "consecutiveFailures": 1, "initialBackoff": "1ms", "maxBackoff": "1ms" })]
            {
                let mut stand = Stand::new(json!({ "onFailure": on_failure, "quarantine": quarantine }));
                for &(second, act, want) in looks {
                    assert_eq!(stand.at(second, act).0, want, "{name}, at {second}");
                    if restarting {
                        stand.restart();
                    }
                }
            }
        }
    }
}

#[test]
fn a_suspended_workload_outside_its_bounds_is_left_alone_by_the_last_good_answer() {
    let mut stand = Stand::new(json!({ "onFailure": { "lastGood": { "for": "60s" } }, "minReplicas": 6 }));
    assert_eq!(stand.at(0, Suspend).0, 4);
    assert_eq!(stand.at(1, TRAP).0, 4);
    // Then it is the policy's hold, which corrects.
    assert_eq!(stand.at(60, TRAP).0, 6);
}

#[test]
fn each_step_is_told_and_counted() {
    let mut stand = Stand::new(json!({ "onFailure": { "lastGood": { "for": "15s" } }, "quarantine": quick() }));
    let steps: [(i64, Act, &[&str]); 10] = [
        (0, TEN, &[]),
        (1, TRAP, &["failed", "last good"]),
        (2, TRAP, &["failed", "quarantined", "last good"]),
        (3, TEN, &["quarantined", "last good"]),
        (12, TRAP, &["trial", "failed", "quarantined", "last good"]),
        (31, TEN, &["quarantined", "no last good", "fell back"]),
        (32, REFUSE, &["trial", "failed", "no last good", "fell back"]),
        (33, TEN, &["trial", "recovered"]),
        (34, TEN, &[]),
        (35, REFUSE, &["failed", "last good"]),
    ];
    for (second, act, want) in steps {
        stand.at(second, act);
        assert_eq!(stand.facts(), want, "at {second}");
        // What a failed attempt wrote led to nothing.
        let called = stand.trace.reasons().iter().any(|reason| reason.stage == "scripted");
        assert_eq!(called, want.is_empty() || want.contains(&"recovered"), "at {second}");
    }
    let Health { failures_in_a_row, quarantined_until, totals, .. } = stand.health();
    assert_eq!((failures_in_a_row, quarantined_until), (0, None));
    let failures = FailureKind::ALL.map(|kind| totals.failures(kind));
    assert_eq!(failures, [2, 0, 0, 0, 3]);
    assert_eq!((totals.quarantines, totals.waits, totals.trials, totals.recoveries, totals.last_good), (2, 2, 3, 1, 5));
}

#[test]
fn health_says_how_many_failures_and_until_when() {
    let mut stand = Stand::new(json!({ "quarantine": quick() }));
    let until = |second: i64| Some(Timestamp::from_millis(second * 1000));
    let steps = [
        (0, TRAP, 1, None),
        (1, REFUSE, 1, None),
        (2, TRAP, 2, until(12)),
        (3, TRAP, 2, until(12)),
        (12, TRAP, 3, until(32)),
        (32, TEN, 0, None),
    ];
    for (second, act, failures, quarantined) in steps {
        stand.at(second, act);
        let health = stand.health();
        assert_eq!((health.failures_in_a_row, health.quarantined_until), (failures, quarantined), "at {second}");
    }
    assert!(stand.manager.remove(stand.workload));
    assert_eq!(stand.manager.health(stand.workload), None);
}

#[test]
fn reasons_are_data_too() {
    let mut stand = Stand::new(json!({ "onFailure": { "lastGood": { "for": "60s" } }, "quarantine": quick() }));
    for (second, act) in [(0, TEN), (1, TRAP), (2, TRAP)] {
        stand.at(second, act);
    }
    let effects: Vec<Value> =
        stand.trace.details(&stand.policy.metrics).into_iter().map(|reason| reason.effect.into()).collect();
    assert_eq!(
        Value::from(effects),
        json!([
            { "kind": "failed", "cause": "trap", "message": "as the test says" },
            { "kind": "failure", "fact": "quarantined", "failures": 2, "until_ms": 12_000, "left_ms": 10_000 },
            { "kind": "failure", "fact": "last_good", "age_ms": 2000, "until_ms": 60_000, "left_ms": 58_000 },
            { "kind": "rounded_up" },
        ])
    );
}

#[test]
fn a_new_policy_is_tried_at_once_and_keeps_the_last_good_answer_and_the_totals() {
    let with =
        |max: u32| json!({ "maxReplicas": max, "onFailure": { "lastGood": { "for": "60s" } }, "quarantine": quick() });
    let mut stand = Stand::new(with(40));
    for (second, act) in [(0, TEN), (1, TRAP), (2, TRAP), (3, TRAP)] {
        stand.at(second, act);
    }
    stand.manager.reconfigure(stand.workload, &spec(with(20))).expect("a good policy");
    assert_eq!(stand.at(4, TRAP), (10, Outcome::Fallback, true));
    assert_eq!(stand.health().failures_in_a_row, 1);
    assert_eq!((stand.health().totals.failures(FailureKind::Trap), stand.health().totals.waits), (3, 1));
}

#[test]
fn a_state_from_before_there_was_a_quarantine_is_read() {
    let mut stand = Stand::new(json!({ "quarantine": quick(), "onFailure": { "lastGood": { "for": "60s" } } }));
    // As version 1 ends: with the last change, which has been none. Then came the row, and the last good answer.
    let mut state = stand.manager.snapshot(stand.workload).expect("a state");
    assert_eq!(state[0], 2);
    state[0] = 1;
    state.truncate(state.len() - (4 + 8 + 1));
    for (second, act) in [(0, TRAP), (1, TRAP), (2, TEN)] {
        stand.at(second, act);
    }
    stand.manager.restore(stand.workload, &state).expect("an older state");
    assert_eq!(stand.at(3, TEN), (10, Outcome::Need, true));
}

#[test]
fn a_damaged_state_is_refused_and_changes_nothing() {
    let mut stand = Stand::new(json!({ "quarantine": quick(), "onFailure": { "lastGood": { "for": "60s" } } }));
    let fresh = stand.manager.snapshot(stand.workload).expect("a state");
    let row = fresh.len() - (4 + 8 + 1);
    let with = |state: &[u8], at: usize, byte: u8| {
        let mut state = state.to_vec();
        state[at] = byte;
        state
    };
    stand.at(0, TEN);
    stand.at(1, TRAP);
    let before = stand.manager.snapshot(stand.workload).expect("a state");
    let mut negative = before.clone();
    *negative.last_mut().expect("a number") |= 0x80;
    let cases = [
        ("the last of no failures", with(&fresh, row + 4, 1), "the last of no failures has a time"),
        ("an unknown answer", with(&before, before.len() - (1 + 8 + 8), 9), "of no known kind"),
        ("less than none", negative, "below zero"),
        ("cut", before[..before.len() - 1].to_vec(), "ends too early"),
    ];
    for (name, state, want) in cases {
        let error = stand.manager.restore(stand.workload, &state).expect_err(name);
        assert!(matches!(error, WorkloadError::Failed(_)), "{name}: {error}");
        assert!(error.to_string().contains(want), "{name}: {error}");
        assert_eq!(stand.manager.snapshot(stand.workload).as_ref(), Ok(&before), "{name}");
    }
}

#[test]
fn what_can_t_do_anything_is_refused_where_it_is_written() {
    let cases = [
        (json!({ "quarantine": { "consecutiveFailures": 0 } }), "quarantine.consecutiveFailures: must be at least 1"),
        (json!({ "quarantine": { "initialBackoff": "0s" } }), "quarantine.initialBackoff: must be above zero"),
        (
            json!({ "quarantine": { "initialBackoff": "2m", "maxBackoff": "1m" } }),
            "quarantine.maxBackoff: must be at least the initialBackoff of 2m, got 1m",
        ),
        (json!({ "quarantine": { "initialBackoff": "11m" } }), "quarantine.maxBackoff: must be at least"),
        (
            json!({ "quarantine": { "max": "1m" } }),
            "quarantine.max: unknown field `max`; known: `consecutiveFailures`, `initialBackoff`, `maxBackoff`",
        ),
        (json!({ "quarantine": "nevr" }), "quarantine: unknown value `nevr`; did you mean `never`?"),
        (json!({ "quarantine": 3 }), "quarantine: invalid type: integer `3`, expected `never`, or a map as in"),
        (
            json!({ "onFailure": { "lastGod": {} } }),
            "onFailure: unknown value `lastGod`; did you mean `lastGood`? known: `hold`, `lastGood`, `replicas`, `algorithm`",
        ),
        (json!({ "onFailure": { "lastGood": {} } }), "onFailure.lastGood: missing field `for`"),
        (
            json!({ "onFailure": { "lastGood": { "for": "1s" } } }),
            "onFailure.lastGood.for: must be longer than the interval of 1s",
        ),
        (
            json!({ "onFailure": { "lastGood": { "for": "5m", "then": { "lastGood": { "for": "5m" } } } } }),
            "onFailure.lastGood.then: unknown value `lastGood`; known: `hold`, `replicas`, `algorithm`",
        ),
        (
            json!({ "onFailure": { "lastGood": { "for": "5m", "then": { "algorithm": {} } } } }),
            "onFailure.lastGood.then.algorithm: an algorithm needs a `name`",
        ),
        (
            json!({ "onFailure": { "lastGood": { "for": "5m", "then": { "algorithm": { "name": "maxratio" } } } } }),
            "onFailure.lastGood.then.algorithm.name: no algorithm is called `maxratio`; did you mean `max-ratio`?",
        ),
    ];
    for (more, want) in cases {
        let mut document = serde_json::to_value(spec(json!({}))).expect("plain data");
        document.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        let error = setpoint::parse_config::<PolicySpec>(&document)
            .and_then(|policy| Script::default().manager().add(&policy).map(drop))
            .expect_err("it is refused")
            .to_string();
        assert!(error.starts_with(want), "{more}: {error}");
    }
}

#[test]
fn what_a_policy_says_of_failures_is_written_as_it_is_read() {
    for more in [
        json!({ "onFailure": "hold", "quarantine": "never" }),
        json!({ "onFailure": { "lastGood": { "for": "5m", "then": "hold" } }, "quarantine": { "consecutiveFailures": 5, "initialBackoff": "10s", "maxBackoff": "1h" } }),
        json!({ "onFailure": { "lastGood": { "for": "5m", "then": { "replicas": 6 } } } }),
        json!({ "onFailure": { "replicas": 6 } }),
    ] {
        let written = serde_json::to_value(spec(more.clone())).expect("plain data");
        for (field, value) in more.as_object().expect("a map") {
            assert_eq!(&written[field], value);
        }
    }
}

#[test]
fn a_warm_quarantine_allocates_nothing_and_neither_does_the_last_good_answer() {
    for on_failure in [json!("hold"), json!({ "replicas": 6 }), json!({ "lastGood": { "for": "1d" } })] {
        for trace in [Trace::new(), Trace::off()] {
            let mut stand = Stand::new(
                json!({ "onFailure": on_failure, "quarantine": { "consecutiveFailures": 1, "maxBackoff": "1d", "initialBackoff": "1d" } }),
            );
            stand.trace = trace;
            for second in 0..60 {
                stand.at(second, TEN);
            }
            for second in 60..120 {
                let (looked, allocations) = counted(|| stand.at(second, TEN));
                assert_eq!((looked, allocations), ((10, Outcome::Need, true), 0), "{on_failure}, at {second}");
            }
            stand.at(120, TRAP);
            stand.at(121, TEN);
            for second in 122..180 {
                let ((_, _, called), allocations) = counted(|| stand.at(second, TEN));
                assert_eq!((called, allocations), (false, 0), "{on_failure}, at {second}");
            }
        }
    }
}

#[test]
fn a_clock_at_either_end_of_time_is_no_reason_to_wait() {
    let mut stand = Stand::new(json!({ "quarantine": { "consecutiveFailures": 1, "initialBackoff": "10s" } }));
    for now in [i64::MAX, i64::MAX, i64::MIN, 0, i64::MAX] {
        assert!(stand.look(Timestamp::from_millis(now), TRAP).2, "at {now}");
    }
}

/// What should happen, from all that has happened: no arithmetic but adding and doubling.
struct Model {
    after: u32,
    initial: i64,
    max: i64,
    last_good_for: i64,
    past: Vec<(i64, Option<Act>)>,
}

impl Model {
    /// Failures since the last answer, each with its time.
    fn row(&self) -> Vec<i64> {
        let mut row = Vec::new();
        for &(at, act) in &self.past {
            match act {
                None | Some(REFUSE) => {}
                Some(Fail(_)) => row.push(at),
                Some(_) => row.clear(),
            }
        }
        row
    }

    fn calls(&self, now: i64) -> bool {
        let row = self.row();
        let Some(&last) = row.last() else { return true };
        let mut length = None;
        for failures in 1..=row.len() {
            length = match length {
                None if failures == self.after as usize => Some(self.initial),
                None => None,
                Some(length) if length * 2 > self.max => Some(self.max),
                Some(length) => Some(length * 2),
            };
        }
        length.is_none_or(|length| now < last || now >= last + length)
    }

    /// At 4 replicas, between 2 and 40.
    fn decide(&mut self, now: i64, act: Act) -> (u32, bool) {
        let called = self.calls(now);
        self.past.push((now, called.then_some(act)));
        let desired = |act| match act {
            Act::Need(need) => (need.ceil() as u32).clamp(2, 40),
            _ => 4,
        };
        if called && !matches!(act, Fail(_)) {
            return (desired(act), true);
        }
        let good = |act: &Act| matches!(act, Act::Need(_) | Act::Hold | Suspend);
        let last_good = self.past.iter().rev().find_map(|&(at, act)| act.filter(good).map(|act| (at, act)));
        match last_good {
            Some((at, act)) if at <= now && now < at + self.last_good_for => (desired(act), called),
            _ => (6, called),
        }
    }
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0.0..50.0).prop_map(Act::Need),
        1 => prop::sample::select(vec![Act::Hold, Silent, Suspend, REFUSE]),
        6 => prop::sample::select(FailureKind::ALL[1..].to_vec()).prop_map(Fail),
    ]
}

/// Forwards mostly, by any step; now and then it stands still or goes back.
fn clock() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0_i64..40_000, 1 => Just(0), 1 => -200_000_i64..0, 1 => 0_i64..1_000_000]
}

proptest! {
    #[test]
    fn it_does_what_the_model_does_through_any_restart(
        after in 1_u32..5,
        initial in 1_i64..60_000,
        more in 0_i64..600_000,
        last_good_for in 1_001_i64..120_000,
        looks in prop::collection::vec((clock(), acts(), prop::bool::weighted(0.2)), 1..60),
    ) {
        let max = initial + more;
        let mut model = Model { after, initial, max, last_good_for, past: Vec::new() };
        let mut stand = Stand::new(json!({
            "onFailure": { "lastGood": { "for": format!("{last_good_for}ms"), "then": { "replicas": 6 } } },
            "quarantine": { "consecutiveFailures": after, "initialBackoff": format!("{initial}ms"), "maxBackoff": format!("{max}ms") },
        }));
        let mut now = 0;
        let mut waiting_since = None;
        for (step, act, restarts) in looks {
            now += step;
            let want = model.decide(now, act);
            let (desired, outcome, called) = stand.look(Timestamp::from_millis(now), act);
            prop_assert_eq!((desired, called), want, "at {}, {:?}", now, act);
            prop_assert_eq!(outcome == Outcome::Fallback, !called || matches!(act, Fail(_)));
            prop_assert_eq!(stand.health().failures_in_a_row as usize, model.row().len());
            // Each change is told, and each reason goes on from the one before.
            let mut at = 4.0;
            for reason in stand.trace.reasons() {
                prop_assert!(reason.from == at || reason.stage == "scripted", "{:?}", stand.trace);
                at = if let (true, Act::Need(need)) = (reason.stage == "scripted", act) { need } else { reason.to };
            }
            prop_assert_eq!(at, f64::from(desired), "{:?}", stand.trace);
            // Nothing that the clock shows in a wait is longer than the largest backoff.
            if called {
                waiting_since = None;
            } else {
                let (first, last) = waiting_since.get_or_insert((now, now));
                (*first, *last) = ((*first).min(now), (*last).max(now));
                prop_assert!(*last - *first < max);
            }
            if restarts {
                stand.restart();
            }
        }
    }
}
