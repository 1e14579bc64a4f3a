//! A plugin is replaced while it runs, and no decision is lost or made twice.

mod folder;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use setpoint::{
    AlgorithmManager, AlgorithmSpec, FailureSpec, Observation, Outcome, Proposal, Reading, Registry, ScalingAlgorithm,
    Timestamp, Trace, WorkloadId,
};
use setpoint_testkit::{guests, looks};
use setpoint_wasm::{Fleet, LivePlugin, Mode, Plugin, PluginHost, ReplaceError};

use crate::hostile;

const READINGS: [Reading<'static>; 1] = [Reading::Value(620.0)];

fn look(secs: u32, current: u32) -> Observation<'static> {
    Observation::new(Timestamp::from_millis(i64::from(secs) * 1000), current, &READINGS)
}

/// The hostile plugin's file with `number` in a section that nobody reads: another version that does the same.
pub(super) fn edition(number: u8) -> Vec<u8> {
    let mut file = guests::component("hostile");
    file.extend_from_slice(&[0, 9, 7]);
    file.extend_from_slice(b"edition");
    file.push(number);
    file
}

/// The hostile plugin's file with one of the words that it looks for changed: what did nothing before does something now.
/// The compiler has made numbers of its words' beginnings.
pub(super) fn hears(word: &str, instead_of: &str) -> Vec<u8> {
    let constant = |word: &str| {
        let (opcode, value) = match word.as_bytes() {
            [a, b, c, d] => (0x41, i64::from(i32::from_le_bytes([*a, *b, *c, *d]))),
            eight => (0x42, i64::from_le_bytes(eight.try_into().expect("four bytes or eight"))),
        };
        let (mut bytes, mut value) = (vec![opcode], value);
        // Signed LEB128.
        loop {
            let low = u8::try_from(value & 0x7f).expect("seven bits");
            value >>= 7;
            if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
                bytes.push(low);
                return bytes;
            }
            bytes.push(low | 0x80);
        }
    };
    let (old, new) = (constant(instead_of), constant(word));
    assert_eq!(old.len(), new.len(), "{word} for {instead_of}");
    let mut file = guests::component("hostile");
    let places: Vec<usize> = (0..file.len() - old.len()).filter(|&at| file[at..].starts_with(&old)).collect();
    assert!(!places.is_empty(), "the hostile plugin doesn't look for {instead_of} so");
    for at in places {
        file[at..at + new.len()].copy_from_slice(&new);
    }
    file
}

fn load(file: &[u8]) -> Plugin {
    Plugin::load(&crate::HOST, file).expect("a good component")
}

pub(super) fn registry(live: &LivePlugin) -> Registry {
    let mut registry = Registry::builtin();
    registry.register_algorithm(live.name(), live.clone()).expect("a free name");
    registry
}

/// A manager whose workloads run `live` as each of `hows`.
fn manager(live: &LivePlugin, hows: &[&str]) -> (AlgorithmManager, Vec<WorkloadId>) {
    let mut manager = AlgorithmManager::with_registry(registry(live));
    let workloads = hows.iter().map(|how| add(&mut manager, how)).collect();
    (manager, workloads)
}

pub(super) fn add(manager: &mut AlgorithmManager, how: &str) -> WorkloadId {
    let mut policy = hostile(how).with_on_failure(FailureSpec::Hold);
    (policy.min_replicas, policy.max_replicas) = (0, 1_000_000);
    manager.add(&policy).expect("a workload")
}

pub(super) fn decide(manager: &mut AlgorithmManager, workload: WorkloadId, secs: u32) -> (u32, Outcome) {
    let decision = manager.decide(workload, &look(secs, 9), &mut Trace::off()).expect("a decision");
    (decision.desired, decision.outcome)
}

#[test]
fn workloads_go_on_from_their_states_with_the_new_version_from_their_next_call_on() {
    for mode in [Mode::Warm, Mode::Isolated, Mode::Fresh] {
        let live = LivePlugin::new(load(&edition(1)).in_mode(mode));
        let (mut manager, workloads) = manager(&live, &["nothing:0"; 3]);
        // The first has seen three looks, the second one, and the last none.
        for (workload, seen) in [(0, 0), (0, 1), (0, 2), (1, 0)] {
            assert_eq!(decide(&mut manager, workloads[workload], seen), (seen, Outcome::Need), "{mode:?}");
        }
        let from = live.edition();
        let next = load(&edition(2));
        let replacement = live.replace(&next).expect("it does the same");
        assert_eq!((replacement.kept, replacement.resets()), (3, 0), "{mode:?}");
        assert_eq!((&replacement.from, &replacement.to), (&from, &live.edition()));
        assert_eq!(live.edition().fingerprint, next.fingerprint());
        assert_ne!(from, live.edition());

        let mut trace = Trace::new();
        let decision = manager.decide(workloads[0], &look(3, 9), &mut trace).expect("a decision");
        assert_eq!(decision.desired, 3, "{mode:?}");
        let said = trace.records(&[])[0].text.clone();
        assert_eq!(said, format!("{} took over from {}", replacement.to, replacement.from));
        manager.decide(workloads[0], &look(4, 9), &mut trace).expect("a decision");
        assert!(!trace.records(&[])[0].text.contains("took over"), "it is said once");
        assert_eq!(decide(&mut manager, workloads[1], 5), (1, Outcome::Need), "{mode:?}");
        assert_eq!(decide(&mut manager, workloads[2], 6), (0, Outcome::Need), "{mode:?}");
        // What is made now is the new one, and all count together; the trial is in no count.
        let late = add(&mut manager, "nothing:0");
        assert_eq!(decide(&mut manager, late, 7), (0, Outcome::Need), "{mode:?}");
        assert_eq!((live.counters().calls, live.counters().failures()), (9, 0), "{mode:?}");
        assert_eq!((next.counters().calls, next.counters().instances), (0, 0), "{mode:?}");
    }
}

#[test]
fn a_state_that_the_new_version_refuses_is_reported_and_begins_anew() {
    let live = LivePlugin::new(load(&edition(1)));
    let (mut manager, workloads) = manager(&live, &["regretful:0", "nothing:0", "regretful:0"]);
    for seen in 0..3 {
        for workload in &workloads[..2] {
            assert_eq!(decide(&mut manager, *workload, seen), (seen, Outcome::Need));
        }
    }
    let replacement = live.replace(&load(&hears("regretfu", "forgetfu"))).expect("that is no obstacle");
    assert_eq!((replacement.kept, replacement.resets()), (2, 1), "{replacement}");
    assert_eq!(replacement.reset.get("what state?"), Some(&1), "{replacement}");
    assert!(replacement.to_string().ends_with("2 workloads go on, 1 begin anew (what state?)"), "{replacement}");

    let mut trace = Trace::new();
    let decision = manager.decide(workloads[0], &look(3, 9), &mut trace).expect("a decision");
    assert_eq!((decision.desired, decision.outcome), (0, Outcome::Need));
    let said = trace.records(&[])[0].text.clone();
    assert!(said.ends_with("and begins anew: what state?"), "{said}");
    assert_eq!(decide(&mut manager, workloads[1], 3), (3, Outcome::Need));
    assert_eq!(decide(&mut manager, workloads[2], 3), (0, Outcome::Need));
    assert_eq!(live.counters().failures(), 0);
}

#[test]
fn what_fails_its_trial_changes_nothing() {
    type Is = fn(&ReplaceError) -> bool;
    let cases: [(&str, &str, Vec<u8>, Is, &str); 6] = [
        (
            "refuses a configuration",
            "peruse-config:0",
            hears("peruse-c", "refuse-c"),
            |error| matches!(error, ReplaceError::Config(_)),
            "it can't begin with the configuration of a workload: how: not [31mtoday; change the policy first",
        ),
        (
            "never ends making an instance",
            "process-create:0",
            hears("process-", "endless-"),
            |error| matches!(error, ReplaceError::Config(_)),
            "took longer than its deadline",
        ),
        (
            "never ends taking a state",
            "process-restore:0",
            hears("process-", "endless-"),
            |error| matches!(error, ReplaceError::State(_)),
            "it breaks on a workload's state: plugin hostile took longer than its deadline",
        ),
        (
            "never ends answering",
            "process-loop",
            hears("process-", "endless-"),
            |error| matches!(error, ReplaceError::Answer(_)),
            "it can't answer what the running version answered: plugin hostile took longer",
        ),
        ("traps", "stop", hears("stop", "trap"), |error| matches!(error, ReplaceError::Answer(_)), "crashed"),
        (
            "refuses what was answered",
            "perhse",
            hears("perh", "refu"),
            |error| matches!(error, ReplaceError::Answer(_)),
            "can't answer: not today",
        ),
    ];
    for (name, how, file, is, want) in cases {
        let live = LivePlugin::new(load(&edition(1)));
        let (mut manager, workloads) = manager(&live, &["nothing:0", how]);
        for seen in 0..2 {
            assert_eq!(decide(&mut manager, workloads[0], seen), (seen, Outcome::Need), "{name}");
            assert_eq!(decide(&mut manager, workloads[1], seen).1, Outcome::Need, "{name}");
        }
        let before = (live.edition(), live.counters());
        let error = live.replace(&load(&file)).expect_err(name);
        assert!(is(&error) && error.to_string().contains(want), "{name}: {error}");
        assert_eq!((live.edition(), live.counters()), before, "{name}");
        assert_eq!(decide(&mut manager, workloads[0], 2), (2, Outcome::Need), "{name}");
        // And who is added later gets what runs.
        let late = add(&mut manager, how);
        assert_eq!(decide(&mut manager, late, 3).1, Outcome::Need, "{name}");
    }
}

#[test]
fn another_plugin_and_another_host_s_are_refused() {
    let live = LivePlugin::new(load(&edition(1)));
    let error = live.replace(&crate::CHATTY).expect_err("another plugin");
    assert_eq!(error.to_string(), "it calls itself `chatty`, and what runs is `hostile`: give it a place of its own");
    let elsewhere = PluginHost::new().expect("a host");
    let stranger = Plugin::load(&elsewhere, &edition(2)).expect("a good component");
    assert_eq!(live.replace(&stranger).expect_err("another engine"), ReplaceError::OtherHost);
}

#[test]
fn a_version_for_an_older_contract_and_back_keep_every_bit() {
    let name = crate::CAPPED_SMOOTH_RATIO.name();
    let old = load(&guests::released("0.1", "capped-smooth-ratio"));
    let live = LivePlugin::new(old.clone());
    let registry = registry(&live);
    let config = json!({ "smoothingFactor": 0.3, "maxScaleUp": "50%" });
    let metrics = looks::metrics();
    let build = |registry: &Registry, name: &str| {
        registry.build(&AlgorithmSpec::named(name, config.clone()), &metrics).expect("a good configuration")
    };
    let (mut replaced, mut native) = (build(&registry, name), build(&registry, "capped-smooth-ratio"));
    for step in 0..40_u32 {
        if step % 5 == 0 {
            let next = if step % 2 == 0 { &*crate::CAPPED_SMOOTH_RATIO } else { &old };
            let replacement = live.replace(next).expect("both are good");
            assert_eq!((replacement.kept, replacement.resets()), (1, 0), "{replacement}");
            assert_eq!(live.running().contract(), next.contract());
        }
        let readings: Vec<Reading<'_>> =
            (0..metrics.len()).map(|_| Reading::Value(f64::from(step * 37 % 11) * 60.0)).collect();
        let look = Observation::new(Timestamp::from_millis(i64::from(step) * 15_000), 7, &readings);
        let answer = |algorithm: &mut dyn ScalingAlgorithm| match algorithm
            .evaluate(&look, &mut Trace::off())
            .expect("an answer")
        {
            Proposal::Need(need) => Some(need.settle(look.current, &mut Trace::off()).exact().to_bits()),
            Proposal::Hold(_) => None,
            other => panic!("neither says {other:?}"),
        };
        assert_eq!(answer(&mut *replaced), answer(&mut *native), "step {step}");
    }
}

#[test]
fn a_fleet_goes_on_with_a_new_version() {
    let mut fleet = Fleet::new(&load(&edition(1)), &json!("regretful:0"), &hostile("").metrics, &Default::default())
        .expect("a fleet");
    for _ in 0..3 {
        fleet.add().expect("a workload");
    }
    let mut answers = Vec::new();
    let mut seen = |fleet: &mut Fleet, secs| {
        fleet.evaluate(&[look(secs, 9); 3], &mut answers).expect("as many looks");
        let needs = answers.iter().map(|answer| match answer {
            Ok(Proposal::Need(need)) => need.exact(),
            other => panic!("{other:?}"),
        });
        needs.collect::<Vec<f64>>()
    };
    assert_eq!(seen(&mut fleet, 0), [0.0; 3]);
    assert_eq!(seen(&mut fleet, 1), [1.0; 3]);
    let replacement = fleet.replace(&load(&edition(2))).expect("it does the same");
    assert_eq!((replacement.kept, replacement.resets()), (3, 0));
    assert_eq!(seen(&mut fleet, 2), [2.0; 3]);
    let replacement = fleet.replace(&load(&hears("regretfu", "forgetfu"))).expect("states are no obstacle");
    assert_eq!((replacement.kept, replacement.resets()), (0, 3));
    assert_eq!(seen(&mut fleet, 3), [0.0; 3]);
    assert!(matches!(fleet.replace(&crate::CHATTY), Err(ReplaceError::OtherPlugin { .. })));
}

/// Tells threads to end, whichever way it is left.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Three threads decide without a pause, and add and remove workloads, while versions alternate.
#[test]
fn no_decision_is_lost_or_made_twice_while_versions_alternate() {
    const SWAPS: u32 = 60;
    for mode in [Mode::Warm, Mode::Isolated, Mode::Fresh] {
        let live = LivePlugin::new(load(&edition(1)).in_mode(mode));
        let editions = [load(&edition(2)), load(&edition(3))];
        let (done, decided, ready) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let (live, done, decided, ready) = (&live, &done, &decided, &ready);
                scope.spawn(move || {
                    let (mut manager, mut workloads) = manager(live, &["nothing:0"; 8]);
                    ready.fetch_add(1, Ordering::Relaxed);
                    let mut seen = [0_u32; 8];
                    let mut round = 0;
                    while !done.load(Ordering::Relaxed) {
                        for (workload, seen) in workloads.iter().zip(&mut seen) {
                            // Each answer is how many looks the state has seen: one lost or made twice would show.
                            assert_eq!(decide(&mut manager, *workload, round), (*seen, Outcome::Need), "{mode:?}");
                            *seen += 1;
                            decided.fetch_add(1, Ordering::Relaxed);
                        }
                        round += 1;
                        let index = round as usize % 8;
                        if round % 16 == 0 {
                            assert!(manager.remove(workloads[index]));
                            workloads[index] = add(&mut manager, "nothing:0");
                            seen[index] = 0;
                        }
                    }
                });
            }
            let _end = End(&done);
            // Not before all have their workloads, and are deciding.
            let begun = Instant::now();
            while ready.load(Ordering::Relaxed) < 3 || decided.load(Ordering::Relaxed) < 100 {
                assert!(begun.elapsed() < Duration::from_secs(60), "{ready:?} threads are ready");
                std::thread::yield_now();
            }
            for swap in 0..SWAPS {
                let replacement = live.replace(&editions[swap as usize % 2]).expect("all do the same");
                assert_eq!(replacement.resets(), 0, "{mode:?}: {replacement}");
                // Each thread may just be replacing a workload.
                assert!(replacement.kept >= 21, "{mode:?}: {replacement}");
            }
        });
        let counters = live.counters();
        assert_eq!(counters.calls, u64::from(decided.load(Ordering::Relaxed)), "{mode:?}: {counters:?}");
        assert_eq!(counters.failures(), 0, "{mode:?}: {counters:?}");
    }
}
