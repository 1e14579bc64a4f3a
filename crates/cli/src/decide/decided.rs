//! A decision whole, as `--json` writes it: docs/decide.md describes it.

use serde::Serialize;
use setpoint::{Decision, DetailedReason, Metric, Outcome, Trace};

use super::measurement::Measurement;

/// A decision with what it was made from and how it was come to.
#[derive(Debug, Serialize)]
pub(super) struct Decided<'a> {
    now_ms: i64,
    current: u32,
    desired: u32,
    outcome: Outcome,
    metrics: &'a [Measurement<'a>],
    reasons: Vec<DetailedReason>,
}

impl<'a> Decided<'a> {
    pub(super) fn new(decision: &Decision, measured: &'a [Measurement<'a>], metrics: &[Metric], trace: &Trace) -> Self {
        Self {
            now_ms: decision.now.as_millis(),
            current: decision.current,
            desired: decision.desired,
            outcome: decision.outcome,
            metrics: measured,
            reasons: trace.details(metrics),
        }
    }
}
