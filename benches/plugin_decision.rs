//! What does a plugin's decision cost: warm, by number of metrics and with a missing reading; in a fresh
//! instance; and what does loading one cost?

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use setpoint::{AlgorithmFactory as _, AlgorithmSpec, Reading, Registry, ScalingAlgorithm as _, Trace};
use setpoint_benches::{Looks, metrics};
use setpoint_testkit::guests;
use setpoint_wasm::{Host, HostConfig, Instances, Plugin};

fn load(config: &HostConfig) -> Plugin {
    let host = Host::new(config).expect("a host");
    Plugin::load(&host, &guests::component("capped-smooth-ratio")).expect("a good component")
}

fn spec(plugin: &Plugin) -> (Registry, AlgorithmSpec) {
    let mut registry = Registry::empty();
    registry.register_algorithm("plugin", plugin.clone()).expect("free");
    (registry, AlgorithmSpec::named("plugin", json!({})))
}

fn warm(criterion: &mut Criterion) {
    let plugin = load(&HostConfig::default());
    let (registry, spec) = spec(&plugin);
    for count in [1, 3, 8, 64] {
        let mut algorithm = registry.build(&spec, &metrics(count)).expect("a good configuration");
        let (mut looks, mut trace) = (Looks::new(count), Trace::off());
        criterion.bench_function(&format!("warm/{count} metrics"), |bencher| {
            bencher.iter(|| black_box(algorithm.evaluate(black_box(&looks.look()), &mut trace)));
        });
    }
    let mut algorithm = registry.build(&spec, &metrics(3)).expect("a good configuration");
    let readings = [Reading::Value(620.0), Reading::Missing("scrape failed"), Reading::Value(80.0)];
    let look = setpoint::Observation::new(setpoint::Timestamp::default(), 10, &readings);
    criterion.bench_function("warm/3 metrics, one missing", |bencher| {
        bencher.iter(|| black_box(algorithm.evaluate(black_box(&look), &mut Trace::off())));
    });
    let mut trace = Trace::new();
    let mut looks = Looks::new(3);
    criterion.bench_function("warm/3 metrics, traced", |bencher| {
        bencher.iter(|| {
            trace.clear();
            black_box(algorithm.evaluate(black_box(&looks.look()), &mut trace))
        });
    });
}

fn fresh(criterion: &mut Criterion) {
    let pooled = HostConfig::default().with_instances(Instances::Pooled { slots: 8 });
    for (name, config) in [("on demand", HostConfig::default()), ("pooled", pooled)] {
        let plugin = load(&config);
        let (registry, spec) = spec(&plugin);
        let (mut looks, metrics) = (Looks::new(3), metrics(3));
        criterion.bench_function(&format!("fresh instance and its first decision/{name}"), |bencher| {
            bencher.iter(|| {
                let mut algorithm = registry.build(&spec, &metrics).expect("a good configuration");
                black_box(algorithm.evaluate(black_box(&looks.look()), &mut Trace::off()))
            });
        });
    }
}

fn loading(criterion: &mut Criterion) {
    let host = Host::new(&HostConfig::default()).expect("a host");
    let component = guests::component("capped-smooth-ratio");
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("compile, check, describe", |bencher| {
        bencher.iter(|| black_box(Plugin::load(&host, &component).expect("a good component").describe()));
    });
    group.finish();
}

criterion_group!(benches, warm, fresh, loading);
criterion_main!(benches);
