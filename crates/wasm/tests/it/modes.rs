//! Where instances live changes what a failure costs, and no answer.

use proptest::prelude::*;
use setpoint::{
    AlgorithmManager, FailureSpec, Observation, Outcome, PolicySpec, Proposal, QuarantineSpec, Reading, Registry,
    ScalingAlgorithm as _, Timestamp, Trace, WorkloadId,
};
use setpoint_testkit::laws::{self, Subject};
use setpoint_testkit::{guests, hostile, looks};
use setpoint_wasm::{Mode, Plugin, PluginHost};

use crate::equivalence::{PLUGIN, configs, equal};
use crate::{CAPPED_SMOOTH_RATIO, registry_of, workload_of};

const READINGS: [Reading<'static>; 1] = [Reading::Value(620.0)];
const MODES: [Mode; 3] = [Mode::Warm, Mode::Isolated, Mode::Fresh];

/// A plugin with counters of its own.
fn hostile_plugin(host: &PluginHost) -> Plugin {
    Plugin::load(host, &guests::component("hostile")).expect("a good component")
}

fn look(secs: i64, current: u32) -> Observation<'static> {
    Observation::new(Timestamp::from_millis(secs * 1000), current, &READINGS)
}

fn policy(how: &str) -> PolicySpec {
    let mut policy = crate::hostile(how).with_on_failure(FailureSpec::Hold);
    policy.min_replicas = 0;
    policy
}

/// A manager of one hostile plugin, with a workload for each of `hows`.
/// Workloads that ask the plugin at every look, however it fails.
fn manager(plugin: &Plugin, hows: &[&str]) -> (AlgorithmManager, Vec<WorkloadId>) {
    let mut manager = AlgorithmManager::with_registry(registry_of(plugin));
    let workloads = hows
        .iter()
        .map(|how| manager.add(&policy(how).with_quarantine(QuarantineSpec::Never)).expect("a workload"))
        .collect();
    (manager, workloads)
}

fn decide(manager: &mut AlgorithmManager, workload: WorkloadId, look: &Observation<'_>) -> (u32, Outcome) {
    let decision = manager.decide(workload, look, &mut Trace::off()).expect("a decision");
    (decision.desired, decision.outcome)
}

fn registry(mode: Mode) -> Registry {
    registry_of(&CAPPED_SMOOTH_RATIO.in_mode(mode))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_every_mode_plugin_and_native_are_equal_bit_for_bit(config in configs(), looks in looks::sequence(40)) {
        for mode in MODES {
            equal(&registry(mode), PLUGIN, &config, &looks)?;
        }
    }
}

#[test]
fn in_every_mode_a_plugin_keeps_the_laws() {
    for mode in [Mode::Isolated, Mode::Fresh] {
        laws::check(&Subject::new(&registry(mode), CAPPED_SMOOTH_RATIO.name()).monotone(), 6);
    }
}

#[test]
fn what_breaks_a_shared_store_costs_its_neighbours_no_decision_and_one_restore() {
    for how in ["trap", "endless-loop", "stack-overflow", "exit"] {
        let plugin = hostile_plugin(&crate::HOST);
        let (mut manager, workloads) = manager(&plugin, &["nothing:0", how, "nothing:0", "nothing:0"]);
        for seen in 0..6 {
            for (index, workload) in workloads.iter().enumerate() {
                let decision = decide(&mut manager, *workload, &look(seen.into(), 9));
                // Each neighbour tells how many looks its state has seen.
                let want = if index == 1 { (9, Outcome::Fallback) } else { (seen, Outcome::Need) };
                assert_eq!(decision, want, "{how}, workload {index}, look {seen}");
            }
        }
        let counters = plugin.counters();
        assert_eq!((counters.calls, counters.failures()), (24, 6), "{how}: {counters:?}");
        // The first failure breaks the store for three neighbours; from then on the culprit breaks its own alone. The first
        // neighbour was asked before, so it has a state to go on from; the others are as they were made.
        assert_eq!(counters.restores, 1, "{how}: {counters:?}");
        assert_eq!(counters.instances, 4 + 3 + 5, "{how}: {counters:?}");
        assert_eq!(counters.stores, 1 + 1 + 5, "{how}: {counters:?}");
    }
}

#[test]
fn an_answer_without_sense_costs_its_own_instance_alone() {
    let plugin = hostile_plugin(&crate::HOST);
    let (mut manager, workloads) = manager(&plugin, &["nothing:0", "nan", "nothing:0"]);
    for seen in 0..3 {
        let decisions: Vec<_> =
            workloads.iter().map(|workload| decide(&mut manager, *workload, &look(seen.into(), 9))).collect();
        assert_eq!(decisions, [(seen, Outcome::Need), (9, Outcome::Fallback), (seen, Outcome::Need)]);
    }
    let counters = plugin.counters();
    assert_eq!((counters.stores, counters.nonsense, counters.instances, counters.restores), (1, 3, 3 + 2, 0));
}

#[test]
fn a_destructor_that_traps_costs_its_neighbours_a_restore() {
    let plugin = hostile_plugin(&crate::HOST);
    let (mut manager, workloads) = manager(&plugin, &["trap-in-drop:0", "nothing:0"]);
    for workload in &workloads {
        assert_eq!(decide(&mut manager, *workload, &look(0, 9)), (0, Outcome::Need));
    }
    assert!(manager.remove(workloads[0]));
    assert_eq!(decide(&mut manager, workloads[1], &look(1, 9)), (1, Outcome::Need));
    assert_eq!((plugin.counters().stores, plugin.counters().restores), (2, 1));
}

#[test]
fn a_store_that_is_too_small_for_its_workloads_is_left_without_a_lost_decision() {
    let plugin = hostile_plugin(&crate::HOST);
    // A mebibyte more each for each of three looks: 300 in all, 64 fit.
    let hows = ["hoard:3"; 100];
    let (mut manager, workloads) = manager(&plugin, &hows);
    for at in 0..5 {
        for workload in &workloads {
            let (desired, outcome) = decide(&mut manager, *workload, &look(at, 9));
            assert_eq!(outcome, Outcome::Need, "look {at}: {:?}", plugin.counters());
            // While it hoards, the current count; then how many looks there were.
            assert!(desired == 9 || i64::from(desired) <= at, "look {at}: {desired}");
        }
    }
    let counters = plugin.counters();
    assert!(counters.stores > 2 && counters.failures() == 0, "{counters:?}");
}

#[test]
fn so_many_workloads_share_a_store_and_no_more() {
    let host = PluginHost::builder().workloads_per_store(2).build().expect("a host");
    let plugin = hostile_plugin(&host);
    let (mut manager, workloads) = manager(&plugin, &["nothing:0"; 5]);
    assert_eq!(plugin.counters().stores, 3);
    // A place that becomes free is taken.
    assert!(manager.remove(workloads[1]));
    manager.add(&policy("nothing:0")).expect("a workload");
    manager.add(&policy("nothing:0")).expect("a workload");
    assert_eq!(plugin.counters().stores, 3);
    manager.add(&policy("nothing:0")).expect("a workload");
    assert_eq!(plugin.counters().stores, 4);
}

#[test]
fn isolated_workloads_share_nothing() {
    let plugin = hostile_plugin(&crate::HOST).in_mode(Mode::Isolated);
    let (mut manager, workloads) = manager(&plugin, &["trap", "nothing:0", "nothing:0"]);
    assert_eq!(plugin.counters().stores, 3);
    for seen in 0..3 {
        assert_eq!(decide(&mut manager, workloads[0], &look(seen.into(), 9)), (9, Outcome::Fallback));
        assert_eq!(decide(&mut manager, workloads[1], &look(seen.into(), 9)), (seen, Outcome::Need));
    }
    assert_eq!(plugin.counters().stores, 3 + 2);
}

#[test]
fn a_fresh_instance_has_its_workload_s_state_and_nothing_else() {
    for (mode, second) in [(Mode::Warm, (1, Outcome::Need)), (Mode::Fresh, (9, Outcome::Fallback))] {
        let plugin = hostile_plugin(&crate::HOST).in_mode(mode);
        // Looks that were answered are in the state; how often an instance has refused is not.
        let (mut manager, workloads) = manager(&plugin, &["nothing:0", "refuse:1"]);
        assert_eq!(decide(&mut manager, workloads[1], &look(0, 9)), (9, Outcome::Fallback), "{mode:?}");
        assert_eq!(decide(&mut manager, workloads[1], &look(1, 9)), second, "{mode:?}");
        for seen in 0..3 {
            assert_eq!(decide(&mut manager, workloads[0], &look(seen.into(), 9)), (seen, Outcome::Need), "{mode:?}");
        }
    }
}

#[test]
fn fresh_instances_come_from_slots_and_say_when_there_are_none() {
    let host = PluginHost::builder().slots(2).mode(Mode::Isolated).build().expect("a host");
    let plugin = hostile_plugin(&host);
    let (mut manager, workloads) = manager(&plugin, &["nothing:0", "nothing:0"]);
    let error = manager.add(&policy("nothing:0")).expect_err("both slots are taken");
    assert!(error.message.contains("found no free slot") && error.message.contains("more `slots`"), "{error}");
    assert!(manager.remove(workloads[0]));
    manager.add(&policy("nothing:0")).expect("a slot is free");
}

#[test]
fn many_threads_may_use_one_plugin() {
    let plugin = hostile_plugin(&crate::HOST);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let plugin = &plugin;
            scope.spawn(move || {
                let (mut manager, workloads) = manager(plugin, &["nothing:0", "trap@7", "nothing:0"]);
                for seen in 0..40 {
                    assert_eq!(decide(&mut manager, workloads[0], &look(seen.into(), 9)), (seen, Outcome::Need));
                    let traps = seen % 10 == thread;
                    let outcome = decide(&mut manager, workloads[1], &look(seen.into(), if traps { 7 } else { 9 })).1;
                    assert_eq!(outcome == Outcome::Fallback, traps, "look {seen}");
                    assert_eq!(decide(&mut manager, workloads[2], &look(seen.into(), 9)), (seen, Outcome::Need));
                }
            });
        }
    });
    let counters = plugin.counters();
    assert_eq!((counters.calls, counters.traps, counters.failures()), (480, 16, 16), "{counters:?}");
}

#[test]
fn a_state_beyond_the_limit_is_a_failure_that_says_so() {
    let host = PluginHost::builder().snapshot(3).build().expect("a host");
    let plugin = hostile_plugin(&host);
    let (mut manager, workloads) = manager(&plugin, &["nothing:0"]);
    let mut trace = Trace::new();
    let decision = manager.decide(workloads[0], &look(0, 9), &mut trace).expect("a decision");
    assert_eq!(decision.outcome, Outcome::Fallback);
    let text = &trace.records(&[])[0].text;
    assert!(text.contains("plugin hostile has a state of 4 bytes, at most 3 are kept"), "{text}");
    assert_eq!(plugin.counters().resources, 1);
}

/// 64 MiB are 4,096 looks of a plugin that leaks a page at each fourth.
#[test]
fn a_store_that_fills_up_over_thousands_of_looks_is_replaced_before_it_fails() {
    for mode in [Mode::Warm, Mode::Isolated] {
        let plugin = Plugin::load(&crate::HOST, &hostile::leaky()).expect("a good component").in_mode(mode);
        let mut alone = workload_of(&plugin);
        for secs in 0..20_000 {
            let answer = alone.evaluate(&look(secs, 4), &mut Trace::off());
            assert!(matches!(answer, Ok(Proposal::Need(need)) if need.exact() == 7.0), "look {secs}: {answer:?}");
        }
        let counters = plugin.counters();
        assert_eq!((counters.failures(), counters.renewals), (0, 6), "{mode:?}: {counters:?}");
        assert_eq!(counters.stores, 7, "{mode:?}");
    }
}

#[test]
fn a_store_that_fills_up_at_once_is_not_replaced_over_and_over() {
    let host = PluginHost::builder().memory(4 << 20).build().expect("a host");
    let plugin = Plugin::load(&host, &hostile::leaky()).expect("a good component").in_mode(Mode::Isolated);
    let mut alone = workload_of(&plugin);
    let answers = (0..1_000).map(|secs| alone.evaluate(&look(secs, 4), &mut Trace::off()));
    let failed = answers.filter(Result::is_err).count() as u64;
    let counters = plugin.counters();
    assert!(failed > 1 && counters.resources == failed, "{counters:?}");
    assert_eq!((counters.renewals, counters.stores), (0, failed + 1), "{counters:?}");
}
