//! `setpoint conformance`: golden vectors, made by other projects' own code, replayed through ours.

mod aibrix;
mod hpa;
mod knative;
mod nomad;
mod watermark;

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Serialize;
use setpoint::ReasonRecord;

use crate::check::Check;
use crate::cli::{ConformanceArguments, ConformanceSuite};
use crate::error::BadInput;
use crate::lines::Lines;
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
    #[serde(flatten)]
    how: How,
}

/// How a scenario failed.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum How {
    /// Something came out differently.
    Differs {
        scenario: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        #[serde(flatten)]
        difference: Difference,
    },
    /// It could not be replayed: the line holds none.
    Unreadable { error: String },
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
        ConformanceSuite::Aibrix => &aibrix::Aibrix,
        ConformanceSuite::Watermark => &watermark::Watermark,
        ConformanceSuite::Nomad => &nomad::Nomad,
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
    let failed = |error: &io::Error| BadInput::file(path, "read", error);
    let file = File::open(path).map_err(|error| failed(&error))?;
    let size = file.metadata().map_err(|error| failed(&error))?.len().max(1);
    let read = Cell::new(0);
    let counted = Counted { inner: file, read: &read };
    let compressed = path.extension().is_some_and(|extension| extension == "gz");
    let plain: Box<dyn Read + '_> =
        if compressed { Box::new(MultiGzDecoder::new(BufReader::new(counted))) } else { Box::new(counted) };
    let mut lines = Lines::new(BufReader::new(plain), LONGEST_LINE);
    let mut scenarios = 0;
    loop {
        let how = match lines.next() {
            Ok(None) => break,
            Ok(Some(Ok(line))) => replay_line(line, suite),
            Ok(Some(Err(unfit))) => Some(unreadable(unfit)),
            // What was replayed before it counts.
            Err(error) if scenarios > 0 => {
                let how = unreadable(format_args!("the rest can't be read: {error}"));
                report.fail(show, path, lines.number(), how);
                break;
            }
            Err(error) => return Err(failed(&error)),
        };
        scenarios += 1;
        match how {
            None => report.passed += 1,
            Some(how) => report.fail(show, path, lines.number(), how),
        }
        progress(read.get() as f64 / size as f64);
    }
    // Nothing replayed is nothing proven.
    if scenarios == 0 { Err(BadInput::at(path.display(), "holds no scenario")) } else { Ok(()) }
}

/// Replays the scenario on a line. None: it passed.
fn replay_line(line: &str, suite: &dyn Suite) -> Option<How> {
    match suite.run(line) {
        Ok(Outcome { id, note, difference }) => {
            difference.map(|difference| How::Differs { scenario: id, note, difference })
        }
        // The line is the file's, not the 1 that a line by itself has.
        Err(error) => Some(unreadable(error.to_string().replace(" at line 1 column ", " at column "))),
    }
}

fn unreadable(error: impl fmt::Display) -> How {
    How::Unreadable { error: error.to_string() }
}

impl Report {
    /// Counts a failure, and keeps it if it is among the first `show`.
    fn fail(&mut self, show: usize, file: &Path, line: usize, how: How) {
        self.failed += 1;
        if self.failures.len() < show {
            self.failures.push(Failure { file: file.to_owned(), line, how });
        }
    }
}

/// Counts what is read of a file.
struct Counted<'a> {
    inner: File,
    read: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

fn render(report: &Report) -> String {
    let mut out = String::new();
    let (bold, red, reset) = (BOLD.render(), RED.render(), BOLD.render_reset());
    for Failure { file, line, how } in &report.failures {
        let (scenario, note, difference) = match how {
            How::Differs { scenario, note, difference } => (scenario, note, difference),
            How::Unreadable { error } => {
                let _ = writeln!(out, "{red}not a scenario{reset}: {bold}{error}{reset}");
                let _ = writeln!(out, "    at        {}:{line}\n", file.display());
                continue;
            }
        };
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
