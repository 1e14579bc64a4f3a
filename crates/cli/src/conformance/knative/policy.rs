//! The way that a policy takes: the algorithm, fed with the same samples, and restarted at every step.

use setpoint::knative::{KnativeKpa, Resolved, ScalingMetric};
use setpoint::{Hold, Need, Observation, Proposal, Reading, ScalingAlgorithm as _, Timestamp, Trace};

use super::scenario::Step;

/// What differs, what was expected, what came.
type Found = (&'static str, String, String);

pub(super) struct PolicyWay {
    resolved: Resolved,
    algorithm: KnativeKpa,
}

impl PolicyWay {
    pub(super) fn new(resolved: Resolved, ready: u32) -> Result<Self, String> {
        let mut algorithm = KnativeKpa::resolved(&resolved, true).map_err(|error| error.to_string())?;
        algorithm.start(ready, Timestamp::from_millis(0)).map_err(|error| error.to_string())?;
        Ok(Self { resolved, algorithm })
    }

    pub(super) fn step(&mut self, step: &Step, trace: &mut Trace) -> Result<Option<Found>, String> {
        if step.spec.is_some() || step.resize.is_some() {
            return Err("annotations that change, and nobody says to what".to_owned());
        }
        for sample in &step.recs {
            let [concurrency, rps] = sample.values();
            let value = match self.resolved.metric {
                ScalingMetric::Concurrency => concurrency,
                ScalingMetric::Rps => rps,
            };
            self.algorithm.sample(0, Timestamp::from_millis(sample.t), value);
        }
        self.restart()?;
        // A count that failed never gets to an algorithm.
        let Some(ready) = step.ready()? else {
            return Ok(None);
        };
        trace.clear();
        let readings = [Reading::Missing("what there is was sampled before")];
        let look = Observation::new(Timestamp::from_millis(step.t), ready, &readings);
        let proposal = self.algorithm.evaluate(&look, trace).map_err(|error| error.to_string())?;
        let expected =
            step.expect.desired.map_or(Proposal::Hold(Hold::NoReadings), |desired| Need::from(desired).into());
        Ok((proposal != expected).then(|| ("proposed by the policy", format!("{expected:?}"), format!("{proposal:?}"))))
    }

    fn restart(&mut self) -> Result<(), String> {
        let mut state = Vec::new();
        self.algorithm.snapshot(&mut state).map_err(|error| error.to_string())?;
        self.algorithm = KnativeKpa::resolved(&self.resolved, true).map_err(|error| error.to_string())?;
        self.algorithm.restore(&state).map_err(|error| error.to_string())
    }
}
