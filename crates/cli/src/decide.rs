//! `setpoint decide`.
#![doc = include_str!("../docs/decide.md")]

mod decided;
pub(crate) mod explain;
mod group;
pub(crate) mod measurement;
mod observation;

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::Path;

use setpoint::{AlgorithmManager, Trace};

use self::decided::Decided;
use self::measurement::measurements;
use self::observation::Observed;
use crate::catalog::{Catalog, Loaded};
use crate::cli::DecideArguments;
use crate::error::BadInput;
use crate::lines::Lines;
use crate::measured;
use crate::output;

/// A line of at most so many bytes; a thousand metrics fit.
const LONGEST_LINE: u64 = 1 << 20;

pub(crate) fn run(arguments: &DecideArguments) -> Result<(), BadInput> {
    let mut catalog = Catalog::new(&arguments.plugins)?;
    let loaded = match catalog.open(&arguments.policy)? {
        Loaded::Policy(loaded) => loaded,
        Loaded::Group(group) => return group::run(arguments, catalog.registry(), &group),
    };
    let metrics = &loaded.policy().spec.metrics;
    let mut manager = AlgorithmManager::with_registry(catalog.registry().clone());
    let workload = manager.add(&loaded.policy().spec).map_err(|error| loaded.error(&error.under("spec")))?;
    if let Some((path, state)) = stored(arguments.state.as_deref())? {
        manager.restore(workload, &state).map_err(|error| BadInput::at(path.display(), error))?;
    }

    // Nothing is printed and no state written before all lines are read: bad input leaves no half of anything.
    let mut out = String::new();
    let mut trace = Trace::new();
    each_line(&arguments.observations, |place, line| {
        let observed = Observed::parse(line).map_err(|problem| BadInput::at(place, problem))?;
        let (measured, instances) = (observed.measured(metrics), observed.instances());
        let samples = measured::samples(&measured);
        let readings = measured::readings(&measured, &samples);
        let look = observed.look(&readings, instances.as_deref());
        let decision = manager
            .decide(workload, &look, &mut trace)
            .expect("the workload was just added, and has a reading for each metric");
        if arguments.json {
            let measured = measurements(metrics, &look, &trace);
            let decided = Decided::new(&decision, &measured, metrics, &trace);
            out.push_str(&serde_json::to_string(&decided).expect("a decision is plain data"));
            out.push('\n');
        } else if arguments.explain {
            explain::whole(&decision, &measurements(metrics, &look, &trace), metrics, &trace, &mut out);
        } else {
            explain::steps(&decision, metrics, &trace, &mut out);
        }
        Ok(())
    })?;
    if let Some(path) = &arguments.state {
        let state = manager.snapshot(workload).map_err(|error| BadInput::at(path.display(), error))?;
        output::replace(path, &state)?;
    }
    output::print(&out)
}

/// The state that the last call left in the file at `path`, if there was one.
fn stored(path: Option<&Path>) -> Result<Option<(&Path, Vec<u8>)>, BadInput> {
    let Some(path) = path else { return Ok(None) };
    match std::fs::read(path) {
        Ok(state) => Ok(Some((path, state))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BadInput::file(path, "read", &error)),
    }
}

/// Calls `each` with every line that isn't blank, and where it stands.
fn each_line(path: &Path, mut each: impl FnMut(&str, &str) -> Result<(), BadInput>) -> Result<(), BadInput> {
    let (name, input): (String, Box<dyn BufRead>) = if path == Path::new("-") {
        ("standard input".to_owned(), Box::new(io::stdin().lock()))
    } else {
        let file = File::open(path).map_err(|error| BadInput::file(path, "read", &error))?;
        (path.display().to_string(), Box::new(BufReader::new(file)))
    };
    let mut lines = Lines::new(input, LONGEST_LINE);
    loop {
        let read = lines.next().map(|line| line.map(|line| line.map(str::to_owned)));
        let place = format!("{name}:{}", lines.number());
        match read {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(line))) => each(&place, &line)?,
            Ok(Some(Err(unfit))) => return Err(BadInput::at(place, unfit)),
            Err(error) => return Err(BadInput::at(place, format_args!("can't be read: {error}"))),
        }
    }
}
