//! The decision that is measured, and what has to be told for it: the least that such a protocol would carry.

use serde::{Deserialize, Serialize};
use serde_json::json;
use setpoint::{AlgorithmSpec, Observation, Proposal, Reading, Registry, ScalingAlgorithm, Timestamp, Trace};
use setpoint_benches::metrics;

/// How many metrics a look has.
pub const METRICS: usize = 3;

/// `capped-smooth-ratio` as it comes, over [`METRICS`] metrics. Natively; the plugin is the same one.
///
/// # Panics
///
/// Never: it has no configuration that could be wrong.
#[must_use]
pub fn algorithm() -> Box<dyn ScalingAlgorithm> {
    let spec = AlgorithmSpec::named("capped-smooth-ratio", json!({}));
    Registry::builtin().build(&spec, &metrics(METRICS)).expect("a good configuration")
}

/// An observation on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Milliseconds since the epoch.
    pub now_ms: i64,
    /// Replicas.
    pub current: u32,
    /// None: missing.
    pub readings: Vec<Option<f64>>,
}

/// A proposal on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// None: hold.
    pub replicas: Option<f64>,
}

impl Look {
    /// What `observation` says.
    #[must_use]
    pub fn of(observation: &Observation<'_>) -> Self {
        let readings = observation.readings.iter().map(|reading| reading.usable()).collect();
        Self { now_ms: observation.now.as_millis(), current: observation.current, readings }
    }

    /// What `algorithm` proposes.
    pub fn ask(&self, algorithm: &mut dyn ScalingAlgorithm) -> Answer {
        let reading = |value: &Option<f64>| value.map_or(Reading::Missing("missing"), Reading::Value);
        let readings: Vec<Reading<'_>> = self.readings.iter().map(reading).collect();
        let look = Observation::new(Timestamp::from_millis(self.now_ms), self.current, &readings);
        Answer::of(algorithm.evaluate(&look, &mut Trace::off()).ok())
    }
}

impl Answer {
    /// A failure holds too.
    #[must_use]
    pub fn of(proposal: Option<Proposal>) -> Self {
        match proposal {
            Some(Proposal::Need(need)) => Self { replicas: Some(need.exact()) },
            _ => Self { replicas: None },
        }
    }
}
