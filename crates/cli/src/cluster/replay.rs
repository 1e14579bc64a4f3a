//! A policy that decides over a recording.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, json};
use setpoint::{
    AlgorithmManager, ConfigError, Metric, Observation, Outcome, PolicySpec, Reading, Registry, Timestamp, Trace,
};

use super::recording::Recording;

/// What a policy made of a recording.
pub(super) struct Replay {
    /// The count from each time of the recording on.
    pub(super) counts: Vec<u32>,
    pub(super) changes: Vec<Change>,
    pub(super) summary: Summary,
    /// What it decided by, as `decide --observations` takes it.
    pub(super) observations: String,
}

/// A count that became another.
#[derive(Serialize)]
pub(super) struct Change {
    pub(super) at_ms: i64,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) because: String,
}

/// All of it in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) decisions: u64,
    /// Decisions for which not every metric had a usable reading.
    pub(super) incomplete: u64,
    /// Decisions in which the policy's `onFailure` answered.
    pub(super) fallbacks: u64,
    pub(super) ups: u64,
    pub(super) downs: u64,
    /// Changes against the direction of the one before.
    pub(super) reversals: u64,
    pub(super) replica_hours: f64,
    pub(super) lowest: u32,
    pub(super) highest: u32,
}

/// Lets `policy` decide from `start` on, at its own interval or at each reading, whichever is longer. The count is as it
/// decides, the readings are as they were.
pub(super) fn replay(
    recording: &Recording,
    policy: &PolicySpec,
    registry: &Registry,
    start: u32,
) -> Result<Replay, ConfigError> {
    let mut manager = AlgorithmManager::with_registry(registry.clone());
    let workload = manager.add(policy).map_err(|error| error.under("spec"))?;
    let interval = i64::try_from(policy.interval.as_duration().as_millis()).unwrap_or(i64::MAX);
    let (mut trace, mut current, mut due) = (Trace::new(), start, i64::MIN);
    let (mut counts, mut changes) = (Vec::with_capacity(recording.grid.points()), Vec::new());
    let (mut observations, mut summary) = (String::new(), Summary::default());
    for point in 0..recording.grid.points() {
        let now = recording.grid.at(point);
        if now.as_millis() >= due {
            due = now.as_millis().saturating_add(interval);
            let readings: Vec<Reading<'_>> =
                policy.metrics.iter().map(|metric| recording.reading(metric, point)).collect();
            let _ = writeln!(observations, "{}", observation(now, current, &policy.metrics, &readings));
            let look = Observation::new(now, current, &readings);
            let decision = manager
                .decide(workload, &look, &mut trace)
                .expect("the workload was just added, and has a reading for each metric");
            summary.decisions += 1;
            summary.incomplete += u64::from(readings.iter().any(|reading| reading.usable().is_none()));
            summary.fallbacks += u64::from(decision.outcome == Outcome::Fallback);
            if decision.desired != current {
                let mut records = trace.records(&policy.metrics);
                let because = trace.cause().map(|cause| records.swap_remove(cause).text).unwrap_or_default();
                changes.push(Change { at_ms: now.as_millis(), from: current, to: decision.desired, because });
                current = decision.desired;
            }
        }
        counts.push(current);
    }
    summary.count(&counts, &changes, recording.grid.step());
    Ok(Replay { counts, changes, summary, observations })
}

impl Summary {
    fn count(&mut self, counts: &[u32], changes: &[Change], step: Duration) {
        let is_up = |change: &Change| change.to > change.from;
        let of = |up: bool| changes.iter().filter(|change| is_up(change) == up).count() as u64;
        (self.ups, self.downs) = (of(true), of(false));
        self.reversals = changes.windows(2).filter(|pair| is_up(&pair[0]) != is_up(&pair[1])).count() as u64;
        // The last reading is where the recording ends: nothing lasts from there on.
        let lasted = counts.split_last().map(|(_, before)| before).unwrap_or_default();
        self.replica_hours = lasted.iter().map(|&count| f64::from(count)).sum::<f64>() * step.as_secs_f64() / 3600.0;
        self.lowest = counts.iter().copied().min().unwrap_or_default();
        self.highest = counts.iter().copied().max().unwrap_or_default();
    }
}

/// A line of observations.
fn observation(now: Timestamp, current: u32, metrics: &[Metric], readings: &[Reading<'_>]) -> serde_json::Value {
    let reading = |(metric, reading): (&Metric, &Reading<'_>)| {
        let told = match reading.state() {
            ("value", _) => json!(reading.usable()),
            (state, why) => json!({ state: why }),
        };
        (metric.name.clone(), told)
    };
    let readings: Map<_, _> = metrics.iter().zip(readings).map(reading).collect();
    json!({ "now_ms": now.as_millis(), "current": current, "readings": readings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_what_happened() {
        let change = |from, to| Change { at_ms: 0, from, to, because: String::new() };
        let changes = [change(2, 5), change(5, 6), change(6, 3), change(3, 4)];
        let mut summary = Summary::default();
        summary.count(&[2, 5, 6, 3, 4], &changes, Duration::from_secs(1800));
        let want =
            Summary { ups: 3, downs: 1, reversals: 2, replica_hours: 8.0, lowest: 2, highest: 6, ..Summary::default() };
        assert_eq!(summary, want);
    }
}
