//! What does one tick over a fleet cost through one plugin: 10,000 workloads with 3 metrics, each with its own state, in
//! batches and one by one?

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use setpoint::{AlgorithmSpec, Observation, Reading, Registry, Timestamp, Trace};
use setpoint_benches::metrics;
use setpoint_testkit::guests;
use setpoint_wasm::{Fleet, Plugin, PluginHost};

const FLEET: usize = 10_000;

/// 64 ticks' readings of each workload, over and over.
fn readings() -> Vec<Vec<[Reading<'static>; 3]>> {
    let value = |tick: usize, index: usize| {
        let wobble = ((index * 37 + tick * 11) % 64) as f64 / 64.0;
        [500.0, 40.0, 70.0].map(|target| Reading::Value((0.5 + wobble) * target))
    };
    (0..64).map(|tick| (0..FLEET).map(|index| value(tick, index)).collect()).collect()
}

fn tick(criterion: &mut Criterion) {
    let host = PluginHost::new().expect("a host");
    let plugin = Plugin::load(&host, &guests::component("capped-smooth-ratio")).expect("a good component");
    let readings = readings();
    let (mut now, mut next) = (0_i64, 0);
    let mut group = criterion.benchmark_group("10,000 workloads");
    group.sample_size(20).throughput(Throughput::Elements(FLEET as u64));

    let mut fleet = Fleet::new(&plugin, &json!({}), &metrics(3), &BTreeSet::new()).expect("a good configuration");
    for _ in 0..FLEET {
        fleet.add().expect("an instance");
    }
    let mut answers = Vec::new();
    group.bench_function("in batches", |bencher| {
        bencher.iter(|| {
            now += 15_000;
            next = (next + 1) % 64;
            let now = Timestamp::from_millis(now);
            let looks: Vec<_> = readings[next].iter().map(|readings| Observation::new(now, 10, readings)).collect();
            fleet.evaluate(&looks, &mut answers).expect("a look a workload");
            black_box(&answers);
        });
    });
    drop(fleet);

    let mut registry = Registry::empty();
    registry.register_algorithm("plugin", plugin).expect("free");
    let spec = AlgorithmSpec::named("plugin", json!({}));
    let build = || registry.build(&spec, &metrics(3)).expect("a good configuration");
    let mut algorithms: Vec<_> = (0..FLEET).map(|_| build()).collect();
    let mut trace = Trace::off();
    group.bench_function("one by one", |bencher| {
        bencher.iter(|| {
            now += 15_000;
            next = (next + 1) % 64;
            for (algorithm, readings) in algorithms.iter_mut().zip(&readings[next]) {
                let look = Observation::new(Timestamp::from_millis(now), 10, readings);
                black_box(algorithm.evaluate(&look, &mut trace)).expect("an answer");
            }
        });
    });
    group.finish();
}

criterion_group!(benches, tick);
criterion_main!(benches);
