//! `setpoint lint`: what a policy says, and can't do.

mod advice;
mod bounds;
mod budget;
mod cause;
mod fields;
mod finding;
mod load;
mod probe;
mod rate;
mod rates;
mod stopped;
mod subject;
mod tolerance;
mod windows;

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use setpoint::{Metadata, Policy, ScalingGroup};
use setpoint_dialects::Fate;
use setpoint_sim::Load;

use self::budget::Budget;
use self::finding::{Finding, Level};
use self::load::Cycle;
use self::subject::Subject;
use crate::catalog::Catalog;
use crate::check::Check;
use crate::cli::LintArguments;
use crate::document::Document;
use crate::error::BadInput;
use crate::output::{self, BOLD, DIM, RED, YELLOW};
use crate::simulate::scenario_of_trace;

/// A finding and where it stands.
#[derive(Debug, Serialize)]
struct Placed {
    file: String,
    line: usize,
    column: usize,
    #[serde(flatten)]
    finding: Finding,
}

#[derive(Debug, Serialize)]
struct Report {
    files: usize,
    errors: usize,
    warnings: usize,
    /// What could not be found out.
    notes: usize,
    findings: Vec<Placed>,
}

pub(crate) fn run(arguments: &LintArguments) -> Result<Check, BadInput> {
    let mut catalog = Catalog::new(&arguments.plugins)?;
    let mut findings = Vec::new();
    let cycle = match arguments.trace.as_deref() {
        None => None,
        Some(trace) => {
            let cycle = Cycle::of(&open_load(trace)?);
            if cycle.is_none() {
                let file = trace.display().to_string();
                findings.push(Placed { file, line: 1, column: 1, finding: load::no_cycle() });
            }
            cycle
        }
    };
    for path in &arguments.files {
        let document = Document::open(path)?;
        let mut found = lint(&mut catalog, &document, path, cycle);
        found.sort_by_key(|finding| document.position(&finding.field));
        findings.extend(found.into_iter().map(|finding| {
            let (line, column) = document.position(&finding.field);
            Placed { file: path.display().to_string(), line, column, finding }
        }));
    }
    let count = |level| findings.iter().filter(|it| it.finding.level == level).count();
    let (errors, warnings, notes) = (count(Level::Error), count(Level::Warning), count(Level::Note));
    let report = Report { files: arguments.files.len(), errors, warnings, notes, findings };
    if arguments.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report))?;
    }
    Ok(if errors == 0 { Check::Passed } else { Check::Failed })
}

fn open_load(path: &Path) -> Result<Load, BadInput> {
    let (_, load) = scenario_of_trace(path)?;
    Ok(load)
}

fn lint(catalog: &mut Catalog, document: &Document, path: &Path, cycle: Option<Cycle>) -> Vec<Finding> {
    if ScalingGroup::is_one(document.value()) {
        return lint_members(catalog, document, path, cycle);
    }
    let conversion = match catalog.read_policy(document, path) {
        Ok(conversion) => conversion,
        Err(error) => return vec![Finding::invalid(&error)],
    };
    let mut found = match Subject::new(document, conversion.policy.clone(), catalog.registry()) {
        Ok(subject) => rules(&subject, catalog, cycle),
        Err(error) => vec![Finding::invalid(&error.under("spec"))],
    };
    for finding in &mut found {
        finding.field = conversion.origin(&finding.field);
    }
    found.extend(conversion.notes.iter().filter(|note| note.fate == Fate::Lost).map(Finding::lost));
    found
}

/// Each member's policy as if it were alone.
fn lint_members(catalog: &mut Catalog, document: &Document, path: &Path, cycle: Option<Cycle>) -> Vec<Finding> {
    let group = match catalog.read_group(document, path) {
        Ok(group) => group,
        Err(error) => return vec![Finding::invalid(&error)],
    };
    let mut found = Vec::new();
    for (index, member) in group.spec.members.into_iter().enumerate() {
        let metadata = Metadata { name: member.name, ..Metadata::default() };
        let policy = Policy::new(metadata, member.policy);
        let of_member = match Subject::new(document, policy, catalog.registry()) {
            Ok(subject) => rules(&subject, catalog, cycle),
            Err(error) => vec![Finding::invalid(&error.under("spec"))],
        };
        found.extend(of_member.into_iter().map(|finding| {
            let own = finding.field.strip_prefix("spec").unwrap_or_default();
            Finding { field: format!("spec.members[{index}].policy{own}"), ..finding }
        }));
    }
    found
}

fn rules(subject: &Subject, catalog: &Catalog, cycle: Option<Cycle>) -> Vec<Finding> {
    let mut found = Vec::new();
    windows::check(subject, &mut found);
    rates::check(subject, &mut found);
    tolerance::check(subject, &mut found);
    fields::check(subject, &mut found);
    let mut budget = Budget::new();
    bounds::check(subject, catalog.registry(), &mut budget, &mut found);
    if let Some(cycle) = cycle {
        load::check(subject, catalog.registry(), cycle, &mut budget, &mut found);
    }
    found
}

fn render(report: &Report) -> String {
    let mut out = String::new();
    let (bold, dim, reset) = (BOLD.render(), DIM.render(), BOLD.render_reset());
    for Placed { file, line, column, finding } in &report.findings {
        let Finding { level, rule, field, why, instead } = finding;
        let style = match level {
            Level::Error => RED,
            Level::Warning => YELLOW,
            Level::Note => BOLD,
        };
        let (colour, field) = (style.render(), if field.is_empty() { "the document" } else { field });
        let _ =
            writeln!(out, "{bold}{file}:{line}:{column}{reset}: {colour}{level}{reset}: {field} {dim}[{rule}]{reset}");
        let _ = writeln!(out, "    why      {why}");
        let _ = writeln!(out, "    instead  {instead}");
    }
    if !report.findings.is_empty() {
        out.push('\n');
    }
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (files, errors, warnings) =
        (many(report.files, "file"), many(report.errors, "error"), many(report.warnings, "warning"));
    let _ = write!(out, "{files}: {errors}, {warnings}");
    if report.notes > 0 {
        let _ = write!(out, ", {}", many(report.notes, "note"));
    }
    out.push('\n');
    out
}
