//! What the benches share: policies of so many metrics, and readings that change from look to look.

use serde_json::Value;
use setpoint::{AlgorithmSpec, Metric, Observation, PolicySpec, Reading, Target, Timestamp};

/// `count` metrics, the three kinds of target in turn.
///
/// # Panics
///
/// Never: the targets are in range.
#[must_use]
pub fn metrics(count: usize) -> Vec<Metric> {
    let kinds = [Target::value(500.0), Target::average_value(4.0), Target::utilization(70.0)];
    (0..count).map(|index| Metric::new(format!("m{index}"), kinds[index % 3].clone().expect("in range"))).collect()
}

/// A policy of `algorithm` with `count` metrics, 1 to 1000 replicas.
///
/// # Panics
///
/// When `count` is 0.
#[must_use]
pub fn policy(algorithm: &str, config: Value, count: usize) -> PolicySpec {
    PolicySpec::new(1, 1000, metrics(count), AlgorithmSpec::named(algorithm, config)).expect("a good policy")
}

/// Readings of a workload of 10 whose load wobbles: 64 looks' worth, over and over.
#[derive(Debug)]
pub struct Looks {
    readings: Vec<Vec<Reading<'static>>>,
    next: usize,
    observation: Observation<'static>,
}

impl Looks {
    /// Of `count` metrics.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let value = |look: usize, metric: usize| {
            let wobble = ((look * 37 + metric * 11) % 64) as f64 / 64.0;
            Reading::Value((0.5 + wobble) * [500.0, 40.0, 70.0][metric % 3])
        };
        let readings = (0..64).map(|look| (0..count).map(|metric| value(look, metric)).collect()).collect();
        Self { readings, next: 0, observation: Observation::new(Timestamp::default(), 10, &[]) }
    }

    /// The next look, 15 s later: an observation that is ready but for its readings.
    pub fn look(&mut self) -> Observation<'_> {
        self.next = (self.next + 1) % 64;
        self.observation.now = self.observation.now + std::time::Duration::from_secs(15);
        let mut observation = self.observation;
        observation.readings = &self.readings[self.next];
        observation
    }
}
