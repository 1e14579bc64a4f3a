//! A decision whole, as `--json` writes it and `--explain` tells it.

use serde::Serialize;
use setpoint::{Decision, DetailedReason, Metric, Observation, Outcome, Target, Trace};

/// A decision with what it was made from and how it was come to.
#[derive(Debug, Serialize)]
pub(super) struct Decided {
    pub(super) now_ms: i64,
    pub(super) current: u32,
    pub(super) desired: u32,
    pub(super) outcome: Outcome,
    pub(super) metrics: Vec<Measurement>,
    pub(super) reasons: Vec<DetailedReason>,
}

/// A metric as it was found.
#[derive(Debug, Serialize)]
pub(super) struct Measurement {
    pub(super) name: String,
    pub(super) target: Target,
    /// `value`, `missing`, `stale` or `invalid`.
    pub(super) state: &'static str,
    /// Why there is no value.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) cause: String,
    /// The reading in the target's terms.
    pub(super) reading: Option<f64>,
    /// Reading by target.
    pub(super) ratio: Option<f64>,
}

impl Decided {
    pub(super) fn new(decision: &Decision, look: &Observation<'_>, metrics: &[Metric], trace: &Trace) -> Self {
        let measurement = |(metric, reading): (&Metric, &setpoint::Reading<'_>)| {
            let (state, cause) = reading.state();
            Measurement {
                name: metric.name.clone(),
                target: metric.target,
                state,
                cause: cause.to_owned(),
                reading: metric.value(*reading, look),
                ratio: metric.ratio(*reading, look),
            }
        };
        Self {
            now_ms: decision.now.as_millis(),
            current: decision.current,
            desired: decision.desired,
            outcome: decision.outcome,
            metrics: metrics.iter().zip(look.readings).map(measurement).collect(),
            reasons: trace.details(metrics),
        }
    }
}
