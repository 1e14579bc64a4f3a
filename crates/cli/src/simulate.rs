//! `setpoint simulate`.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use setpoint::{ConfigError, Registry};
use setpoint_sim::{Comparison, Load, Run, Scenario, ScenarioRecord, simulate};

use crate::catalog::{Catalog, LoadedPolicy};
use crate::cli::SimulateArguments;
use crate::document::Document;
use crate::error::BadInput;
use crate::output;
use crate::progress::Progress;
use crate::view::{report, terminal};

pub(crate) fn run(arguments: &SimulateArguments) -> Result<(), BadInput> {
    let (scenario, load) = scenario(arguments)?;
    let seed = arguments.seed.unwrap_or_else(|| scenario.seed());
    let mut catalog = Catalog::new(&arguments.plugins)?;
    let mut policies: Vec<_> =
        arguments.policy.iter().map(|path| catalog.open_policy(path)).collect::<Result<_, _>>()?;
    if arguments.compare {
        policies.extend(catalog.schools()?);
    } else if policies.is_empty() {
        policies = catalog.builtin_policies()?;
    }
    let silent = arguments.quiet || arguments.json;
    let comparison = Comparison {
        scenario: ScenarioRecord::new(&scenario, &load, seed),
        runs: compare(&scenario, &load, seed, &policies, catalog.registry(), silent)?,
    };
    if let Some(path) = &arguments.report {
        output::replace(path, report::html(&comparison).as_bytes())?;
    }
    if arguments.json {
        return output::print_json(&comparison);
    }
    if !arguments.quiet {
        output::print(&terminal::render(&comparison, terminal::width()))?;
        if let Some(path) = &arguments.report {
            output::print(&format!("\nThe report is in {}\n", path.display()))?;
        }
    }
    Ok(())
}

fn scenario(arguments: &SimulateArguments) -> Result<(Scenario, Load), BadInput> {
    if let Some(path) = &arguments.scenario {
        let document = Document::open(path)?;
        let scenario = Scenario::from_value(document.value()).map_err(|error| document.error(&error))?;
        let load = Load::open(&scenario, path.parent().unwrap_or(Path::new("")))?;
        return Ok((scenario, load));
    }
    if let Some(path) = &arguments.trace {
        return scenario_of_trace(path);
    }
    let scenario = Scenario::builtin();
    let load = Load::open(&scenario, Path::new(""))?;
    Ok((scenario, load))
}

/// A trace as the load of a service with default values.
pub(crate) fn scenario_of_trace(path: &Path) -> Result<(Scenario, Load), BadInput> {
    let scenario = Scenario::for_trace(path).map_err(|error| BadInput::at(path.display(), error))?;
    let load = Load::open(&scenario, Path::new(""))?;
    Ok((scenario, load))
}

/// Runs every policy over the same load, as many at a time as there are processors.
fn compare(
    scenario: &Scenario,
    load: &Load,
    seed: u64,
    policies: &[LoadedPolicy],
    registry: &Registry,
    silent: bool,
) -> Result<Vec<Run>, BadInput> {
    let progress = Progress::new("simulating", policies.len(), silent);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done: Vec<(usize, Result<Run, ConfigError>)> = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(loaded) = policies.get(index) else { return done };
            let run = simulate(scenario, load, seed, loaded.policy(), registry, |part| progress.set(index, part));
            done.push((index, run));
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(policies.len());
    let mut runs = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let finished = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        finished.collect::<Vec<_>>()
    });
    runs.sort_by_key(|(index, _)| *index);
    runs.into_iter().map(|(index, run)| run.map_err(|error| policies[index].error(&error))).collect()
}
