//! A decision in words: what, why, and until when.

use std::cmp::Ordering;
use std::fmt::Write as _;

use setpoint::{Decision, Direction, Effect, Metric, Reason, ReasonRecord, Short, Trace, failure};

use super::measurement::Measurement;
use crate::output::{BOLD, DIM};

/// What, then why, step by step.
pub(super) fn steps(decision: &Decision, metrics: &[Metric], trace: &Trace, out: &mut String) {
    let (bold, reset) = (BOLD.render(), BOLD.render_reset());
    let _ = writeln!(out, "{bold}t={} ms: {}{reset}", decision.now.as_millis(), verdict(decision));
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
    let (bold, dim, reset) = (BOLD.render(), DIM.render(), BOLD.render_reset());
    let _ = writeln!(out, "{bold}{}: {}{reset}", time(decision.now.as_millis()), verdict(decision));
    let (reasons, records) = (trace.reasons(), trace.records(metrics));
    if let Some(cause) = cause(reasons) {
        let _ = writeln!(out, "  because {}", records[cause].text);
    }
    let width = measured.iter().map(|metric| metric.name.chars().count()).max().unwrap_or(0);
    let _ = writeln!(out, "  {dim}measured{reset}");
    for metric in measured {
        let _ = writeln!(out, "    {:<width$}  {metric}", metric.name);
    }
    let _ = writeln!(out, "  {dim}decided{reset}");
    let width = records.iter().map(|record| record.stage.chars().count()).max().unwrap_or(0);
    for ReasonRecord { stage, from, to, text } in &records {
        let (from, to) = (Short(*from), Short(*to));
        let step = if from == to { to.to_string() } else { format!("{from} -> {to}") };
        let _ = writeln!(out, "    {stage:<width$}  {step:<14} {text}");
    }
    let holds: Vec<String> = reasons.iter().filter_map(|reason| hold(reason, decision)).collect();
    if !holds.is_empty() {
        let _ = writeln!(out, "  {dim}holds{reset}");
        for hold in holds {
            let _ = writeln!(out, "    {hold}");
        }
    }
    out.push('\n');
}

fn verdict(Decision { current, desired, .. }: &Decision) -> String {
    match desired.cmp(current) {
        Ordering::Equal => format!("keep {current}"),
        Ordering::Greater => format!("{current} -> {desired}, {} more", desired - current),
        Ordering::Less => format!("{current} -> {desired}, {} fewer", current - desired),
    }
}

/// The reason that the count in the end hung on: the last that says more than that a number became whole, or that
/// the algorithm, for the reason before, wants to be left alone.
fn cause(reasons: &[Reason]) -> Option<usize> {
    let says_more = |reason: &Reason| match reason.effect {
        Effect::RoundedUp | Effect::Highest { .. } | Effect::Suspended => false,
        // That an algorithm is tried and answers again is news, but not why it answers what it does.
        Effect::Failure(fact) => !matches!(fact, failure::Fact::Trial { .. } | failure::Fact::Recovered { .. }),
        _ => true,
    };
    let last = reasons.iter().rposition(says_more).or(reasons.len().checked_sub(1))?;
    if !matches!(reasons[last].effect, Effect::Proposed { .. } | Effect::Unusable { .. }) {
        return Some(last);
    }
    // Of several proposals it was the highest, which the reason after them names.
    let highest = reasons.iter().rev().find_map(|reason| match reason.effect {
        Effect::Highest { metric, .. } => Some(metric),
        _ => None,
    });
    let won = |reason: &Reason| matches!(reason.effect, Effect::Proposed { metric, .. } if Some(metric) == highest);
    reasons.iter().position(won).or(Some(last))
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

fn time(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) if ms >= SINCE_2001 => time.to_string(),
        _ => format!("t={ms} ms"),
    }
}
