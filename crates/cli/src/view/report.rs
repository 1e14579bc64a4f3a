//! A comparison as one HTML file: no request leaves it, and hostile names stay text.

mod decisions;
mod svg;

use std::borrow::Cow;

use askama::Template;
use serde::Serialize;
use setpoint_sim::{Comparison, Run, Samples};

use self::decisions::Row;
use self::svg::{Chart, Line};
use super::scores::{COLUMNS, Cell, Column};
use super::{latency, length, name, plain, verdict};

/// Okabe and Ito's colours, told apart by nearly everyone, in the order of their contrast on white and black; then darker
/// and lighter ones of the same hues.
const COLOURS: [&str; 14] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#4a9fd8", "#9c4500", "#5fc9a5",
    "#9a4d77", "#b07a00", "#2f7fa8", "#bda06a",
];
/// How many policies the charts show at first: more can't be told apart.
const SHOWN: usize = 6;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    scenario: &'a str,
    facts: String,
    verdict: String,
    columns: &'static [Column],
    policies: Vec<PolicyRow<'a>>,
    /// Whether the charts don't show all of them at first.
    some: bool,
    charts: Vec<Chart>,
    /// What the script reads, as JSON without a `<`.
    data: String,
    style: &'static str,
    script: &'static str,
}

struct PolicyRow<'a> {
    name: Cow<'a, str>,
    colour: &'static str,
    best: bool,
    shown: bool,
    cells: Vec<Cell>,
    scalings: Vec<String>,
    more: usize,
}

#[derive(Serialize)]
struct Data<'a> {
    duration_s: f64,
    time_s: &'a [f64],
    policies: Vec<PolicyData<'a>>,
}

#[derive(Serialize)]
struct PolicyData<'a> {
    name: Cow<'a, str>,
    colour: &'static str,
    replicas: &'a [f64],
    p99: &'a [Option<f64>],
    queue: &'a [f64],
    rate: &'a [f64],
    rows: Vec<Row<'a>>,
}

/// How many scalings of a policy are listed for readers without scripts.
const LISTED: usize = 200;

/// The report, always the same bytes for the same comparison.
pub(crate) fn html(comparison: &Comparison) -> String {
    let scenario = &comparison.scenario;
    #[expect(clippy::cast_precision_loss, reason = "400 days in ms are far below 2^53")]
    let (duration, promise) = (scenario.duration_ms as f64 / 1000.0, scenario.slo_latency_ms as f64);
    let requests = comparison.runs.first().map_or(0, |run| run.summary.requests);
    let rows: Vec<Vec<Row<'_>>> = comparison.runs.iter().map(|run| decisions::rows(&run.decisions)).collect();
    let policies = policy_rows(comparison, &rows);
    let data = Data {
        duration_s: duration,
        time_s: comparison.runs.first().map_or(&[], |run| &run.samples.time_s),
        policies: comparison
            .runs
            .iter()
            .zip(rows)
            .enumerate()
            .map(|(index, (run, rows))| PolicyData {
                name: name(run),
                colour: colour(index),
                replicas: &run.samples.replicas,
                p99: &run.samples.p99_latency_ms,
                queue: &run.samples.queue,
                rate: &run.samples.offered_rate,
                rows,
            })
            .collect(),
    };
    let page = Page {
        scenario: &scenario.name,
        facts: format!(
            "{requests} requests in {}, seed {}. The promise: {}.",
            length(duration),
            scenario.seed,
            latency(promise),
        ),
        verdict: verdict::sentence(comparison),
        columns: &COLUMNS,
        some: policies.iter().any(|policy| !policy.shown),
        policies,
        charts: charts(comparison, duration, promise),
        // The one character that could end the script element.
        data: serde_json::to_string(&data).expect("plain data").replace('<', "\\u003c"),
        style: include_str!("../../templates/report.css"),
        script: include_str!("../../templates/report.js"),
    };
    page.render().expect("a template over plain data renders")
}

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

fn policy_rows<'a>(comparison: &'a Comparison, rows: &[Vec<Row<'_>>]) -> Vec<PolicyRow<'a>> {
    let best = verdict::best(comparison);
    let shown = verdict::first(comparison, SHOWN);
    let several = best.as_ref().is_some_and(|best| best.len() < comparison.runs.len());
    let row = |(index, run): (usize, &'a Run)| {
        let scalings: Vec<String> = rows[index].iter().filter(|row| row.scales()).map(Row::sentence).collect();
        PolicyRow {
            name: name(run),
            colour: colour(index),
            best: several && best.as_ref().is_some_and(|best| best.contains(&index)),
            shown: shown.contains(&index),
            cells: COLUMNS.iter().map(|column| column.cell(run, comparison)).collect(),
            more: scalings.len().saturating_sub(LISTED),
            scalings: scalings.into_iter().take(LISTED).collect(),
        }
    };
    comparison.runs.iter().enumerate().map(row).collect()
}

fn charts(comparison: &Comparison, duration: f64, promise: f64) -> Vec<Chart> {
    let shown = verdict::first(comparison, SHOWN);
    let lines = |values: fn(&Samples) -> Vec<Option<f64>>| -> Vec<Line> {
        let line = |(index, run): (usize, &Run)| Line {
            colour: colour(index),
            hidden: !shown.contains(&index),
            policy: Some(index),
            values: values(&run.samples),
        };
        comparison.runs.iter().enumerate().map(line).collect()
    };
    let some = |values: &[f64]| -> Vec<Option<f64>> { values.iter().copied().map(Some).collect() };
    let load = comparison.runs.first().map_or_else(Vec::new, |run| some(&run.samples.offered_rate));
    let load = vec![Line { colour: "currentColor", hidden: false, policy: None, values: load }];
    vec![
        Chart::linear("Load", "requests/s that arrive", load, duration, plain),
        Chart::linear(
            "Replicas",
            "asked for, by policy",
            lines(|samples| samples.replicas.iter().copied().map(Some).collect()),
            duration,
            plain,
        ),
        Chart::logarithmic(
            "Latency",
            "p99, by policy; the dashed line is the promise",
            lines(|samples| samples.p99_latency_ms.clone()),
            duration,
            promise,
            latency,
        ),
        Chart::linear(
            "Queue",
            "requests that wait, by policy",
            lines(|samples| samples.queue.iter().copied().map(Some).collect()),
            duration,
            plain,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use setpoint_sim::DecisionRecord;

    use super::*;
    use crate::view::testing::comparison;

    #[test]
    fn hostile_names_stay_text() {
        let hostile = "</script><img src=x onerror=alert(1)>\u{2028}\"'&";
        let mut comparison = comparison(&[hostile], 5.0);
        comparison.runs[0].decisions[0].reasons[0].text = hostile.to_owned();
        let page = html(&comparison);
        for element in ["<img", "<b>short"] {
            assert!(!page.contains(element), "{element}");
        }
        assert_eq!(page.matches("</script").count(), 2, "the two that the template has");
        assert!(!include_str!("../../templates/report.js").contains("innerHTML"));
    }

    #[test]
    fn the_same_comparison_gives_the_same_bytes() {
        assert_eq!(html(&comparison(&["a", "b"], 5.0)), html(&comparison(&["a", "b"], 5.0)));
    }

    #[test]
    fn odd_comparisons_have_a_report_too() {
        let names: Vec<String> = (0..10).map(|index| format!("policy {}", index % 3)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for comparison in [
            comparison(&names, 5.0),
            comparison(&["idle"], 0.0),
            Comparison { runs: Vec::new(), ..comparison(&["none"], 1.0) },
        ] {
            let page = html(&comparison);
            assert!(
                page.contains("<svg") && !page.contains("NaN") && !page.contains("inf "),
                "{}",
                comparison.runs.len()
            );
        }
    }

    #[test]
    fn every_decision_is_in_a_row_and_every_scaling_has_its_own() {
        let comparison = comparison(&["a"], 8.0);
        let decisions: &[DecisionRecord] = &comparison.runs[0].decisions;
        let rows = decisions::rows(decisions);
        assert_eq!(rows.iter().map(|row| row.2).sum::<usize>(), decisions.len());
        let scalings = decisions.iter().filter(|decision| decision.from != decision.to).count();
        assert_eq!(rows.iter().filter(|row| row.scales()).count(), scalings);
        assert!(rows.len() < decisions.len(), "holds are merged");
    }
}
