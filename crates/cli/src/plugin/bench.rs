//! `setpoint plugin bench`: what a plugin costs on this machine, beside what an algorithm of the library costs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use setpoint::{
    AlgorithmSpec, ConfigError, Metric, Observation, Reading, Registry, ScalingAlgorithm, Target, Timestamp, Trace,
};
use setpoint_wasm::{Fleet, Mode, Plugin, PluginHost};

use super::{REPLICAS, needed, readings, registry, spec};
use crate::catalog::read_component;
use crate::cli::plugin::BenchArguments;
use crate::error::BadInput;
use crate::output::{self, BOLD, DIM};
use crate::progress::Progress;

/// What a plugin is set beside: the largest ratio of a metric to its target.
const NATIVE: &str = "max-ratio";
/// How many metrics a look has where the question is another.
const USUAL: usize = 3;
/// How many workloads are asked in one call.
const FLEET: usize = 1_000;
/// Instances that are ready for calls that want a new one each.
const SLOTS: u32 = 8;
/// What each metric should be.
const TARGET: f64 = 100.0;
/// A clock's own cost must not show in what is measured.
const BATCH: Duration = Duration::from_millis(2);

#[derive(Debug, Serialize)]
struct Report {
    file: String,
    name: String,
    version: String,
    loads: Vec<Figure>,
    decisions: Vec<Figure>,
}

/// What one thing costs, in nanoseconds.
#[derive(Debug, Serialize)]
struct Figure {
    what: String,
    /// Of what was timed, half took less.
    median_ns: f64,
    least_ns: f64,
    /// How many times as much as the library's own algorithm, timed in turn with it: the least of both.
    times_native: Option<f64>,
}

pub(crate) fn run(arguments: &BenchArguments) -> Result<(), BadInput> {
    let file = &arguments.file;
    let bytes = read_component(file).map_err(|error| BadInput::file(file, "read", &error))?;
    let config = super::config(arguments.config.as_deref())?;
    let host = super::host(PluginHost::builder(), arguments.compile_time)?;
    let refused = |error: &dyn std::fmt::Display| BadInput::at(file.display(), error);
    let plugin = Plugin::load(&host, &bytes).map_err(|error| refused(&error))?;
    let budget = Duration::from_millis(arguments.millis);
    let fewest = needed(&plugin).len().max(1);
    let counts: BTreeSet<usize> = arguments.metrics.iter().map(|&count| usize::from(count).max(fewest)).collect();
    let bench = Bench { plugin: &plugin, config: &config, budget };

    let figures = 2 + counts.len() + 2 + usize::from(plugin.has_batch());
    let progress = Progress::new("timing", figures, arguments.json);
    let mut done = 0;
    let mut one_more = || {
        progress.set(done, 1.0);
        done += 1;
    };
    let mut loads = Vec::new();
    loads.push(timed("compiled anew", budget, || Plugin::load(&host, &bytes)).map_err(|error| refused(&error))?);
    one_more();
    let folder = tempfile::tempdir().map_err(|error| BadInput::at("a folder for its cache", error))?;
    let cached = PluginHost::builder().cache(folder.path()).build();
    let cached = cached.map_err(|error| BadInput::at("a cache for it", error))?;
    Plugin::load(&cached, &bytes).map_err(|error| refused(&error))?;
    loads.push(timed("from the cache", budget, || Plugin::load(&cached, &bytes)).map_err(|error| refused(&error))?);
    one_more();

    let mut decisions = Vec::new();
    let mut decision = |figure: Result<Figure, String>| -> Result<(), BadInput> {
        decisions.push(figure.map_err(|message| refused(&message))?);
        one_more();
        Ok(())
    };
    for count in counts {
        decision(bench.decision(&format!("warm, {}", metrics_in_words(count)), Mode::Warm, count))?;
    }
    let usual = USUAL.max(fewest);
    decision(bench.decision(&format!("in a store of its own, {}", metrics_in_words(usual)), Mode::Isolated, usual))?;
    let pooled = super::host(PluginHost::builder().slots(SLOTS), arguments.compile_time)?;
    let fresh = Plugin::load(&pooled, &bytes).map_err(|error| refused(&error))?;
    let what = format!("a new instance for it, {}", metrics_in_words(usual));
    decision(Bench { plugin: &fresh, ..bench }.decision(&what, Mode::Fresh, usual))?;
    if plugin.has_batch() {
        decision(bench.batch(usual))?;
    }
    // Before anything is printed.
    drop(progress);

    let report = Report {
        file: file.display().to_string(),
        name: plugin.name().to_owned(),
        version: plugin.version().to_owned(),
        loads,
        decisions,
    };
    if arguments.json { output::print_json(&report) } else { output::print(&report.render()) }
}

fn metrics_in_words(count: usize) -> String {
    if count == 1 { "1 metric".to_owned() } else { format!("{count} metrics") }
}

/// One plugin as it is asked.
#[derive(Clone, Copy)]
struct Bench<'a> {
    plugin: &'a Plugin,
    config: &'a Value,
    budget: Duration,
}

impl Bench<'_> {
    /// What it needs, and others up to `count`.
    fn metrics(&self, count: usize) -> Vec<Metric> {
        let mut names = needed(self.plugin);
        let others = (0..).map(|number| format!("m{number}")).filter(|name| !names.contains(name));
        let others: Vec<String> = others.take(count.saturating_sub(names.len())).collect();
        names.extend(others);
        let target = || Target::value(TARGET).expect("in range");
        names.into_iter().map(|name| Metric::new(name, target())).collect()
    }

    fn build(&self, mode: Mode, metrics: &[Metric]) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        let plugin = self.plugin.in_mode(mode);
        registry(&plugin).build(&spec(&plugin, self.config), metrics)
    }

    /// A decision with `count` metrics, and the library's own in turn with it.
    fn decision(&self, what: &str, mode: Mode, count: usize) -> Result<Figure, String> {
        let metrics = self.metrics(count);
        let mut plugin = self.build(mode, &metrics).map_err(|error| error.to_string())?;
        let native = Registry::builtin().build(&AlgorithmSpec::named(NATIVE, Value::Null), &metrics);
        let mut native = native.expect("it takes any metrics");
        let (mut looks, mut native_looks) = (Looks::new(&metrics), Looks::new(&metrics));
        pair(
            what,
            self.budget,
            1,
            || answered(plugin.evaluate(&looks.next(), &mut Trace::off())),
            || answered(native.evaluate(&native_looks.next(), &mut Trace::off())),
        )
    }

    /// A decision of one of many workloads, asked in one call.
    fn batch(&self, count: usize) -> Result<Figure, String> {
        let metrics = self.metrics(count);
        let AlgorithmSpec { config, capabilities, .. } = spec(self.plugin, self.config);
        let mut fleet = Fleet::new(self.plugin, &config, &metrics, &capabilities).map_err(|error| error.to_string())?;
        for _ in 0..FLEET {
            fleet.add().map_err(|error| error.to_string())?;
        }
        let native = AlgorithmSpec::named(NATIVE, Value::Null);
        let registry = Registry::builtin();
        let mut natives: Vec<_> =
            (0..FLEET).map(|_| registry.build(&native, &metrics).expect("it takes any metrics")).collect();
        let (mut looks, mut native_looks) = (Looks::new(&metrics), Looks::new(&metrics));
        let mut answers = Vec::new();
        pair(
            &format!("one of {FLEET} in one call, {}", metrics_in_words(count)),
            self.budget,
            FLEET,
            || {
                let look = looks.next();
                fleet.evaluate(&[look; FLEET], &mut answers).map_err(|error| error.to_string())?;
                answers.iter().try_for_each(|answer| answered(answer.as_ref()))
            },
            || {
                let look = native_looks.next();
                natives.iter_mut().try_for_each(|native| answered(native.evaluate(&look, &mut Trace::off())))
            },
        )
    }
}

/// A plugin that refuses or breaks is not what it would be in use: its cost would mislead.
fn answered<T>(answer: Result<T, impl std::fmt::Display>) -> Result<(), String> {
    answer
        .map(|answer| drop(black_box(answer)))
        .map_err(|error| format!("it gives no answer that could be timed: {error}"))
}

/// Readings around their targets, that come again after 64 looks.
struct Looks {
    readings: Vec<Vec<Reading<'static>>>,
    count: usize,
}

impl Looks {
    fn new(metrics: &[Metric]) -> Self {
        Self { readings: (0..64).map(|look| readings(metrics, look)).collect(), count: 0 }
    }

    /// The next one, 15 s later.
    fn next(&mut self) -> Observation<'_> {
        self.count += 1;
        let now = i64::try_from(self.count).expect("nobody waits that long") * 15_000;
        Observation::new(Timestamp::from_millis(now), REPLICAS, &self.readings[self.count % 64])
    }
}

/// How long `work` takes, over `budget` or once.
fn timed<T, E>(what: &str, budget: Duration, mut work: impl FnMut() -> Result<T, E>) -> Result<Figure, E> {
    let begun = Instant::now();
    let mut each = Vec::new();
    while each.is_empty() || begun.elapsed() < budget {
        let start = Instant::now();
        let done = work();
        each.push(start.elapsed().as_nanos() as f64);
        // What it takes to let go of it is no part of it.
        drop(done?);
    }
    Ok(Figure::of(what, each))
}

/// How long one of `each` that `plugin` does takes; and `native`, in turn with it. They are compared by their least, which
/// whatever else this machine does touches last.
fn pair(
    what: &str,
    budget: Duration,
    each: usize,
    mut plugin: impl FnMut() -> Result<(), String>,
    mut native: impl FnMut() -> Result<(), String>,
) -> Result<Figure, String> {
    let plugin_calls = calls_in_a_batch(&mut plugin)?;
    let native_calls = calls_in_a_batch(&mut native)?;
    let begun = Instant::now();
    let (mut costs, mut least_native) = (Vec::new(), f64::INFINITY);
    while costs.is_empty() || begun.elapsed() < budget {
        costs.push(batch(&mut plugin, plugin_calls)? / each as f64);
        least_native = least_native.min(batch(&mut native, native_calls)? / each as f64);
    }
    let mut figure = Figure::of(what, costs);
    figure.times_native = Some(figure.least_ns / least_native);
    Ok(figure)
}

/// So many that a clock's own cost doesn't show.
fn calls_in_a_batch(work: &mut impl FnMut() -> Result<(), String>) -> Result<u32, String> {
    let mut calls = 1;
    while batch(work, calls)? * f64::from(calls) < BATCH.as_nanos() as f64 {
        calls *= 2;
    }
    Ok(calls)
}

/// Nanoseconds a call.
fn batch(work: &mut impl FnMut() -> Result<(), String>, calls: u32) -> Result<f64, String> {
    let start = Instant::now();
    for _ in 0..calls {
        work()?;
    }
    Ok(start.elapsed().as_nanos() as f64 / f64::from(calls))
}

impl Figure {
    fn of(what: &str, mut costs: Vec<f64>) -> Self {
        costs.sort_by(f64::total_cmp);
        Self { what: what.to_owned(), median_ns: costs[costs.len() / 2], least_ns: costs[0], times_native: None }
    }
}

impl Report {
    fn render(&self) -> String {
        let (bold, dim, reset) = (BOLD.render(), DIM.render(), BOLD.render_reset());
        let mut text = format!("{bold}{}{reset} {}, {}\n", self.name, self.version, self.file);
        let mut say = |title: &str, figures: &[Figure]| {
            let _ = writeln!(text, "\n{bold}{title:<42}{reset} {dim}{:>10} {:>10}{reset}", "median", "least");
            for Figure { what, median_ns, least_ns, times_native } in figures {
                let _ = write!(text, "  {what:<40} {:>10} {:>10}", in_words(*median_ns), in_words(*least_ns));
                let _ = match times_native {
                    Some(times) => writeln!(text, "  {dim}{times:.1} times native {NATIVE}{reset}"),
                    None => writeln!(text),
                };
            }
        };
        say("to load it", &self.loads);
        say("to decide once", &self.decisions);
        text
    }
}

/// Nanoseconds with three digits and their unit.
fn in_words(nanos: f64) -> String {
    let (number, unit) = match nanos {
        ..1e3 => (nanos, "ns"),
        ..1e6 => (nanos / 1e3, "µs"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_have_three_digits() {
        for (nanos, words) in [
            (0.5, "0.50 ns"),
            (37.04, "37.0 ns"),
            (912.0, "912 ns"),
            (1_830.0, "1.83 µs"),
            (4e8, "400 ms"),
            (2e9, "2.00 s"),
        ] {
            assert_eq!(in_words(nanos), words);
        }
    }

    #[test]
    fn what_is_timed_in_turn_is_compared_a_batch_with_its_neighbour() {
        let spin = |rounds: u32| {
            move || {
                for round in 0..rounds {
                    black_box(round);
                }
                Ok(())
            }
        };
        let figure = pair("much beside little", Duration::from_millis(20), 1, spin(20_000), spin(1_000)).expect("both");
        assert!(figure.times_native.expect("two were timed") > 2.0, "{figure:?}");
        assert!(figure.least_ns <= figure.median_ns, "{figure:?}");
    }

    #[test]
    fn a_failed_call_ends_it() {
        let refused = || Err("no".to_owned());
        assert_eq!(pair("it", Duration::ZERO, 1, refused, || Ok(())).expect_err("no figure"), "no");
    }
}
