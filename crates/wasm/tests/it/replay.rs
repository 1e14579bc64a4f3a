//! A replay gives the same bytes everywhere, whatever the policy grants.

use std::time::Duration;

use serde_json::{Value, json};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Capability, Metric, Observation, Outcome, PolicySpec, Reading, Target, Timestamp,
    Trace,
};
use setpoint_testkit::guests;
use setpoint_wasm::{Plugin, PluginHost};

use crate::registry_of;

fn load(host: &PluginHost, name: &str) -> Plugin {
    Plugin::load(host, &guests::component(name)).expect("a good component")
}

/// Every decision and state of one workload over an hour, as bytes.
fn bytes(plugin: &Plugin, config: Value) -> Vec<u8> {
    let metrics = ["p99", "queue"].map(|name| Metric::new(name, Target::value(500.0).expect("in range")));
    let mut algorithm = AlgorithmSpec::named(plugin.name(), config);
    algorithm.capabilities = Capability::ALL.into();
    let policy = PolicySpec::new(0, 1_000_000, metrics.into(), algorithm).expect("a good policy");
    let mut manager = AlgorithmManager::with_registry(registry_of(plugin));
    let workload = manager.add(&policy).expect("a workload");
    let mut all = Vec::new();
    let mut current = 10;
    for step in 0..240_i32 {
        let wobble = f64::from(step * 37 % 64) / 64.0;
        let readings = [Reading::Value((0.5 + wobble) * 500.0), Reading::Value((1.0 + wobble * wobble) * 300.0)];
        let look = Observation::new(Timestamp::from_millis(i64::from(step) * 15_000), current, &readings);
        let decision = manager.decide(workload, &look, &mut Trace::off()).expect("a decision");
        assert_eq!(decision.outcome, Outcome::Need, "step {step}");
        current = decision.desired.clamp(1, 100);
        all.extend(decision.desired.to_le_bytes());
        all.extend(manager.snapshot(workload).expect("a state"));
    }
    all
}

/// FNV-1a.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn two_hosts_replay_the_same_bytes() {
    let hosts =
        [128 << 20, 32 << 20].map(|memory| PluginHost::builder().replay().memory(memory).build().expect("a host"));
    for (name, configs) in [
        ("capped-smooth-ratio", vec![json!({})]),
        ("chatty", ["clock", "passing", "random"].map(|tell| json!({ "tell": tell })).into()),
    ] {
        let plugins = hosts.each_ref().map(|host| load(host, name));
        for config in configs {
            let replayed = plugins.each_ref().map(|plugin| bytes(plugin, config.clone()));
            assert!(replayed[0] == replayed[1], "{name} {config}");
        }
    }
}

#[test]
fn another_machine_replays_the_same_bytes() {
    let host = PluginHost::builder().replay().build().expect("a host");
    let replayed = bytes(&load(&host, "capped-smooth-ratio"), json!({}));
    // Written down once, elsewhere. States are 240 smoothed ratios to the last bit.
    assert_eq!(format!("{:016x}", digest(&replayed)), "7c3bba794c3e7db8");
}

#[test]
fn work_is_counted_in_place_of_time() {
    let host =
        PluginHost::builder().replay().fuel(10_000_000).deadline(Duration::from_secs(600)).build().expect("a host");
    let plugin = load(&host, "hostile");
    let mut manager = AlgorithmManager::with_registry(registry_of(&plugin));
    let workload = manager.add(&crate::hostile("endless-loop")).expect("a workload");
    let mut trace = Trace::new();
    let readings = [Reading::Value(1.0)];
    let look = Observation::new(Timestamp::from_millis(0), 4, &readings);
    let decision = manager.decide(workload, &look, &mut trace).expect("a decision");
    assert_eq!(decision.outcome, Outcome::Fallback);
    let text = &trace.records(&[])[0].text;
    assert!(text.contains("plugin hostile did more than 10000000 units of work in one call"), "{text}");
    assert_eq!(plugin.counters().deadlines, 1);
}

#[test]
fn what_can_t_be_counted_is_ended_by_the_clock_after_a_hundred_deadlines() {
    let host =
        PluginHost::builder().replay().fuel(u64::MAX).deadline(Duration::from_millis(2)).build().expect("a host");
    let plugin = load(&host, "hostile");
    let mut manager = AlgorithmManager::with_registry(registry_of(&plugin));
    let workload = manager.add(&crate::hostile("endless-loop")).expect("a workload");
    let mut trace = Trace::new();
    let readings = [Reading::Value(1.0)];
    let look = Observation::new(Timestamp::from_millis(0), 4, &readings);
    manager.decide(workload, &look, &mut trace).expect("a decision");
    let text = &trace.records(&[])[0].text;
    assert!(text.contains("took longer than its deadline of 200ms"), "{text}");
}
