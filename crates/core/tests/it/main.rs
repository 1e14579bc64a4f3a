//! The library as its users see it.

mod activation;
mod aibrix;
mod allocations;
mod behavior;
mod combinator;
mod failure;
mod group;
mod handler;
mod hpa;
mod knative;
mod kubeai;
mod laws;
mod manager;
mod nomad;
mod pipeline;
mod ratios;
mod remembered;
mod substituted;
mod watermark;
mod window;

#[global_allocator]
static ALLOCATOR: setpoint_testkit::allocations::Counting = setpoint_testkit::allocations::Counting;

use setpoint::{AlgorithmManager, AlgorithmSpec, Metric, Observation, PolicySpec, Reading, Target, Timestamp, Trace};

/// Metrics `m0`, `m1`, …, each with the target 1: a reading is its own ratio.
fn metrics(count: usize) -> Vec<Metric> {
    (0..count).map(|index| Metric::new(format!("m{index}"), Target::value(1.0).expect("in range"))).collect()
}

fn policy(algorithm: &str, config: serde_json::Value, metrics: usize, (min, max): (u32, u32)) -> PolicySpec {
    PolicySpec::new(min, max, self::metrics(metrics), AlgorithmSpec::named(algorithm, config)).expect("a good policy")
}

/// Decides for looks at `(seconds, current, readings)`, and gives what was desired.
#[track_caller]
fn decide(policy: &PolicySpec, looks: &[(i64, u32, &[Reading<'_>])]) -> Vec<u32> {
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(policy).expect("a good policy");
    looks
        .iter()
        .map(|&(secs, current, readings)| {
            let look = Observation::new(Timestamp::from_millis(secs * 1000), current, readings);
            manager.decide(workload, &look, &mut Trace::new()).expect("a decision").desired
        })
        .collect()
}
