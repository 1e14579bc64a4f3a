//! Whatever a plugin does, its policy's declared fallback answers, with the reason, and the next decision is
//! made by a new instance. One plugin's fate is not another's.

use std::time::{Duration, Instant};

use serde_json::json;
use setpoint::{
    AlgorithmSpec, FailureKind, FailureSpec, Observation, Outcome, QuarantineSpec, Reading, Timestamp, Trace,
};

const READINGS: [Reading<'static>; 1] = [Reading::Value(620.0)];

fn look(secs: i64) -> Observation<'static> {
    Observation::new(Timestamp::from_millis(secs * 1000), 4, &READINGS)
}

/// Every way to fail in a call, and what the reason must say.
const FAILURES: [(&str, &str); 13] = [
    ("endless-loop", "took longer than its deadline of 100ms"),
    ("memory-bomb", "wanted more than 67108864 bytes of memory"),
    ("trap", "it said: thread '<unnamed>'"),
    ("stack-overflow", "call stack exhausted"),
    ("nan", "answered with a need of NaN replicas"),
    ("infinity", "answered with a need of inf replicas"),
    ("negative", "answered with a need of -1 replicas"),
    ("out-of-range", "answered with a need of 10000000000 replicas"),
    ("huge-reason", "made the host copy more than 2097152 bytes in one call"),
    ("huge-new-state", "made the host copy more than 2097152 bytes in one call"),
    ("exit", "wasi:cli/exit"),
    ("sleep", "which it was not granted"),
    ("file", "it said: thread '<unnamed>'"),
];

#[test]
fn every_failure_becomes_the_declared_fallback_with_its_reason() {
    for (how, want) in FAILURES {
        let mut manager = crate::manager();
        let policy = crate::hostile(how).with_on_failure(FailureSpec::Replicas(6));
        let workload = manager.add(&policy).expect(how);
        let mut trace = Trace::new();
        let decision = manager.decide(workload, &look(0), &mut trace).expect("a decision");
        assert_eq!((decision.desired, decision.outcome), (6, Outcome::Fallback), "{how}");
        let reasons = trace.records(&policy.metrics);
        assert!(reasons[0].text.contains(want), "{how}: {}", reasons[0].text);
        assert!(reasons[0].text.contains("plugin hostile"), "{how}: {}", reasons[0].text);
        assert!(!reasons[0].text.contains('\u{1b}'), "{how} colours the terminal: {}", reasons[0].text);
        assert_eq!((reasons[1].text.as_str(), reasons[1].to), ("the declared fallback answers: 6 replicas", 6.0));
    }
}

#[test]
fn a_fallback_can_hold_or_be_another_algorithm() {
    let other = FailureSpec::Algorithm(AlgorithmSpec::named("max-ratio", json!({})));
    for (fallback, want) in [(FailureSpec::Hold, 4), (other, 5)] {
        let mut manager = crate::manager();
        let workload = manager.add(&crate::hostile("trap").with_on_failure(fallback)).expect("a workload");
        let decision = manager.decide(workload, &look(0), &mut Trace::off()).expect("a decision");
        assert_eq!((decision.desired, decision.outcome), (want, Outcome::Fallback));
    }
}

#[test]
fn a_failed_instance_is_replaced_and_goes_on_from_its_last_good_state() {
    // Each instance misbehaves once and then answers with how many looks its state has seen.
    for how in ["trap:1", "endless-loop:1", "nan:1", "memory-bomb:1"] {
        let mut manager = crate::manager();
        let workload = manager.add(&crate::hostile("nothing:0")).expect("a workload");
        for seen in 0..5 {
            let decision = manager.decide(workload, &look(seen), &mut Trace::off()).expect("a decision");
            // Never below the minimum of 1.
            assert_eq!(decision.desired, u32::try_from(seen).unwrap().max(1), "{how}");
        }
        let state = manager.snapshot(workload).expect("a state");

        let policy = crate::hostile(how).with_quarantine(QuarantineSpec::Never);
        let flaky = manager.add(&policy).expect("a workload");
        manager.restore(flaky, &state).expect("the same plugin's state");
        let outcomes: Vec<_> = (0..4)
            .map(|at| {
                let decision = manager.decide(flaky, &look(at), &mut Trace::off()).expect("a decision");
                (decision.desired, decision.outcome)
            })
            .collect();
        // Five looks seen. The first fails and is not counted: the new instance goes on from five, and since
        // it misbehaves once as well, it fails too, and so does each after it.
        assert_eq!(outcomes, [(4, Outcome::Fallback); 4], "{how}");
        // Its state is still that of five looks, which one that behaves goes on from, once the quarantine is over.
        let state = manager.snapshot(flaky).expect("a state");
        manager.restore(workload, &state).expect("the same plugin's state");
        let decision = manager.decide(workload, &look(3600), &mut Trace::off()).expect("a decision");
        assert_eq!((decision.desired, decision.outcome), (5, Outcome::Need), "{how} lost or invented state");
    }
}

#[test]
fn a_plugin_that_goes_on_burning_its_deadline_costs_nothing_while_it_is_left_alone() {
    let mut manager = crate::manager();
    let workload = manager.add(&crate::hostile("endless-loop")).expect("a workload");
    // An hour, a look every 15 s: three failures, then trials after 30 s, after 1, 2, 4 and 8 minutes, and every 10.
    for look in 0..240 {
        let decision = manager.decide(workload, &self::look(look * 15), &mut Trace::off()).expect("a decision");
        assert_eq!((decision.desired, decision.outcome), (4, Outcome::Fallback));
    }
    let totals = manager.health(workload).expect("it is there").totals;
    assert_eq!((totals.failures(FailureKind::Deadline), totals.trials), (12, 9));
}

#[test]
fn a_state_that_can_t_be_had_is_an_error_and_the_workload_goes_on() {
    for (how, want) in [("huge-state", "made the host copy more than"), ("trap-in-snapshot", "crashed")] {
        let mut manager = crate::manager();
        let workload = manager.add(&crate::hostile(how)).expect("a workload");
        let error = manager.snapshot(workload).expect_err(how).to_string();
        assert!(error.contains(&format!("plugin hostile {want}")), "{how}: {error}");
        let decision = manager.decide(workload, &look(0), &mut Trace::off()).expect("a decision");
        assert_eq!((decision.desired, decision.outcome), (4, Outcome::Need), "{how}");
    }
}

#[test]
fn a_state_that_is_refused_is_dropped_and_the_workload_begins_anew() {
    let mut manager = crate::manager();
    let workload = manager.add(&crate::hostile("forgetful")).expect("a workload");
    let outcomes: Vec<_> = (0..4)
        .map(|at| manager.decide(workload, &look(at), &mut Trace::off()).expect("a decision"))
        .map(|decision| (decision.desired, decision.outcome))
        .collect();
    // Well, trapped, its state refused, well again.
    let (well, failed) = ((7, Outcome::Need), (4, Outcome::Fallback));
    assert_eq!(outcomes, [well, failed, failed, well]);
}

#[test]
fn saying_no_costs_an_instance_nothing() {
    let mut manager = crate::manager();
    let workload = manager.add(&crate::hostile("refuse:2")).expect("a workload");
    let outcomes: Vec<_> = (0..4)
        .map(|at| manager.decide(workload, &look(at), &mut Trace::off()).expect("a decision"))
        .map(|decision| (decision.desired, decision.outcome))
        .collect();
    // Two refusals, and then the same instance has seen two looks, and three.
    assert_eq!(outcomes, [(4, Outcome::Fallback), (4, Outcome::Fallback), (2, Outcome::Need), (3, Outcome::Need)]);
}

#[test]
fn a_plugin_that_never_starts_is_refused_within_the_deadline() {
    let mut manager = crate::manager();
    let begin = Instant::now();
    let error = manager.add(&crate::hostile("endless-create")).expect_err("it never returns");
    assert!(error.message.contains("took longer than its deadline"), "{error}");
    // No timing is asserted but that it ends: far beyond any deadline something else is broken.
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_refused_configuration_can_t_write_to_the_terminal() {
    let error = crate::manager().add(&crate::hostile("refuse-config")).expect_err("it refuses");
    assert_eq!((error.path.as_str(), error.message.as_str()), ("algorithm.config.how", "not [31mtoday"));
}

#[test]
fn nothing_of_the_machine_is_seen() {
    for (how, want) in [("ambient", Outcome::Need), ("environment", Outcome::Need), ("directory", Outcome::Need)] {
        let mut first = None;
        for _ in 0..2 {
            let mut manager = crate::manager();
            let mut policy = crate::hostile(how);
            policy.min_replicas = 0;
            policy.max_replicas = 1000;
            let workload = manager.add(&policy).expect("a workload");
            let mut trace = Trace::new();
            let decision = manager.decide(workload, &look(0), &mut trace).expect("a decision");
            assert_eq!(decision.outcome, want, "{how}: {:?}", trace.records(&[]));
            assert_eq!(decision, *first.get_or_insert(decision), "{how} differs between instances");
            if how != "ambient" {
                assert_eq!(decision.desired, 0, "{how} found something");
            }
        }
    }
}

#[test]
fn a_long_reason_is_cut_and_cleaned() {
    let mut manager = crate::manager();
    for (how, want) in [("long-reason", 'x'), ("chatter", 'e')] {
        let workload = manager.add(&crate::hostile(how)).expect("a workload");
        let mut trace = Trace::new();
        let decision = manager.decide(workload, &look(0), &mut trace).expect("a decision");
        assert_eq!(decision.outcome, Outcome::Hold, "{how}");
        let text = &trace.records(&[])[0].text;
        assert!(text.len() < 1100 && !text.contains('\u{1b}') && text.ends_with(want), "{how}: {text}");
    }
}

#[test]
fn one_plugin_s_timeout_does_not_end_another_s_call() {
    std::thread::scope(|scope| {
        let looping = scope.spawn(|| {
            let mut manager = crate::manager();
            let workload = manager.add(&crate::hostile("endless-loop")).expect("a workload");
            for at in 0..3 {
                let decision = manager.decide(workload, &look(at), &mut Trace::off()).expect("a decision");
                assert_eq!(decision.outcome, Outcome::Fallback);
            }
        });
        let mut manager = crate::manager();
        let workload = manager.add(&crate::hostile("nothing")).expect("a workload");
        let mut at = 0;
        while !looping.is_finished() {
            let mut trace = Trace::new();
            let decision = manager.decide(workload, &look(at), &mut trace).expect("a decision");
            assert_eq!(decision.outcome, Outcome::Need, "{:?}", trace.records(&[]));
            at += 1;
        }
        looping.join().expect("the looping one was stopped each time");
    });
}
