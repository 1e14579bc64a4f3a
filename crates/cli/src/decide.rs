//! `setpoint decide`.

mod observation;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::Path;

use serde::Serialize;
use setpoint::{AlgorithmManager, ReasonRecord, Trace};

use self::observation::Observed;
use crate::catalog::Catalog;
use crate::cli::DecideArguments;
use crate::error::BadInput;
use crate::output::{self, BOLD};

/// A line of at most so many bytes; a thousand metrics fit.
const LONGEST_LINE: u64 = 1 << 20;

/// A decision as it is written, one a line.
#[derive(Serialize)]
struct Decided {
    now_ms: i64,
    current: u32,
    desired: u32,
    reasons: Vec<ReasonRecord>,
}

pub(crate) fn run(arguments: &DecideArguments) -> Result<(), BadInput> {
    let mut catalog = Catalog::new(arguments.plugins.plugins.as_deref())?;
    let loaded = catalog.open_policy(&arguments.policy)?;
    let metrics = &loaded.policy.spec.metrics;
    let mut manager = AlgorithmManager::with_registry(catalog.registry().clone());
    let workload = manager.add(&loaded.policy.spec).map_err(|error| loaded.document.error(&error.under("spec")))?;
    if let Some(path) = &arguments.state {
        match std::fs::read(path) {
            Ok(state) => manager.restore(workload, &state).map_err(|error| BadInput::at(path.display(), error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(BadInput::file(path, "read", &error)),
        }
    }

    // Nothing is printed and no state written before all lines are read: bad input leaves no half of anything.
    let mut out = String::new();
    let mut trace = Trace::new();
    each_line(&arguments.observations, |place, line| {
        let observed = Observed::parse(line).map_err(|problem| BadInput::at(place, problem))?;
        let readings = observed.measured(metrics);
        let decision = manager
            .decide(workload, &observed.look(&readings), &mut trace)
            .expect("the workload was just added, and has a reading for each metric");
        let decided = Decided {
            now_ms: decision.now.as_millis(),
            current: decision.current,
            desired: decision.desired,
            reasons: trace.records(metrics),
        };
        if arguments.json {
            out.push_str(&serde_json::to_string(&decided).expect("a decision is plain data"));
            out.push('\n');
        } else {
            explain(&decided, &mut out);
        }
        Ok(())
    })?;
    if let Some(path) = &arguments.state {
        let state = manager.snapshot(workload).map_err(|error| BadInput::at(path.display(), error))?;
        output::replace(path, &state)?;
    }
    output::print(&out)
}

/// For a person: what, then why, step by step.
fn explain(decided: &Decided, out: &mut String) {
    let Decided { now_ms, current, desired, reasons } = decided;
    let (bold, reset) = (BOLD.render(), BOLD.render_reset());
    let verdict = match desired.cmp(current) {
        std::cmp::Ordering::Equal => format!("keep {current}"),
        std::cmp::Ordering::Greater => format!("{current} -> {desired}, {} more", desired - current),
        std::cmp::Ordering::Less => format!("{current} -> {desired}, {} fewer", current - desired),
    };
    let _ = writeln!(out, "{bold}t={now_ms} ms: {verdict}{reset}");
    for ReasonRecord { stage, from, to, text } in reasons {
        let step = if from == to { String::new() } else { format!("{} -> {}: ", short(*from), short(*to)) };
        let _ = writeln!(out, "    {stage:<12} {step}{text}");
    }
}

/// At most two digits after the point, and none that say nothing.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
