//! What does it cost to load a plugin, compiled now or before, and to give one more workload an instance?

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use setpoint::{AlgorithmFactory as _, AlgorithmSpec, Registry};
use setpoint_benches::metrics;
use setpoint_testkit::guests;
use setpoint_wasm::{CacheUse, Mode, Plugin, PluginHost};

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

fn cached(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let host = PluginHost::builder().cache(folder.path()).build().expect("a host");
    let mut group = criterion.benchmark_group("load");
    for name in ["capped-smooth-ratio", "hostile"] {
        let component = guests::component(name);
        Plugin::load(&host, &component).expect("a good component");
        group.bench_function(format!("from the cache/{name}, {} KiB", component.len() >> 10), |bencher| {
            // What it takes to let go of one is another matter.
            bencher.iter_with_large_drop(|| {
                let plugin = Plugin::load(&host, &component).expect("a good component");
                assert_eq!(plugin.cache_use(), &CacheUse::Hit);
                plugin
            });
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

criterion_group!(benches, loading, cached, instances);
criterion_main!(benches);
