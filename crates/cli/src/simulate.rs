//! `setpoint simulate`.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use setpoint::Registry;
use setpoint_sim::{Comparison, Load, Run, Scenario, ScenarioRecord, simulate, simulate_group};

use crate::catalog::{Catalog, Loaded};
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
    let mut tried: Vec<Loaded> = arguments.policy.iter().map(|path| catalog.open(path)).collect::<Result<_, _>>()?;
    if arguments.compare {
        tried.extend(catalog.schools()?.into_iter().map(Box::new).map(Loaded::Policy));
    } else if tried.is_empty() {
        tried = catalog.builtin_policies()?.into_iter().map(Box::new).map(Loaded::Policy).collect();
    }
    let silent = arguments.quiet || arguments.json;
    let comparison = Comparison {
        scenario: ScenarioRecord::new(&scenario, &load, seed),
        runs: compare(&scenario, &load, seed, &tried, catalog.registry(), silent)?,
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

/// A run of a policy, or one for each member of a group.
fn runs_of(
    tried: &Loaded,
    scenario: &Scenario,
    load: &Load,
    seed: u64,
    registry: &Registry,
    progress: impl FnMut(f64),
) -> Result<Vec<Run>, BadInput> {
    match tried {
        Loaded::Policy(loaded) => simulate(scenario, load, seed, loaded.policy(), registry, progress)
            .map(|run| vec![run])
            .map_err(|error| loaded.error(&error)),
        Loaded::Group(loaded) => simulate_group(scenario, load, seed, loaded.group(), registry, progress)
            .map_err(|error| loaded.error(&error)),
    }
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

/// Runs every policy and every group over the same load, as many at a time as there are processors.
fn compare(
    scenario: &Scenario,
    load: &Load,
    seed: u64,
    tried: &[Loaded],
    registry: &Registry,
    silent: bool,
) -> Result<Vec<Run>, BadInput> {
    let progress = Progress::new("simulating", tried.len(), silent);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done: Vec<(usize, Result<Vec<Run>, BadInput>)> = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = tried.get(index) else { return done };
            done.push((index, runs_of(one, scenario, load, seed, registry, |part| progress.set(index, part))));
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(tried.len());
    let mut runs = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let finished = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        finished.collect::<Vec<_>>()
    });
    runs.sort_by_key(|(index, _)| *index);
    let runs: Result<Vec<Vec<Run>>, BadInput> = runs.into_iter().map(|(_, runs)| runs).collect();
    Ok(runs?.concat())
}
