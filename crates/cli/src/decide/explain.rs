//! A decision in words: what, why, and until when.

use std::cmp::Ordering;
use std::fmt::Write as _;

use setpoint::{Decision, Direction, Effect, Metric, Reason, ReasonRecord, Short, Trace, failure};

use super::measurement::Measurement;
use crate::output::{BOLD, DIM};

/// What, then why, step by step.
pub(super) fn steps(decision: &Decision, metrics: &[Metric], trace: &Trace, out: &mut String) {
    let (bold, reset) = (BOLD.render(), BOLD.render_reset());
    let _ = writeln!(
        out,
        "{bold}t={} ms: {}{reset}",
        decision.now.as_millis(),
        verdict(decision.current, decision.desired)
    );
    for ReasonRecord { stage, from, to, text } in trace.records(metrics) {
        let step = if from == to { String::new() } else { format!("{} -> {}: ", Short(from), Short(to)) };
        let _ = writeln!(out, "    {stage:<12} {step}{text}");
    }
}

/// The same with what was measured before, and what holds the count after.
pub(super) fn whole(
    decision: &Decision,
    measured: &[Measurement<'_>],
    metrics: &[Metric],
    trace: &Trace,
    out: &mut String,
) {
    let records = trace.records(metrics);
    let told = Told {
        at: time(decision.now.as_millis()),
        current: decision.current,
        desired: decision.desired,
        because: trace.cause().map(|cause| records[cause].text.as_str()),
        measured: measured.iter().map(|metric| (metric.name, metric.to_string())).collect(),
        steps: records.iter().map(|record| (&*record.stage, record.from, record.to, &*record.text)).collect(),
        holds: trace.reasons().iter().filter_map(|reason| hold(reason, decision)).collect(),
    };
    told.write(out);
}

/// A decision's whole path, wherever it was made.
pub(crate) struct Told<'a> {
    pub(crate) at: String,
    pub(crate) current: u32,
    pub(crate) desired: u32,
    /// What it hung on in the end.
    pub(crate) because: Option<&'a str>,
    /// Each metric's name, and what was measured.
    pub(crate) measured: Vec<(&'a str, String)>,
    /// Stage, the number before and after, and why.
    pub(crate) steps: Vec<(&'a str, f64, f64, &'a str)>,
    /// What goes on holding the count.
    pub(crate) holds: Vec<String>,
}

impl Told<'_> {
    pub(crate) fn write(&self, out: &mut String) {
        let (bold, dim, reset) = (BOLD.render(), DIM.render(), BOLD.render_reset());
        let _ = writeln!(out, "{bold}{}: {}{reset}", self.at, verdict(self.current, self.desired));
        if let Some(because) = self.because {
            let _ = writeln!(out, "  because {because}");
        }
        let width = self.measured.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let _ = writeln!(out, "  {dim}measured{reset}");
        for (name, measured) in &self.measured {
            let _ = writeln!(out, "    {name:<width$}  {measured}");
        }
        let _ = writeln!(out, "  {dim}decided{reset}");
        let width = self.steps.iter().map(|(stage, ..)| stage.chars().count()).max().unwrap_or(0);
        for &(stage, from, to, text) in &self.steps {
            let (from, to) = (Short(from), Short(to));
            let step = if from == to { to.to_string() } else { format!("{from} -> {to}") };
            let _ = writeln!(out, "    {stage:<width$}  {step:<14} {text}");
        }
        if !self.holds.is_empty() {
            let _ = writeln!(out, "  {dim}holds{reset}");
            for hold in &self.holds {
                let _ = writeln!(out, "    {hold}");
            }
        }
        out.push('\n');
    }
}

fn verdict(current: u32, desired: u32) -> String {
    match desired.cmp(&current) {
        Ordering::Equal => format!("keep {current}"),
        Ordering::Greater => format!("{current} -> {desired}, {} more", desired - current),
        Ordering::Less => format!("{current} -> {desired}, {} fewer", current - desired),
    }
}

/// What goes on holding the count, and until when. A later reason can have led further: then that far.
fn hold(reason: &Reason, decision: &Decision) -> Option<String> {
    let lasting = reason.effect.lasting()?;
    let desired = f64::from(decision.desired);
    let held = match lasting.direction {
        _ if matches!(reason.effect, Effect::Failure(failure::Fact::Quarantined { .. })) => {
            "the algorithm is not asked".to_owned()
        }
        _ if matches!(reason.effect, Effect::Failure(failure::Fact::LastGood { .. })) => {
            format!("{} stands in", Short(reason.to))
        }
        Some(Direction::Up) => format!("no more than {}", Short(reason.to.max(desired))),
        Some(Direction::Down) => format!("no fewer than {}", Short(reason.to.min(desired))),
        None => format!("at {}", Short(desired)),
    };
    let until = lasting.until.as_millis();
    let at = if decision.now.as_millis() >= SINCE_2001 { format!(", until {}", time(until)) } else { String::new() };
    Some(format!("{held} for {}{at} ({})", humantime::format_duration(lasting.left), reason.stage))
}

/// Before this, in milliseconds since 1970, a time is taken as one since some start.
const SINCE_2001: i64 = 1_000_000_000_000;

pub(crate) fn time(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) if ms >= SINCE_2001 => time.to_string(),
        _ => format!("t={ms} ms"),
    }
}
