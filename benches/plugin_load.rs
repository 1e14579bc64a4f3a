//! What does it cost to load a plugin, and to give one more workload an instance?

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use setpoint::{AlgorithmFactory as _, AlgorithmSpec, Registry};
use setpoint_benches::metrics;
use setpoint_testkit::guests;
use setpoint_wasm::{Mode, Plugin, PluginHost};

fn loading(criterion: &mut Criterion) {
    let host = PluginHost::new().expect("a host");
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for name in ["capped-smooth-ratio", "hostile"] {
        let component = guests::component(name);
        group.bench_function(format!("compile, check, describe/{name}, {} KiB", component.len() >> 10), |bencher| {
            bencher.iter(|| black_box(Plugin::load(&host, &component).expect("a good component").describe()));
        });
    }
    group.finish();
}

fn instances(criterion: &mut Criterion) {
    let host = PluginHost::new().expect("a host");
    let plugin = Plugin::load(&host, &guests::component("capped-smooth-ratio")).expect("a good component");
    let metrics = metrics(3);
    for (name, mode) in [("in a shared store", Mode::Warm), ("in its own", Mode::Isolated)] {
        let mut registry = Registry::empty();
        registry.register_algorithm("plugin", plugin.in_mode(mode)).expect("free");
        let spec = AlgorithmSpec::named("plugin", json!({}));
        let _neighbour = registry.build(&spec, &metrics).expect("a good configuration");
        criterion.bench_function(&format!("one more instance/{name}"), |bencher| {
            bencher.iter(|| black_box(registry.build(&spec, &metrics).expect("a good configuration")));
        });
    }
}

criterion_group!(benches, loading, instances);
criterion_main!(benches);
