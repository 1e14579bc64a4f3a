//! The columns by which policies are compared, on a terminal and in the report.

use setpoint_sim::{Comparison, Run, Summary};

use super::{latency, percent, plain};

/// One score of a policy.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) meaning: &'static str,
    value: fn(&Summary) -> Option<f64>,
    show: fn(f64) -> String,
    /// Whether the smallest is the best; else no value is better than another.
    lower_is_better: bool,
    /// Where there is no room for all: those with the highest numbers go first.
    pub(super) rank: u8,
}

#[expect(clippy::cast_precision_loss, reason = "counts of scalings are far below 2^53")]
pub(super) const COLUMNS: [Column; 10] = [
    Column {
        title: "late",
        meaning: "Requests slower than the promise, refused, or not served by the end",
        value: |summary| Some(summary.slo_violation_ratio),
        show: percent,
        lower_is_better: true,
        rank: 0,
    },
    Column {
        title: "p99",
        meaning: "99 % of the served requests were at least this fast",
        value: |summary| summary.p99_latency_ms,
        show: latency,
        lower_is_better: true,
        rank: 1,
    },
    Column {
        title: "replicas",
        meaning: "The cost: replicas that start, serve or drain, on average",
        value: |summary| Some(summary.mean_replicas),
        show: plain,
        lower_is_better: true,
        rank: 0,
    },
    Column {
        title: "peak",
        meaning: "The most replicas at once",
        value: |summary| Some(f64::from(summary.peak_replicas)),
        show: plain,
        lower_is_better: false,
        rank: 7,
    },
    Column {
        title: "missing",
        meaning: "Replicas too few for the work that arrived, on average over time",
        value: |summary| Some(summary.under_provision_accuracy),
        show: plain,
        lower_is_better: true,
        rank: 3,
    },
    Column {
        title: "spare",
        meaning: "Replicas too many for the work that arrived, on average over time",
        value: |summary| Some(summary.over_provision_accuracy),
        show: plain,
        lower_is_better: true,
        rank: 3,
    },
    Column {
        title: "busy",
        meaning: "Busy part of the ready replicas' capacity",
        value: |summary| summary.mean_utilization,
        show: percent,
        lower_is_better: false,
        rank: 6,
    },
    Column {
        title: "ups",
        meaning: "Times that more replicas were asked for",
        value: |summary| Some(summary.scale_ups as f64),
        show: plain,
        lower_is_better: false,
        rank: 5,
    },
    Column {
        title: "downs",
        meaning: "Times that fewer replicas were asked for",
        value: |summary| Some(summary.scale_downs as f64),
        show: plain,
        lower_is_better: false,
        rank: 5,
    },
    Column {
        title: "reversals",
        meaning: "Scalings against the direction of the one before",
        value: |summary| Some(summary.reversals as f64),
        show: plain,
        lower_is_better: true,
        rank: 2,
    },
];

/// One score of one policy.
pub(super) struct Cell {
    pub(super) text: String,
    /// Whether nobody it is compared with has a better one.
    pub(super) best: bool,
}

/// Whose run it is, of a group's.
fn member(run: &Run) -> Option<&str> {
    run.member.as_ref().map(|member| member.name.as_str())
}

impl Column {
    /// This score of `run`, and whether it is the best of `comparison`: policies are compared with policies, and a member of
    /// a group with those of its name in others.
    pub(super) fn cell(&self, run: &Run, comparison: &Comparison) -> Cell {
        let value = |run: &Run| (self.value)(&run.summary);
        let peers: Vec<&Run> = comparison.runs.iter().filter(|peer| member(peer) == member(run)).collect();
        let least = peers.iter().filter_map(|peer| value(peer)).min_by(f64::total_cmp);
        let text = value(run).map_or_else(|| "–".to_owned(), self.show);
        // As shown: of two that read alike, neither is better.
        let as_good = value(run).is_some() && least.map(self.show).as_ref() == Some(&text);
        Cell { best: self.lower_is_better && peers.len() > 1 && as_good, text }
    }
}
