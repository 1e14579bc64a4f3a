//! `setpoint decide`.

mod decided;
mod explain;
mod group;
mod observation;

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::Path;

use setpoint::{AlgorithmManager, ScalingGroup, Trace};

use self::decided::Decided;
use self::observation::Observed;
use crate::catalog::Catalog;
use crate::cli::DecideArguments;
use crate::document::Document;
use crate::error::BadInput;
use crate::measured;
use crate::output;

/// A line of at most so many bytes; a thousand metrics fit.
const LONGEST_LINE: u64 = 1 << 20;

pub(crate) fn run(arguments: &DecideArguments) -> Result<(), BadInput> {
    let mut catalog = Catalog::new(arguments.plugins.plugins.as_deref())?;
    let document = Document::open(&arguments.policy)?;
    if ScalingGroup::is_one(document.value()) {
        return group::run(arguments, &mut catalog, &document);
    }
    let loaded = catalog.load_policy(document, &arguments.policy)?;
    let metrics = &loaded.policy.spec.metrics;
    let mut manager = AlgorithmManager::with_registry(catalog.registry().clone());
    let workload = manager.add(&loaded.policy.spec).map_err(|error| loaded.error(&error.under("spec")))?;
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
        let decided = Decided::new(&decision, &look, metrics, &trace);
        if arguments.json {
            out.push_str(&serde_json::to_string(&decided).expect("a decision is plain data"));
            out.push('\n');
        } else if arguments.explain {
            explain::whole(&decided, &mut out);
        } else {
            explain::steps(&decided, &mut out);
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
    let (name, mut input): (String, Box<dyn BufRead>) = if path == Path::new("-") {
        ("standard input".to_owned(), Box::new(io::stdin().lock()))
    } else {
        let file = File::open(path).map_err(|error| BadInput::file(path, "read", &error))?;
        (path.display().to_string(), Box::new(BufReader::new(file)))
    };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let place = format!("{name}:{number}");
        let read = io::Read::take(&mut input, LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|error| BadInput::at(&place, format_args!("can't be read: {error}")))?;
        if read == 0 {
            break;
        }
        if read as u64 == LONGEST_LINE {
            return Err(BadInput::at(&place, "the line is longer than 1 MiB"));
        }
        let text = std::str::from_utf8(&line).map_err(|_| BadInput::at(&place, "not UTF-8 text"))?;
        let text = if number == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        if !text.trim().is_empty() {
            each(&place, text)?;
        }
    }
    Ok(())
}
