//! Decisions as rows to read: every scaling, and holds for the same reasons as one.

use serde::Serialize;
use setpoint_sim::DecisionRecord;

use crate::view::clock;

/// One scaling, or several holds in a row; as an array, for there are thousands of them.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a>(
    /// When it began, and when the last of it was, in ms.
    i64,
    i64,
    /// How many looks.
    pub(super) usize,
    /// From and to.
    u32,
    u32,
    /// The reasons of the last look: stage, from, to, text.
    Vec<(&'a str, f64, f64, &'a str)>,
);

impl Row<'_> {
    pub(super) fn scales(&self) -> bool {
        self.3 != self.4
    }

    /// The row for readers without scripts.
    pub(super) fn sentence(&self) -> String {
        let Self(begin, _, _, from, to, reasons) = self;
        let why: Vec<&str> = reasons.iter().map(|(_, _, _, text)| *text).collect();
        #[expect(clippy::cast_precision_loss, reason = "400 days in ms are far below 2^53")]
        let seconds = *begin as f64 / 1000.0;
        format!("{} {from} → {to}: {}", clock(seconds, true), why.join("; "))
    }
}

/// All decisions, in order.
pub(super) fn rows(decisions: &[DecisionRecord]) -> Vec<Row<'_>> {
    let stages = |decision: &DecisionRecord| -> Vec<String> {
        decision.reasons.iter().map(|reason| reason.stage.clone()).collect()
    };
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut before: Option<&DecisionRecord> = None;
    for decision in decisions {
        let reasons =
            decision.reasons.iter().map(|reason| (reason.stage.as_str(), reason.from, reason.to, reason.text.as_str()));
        let holds = |decision: &DecisionRecord| decision.from == decision.to;
        let goes_on = before.is_some_and(|before| {
            holds(before) && holds(decision) && before.to == decision.to && stages(before) == stages(decision)
        });
        match rows.last_mut() {
            Some(row) if goes_on => {
                row.1 = decision.t_ms;
                row.2 += 1;
                row.5 = reasons.collect();
            }
            _ => rows.push(Row(decision.t_ms, decision.t_ms, 1, decision.from, decision.to, reasons.collect())),
        }
        before = Some(decision);
    }
    rows
}
