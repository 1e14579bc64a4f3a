//! A comparison on a terminal: a table, charts on one time axis, and what to make of it.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use setpoint_sim::{Comparison, Run, Summary};

use super::{clock, latency, percent, plain, verdict};

const BEST: Style = AnsiColor::Green.on_default().bold();
const LATE: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Wide enough for most, where the output is no terminal.
const USUAL_WIDTH: u16 = 100;
const NAME: usize = 20;
/// Text lines of one chart.
const ROWS: usize = 3;

/// How wide standard output is.
pub(crate) fn width() -> u16 {
    terminal_size::terminal_size().map_or(USUAL_WIDTH, |(terminal_size::Width(width), _)| width)
}

/// Everything, for a terminal of `width` columns. The styles are for whoever prints it to keep or to strip.
pub(crate) fn render(comparison: &Comparison, width: u16) -> String {
    let scenario = &comparison.scenario;
    let mut text = String::new();
    #[expect(clippy::cast_precision_loss, reason = "400 days in ms are far below 2^53")]
    let (duration, promise) = (scenario.duration_ms as f64 / 1000.0, latency(scenario.slo_latency_ms as f64));
    let requests = comparison.runs.first().map_or(0, |run| run.summary.requests);
    let _ = writeln!(
        text,
        "{BOLD}{}{BOLD:#}: {requests} requests in {} h, seed {}; the promise is {promise}\n",
        cut(&scenario.name, 60),
        plain(duration / 3600.0),
        scenario.seed,
    );
    table(comparison, &mut text);
    charts(comparison, usize::from(width.clamp(60, 200)), duration, &mut text);
    let _ = writeln!(text, "\n{}", verdict::sentence(comparison));
    text
}

struct Column {
    title: &'static str,
    value: fn(&Summary) -> Option<f64>,
    show: fn(f64) -> String,
    /// Whether the smallest value is worth a mark.
    lower_is_better: bool,
}

#[expect(clippy::cast_precision_loss, reason = "counts of scalings are far below 2^53")]
const COLUMNS: [Column; 9] = [
    Column { title: "late", value: |s| Some(s.slo_violation_ratio), show: percent, lower_is_better: true },
    Column { title: "p99", value: |s| s.p99_latency_ms, show: latency, lower_is_better: true },
    Column { title: "replicas", value: |s| Some(s.mean_replicas), show: plain, lower_is_better: true },
    Column { title: "missing", value: |s| Some(s.under_provision_accuracy), show: plain, lower_is_better: true },
    Column { title: "spare", value: |s| Some(s.over_provision_accuracy), show: plain, lower_is_better: true },
    Column { title: "busy", value: |s| s.mean_utilization, show: percent, lower_is_better: false },
    Column { title: "ups", value: |s| Some(s.scale_ups as f64), show: count, lower_is_better: false },
    Column { title: "downs", value: |s| Some(s.scale_downs as f64), show: count, lower_is_better: false },
    Column { title: "reversals", value: |s| Some(s.reversals as f64), show: count, lower_is_better: true },
];

fn count(number: f64) -> String {
    format!("{number:.0}")
}

fn table(comparison: &Comparison, text: &mut String) {
    let cells: Vec<Vec<String>> = COLUMNS
        .iter()
        .map(|column| {
            let show = |run: &Run| (column.value)(&run.summary).map_or_else(|| "-".to_owned(), column.show);
            comparison.runs.iter().map(show).collect()
        })
        .collect();
    let widths: Vec<usize> = COLUMNS
        .iter()
        .zip(&cells)
        .map(|(column, cells)| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0).max(column.title.len()))
        .collect();
    let _ = write!(text, "{DIM}{:<NAME$}", "policy");
    for (column, width) in COLUMNS.iter().zip(&widths) {
        let _ = write!(text, "  {:>width$}", column.title);
    }
    let _ = writeln!(text, "{DIM:#}");
    for (row, run) in comparison.runs.iter().enumerate() {
        let _ = write!(text, "{:<NAME$}", cut(&run.policy, NAME));
        for ((column, width), cells) in COLUMNS.iter().zip(&widths).zip(&cells) {
            let cell = &cells[row];
            let style = if is_best(comparison, column, row) { BEST } else { Style::new() };
            let _ = write!(text, "  {style}{cell:>width$}{style:#}");
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{DIM}late: slower than the promise, refused or unserved. missing, spare: replicas too few, too many, on average.{DIM:#}"
    );
}

fn is_best(comparison: &Comparison, column: &Column, row: usize) -> bool {
    let value = |run: &Run| (column.value)(&run.summary);
    let least = comparison.runs.iter().filter_map(value).min_by(f64::total_cmp);
    column.lower_is_better && comparison.runs.len() > 1 && least.is_some() && value(&comparison.runs[row]) == least
}

fn charts(comparison: &Comparison, width: usize, duration: f64, text: &mut String) {
    let Some(first) = comparison.runs.first() else { return };
    let columns = (width - NAME - 8).min(first.samples.time_s.len().max(1));
    let load = squeeze(&first.samples.offered_rate, columns);
    text.push('\n');
    chart("requests/s", &load, load.iter().copied().fold(0.0, f64::max), &[], text);
    // One scale for all, so that heights compare.
    let replicas: Vec<Vec<f64>> = comparison.runs.iter().map(|run| squeeze(&run.samples.replicas, columns)).collect();
    let highest = replicas.iter().flatten().copied().fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a promise is far below 2^53 ms")]
    let promise = comparison.scenario.slo_latency_ms as f64;
    for (run, replicas) in comparison.runs.iter().zip(&replicas) {
        let p99: Vec<f64> = run.samples.p99_latency_ms.iter().map(|p99| p99.unwrap_or(0.0)).collect();
        let late: Vec<bool> = squeeze(&p99, columns).iter().map(|&p99| p99 > promise).collect();
        chart(&run.policy, replicas, highest, &late, text);
    }
    axis(columns, duration, text);
    let _ = writeln!(
        text,
        "{DIM}replicas asked for, all on one scale; {DIM:#}{LATE}!{LATE:#}{DIM} where p99 breaks the promise{DIM:#}"
    );
}

/// `values` in so many columns, each the largest of what falls into it.
fn squeeze(values: &[f64], columns: usize) -> Vec<f64> {
    let part = |column: usize| {
        let (from, to) = (column * values.len() / columns, ((column + 1) * values.len()).div_ceil(columns));
        values.get(from..to.max(from + 1)).unwrap_or_default().iter().copied().fold(0.0, f64::max)
    };
    (0..columns).map(part).collect()
}

fn chart(name: &str, values: &[f64], highest: f64, late: &[bool], text: &mut String) {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let scale = if highest > 0.0 { (ROWS * 8) as f64 / highest } else { 0.0 };
    for row in (0..ROWS).rev() {
        let label = if row == ROWS - 1 { cut(name, NAME) } else { String::new() };
        let top = match row {
            _ if row == ROWS - 1 => plain(highest),
            0 => "0".to_owned(),
            _ => String::new(),
        };
        let _ = write!(text, "{label:<NAME$} {DIM}{top:>5} ┤{DIM:#}");
        for value in values {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 8 times the rows")]
            let eighths = ((value * scale).round() as usize).saturating_sub(row * 8).min(8);
            text.push(EIGHTHS[eighths]);
        }
        text.push('\n');
    }
    if late.contains(&true) {
        let marks: String = late.iter().map(|&late| if late { '!' } else { ' ' }).collect();
        let _ = writeln!(text, "{:<NAME$} {:>5}  {LATE}{}{LATE:#}", "", "", marks.trim_end());
    }
}

fn axis(columns: usize, duration: f64, text: &mut String) {
    let ticks = (columns / 12).clamp(1, 8);
    let mut line: Vec<char> = vec![' '; columns + 8];
    for tick in 0..=ticks {
        let label = clock(duration * tick as f64 / ticks as f64, duration < 600.0);
        let at = (columns * tick / ticks).min(columns.saturating_sub(1));
        for (place, character) in line.iter_mut().skip(at).zip(label.chars()) {
            *place = character;
        }
    }
    let line: String = line.into_iter().collect();
    let _ = writeln!(text, "{:<NAME$} {:>5}  {DIM}{}{DIM:#}", "", "", line.trim_end());
}

/// `name` in at most so many characters, all of them printable.
fn cut(name: &str, most: usize) -> String {
    let clean: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if clean.chars().count() <= most {
        return clean;
    }
    clean.chars().take(most - 1).chain(['…']).collect()
}
