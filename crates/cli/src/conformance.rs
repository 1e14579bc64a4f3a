//! `setpoint conformance`: golden vectors, made by other projects' own code, replayed through ours.

mod hpa;
mod knative;

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Serialize;
use setpoint::ReasonRecord;

use crate::check::Check;
use crate::cli::{ConformanceArguments, ConformanceSuite};
use crate::error::BadInput;
use crate::output::{self, BOLD, RED};
use crate::progress::Progress;

/// A scenario of an hour with hundreds of pods is a tenth of this.
const LONGEST_LINE: u64 = 64 << 20;

/// Vectors of one project.
trait Suite {
    /// Replays the scenario on a line.
    fn run(&self, line: &str) -> Result<Outcome, serde_json::Error>;
}

/// How one scenario ended.
struct Outcome {
    id: String,
    /// What it is about, where its author says so.
    note: Option<String>,
    difference: Option<Difference>,
}

/// The first difference between what was expected and what came.
#[derive(Debug, Serialize)]
struct Difference {
    /// From 0.
    step: usize,
    t_ms: i64,
    what: &'static str,
    expected: String,
    got: String,
    /// Our own account of that step.
    reasons: Vec<ReasonRecord>,
}

/// A scenario that failed, and where it stands.
#[derive(Debug, Serialize)]
struct Failure {
    file: PathBuf,
    line: usize,
    scenario: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(flatten)]
    difference: Difference,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    /// The first of them.
    failures: Vec<Failure>,
}

pub(crate) fn run(arguments: &ConformanceArguments) -> Result<Check, BadInput> {
    let suite: &dyn Suite = match arguments.suite {
        ConformanceSuite::Hpa => &hpa::Hpa,
        ConformanceSuite::KnativeKpa => &knative::KnativeKpa,
    };
    let progress = Progress::new("replaying", arguments.files.len(), arguments.json);
    let mut report = Report::default();
    for (index, file) in arguments.files.iter().enumerate() {
        replay(file, suite, arguments.show, &mut report, |done| progress.set(index, done))?;
        progress.set(index, 1.0);
    }
    drop(progress);
    let check = if report.failed == 0 { Check::Passed } else { Check::Failed };
    if arguments.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report))?;
    }
    Ok(check)
}

fn replay(
    path: &Path,
    suite: &dyn Suite,
    show: usize,
    report: &mut Report,
    progress: impl Fn(f64),
) -> Result<(), BadInput> {
    let failed = |error: &std::io::Error| BadInput::file(path, "read", error);
    let file = File::open(path).map_err(|error| failed(&error))?;
    let size = file.metadata().map_err(|error| failed(&error))?.len().max(1);
    let read = Cell::new(0);
    let counted = Counted { inner: file, read: &read };
    let compressed = path.extension().is_some_and(|extension| extension == "gz");
    let plain: Box<dyn Read + '_> =
        if compressed { Box::new(MultiGzDecoder::new(BufReader::new(counted))) } else { Box::new(counted) };
    let mut lines = BufReader::new(plain);
    let mut line = Vec::new();
    let mut scenarios = 0;
    for number in 1.. {
        line.clear();
        let length = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|error| failed(&error))?;
        if length == 0 {
            break;
        }
        let place = || format!("{}:{number}", path.display());
        if length as u64 == LONGEST_LINE {
            return Err(BadInput::at(place(), "the line is longer than 64 MiB, which no scenario is"));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        scenarios += 1;
        let text = std::str::from_utf8(&line).map_err(|_| BadInput::at(place(), "not UTF-8 text"))?;
        let outcome = suite.run(text).map_err(|error| BadInput::at(place(), error))?;
        match outcome.difference {
            None => report.passed += 1,
            Some(difference) => {
                report.failed += 1;
                if report.failures.len() < show {
                    let Outcome { id, note, .. } = outcome;
                    let file = path.to_owned();
                    report.failures.push(Failure { file, line: number, scenario: id, note, difference });
                }
            }
        }
        progress(read.get() as f64 / size as f64);
    }
    // Nothing replayed is nothing proven.
    if scenarios == 0 { Err(BadInput::at(path.display(), "holds no scenario")) } else { Ok(()) }
}

/// Counts what is read of a file.
struct Counted<'a> {
    inner: File,
    read: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

fn render(report: &Report) -> String {
    let mut out = String::new();
    let (bold, red, reset) = (BOLD.render(), RED.render(), BOLD.render_reset());
    for failure in &report.failures {
        let Failure { file, line, scenario, note, difference } = failure;
        let Difference { step, t_ms, what, expected, got, reasons } = difference;
        let _ = writeln!(out, "{red}{scenario}{reset}, step {step} (t = {t_ms} ms): {bold}{what}{reset}");
        let _ = writeln!(out, "    at        {}:{line}", file.display());
        if let Some(note) = note {
            let _ = writeln!(out, "    about     {note}");
        }
        let _ = writeln!(out, "    expected  {expected}\n    got       {got}");
        for ReasonRecord { stage, from, to, text } in reasons {
            let _ = writeln!(out, "    ours      {stage}: {from} -> {to}: {text}");
        }
        out.push('\n');
    }
    let more = report.failed - report.failures.len();
    if more > 0 {
        let _ = writeln!(out, "and {more} more\n");
    }
    let _ = writeln!(out, "{} passed, {} failed", report.passed, report.failed);
    out
}
