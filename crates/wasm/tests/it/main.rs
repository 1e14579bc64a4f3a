//! The host, against real components.

mod cache;
mod capabilities;
mod contracts;
mod equivalence;
mod failures;
mod fleet;
mod hostile;
mod languages;
mod load;
mod modes;
mod prebuilt;
mod reload;
mod replay;
mod tokio_program;

use std::sync::LazyLock;

use setpoint::{AlgorithmManager, AlgorithmSpec, Metric, PolicySpec, Registry, ScalingAlgorithm, Target};
use setpoint_testkit::guests;
use setpoint_wasm::{Plugin, PluginHost};

/// One host for all tests, as in a process; hostile plugins beside well-behaved ones.
static HOST: LazyLock<PluginHost> = LazyLock::new(|| PluginHost::new().expect("a host"));

static CAPPED_SMOOTH_RATIO: LazyLock<Plugin> = LazyLock::new(|| plugin("capped-smooth-ratio"));
static CHATTY: LazyLock<Plugin> = LazyLock::new(|| plugin("chatty"));
static HOSTILE: LazyLock<Plugin> = LazyLock::new(|| plugin("hostile"));

fn plugin(name: &str) -> Plugin {
    Plugin::load(&HOST, &guests::component(name)).expect("a good component")
}

/// One workload of `plugin`, without a configuration.
fn workload_of(plugin: &Plugin) -> Box<dyn ScalingAlgorithm> {
    let spec = AlgorithmSpec::named(plugin.name(), serde_json::Value::Null);
    registry_of(plugin).build(&spec, &[p99()]).expect("an instance")
}

/// A registry of `plugin` alone, beside the library's own.
fn registry_of(plugin: &Plugin) -> Registry {
    let mut registry = Registry::builtin();
    registry.register_algorithm(plugin.name().to_owned(), plugin.clone()).expect("a free name");
    registry
}

fn registry() -> Registry {
    let mut registry = Registry::builtin();
    for plugin in [&*CAPPED_SMOOTH_RATIO, &*CHATTY, &*HOSTILE] {
        registry.register_algorithm(plugin.name().to_owned(), plugin.clone()).expect("free names");
    }
    registry
}

fn manager() -> AlgorithmManager {
    AlgorithmManager::with_registry(registry())
}

/// What a workload goes by where it has one metric.
fn p99() -> Metric {
    Metric::new("p99", Target::value(500.0).expect("in range"))
}

/// A policy of the hostile plugin: 1 to 40 replicas by one metric.
fn hostile(how: &str) -> PolicySpec {
    PolicySpec::new(1, 40, vec![p99()], AlgorithmSpec::named("hostile", how.into())).expect("a good policy")
}
