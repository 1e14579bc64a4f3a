//! What came of an autoscaler so far.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use setpoint::ReasonRecord;
use setpoint_runtime::{Look, Measured, Written};

/// Of how many looks the counts are kept.
const HISTORY: usize = 240;

/// What came of an autoscaler so far, as it is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// When it was last looked at, in milliseconds. None: not yet.
    pub(crate) looked_at: Option<i64>,
    pub(crate) current_replicas: Option<u32>,
    pub(crate) desired_replicas: Option<u32>,
    /// The last readings that were one, by metric. Of the last look alone: what could not be read is not here.
    pub(crate) readings: BTreeMap<String, f64>,
    pub(crate) last_scale_at: Option<i64>,
    pub(crate) scale_ups: u64,
    pub(crate) scale_downs: u64,
    /// Why the last look failed, if it did.
    pub(crate) failure: Option<String>,
    /// Why so many, step by step.
    pub(crate) reasons: Vec<Step>,
    pub(crate) history: VecDeque<Point>,
}

/// One step of a decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) stage: String,
    pub(crate) text: String,
}

/// The counts at one look.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) at: i64,
    pub(crate) replicas: u32,
}

impl Progress {
    /// Of one that was just created, whose workload has `replicas`.
    pub(crate) fn created(replicas: u32) -> Self {
        Self { current_replicas: Some(replicas), desired_replicas: Some(replicas), ..Self::default() }
    }

    /// One look later.
    pub(crate) fn note(&mut self, look: &Look) {
        let at = look.at.as_millis();
        self.looked_at = Some(at);
        if let Some(count) = look.count {
            self.current_replicas = Some(count.asked);
        }
        if let Some(decision) = look.decision {
            self.desired_replicas = Some(decision.desired);
        }
        if let Written::Done { from, to } = look.written {
            self.current_replicas = Some(to);
            self.last_scale_at = Some(at);
            if to > from {
                self.scale_ups += 1;
            } else {
                self.scale_downs += 1;
            }
        }
        let usable = |(metric, measured): &(String, Measured)| Some((metric.clone(), in_one_number(measured)?));
        self.readings = look.readings.iter().filter_map(usable).collect();
        self.failure = look.failure.as_ref().map(|failure| failure.message.clone());
        let step = |reason: &ReasonRecord| Step { stage: reason.stage.clone(), text: reason.text.clone() };
        self.reasons = look.reasons.iter().map(step).collect();
        if let Some(replicas) = self.current_replicas {
            self.history.push_back(Point { at, replicas });
            while self.history.len() > HISTORY {
                self.history.pop_front();
            }
        }
    }
}

/// A reading in the unit of its target. Samples with requests are a utilization: percent of what is requested by the
/// instances of which both are known.
fn in_one_number(measured: &Measured) -> Option<f64> {
    if let Measured::Samples(samples) = measured {
        let pairs = samples.iter().filter_map(|of| Some((of.sample?.value, of.request?)));
        let (used, requested) = pairs.fold((0_i128, 0_i128), |(used, requested), (value, request)| {
            (used + i128::from(value), requested + i128::from(request))
        });
        if requested > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
            return Some(100.0 * used as f64 / requested as f64);
        }
    }
    measured.usable()
}
