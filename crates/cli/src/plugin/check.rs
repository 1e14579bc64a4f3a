//! `setpoint plugin check`: the laws of algorithms, and the limits of their host.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use setpoint::{AlgorithmSpec, ConfigError, Observation, ScalingAlgorithm as _, Timestamp, Trace};
use setpoint_testkit::laws::{self, Subject, Verdict};
use setpoint_testkit::looks;
use setpoint_wasm::{Plugin, PluginHost};

use super::{REPLICAS, needed, readings, registry, spec};
use crate::catalog::read_component;
use crate::check::Check;
use crate::cli::plugin::CheckArguments;
use crate::error::BadInput;
use crate::output::{self, BOLD, DIM, RED};

#[derive(Debug, Serialize)]
struct Report {
    passed: bool,
    files: Vec<Checked>,
}

/// What became of one file.
#[derive(Debug, Serialize)]
struct Checked {
    file: String,
    passed: bool,
    /// Why it is no plugin, where it is none. Then there is nothing else.
    refused: Option<String>,
    name: Option<String>,
    version: Option<String>,
    laws: Vec<Law>,
    limits: Vec<Limit>,
}

#[derive(Debug, Serialize)]
struct Law {
    law: &'static str,
    /// `kept`, `broken` or `unchecked`.
    verdict: &'static str,
    /// How it was broken, or why it was not checked.
    why: Option<String>,
}

#[derive(Debug, Serialize)]
struct Limit {
    limit: &'static str,
    used: u64,
    most: u64,
    within: bool,
}

pub(crate) fn run(arguments: &CheckArguments) -> Result<Check, BadInput> {
    let config = super::config(arguments.config.as_deref())?;
    let builder = PluginHost::builder().deadline(Duration::from_millis(arguments.deadline));
    let host = super::host(builder, arguments.compile_time)?;
    let mut files = Vec::new();
    for file in &arguments.files {
        let bytes = read_component(file).map_err(|error| BadInput::file(file, "read", &error))?;
        files.push(check(&host, file, &bytes, &config, arguments));
    }
    let report = Report { passed: files.iter().all(|file| file.passed), files };
    if arguments.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report))?;
    }
    Ok(if report.passed { Check::Passed } else { Check::Failed })
}

fn check(host: &PluginHost, file: &Path, bytes: &[u8], config: &Value, arguments: &CheckArguments) -> Checked {
    let mut checked = Checked {
        file: file.display().to_string(),
        passed: false,
        refused: None,
        name: None,
        version: None,
        laws: Vec::new(),
        limits: Vec::new(),
    };
    let plugin = match Plugin::load(host, bytes) {
        Ok(plugin) => plugin,
        Err(error) => {
            checked.refused = Some(error.to_string());
            return checked;
        }
    };
    checked.name = Some(plugin.name().to_owned());
    checked.version = Some(plugin.version().to_owned());
    checked.laws = judge(&plugin, config, arguments);
    let mut limit =
        |limit, used: u64, most: u64| checked.limits.push(Limit { limit, used, most, within: used <= most });
    limit("bytes of its file", bytes.len() as u64, host.component_limit() as u64);
    // Who fails to answer has been told so, and takes long for it.
    let answers = checked.laws.iter().any(|law| law.law == laws::ANSWERS && law.verdict == "kept");
    if let Some(used) = answers.then(|| measure(&plugin, config).ok()).flatten() {
        limit("bytes of its state", used.state, host.snapshot_limit() as u64);
        // What takes longer than that to fill its memory is replaced in time, and seldom.
        limit("bytes of memory that thousands of looks leave behind", used.left_behind, host.memory_limit() as u64 / 2);
    }
    let counters = plugin.counters();
    limit("bytes of memory", counters.memory, host.memory_limit() as u64);
    limit("log lines beyond what a call may log", counters.log_lines_dropped, 0);
    checked.passed =
        checked.laws.iter().all(|law| law.verdict != "broken") && checked.limits.iter().all(|limit| limit.within);
    checked
}

fn judge(plugin: &Plugin, config: &Value, arguments: &CheckArguments) -> Vec<Law> {
    let registry = registry(plugin);
    let AlgorithmSpec { config, capabilities, .. } = spec(plugin, config);
    let mut subject =
        Subject::new(&registry, plugin.name()).with_config(config).granted(capabilities).needing(needed(plugin));
    if arguments.monotone {
        subject = subject.monotone();
    }
    if !plugin.is_deterministic() {
        subject = subject.except(laws::REPLAYS);
    }
    let excepted = |law: &str| arguments.except.iter().any(|name| name == law);
    for law in laws::names().filter(|law| excepted(law)) {
        subject = subject.except(law);
    }
    let judged = laws::judge(&subject, arguments.cases).into_iter().map(|(law, verdict)| match verdict {
        Verdict::Kept => Law { law, verdict: "kept", why: None },
        Verdict::Broken(how) => Law { law, verdict: "broken", why: Some(how) },
        Verdict::Unchecked => {
            let why = match law {
                law if excepted(law) => "left out with --except",
                laws::REPLAYS if !plugin.is_deterministic() => "it says of itself that it is not deterministic",
                laws::MONOTONE if !arguments.monotone => "not every algorithm promises it: --monotone",
                _ => "it does not answer",
            };
            Law { law, verdict: "unchecked", why: Some(why.to_owned()) }
        }
    });
    judged.collect()
}

/// What thousands of looks at one workload take.
struct Used {
    state: u64,
    left_behind: u64,
}

/// Looks after which a plugin has all the memory that it needs.
const SETTLED: u32 = 2_000;
/// Looks after these, in which a leak shows.
const MORE: u32 = 20_000;
/// How long these may take together.
const BUDGET: Duration = Duration::from_secs(10);

fn measure(plugin: &Plugin, config: &Value) -> Result<Used, ConfigError> {
    let metrics = looks::metrics_with(&needed(plugin));
    // Alone in its store, as nobody was before it.
    let plugin = plugin.in_mode(setpoint_wasm::Mode::Isolated);
    let mut algorithm = registry(&plugin).build(&spec(&plugin, config), &metrics)?;
    let (mut state, mut largest) = (Vec::new(), 0);
    let mut settled = 0;
    let begin = Instant::now();
    for number in 0..SETTLED + MORE {
        let readings = readings(&metrics, number);
        let look = Observation::new(Timestamp::from_millis(i64::from(number) * 15_000), REPLICAS, &readings);
        // Whether it should have answered is for the laws to say.
        let _ = algorithm.evaluate(&look, &mut Trace::off());
        state.clear();
        if algorithm.snapshot(&mut state).is_ok() {
            largest = largest.max(state.len());
        }
        if number == SETTLED {
            settled = plugin.counters().memory;
        }
        if begin.elapsed() > BUDGET {
            break;
        }
    }
    let now = plugin.counters().memory;
    Ok(Used { state: largest as u64, left_behind: if settled == 0 { 0 } else { now - settled } })
}

fn render(report: &Report) -> String {
    let (bold, dim, red, reset) = (BOLD.render(), DIM.render(), RED.render(), BOLD.render_reset());
    let mut text = String::new();
    for Checked { file, refused, name, version, laws, limits, .. } in &report.files {
        let (name, version) = (name.as_deref().unwrap_or("no plugin"), version.as_deref().unwrap_or_default());
        let _ = writeln!(text, "{bold}{file}{reset}: {}", format!("{name} {version}").trim_end());
        if let Some(why) = refused {
            let _ = writeln!(text, "  {red}refused{reset}    {why}");
        }
        for Law { law, verdict, why } in laws {
            let colour = if *verdict == "broken" { red } else { dim };
            let _ = writeln!(text, "  {colour}{verdict:<9}{reset}  {law}");
            for line in why.iter().flat_map(|why| why.lines()).take(LINES) {
                let _ = writeln!(text, "             {}", beginning(line));
            }
        }
        for Limit { limit, used, most, within } in limits {
            let (colour, word) = if *within { (dim, "within") } else { (red, "beyond") };
            let _ = writeln!(text, "  {colour}{word:<9}{reset}  {limit}: {used}, at most {most}");
        }
        text.push('\n');
    }
    let failed = report.files.iter().filter(|file| !file.passed).count();
    let _ = writeln!(text, "{} passed, {failed} failed", report.files.len() - failed);
    text
}

/// How much of an explanation a person reads; `--json` has it whole.
const LINES: usize = 6;
const CHARACTERS: usize = 400;

fn beginning(line: &str) -> String {
    match line.char_indices().nth(CHARACTERS) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}
