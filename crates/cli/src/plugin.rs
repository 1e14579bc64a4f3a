//! `setpoint plugin`.
#![doc = include_str!("../docs/plugin.md")]

mod bench;
mod build;
mod check;
mod inspect;
mod new;
mod shell;

use serde_json::Value;
use setpoint::{AlgorithmFactory as _, AlgorithmSpec, Metric, Reading, Registry, Target};
use setpoint_wasm::{Plugin, PluginHost, PluginHostBuilder};

use crate::check::Check;
use crate::cli::PluginCompileTime;
use crate::cli::plugin::PluginCommand;
use crate::error::BadInput;

pub(crate) fn run(command: &PluginCommand) -> Result<Check, BadInput> {
    match command {
        PluginCommand::New(arguments) => new::run(arguments).map(|()| Check::Passed),
        PluginCommand::Build(arguments) => build::run(arguments).map(|()| Check::Passed),
        PluginCommand::Inspect(arguments) => inspect::run(arguments).map(|()| Check::Passed),
        PluginCommand::Check(arguments) => check::run(arguments),
        PluginCommand::Bench(arguments) => bench::run(arguments).map(|()| Check::Passed),
    }
}

fn host(builder: PluginHostBuilder, compile_time: PluginCompileTime) -> Result<PluginHost, BadInput> {
    let host = builder.compile_time(compile_time.duration());
    host.build().map_err(|error| BadInput::at("plugins", format_args!("none can run here: {error}")))
}

/// What `--config` says.
fn config(json: Option<&str>) -> Result<Value, BadInput> {
    json.map_or(Ok(Value::Null), |json| serde_json::from_str(json).map_err(|error| BadInput::at("--config", error)))
}

fn registry(plugin: &Plugin) -> Registry {
    let mut registry = Registry::empty();
    registry.register_algorithm(plugin.name().to_owned(), plugin.clone()).expect("there is no other");
    registry
}

/// A policy of it alone, that grants what it can't do without.
fn spec(plugin: &Plugin, config: &Value) -> AlgorithmSpec {
    let mut spec = AlgorithmSpec::named(plugin.name(), config.clone());
    spec.capabilities = plugin.needs().requires.iter().map(|(capability, _)| *capability).collect();
    spec
}

fn needed(plugin: &Plugin) -> Vec<String> {
    plugin.needs().metrics.iter().map(|need| need.name.clone()).collect()
}

/// How many replicas a plugin is asked about, look after look.
const REPLICAS: u32 = 10;

/// The readings of look `number`: all between a half and three halves of their targets, and no two looks in a row alike.
fn readings(metrics: &[Metric], number: u32) -> Vec<Reading<'static>> {
    let load = 0.5 + f64::from(number % 64 * 37 % 64) / 64.0;
    let reading = |metric: &Metric| match metric.target {
        Target::Value(target) | Target::Utilization(target) => target.get() * load,
        Target::AverageValue(target) => target.get() * load * f64::from(REPLICAS),
    };
    metrics.iter().map(|metric| Reading::Value(reading(metric))).collect()
}
