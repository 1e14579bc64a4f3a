//! A comparison on a terminal: a table, charts on one time axis, and what to make of it.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use setpoint_sim::Comparison;

use super::scores::{COLUMNS, Cell, Column};
use super::{clock, latency, length, name, plain, verdict};

const BEST: Style = AnsiColor::Green.on_default().bold();
const LATE: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Wide enough for most, where the output is no terminal.
const USUAL_WIDTH: u16 = 100;
const NAME: usize = 20;
/// Text lines of one chart, and of one of many.
const ROWS: usize = 3;
const MANY: usize = 6;

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
        "{BOLD}{}{BOLD:#}\n{requests} requests in {}, seed {}; the promise is {promise}\n",
        cut(&scenario.name, 60),
        length(duration),
        scenario.seed,
    );
    let width = usize::from(width.clamp(60, 200));
    table(comparison, width, &mut text);
    charts(comparison, width, duration, &mut text);
    let _ = writeln!(text, "\n{}", verdict::sentence(comparison));
    text
}

/// Policies as rows; as many columns as there is room for.
fn table(comparison: &Comparison, room: usize, text: &mut String) {
    let longest = comparison.runs.iter().map(|run| cut(&name(run), NAME).chars().count()).max().unwrap_or(0).max(6);
    let mut columns: Vec<(&Column, Vec<Cell>, usize)> = COLUMNS
        .iter()
        .map(|column| {
            let cells: Vec<Cell> = comparison.runs.iter().map(|run| column.cell(run, comparison)).collect();
            let width = cells.iter().map(|cell| cell.text.chars().count()).max().unwrap_or(0).max(column.title.len());
            (column, cells, width)
        })
        .collect();
    while longest + columns.iter().map(|(_, _, width)| width + 2).sum::<usize>() > room {
        let Some(last) = columns.iter().map(|(column, ..)| column.rank).max().filter(|&rank| rank > 0) else { break };
        columns.retain(|(column, ..)| column.rank < last);
    }
    let _ = write!(text, "{DIM}{:<longest$}", "policy");
    for (column, _, width) in &columns {
        let _ = write!(text, "  {:>width$}", column.title);
    }
    let _ = writeln!(text, "{DIM:#}");
    for (row, run) in comparison.runs.iter().enumerate() {
        let _ = write!(text, "{:<longest$}", cut(&name(run), NAME));
        for (_, cells, width) in &columns {
            let Cell { text: cell, best } = &cells[row];
            let style = if *best { BEST } else { Style::new() };
            let _ = write!(text, "  {style}{cell:>width$}{style:#}");
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{DIM}late: slower than the promise, refused or unserved.\n\
         missing, spare: replicas too few, too many, on average.{DIM:#}"
    );
}

fn charts(comparison: &Comparison, width: usize, duration: f64, text: &mut String) {
    let Some(first) = comparison.runs.first() else { return };
    let columns = (width - NAME - 8).min(first.samples.time_s.len().max(1));
    let load = squeeze(&first.samples.offered_rate, columns);
    text.push('\n');
    let rows = if comparison.runs.len() > MANY { 1 } else { ROWS };
    chart("requests/s", rows, &load, load.iter().copied().fold(0.0, f64::max), &[], text);
    // One scale for all, so that heights compare.
    let replicas: Vec<Vec<f64>> = comparison.runs.iter().map(|run| squeeze(&run.samples.replicas, columns)).collect();
    let highest = replicas.iter().flatten().copied().fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a promise is far below 2^53 ms")]
    let promise = comparison.scenario.slo_latency_ms as f64;
    for (run, replicas) in comparison.runs.iter().zip(&replicas) {
        let p99: Vec<f64> = run.samples.p99_latency_ms.iter().map(|p99| p99.unwrap_or(0.0)).collect();
        let late: Vec<bool> = squeeze(&p99, columns).iter().map(|&p99| p99 > promise).collect();
        chart(&name(run), rows, replicas, highest, &late, text);
    }
    axis(columns, duration, text);
    let _ = writeln!(
        text,
        "{DIM}replicas asked for, on one scale; {DIM:#}{LATE}!{LATE:#}{DIM} p99 breaks the promise{DIM:#}"
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

fn chart(name: &str, rows: usize, values: &[f64], highest: f64, late: &[bool], text: &mut String) {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let scale = if highest > 0.0 { (rows * 8) as f64 / highest } else { 0.0 };
    for row in (0..rows).rev() {
        let label = if row == rows - 1 { cut(name, NAME) } else { String::new() };
        let top = match row {
            _ if row == rows - 1 => plain(highest),
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
    let mut line: Vec<char> = vec![' '; columns];
    for tick in 0..=ticks {
        let label = clock(duration * tick as f64 / ticks as f64, duration < 600.0);
        // The last one ends where the chart does.
        let at = (columns * tick / ticks).min(columns.saturating_sub(label.chars().count()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::comparison;

    fn without_styles(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let names = ["a", "a name of a length that nobody would want to see in full", "c"];
        let comparison = comparison(&names, 9.0);
        for width in [60, 80, 120, 200] {
            let text = without_styles(&render(&comparison, width));
            // The sentence at the end is prose, which a terminal may wrap.
            let (body, _) = text.trim_end().rsplit_once('\n').expect("several lines");
            for line in body.lines() {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
            assert!(text.contains("a name of a length …"), "{text}");
        }
    }

    #[test]
    fn odd_comparisons_are_shown_too() {
        for comparison in [comparison(&["idle"], 0.0), Comparison { runs: Vec::new(), ..comparison(&["a"], 1.0) }] {
            let text = without_styles(&render(&comparison, 80));
            assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
        }
    }
}
