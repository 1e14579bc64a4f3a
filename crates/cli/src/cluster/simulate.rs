//! `setpoint cluster simulate`: what a policy makes of what was recorded.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use setpoint::{Metric, PolicySpec, Registry};
use setpoint_kube::PolicyFound;

use super::found;
use super::recording::{Recording, with_sources};
use super::replay::{Change, Replay, Summary, replay};
use crate::catalog::Catalog;
use crate::cli::cluster::{ClusterSimulateArguments, RecordingArguments};
use crate::decide::explain::time;
use crate::error::BadInput;
use crate::live;
use crate::output::{self, BOLD, DIM};

/// What is said wherever a recording is replayed.
const AS_RECORDED: &str = "Readings are as they were recorded: the load does not react to the count.";

/// Everything, as `--json` writes it: docs/kubectl.md describes it.
#[derive(Serialize)]
struct Simulated<'a> {
    #[serde(flatten)]
    recorded: Recorded<'a>,
    policy: &'a str,
    summary: Summary,
    changes: &'a [Change],
}

/// What was replayed.
#[derive(Serialize)]
pub(super) struct Recorded<'a> {
    namespace: &'a str,
    name: &'a str,
    from_ms: i64,
    until_ms: i64,
    step_ms: u128,
    start: u32,
    /// Whether the load would have been another with another count: never in a recording.
    load_reacts: bool,
}

pub(super) fn run(arguments: &ClusterSimulateArguments) -> Result<(), BadInput> {
    let mut catalog = Catalog::new(&arguments.recording.plugins)?;
    let found = live::runtime()?.block_on(found::find(&arguments.cluster))?;
    let own = found::spec(&found)?;
    let policy = match &arguments.policy {
        Some(path) => changed(&mut catalog, path, &own)?,
        None => Named { name: found::name(&found), spec: own },
    };
    let recording = live::runtime()?.block_on(Recording::fetch(&arguments.recording, &[&policy.spec]))?;
    let start = start(&arguments.recording, &found, &policy.spec)?;
    let replay = policy.replay(&recording, catalog.registry(), start)?;
    if let Some(path) = &arguments.record {
        output::replace(path, replay.observations.as_bytes())?;
    }
    let recorded = Recorded::new(&found, &recording, start);
    if arguments.recording.json {
        let Replay { summary, changes, .. } = &replay;
        return output::print_json(&Simulated { recorded, policy: &policy.name, summary: *summary, changes });
    }
    let mut out = recorded.in_words(&recording, &policy.spec.metrics);
    table(&[(&policy.name, &replay.summary)], &mut out);
    out.push('\n');
    changes(&replay.changes, arguments.recording.show, &mut out);
    if let Some(path) = &arguments.record {
        let _ = writeln!(out, "\nWhat was observed is in {}", path.display());
    }
    output::print(&out)
}

/// A policy and what it is called in messages.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) spec: PolicySpec,
}

impl Named {
    pub(super) fn replay(&self, recording: &Recording, registry: &Registry, start: u32) -> Result<Replay, BadInput> {
        replay(recording, &self.spec, registry, start).map_err(|error| BadInput::at(&self.name, error))
    }
}

/// The policy in the file at `path`, with the sources of the cluster's `own` where it has none.
pub(super) fn changed(catalog: &mut Catalog, path: &Path, own: &PolicySpec) -> Result<Named, BadInput> {
    let loaded = catalog.open_policy(path)?;
    let spec = with_sources(loaded.policy().spec.clone(), own).map_err(|error| loaded.error(&error))?;
    Ok(Named { name: path.display().to_string(), spec })
}

/// The count to begin with: what is asked for, else what there is now, else the policy's smallest.
pub(super) fn start(arguments: &RecordingArguments, found: &PolicyFound, policy: &PolicySpec) -> Result<u32, BadInput> {
    Ok(match arguments.start {
        Some(start) => start,
        None => found::status(found)?.current_replicas.unwrap_or(policy.min_replicas),
    })
}

impl<'a> Recorded<'a> {
    pub(super) fn new(found: &'a PolicyFound, recording: &Recording, start: u32) -> Self {
        let grid = recording.grid;
        Self {
            namespace: &found.namespace,
            name: &found.name,
            from_ms: grid.at(0).as_millis(),
            until_ms: grid.at(grid.points() - 1).as_millis(),
            step_ms: grid.step().as_millis(),
            start,
            load_reacts: false,
        }
    }

    pub(super) fn in_words(&self, recording: &Recording, metrics: &[Metric]) -> String {
        let (bold, reset) = (BOLD.render(), BOLD.render_reset());
        let step = humantime::format_duration(recording.grid.step());
        let mut out = format!(
            "{bold}{}/{} from {} until {}{reset}\n{} readings a metric, {step} apart; the count begins at {}.\n{AS_RECORDED}\n",
            self.namespace,
            self.name,
            time(self.from_ms),
            time(self.until_ms),
            recording.grid.points(),
            self.start,
        );
        for of in recording.usable(metrics) {
            if let Some(why) = of.why {
                let without = recording.grid.points() - of.usable;
                let _ = writeln!(out, "{}: {without} of them can't be used; the first: {why}", of.metric);
            }
        }
        out.push('\n');
        out
    }
}

/// Policies as rows.
pub(super) fn table(rows: &[(&str, &Summary)], out: &mut String) {
    let titles = ["ups", "downs", "reversals", "replica-hours", "lowest", "highest"];
    let (dim, reset) = (DIM.render(), DIM.render_reset());
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("policy".len());
    let _ = writeln!(out, "{dim}{:<width$}  {}{reset}", "policy", titles.join("  "));
    for (name, summary) in rows {
        let cells = [
            summary.ups.to_string(),
            summary.downs.to_string(),
            summary.reversals.to_string(),
            format!("{:.2}", summary.replica_hours),
            summary.lowest.to_string(),
            summary.highest.to_string(),
        ];
        let cell = |(cell, title): (&String, &&str)| format!("{cell:>width$}", width = title.len());
        let cells: Vec<String> = cells.iter().zip(&titles).map(cell).collect();
        let _ = writeln!(out, "{name:<width$}  {}", cells.join("  "));
    }
}

fn changes(changes: &[Change], show: usize, out: &mut String) {
    if changes.is_empty() {
        out.push_str("The count never changes.\n");
    }
    for Change { at_ms, from, to, because } in changes.iter().take(show) {
        let _ = writeln!(out, "{}  {:<10}  {because}", time(*at_ms), format!("{from} -> {to}"));
    }
    unshown(changes.len(), show, out);
}

/// How many of `all` rows aren't shown.
pub(super) fn unshown(all: usize, show: usize, out: &mut String) {
    if let Some(more) = all.checked_sub(show).filter(|more| *more > 0) {
        let _ = writeln!(out, "and {more} more: see --show, or --json");
    }
}
