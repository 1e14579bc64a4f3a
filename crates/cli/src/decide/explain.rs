//! A decision in words: what, why, and until when.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use setpoint::{DetailedReason, ReasonRecord, Target};

use super::decided::{Decided, Measurement};
use crate::output::{BOLD, DIM};

/// What, then why, step by step.
pub(super) fn steps(decided: &Decided, out: &mut String) {
    let Decided { now_ms, current, desired, reasons, .. } = decided;
    let (bold, reset) = (BOLD.render(), BOLD.render_reset());
    let _ = writeln!(out, "{bold}t={now_ms} ms: {}{reset}", verdict(*current, *desired));
    for DetailedReason { record: ReasonRecord { stage, from, to, text }, .. } in reasons {
        let step = if from == to { String::new() } else { format!("{} -> {}: ", short(*from), short(*to)) };
        let _ = writeln!(out, "    {stage:<12} {step}{text}");
    }
}

/// The same with what was measured before, and what holds the count after.
pub(super) fn whole(decided: &Decided, out: &mut String) {
    let Decided { now_ms, current, desired, metrics, reasons, .. } = decided;
    let (bold, dim, reset) = (BOLD.render(), DIM.render(), BOLD.render_reset());
    let _ = writeln!(out, "{bold}{}: {}{reset}", time(*now_ms), verdict(*current, *desired));
    if let Some(cause) = cause(reasons) {
        let _ = writeln!(out, "  because {cause}");
    }
    let width = metrics.iter().map(|metric| metric.name.chars().count()).max().unwrap_or(0);
    let _ = writeln!(out, "  {dim}measured{reset}");
    for metric in metrics {
        let _ = writeln!(out, "    {:<width$}  {}", metric.name, measured(metric));
    }
    let _ = writeln!(out, "  {dim}decided{reset}");
    let width = reasons.iter().map(|reason| reason.record.stage.chars().count()).max().unwrap_or(0);
    for DetailedReason { record: ReasonRecord { stage, from, to, text }, .. } in reasons {
        let step = if from == to { short(*to) } else { format!("{} -> {}", short(*from), short(*to)) };
        let _ = writeln!(out, "    {stage:<width$}  {step:<14} {text}");
    }
    let holds: Vec<String> = reasons.iter().filter_map(|reason| hold(reason, *now_ms)).collect();
    if !holds.is_empty() {
        let _ = writeln!(out, "  {dim}holds{reset}");
        for hold in holds {
            let _ = writeln!(out, "    {hold}");
        }
    }
    out.push('\n');
}

fn verdict(current: u32, desired: u32) -> String {
    match desired.cmp(&current) {
        Ordering::Equal => format!("keep {current}"),
        Ordering::Greater => format!("{current} -> {desired}, {} more", desired - current),
        Ordering::Less => format!("{current} -> {desired}, {} fewer", current - desired),
    }
}

/// The last reason that says more than that a number became whole: what the count in the end hung on.
fn cause(reasons: &[DetailedReason]) -> Option<&str> {
    let decisive = |reason: &&DetailedReason| {
        let record = &reason.record;
        // That an algorithm is tried and answers again is news, but not why it answers what it does.
        let is_news = ["trial", "recovered"].iter().any(|fact| reason.effect.get("fact").is_some_and(|is| is == fact));
        record.stage != "rounding" && !is_news && reason.effect.get("kind").is_some_and(|kind| kind != "highest")
    };
    // Of several proposals it was the highest, which the reason after them names.
    let last = reasons.iter().rev().find(decisive)?;
    let highest = reasons.iter().rev().find(|reason| reason.effect.get("kind").is_some_and(|kind| kind == "highest"));
    match (last.effect.get("kind"), highest) {
        (Some(kind), Some(highest)) if kind == "proposed" || kind == "unusable" => {
            let metric = highest.effect.get("metric");
            let won = |reason: &&DetailedReason| {
                reason.effect.get("kind").is_some_and(|kind| kind == "proposed")
                    && reason.effect.get("metric") == metric
            };
            reasons.iter().find(won).map(|reason| reason.record.text.as_str())
        }
        _ => Some(&last.record.text),
    }
}

fn measured(metric: &Measurement) -> String {
    let Measurement { target, state, cause, reading, ratio, .. } = metric;
    let target = match target {
        Target::Value(value) => short(value.get()),
        Target::AverageValue(value) => format!("{} a replica", short(value.get())),
        Target::Utilization(percent) => format!("{} %", short(percent.get())),
    };
    match (reading, ratio) {
        (Some(reading), Some(ratio)) => format!("{} against {target}, ratio {}", short(*reading), short(*ratio)),
        (Some(reading), None) => format!("{} against {target}, which makes no ratio", short(*reading)),
        (None, _) if cause.is_empty() => format!("no usable samples, against {target}"),
        (None, _) => format!("{state}: {cause}"),
    }
}

/// What goes on holding the count, and until when.
fn hold(reason: &DetailedReason, now_ms: i64) -> Option<String> {
    let until = reason.effect.get("until_ms")?.as_i64()?;
    let left = Duration::from_millis(reason.effect.get("left_ms")?.as_u64()?);
    let to = short(reason.record.to);
    let what = match (reason.effect.get("fact").and_then(Value::as_str), reason.effect.get("direction")) {
        (Some("quarantined"), _) => "the algorithm is not asked".to_owned(),
        (Some("last_good"), _) => format!("{to} stands in"),
        (_, direction) => match direction?.as_str()? {
            "up" => format!("no more than {to}"),
            _ => format!("no fewer than {to}"),
        },
    };
    let at = if now_ms >= SINCE_2001 { format!(", until {}", time(until)) } else { String::new() };
    let left = humantime::format_duration(left);
    Some(format!("{what} for {left}{at} ({})", reason.record.stage))
}

/// Before this, in milliseconds since 1970, a time is taken as one since some start.
const SINCE_2001: i64 = 1_000_000_000_000;

fn time(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) if ms >= SINCE_2001 => time.to_string(),
        _ => format!("t={ms} ms"),
    }
}

/// At most two digits after the point, and none that say nothing.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
