//! Many workloads in one call answer what each alone would, and one's failure is no other's.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;
use setpoint::{
    AlgorithmSpec, EvaluateError, FailureKind, Observation, Proposal, Reading, ScalingAlgorithm as _, Timestamp, Trace,
};
use setpoint_testkit::{guests, looks};
use setpoint_wasm::{Fleet, LooksMismatch, Mode, Plugin, PluginHost};

use crate::equivalence::configs;
use crate::{p99, registry_of};

const READINGS: [Reading<'static>; 1] = [Reading::Value(620.0)];

type Answers = Vec<Result<Proposal, EvaluateError>>;

fn hostile() -> Plugin {
    Plugin::load(&crate::HOST, &guests::component("hostile")).expect("a good component")
}

fn fleet(plugin: &Plugin, how: &str, workloads: usize) -> Fleet {
    let mut fleet = Fleet::new(plugin, &json!(how), &[p99()], &BTreeSet::new()).expect("a good configuration");
    for index in 0..workloads {
        assert_eq!(fleet.add(), Ok(index));
    }
    fleet
}

fn look(secs: i64, current: u32) -> Observation<'static> {
    Observation::new(Timestamp::from_millis(secs * 1000), current, &READINGS)
}

/// The needs, or the kinds of failure.
fn needs(answers: &Answers) -> Vec<Result<f64, FailureKind>> {
    answers
        .iter()
        .map(|answer| match answer {
            Ok(Proposal::Need(need)) => Ok(need.exact()),
            Ok(other) => panic!("a need, not {other:?}"),
            Err(error) => Err(error.kind),
        })
        .collect()
}

fn ask(fleet: &mut Fleet, secs: i64, currents: &[u32]) -> Vec<Result<f64, FailureKind>> {
    let looks: Vec<_> = currents.iter().map(|&current| look(secs, current)).collect();
    let mut answers = Answers::new();
    fleet.evaluate(&looks, &mut answers).expect("a look a workload");
    needs(&answers)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fleet_answers_what_each_workload_alone_would(
        config in configs(),
        workloads in prop::collection::vec(looks::sequence(12), 1..8),
        batch in any::<bool>(),
    ) {
        // Without batches: a plugin that has none, or an instance for each call.
        thread_local!(static PLUGINS: [Plugin; 2] = [
            Plugin::load(
                &PluginHost::builder().workloads_per_store(3).build().expect("a host"),
                &guests::component("capped-smooth-ratio"),
            ).expect("a good component"),
            Plugin::load(&crate::HOST, &guests::released("0.1", "capped-smooth-ratio")).expect("a good component"),
        ]);
        let plugin = PLUGINS.with(|plugins| plugins[usize::from(!batch)].clone());
        let batches = plugin.counters().batches;
        let mut fleet = Fleet::new(&plugin, &config, &looks::metrics(), &BTreeSet::new()).expect("a good configuration");
        let registry = registry_of(&plugin);
        let spec = AlgorithmSpec::named(plugin.name(), config);
        let mut alone = Vec::new();
        for _ in &workloads {
            fleet.add().expect("an instance");
            alone.push(registry.build(&spec, &looks::metrics()).expect("a good configuration"));
        }
        let rounds = workloads.iter().map(Vec::len).min().expect("at least one");
        for round in 0..rounds {
            // All at the same time, as ticks are.
            let now = workloads[0][round].observation().now;
            let looks: Vec<_> = workloads.iter().map(|looks| {
                let mut look = looks[round].observation();
                look.now = now;
                look
            }).collect();
            let mut answers = Answers::new();
            fleet.evaluate(&looks, &mut answers).expect("a look a workload");
            for (index, answer) in answers.iter().enumerate() {
                let want = alone[index].evaluate(&looks[index], &mut Trace::off());
                prop_assert_eq!(answer, &want, "workload {}, round {}", index, round);
                let (mut one, mut other) = (Vec::new(), Vec::new());
                fleet.snapshot(index, &mut one).expect("a state");
                alone[index].snapshot(&mut other).expect("a state");
                prop_assert_eq!(one, other, "workload {}, round {}", index, round);
            }
        }
        // Three share a store; a batch of one is no batch.
        let calls = rounds * (workloads.len() / 3 + usize::from(workloads.len() % 3 == 2));
        prop_assert_eq!(plugin.counters().batches - batches, if batch { calls as u64 } else { 0 });
    }
}

#[test]
fn one_bad_workload_spoils_no_other_s_answer_and_later_no_other_s_instance() {
    let cases = [
        ("trap@13", FailureKind::Trap),
        ("endless-loop@13", FailureKind::Deadline),
        ("memory-bomb@13", FailureKind::Resources),
        ("nan@13", FailureKind::Nonsense),
        ("refuse@13", FailureKind::Refused),
    ];
    for (how, kind) in cases {
        let plugin = hostile();
        let mut fleet = fleet(&plugin, how, 20);
        for seen in 0..4_u32 {
            let mut currents = [9; 20];
            currents[11] = 13;
            let mut want = vec![Ok(f64::from(seen)); 20];
            want[11] = Err(kind);
            assert_eq!(ask(&mut fleet, seen.into(), &currents), want, "{how}, look {seen}");
        }
        let counters = plugin.counters();
        assert_eq!((counters.calls, counters.failures()), (80, 4), "{how}: {counters:?}");
        // Once all begin anew, at most: twice where the bad one is asked alone among them.
        assert!(counters.restores <= 2 * 20, "{how}: {counters:?}");
        assert!(counters.batches >= 3, "{how}: {counters:?}");
    }
}

#[test]
fn a_plugin_whose_batches_fail_is_asked_about_each_workload() {
    for how in ["trap-in-batch:0", "short-batch:0", "odd-batch:0"] {
        let plugin = hostile();
        let mut fleet = fleet(&plugin, how, 5);
        for seen in 0..4_u32 {
            assert_eq!(ask(&mut fleet, seen.into(), &[9; 5]), [Ok(f64::from(seen)); 5], "{how}, look {seen}");
        }
        // It was tried once.
        let counters = plugin.counters();
        assert_eq!((counters.calls, counters.batches, counters.failures()), (20, 0, 0), "{how}: {counters:?}");
        // That in which the configuration was tried, that of the batch, that after it.
        assert_eq!(counters.stores, 3, "{how}: {counters:?}");
    }
}

#[test]
fn a_batch_that_ran_out_of_memory_is_no_reason_to_ask_one_by_one() {
    let plugin = hostile();
    // A mebibyte more each for each of three looks: 120 in all, 64 fit.
    let mut fleet = fleet(&plugin, "hoard:3", 40);
    for seen in 0..3 {
        assert_eq!(ask(&mut fleet, seen, &[9; 40]), [Ok(9.0); 40], "look {seen}");
    }
    let hoarded = plugin.counters();
    // A store holds half as many workloads each time, until they fit.
    for seen in 3..20 {
        assert!(ask(&mut fleet, seen, &[9; 40]).iter().all(Result::is_ok), "look {seen}");
    }
    let counters = plugin.counters();
    assert!(hoarded.stores > 2 && counters.failures() == 0, "{counters:?}");
    assert!(counters.batches > hoarded.batches, "{counters:?}");
}

#[test]
fn an_answer_of_no_known_kind_is_a_failure_of_its_workload() {
    let mut fleet = fleet(&hostile(), "odd-proposal:0", 2);
    let mut answers = Answers::new();
    fleet.evaluate(&[look(0, 9), look(0, 9)], &mut answers).expect("a look a workload");
    let error = answers[1].clone().expect_err("it makes no sense");
    assert_eq!(error.message, "plugin hostile answered with a proposal of kind 9");
}

#[test]
fn looks_at_different_times_are_asked_about_one_by_one() {
    let plugin = hostile();
    let mut fleet = fleet(&plugin, "nothing:0", 3);
    let mut answers = Answers::new();
    fleet.evaluate(&[look(0, 9), look(1, 9), look(2, 9)], &mut answers).expect("a look a workload");
    assert_eq!(needs(&answers), [Ok(0.0); 3]);
    assert_eq!((plugin.counters().calls, plugin.counters().batches), (3, 0));
}

#[test]
fn each_call_of_its_own_needs_no_batch() {
    let plugin = hostile().in_mode(Mode::Fresh);
    let mut fleet = fleet(&plugin, "nothing:0", 3);
    for seen in 0..3_u32 {
        assert_eq!(ask(&mut fleet, seen.into(), &[9; 3]), [Ok(f64::from(seen)); 3]);
    }
    assert_eq!((plugin.counters().calls, plugin.counters().batches), (9, 0));
}

#[test]
fn workloads_come_and_go_with_their_states() {
    let mut fleet = fleet(&hostile(), "nothing:0", 3);
    assert_eq!(ask(&mut fleet, 0, &[9; 3]), [Ok(0.0); 3]);
    let mut state = Vec::new();
    fleet.snapshot(2, &mut state).expect("a state");
    assert_eq!(state, [1, 0, 0, 0]);
    assert!(fleet.swap_remove(0) && !fleet.swap_remove(2));
    assert_eq!(fleet.add(), Ok(2));
    assert_eq!(ask(&mut fleet, 1, &[9; 3]), [Ok(1.0), Ok(1.0), Ok(0.0)]);
    fleet.restore(2, &[41, 0, 0, 0]).expect("its kind of state");
    assert_eq!(ask(&mut fleet, 2, &[9; 3]), [Ok(2.0), Ok(2.0), Ok(41.0)]);
    for error in
        [fleet.restore(3, &state).expect_err("no such workload"), fleet.restore(0, b"?").expect_err("no state")]
    {
        assert!(!error.to_string().is_empty(), "{error}");
    }
    assert_eq!((fleet.len(), fleet.is_empty()), (3, false));
}

#[test]
fn looks_that_do_not_fit_are_refused_before_anybody_is_asked() {
    let plugin = hostile();
    let mut fleet = fleet(&plugin, "nothing:0", 2);
    let mut answers = Answers::new();
    let error = fleet.evaluate(&[look(0, 9)], &mut answers).expect_err("a look is missing");
    assert_eq!(error, LooksMismatch::Looks { workloads: 2, looks: 1 });
    let bare = Observation::new(Timestamp::from_millis(0), 9, &[]);
    let error = fleet.evaluate(&[look(0, 9), bare], &mut answers).expect_err("a reading is missing");
    assert_eq!(error.to_string(), "the fleet has 1 metrics, the look at workload 1 has 0 readings");
    assert_eq!((plugin.counters().calls, answers.len()), (0, 0));
}

#[test]
fn what_a_plugin_needs_is_asked_of_a_fleet_too() {
    let error = Fleet::new(&crate::CHATTY, &json!({}), &[p99()], &BTreeSet::new()).expect_err("no log");
    assert_eq!(error.path, "capabilities");
}

#[test]
fn a_store_that_fills_up_over_thousands_of_batches_is_replaced_before_it_fails() {
    let plugin = hostile();
    let mut fleet = fleet(&plugin, "leak", 2);
    for secs in 0..4_000 {
        assert_eq!(ask(&mut fleet, secs, &[4, 9]), [Ok(4.0), Ok(9.0)], "look {secs}");
    }
    let counters = plugin.counters();
    // 48 MiB are some 3,000 looks of 16 KiB, or 1,500 at each of the two; a store is made to try the configuration.
    assert_eq!((counters.renewals, counters.stores, counters.failures()), (2, 4, 0), "{counters:?}");
    assert_eq!(counters.restores, 4, "each workload went on from its state: {counters:?}");
}
