//! `setpoint cluster explain`: the last decision's path, as the policy's status has it.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use setpoint::{MetricSource, Observation, PolicySpec, Short, TargetRef, Trace};
use setpoint_kube::{Claimant, PolicyFound};

use super::found::{self, Condition, LastDecision, Reading, Status};
use crate::cli::cluster::ExplainArguments;
use crate::decide::explain::Told;
use crate::decide::measurement::measurements;
use crate::error::BadInput;
use crate::live;
use crate::output::{self, BOLD, DIM, RED};

pub(super) fn run(arguments: &ExplainArguments) -> Result<(), BadInput> {
    let found = live::runtime()?.block_on(found::find(&arguments.policy))?;
    let (status, now) = (found::status(&found)?, Timestamp::now());
    if arguments.json {
        return output::print_json(&Explained::new(&found, &status, now));
    }
    // What can't be read any more was decided for once: the status is told all the same.
    let spec = found::spec(&found).ok();
    output::print(&in_words(&found, spec.as_ref(), &status, now))
}

/// Everything, as `--json` writes it: docs/kubectl.md describes it.
#[derive(Serialize)]
struct Explained<'a> {
    namespace: &'a str,
    name: &'a str,
    target: Option<&'a TargetRef>,
    generation: Option<i64>,
    observed_generation: Option<i64>,
    current: Option<u32>,
    ready: Option<u32>,
    desired: Option<u32>,
    last_scale: Option<&'a str>,
    age_ms: Option<u128>,
    readings: &'a [Reading],
    decision: Option<&'a LastDecision>,
    conditions: &'a [Condition],
    others: Vec<Other<'a>>,
    unlisted: Option<&'a str>,
}

#[derive(Serialize)]
struct Other<'a> {
    kind: &'a str,
    key: &'a str,
    has_target: bool,
}

impl<'a> Explained<'a> {
    fn new(found: &'a PolicyFound, status: &'a Status, now: Timestamp) -> Self {
        let other = |Claimant { kind, key, has_target, .. }: &'a Claimant| Other { kind, key, has_target: *has_target };
        Self {
            namespace: &found.namespace,
            name: &found.name,
            target: found.target.as_ref(),
            generation: found.generation,
            observed_generation: status.observed_generation,
            current: status.current_replicas,
            ready: status.ready_replicas,
            desired: status.desired_replicas,
            last_scale: status.last_scale_time.as_deref(),
            age_ms: status.last_decision.as_ref().and_then(|last| since(&last.at, now)).map(|age| age.as_millis()),
            readings: &status.readings,
            decision: status.last_decision.as_ref(),
            conditions: &status.conditions,
            others: found.others.iter().map(other).collect(),
            unlisted: found.unlisted.as_deref(),
        }
    }
}

fn in_words(found: &PolicyFound, spec: Option<&PolicySpec>, status: &Status, now: Timestamp) -> String {
    let mut out = String::new();
    let (bold, dim, red, reset) = (BOLD.render(), DIM.render(), RED.render(), RED.render_reset());
    let target = found.target.as_ref().map_or_else(|| "nothing that can be told".to_owned(), ToString::to_string);
    let _ = writeln!(out, "{bold}{} scales {target}{reset}", found::name(found));
    if found.status.is_null() {
        out.push_str("  no controller has looked at it yet\n");
    }
    if let Some(current) = status.current_replicas {
        let ready = status.ready_replicas.map(|ready| format!(", {ready} ready")).unwrap_or_default();
        let _ = writeln!(out, "  {current} asked for{ready}");
    }
    if let Some(last) = &status.last_decision {
        let _ = writeln!(out, "  last looked at {}", ago(&last.at, now));
    }
    if let Some(last) = &status.last_scale_time {
        let _ = writeln!(out, "  last scaled {}", ago(last, now));
    }
    if let (Some(seen), Some(generation)) = (status.observed_generation, found.generation)
        && seen != generation
    {
        let _ = writeln!(
            out,
            "  {red}the policy was changed since{reset}: what follows is of generation {seen}, and it is {generation} now"
        );
    }
    out.push('\n');
    if let Some(last) = &status.last_decision {
        decision(last, spec, &status.readings).write(&mut out);
    }
    if !status.conditions.is_empty() {
        let _ = writeln!(out, "  {dim}conditions{reset}");
        let width = status.conditions.iter().map(|condition| condition.kind.len()).max().unwrap_or(0);
        for Condition { kind, status, reason, message, since } in &status.conditions {
            let _ = writeln!(out, "    {kind:<width$}  {status:<7}  {reason}: {message}; since {since}");
        }
    }
    if !found.others.is_empty() {
        let _ = writeln!(out, "  {dim}others for the same target{reset}");
        for Claimant { kind, key, has_target, .. } in &found.others {
            let what = if *has_target { "has it" } else { "waits for it" };
            let _ = writeln!(out, "    {kind} {key} {what}");
        }
    }
    if let Some(problem) = &found.unlisted {
        let _ = writeln!(out, "  whether others scale it isn't wholly known: {problem}");
    }
    out
}

/// The decision as `decide --explain` has it.
fn decision<'a>(last: &'a LastDecision, spec: Option<&PolicySpec>, readings: &'a [Reading]) -> Told<'a> {
    Told {
        at: last.at.clone(),
        current: last.from,
        desired: last.to,
        because: last.because.as_deref(),
        measured: readings.iter().map(|reading| (&*reading.name, measured(reading, spec, last.from))).collect(),
        steps: last.reasons.iter().map(|step| (&*step.stage, step.from, step.to, &*step.text)).collect(),
        // Until when is in the steps' texts.
        holds: Vec::new(),
    }
}

/// A reading with what it is compared with. That of single instances has no number that could be: the steps have theirs.
fn measured(reading: &Reading, spec: Option<&PolicySpec>, current: u32) -> String {
    let Some(value) = reading.value else {
        return format!("{}: {}", reading.state, reading.message.as_deref().unwrap_or("nobody says why"));
    };
    let is_one_number = |source: &MetricSource| matches!(source, MetricSource::Prometheus(_) | MetricSource::Http(_));
    let metric = spec.and_then(|spec| spec.metrics.iter().find(|metric| metric.name == reading.name));
    let Some(metric) = metric.filter(|metric| metric.source.as_ref().is_some_and(is_one_number)) else {
        return Short(value).to_string();
    };
    let (readings, trace) = ([setpoint::Reading::Value(value)], Trace::new());
    let look = Observation::new(setpoint::Timestamp::default(), current, &readings);
    measurements(std::slice::from_ref(metric), &look, &trace)[0].to_string()
}

/// How long before `now` a time in a status was. None for what is no time, or is yet to come by this clock.
fn since(time: &str, now: Timestamp) -> Option<Duration> {
    Duration::try_from(now.duration_since(time.parse().ok()?)).ok()
}

fn ago(time: &str, now: Timestamp) -> String {
    match since(time, now) {
        Some(age) => format!("{} ago", humantime::format_duration(Duration::from_secs(age.as_secs()))),
        None => format!("at {time}"),
    }
}
