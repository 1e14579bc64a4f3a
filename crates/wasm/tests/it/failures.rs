//! Whatever a plugin does, its policy's declared fallback answers, with the reason, and the next decision is
//! made by a new instance. One plugin's fate is not another's.

use serde_json::json;
use setpoint::{
    AlgorithmSpec, FailureKind, FailureSpec, Observation, Outcome, QuarantineSpec, Reading, Timestamp, Trace,
};

const READINGS: [Reading<'static>; 1] = [Reading::Value(620.0)];

fn look(secs: i64) -> Observation<'static> {
    Observation::new(Timestamp::from_millis(secs * 1000), 4, &READINGS)
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
fn a_refused_configuration_can_t_write_to_the_terminal() {
    let error = crate::manager().add(&crate::hostile("refuse-config")).expect_err("it refuses");
    assert_eq!((error.path.as_str(), error.message.as_str()), ("algorithm.config.how", "not [31mtoday"));
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
