//! What does a plugin's decision cost: warm, by number of metrics, with a missing reading and with reasons, or where it can
//! be replaced; in a store of its own for each call; and beside a plugin that never returns?

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use setpoint::{AlgorithmFactory, AlgorithmSpec, Observation, Reading, Registry, ScalingAlgorithm, Timestamp, Trace};
use setpoint_benches::{Looks, metrics};
use setpoint_testkit::guests;
use setpoint_wasm::{LivePlugin, Mode, Plugin, PluginHost};

fn load(host: &PluginHost, name: &str) -> Plugin {
    Plugin::load(host, &guests::component(name)).expect("a good component")
}

fn build<F>(plugin: &F, config: serde_json::Value, count: usize) -> Box<dyn ScalingAlgorithm>
where
    F: AlgorithmFactory + Clone + 'static,
{
    let mut registry = Registry::empty();
    registry.register_algorithm("plugin", plugin.clone()).expect("free");
    registry.build(&AlgorithmSpec::named("plugin", config), &metrics(count)).expect("a good configuration")
}

fn warm(criterion: &mut Criterion) {
    let plugin = load(&PluginHost::new().expect("a host"), "capped-smooth-ratio");
    for count in [1, 3, 8, 64] {
        let mut algorithm = build(&plugin, json!({}), count);
        let (mut looks, mut trace) = (Looks::new(count), Trace::off());
        criterion.bench_function(&format!("warm/{count} metrics"), |bencher| {
            bencher.iter(|| black_box(algorithm.evaluate(black_box(&looks.look()), &mut trace)));
        });
    }
    // What is handed over, and nothing that is done with it: an answer and a state of four bytes.
    let careless = load(&PluginHost::new().expect("a host"), "hostile");
    for count in [3, 64] {
        let mut algorithm = build(&careless, json!("harmless:0"), count);
        let (mut looks, mut trace) = (Looks::new(count), Trace::off());
        criterion.bench_function(&format!("warm/{count} metrics, none of them read"), |bencher| {
            bencher.iter(|| black_box(algorithm.evaluate(black_box(&looks.look()), &mut trace).expect("an answer")));
        });
    }
    let mut algorithm = build(&plugin, json!({}), 3);
    let readings = [Reading::Value(620.0), Reading::Missing("scrape failed"), Reading::Value(80.0)];
    let look = Observation::new(Timestamp::default(), 10, &readings);
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
    let mut algorithm = build(&LivePlugin::new(plugin.clone()), json!({}), 3);
    criterion.bench_function("warm/3 metrics, can be replaced", |bencher| {
        bencher.iter(|| black_box(algorithm.evaluate(black_box(&looks.look()), &mut Trace::off())));
    });
    let mut algorithm = build(&plugin.in_mode(Mode::Isolated), json!({}), 3);
    criterion.bench_function("isolated/3 metrics", |bencher| {
        bencher.iter(|| black_box(algorithm.evaluate(black_box(&looks.look()), &mut Trace::off())));
    });
}

fn fresh(criterion: &mut Criterion) {
    let on_demand = PluginHost::builder().mode(Mode::Fresh);
    let pooled = on_demand.clone().slots(8);
    for (name, builder) in [("on demand", on_demand), ("pooled", pooled)] {
        let plugin = load(&builder.build().expect("a host"), "capped-smooth-ratio");
        let mut algorithm = build(&plugin, json!({}), 3);
        let mut looks = Looks::new(3);
        criterion.bench_function(&format!("fresh/{name}"), |bencher| {
            bencher.iter(|| black_box(algorithm.evaluate(black_box(&looks.look()), &mut Trace::off())));
        });
    }
}

/// One plugin always runs into its deadline on another thread of the same host; a look is how this one fares.
fn beside_a_spinning_one(criterion: &mut Criterion) {
    let host = PluginHost::builder().deadline(Duration::from_millis(20)).build().expect("a host");
    let hostile = load(&host, "hostile");
    let mut algorithm = build(&load(&host, "capped-smooth-ratio"), json!({}), 3);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut spinning = build(&hostile, json!("endless-loop"), 3);
            let mut looks = Looks::new(3);
            while !stop.load(Ordering::Relaxed) {
                assert!(spinning.evaluate(&looks.look(), &mut Trace::off()).is_err(), "it never returns");
            }
        });
        let mut looks = Looks::new(3);
        criterion.bench_function("warm/3 metrics, beside a plugin that spins", |bencher| {
            bencher.iter(|| black_box(algorithm.evaluate(black_box(&looks.look()), &mut Trace::off())));
        });
        stop.store(true, Ordering::Relaxed);
    });
}

criterion_group!(benches, warm, fresh, beside_a_spinning_one);
criterion_main!(benches);
