//! Observations that own what they hold, and strategies for sequences of them.

use proptest::prelude::*;
use setpoint::{Metric, Observation, Reading, Target, Timestamp};

/// An observation that owns its readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Milliseconds.
    pub now: i64,
    /// Replicas asked for.
    pub current: u32,
    /// Replicas that serve.
    pub ready: u32,
    /// One a metric.
    pub readings: Vec<Reading<'static>>,
}

impl Look {
    /// The same, borrowed.
    #[must_use]
    pub fn observation(&self) -> Observation<'_> {
        Observation::new(Timestamp::from_millis(self.now), self.current, &self.readings).with_ready(self.ready)
    }
}

/// Three metrics, one of each kind of target.
///
/// # Panics
///
/// Never: the targets are in range.
#[must_use]
pub fn metrics() -> Vec<Metric> {
    let target = "a target in range";
    vec![
        Metric::new("p99", Target::value(500.0).expect(target)),
        Metric::new("queue", Target::average_value(4.0).expect(target)),
        Metric::new("cpu", Target::utilization(70.0).expect(target)),
    ]
}

/// A reading in any state; values around `target`, at zero, tiny, huge, and what sources should never send.
pub fn reading(target: f64) -> impl Strategy<Value = Reading<'static>> {
    prop_oneof![
        12 => (0.0..3.0_f64).prop_map(move |ratio| Reading::Value(ratio * target)),
        // At the edges of a tolerance of 10 %.
        2 => prop::sample::select(vec![0.9, 1.0, 1.1]).prop_map(move |ratio| Reading::Value(ratio * target)),
        1 => prop::sample::select(vec![0.0, -0.0, 1e-300, 1e300, f64::MAX, -5.0, f64::NAN, f64::INFINITY])
            .prop_map(Reading::Value),
        2 => Just(Reading::Missing("scrape failed")),
        1 => Just(Reading::Stale("90 s old")),
        1 => Just(Reading::Invalid("not a number")),
    ]
}

/// Up to `most` looks at one workload, time going forward or standing still, of the metrics in [`metrics`].
pub fn sequence(most: usize) -> impl Strategy<Value = Vec<Look>> {
    let step = (0_i64..90_000, 0_u32..60, 0_u32..60, [reading(500.0), reading(40.0), reading(70.0)]);
    prop::collection::vec(step, 1..most).prop_map(|steps| {
        let mut now = 0;
        steps
            .into_iter()
            .map(|(step, current, ready, readings)| {
                now += step;
                Look { now, current, ready: ready.min(current), readings: readings.into() }
            })
            .collect()
    })
}
