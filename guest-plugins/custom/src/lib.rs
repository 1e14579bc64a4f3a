//! The custom algorithm of Elastic Scaler's plugin development guide, as a plugin: one replica more above a threshold, and
//! a cooldown after each change. The guide's own goes no further than these two settings; here is also a way down.

use setpoint_guest::setpoint::{Positive, write_time};
use setpoint_guest::{
    ConfigError, EvaluateError, Hold, Metric, Need, Observation, Plugin, Proposal, ScalingAlgorithm, StateError,
    StateReader, Timestamp, Trace, schemars, serde,
};

const NAME: &str = "custom";

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "setpoint_guest::serde", rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(crate = "setpoint_guest::schemars")]
struct Config {
    /// Above this ratio of a reading to its target a replica is added. Greater than 0, default 0.8.
    threshold: Positive,
    /// So many seconds after a change nothing is changed. Default 60.
    cooldown_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { threshold: Positive::new(0.8).expect("in range"), cooldown_seconds: 60 }
    }
}

/// Adds a replica while the largest ratio is above the threshold, and takes one away where it would not be with one
/// fewer: so that what was taken away isn't wanted back.
struct Custom {
    config: Config,
    metrics: Vec<Metric>,
    /// The count at the last look: another one is a change, whoever made it.
    seen: Option<u32>,
    changed: Option<Timestamp>,
}

impl Custom {
    fn is_cooling(&self, now: Timestamp) -> bool {
        // A clock that was set back to before the change ends the wait.
        let wait = u64::from(self.config.cooldown_seconds) * 1000;
        self.changed.is_some_and(|at| now >= at && now.since(at).as_millis() < u128::from(wait))
    }
}

impl Plugin for Custom {
    const NAME: &'static str = NAME;
    const SUMMARY: &'static str = "one replica more above a threshold, one fewer well below it, and a cooldown between";
    type Config = Config;

    fn new(config: Config, metrics: &[Metric]) -> Result<Self, ConfigError> {
        Ok(Self { config, metrics: metrics.to_vec(), seen: None, changed: None })
    }
}

impl ScalingAlgorithm for Custom {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        if self.seen.is_some_and(|seen| seen != look.current) {
            self.changed = Some(look.now);
        }
        self.seen = Some(look.current);
        let current = f64::from(look.current);
        let ratios = self.metrics.iter().zip(look.readings).map(|(metric, reading)| metric.ratio(*reading, look));
        let (mut largest, mut complete) = (None::<f64>, true);
        for ratio in ratios {
            match ratio {
                Some(ratio) => largest = Some(largest.map_or(ratio, |largest| largest.max(ratio))),
                None => complete = false,
            }
        }
        let Some(largest) = largest else {
            trace.note(NAME, current, current, format_args!("nothing to go by"));
            return Ok(Proposal::Hold(Hold::Said));
        };
        let threshold = self.config.threshold.get();
        let with_one_fewer = largest * current / (current - 1.0);
        let step = if largest > threshold {
            1.0
        } else if complete && look.current > 1 && with_one_fewer <= threshold {
            -1.0
        } else {
            0.0
        };
        if step != 0.0 && self.is_cooling(look.now) {
            trace.note(
                NAME,
                current,
                current,
                format_args!("{largest:.3} of the target, and the last change is too new"),
            );
            return Ok(Proposal::Hold(Hold::Said));
        }
        trace.note(NAME, current, current + step, format_args!("{largest:.3} of the target, threshold {threshold}"));
        Ok(Need::replicas(current + step)?.into())
    }

    // Version, the count of the last look, and when it changed.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.extend([1, u8::from(self.seen.is_some())]);
        if let Some(seen) = self.seen {
            state.extend(seen.to_le_bytes());
        }
        write_time(self.changed, state);
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(NAME, 1, state)?;
        let seen = if reader.flag()? { Some(reader.u32()?) } else { None };
        let changed = reader.time()?;
        reader.end()?;
        (self.seen, self.changed) = (seen, changed);
        Ok(())
    }
}

setpoint_guest::export!(Custom);

#[cfg(test)]
mod tests {
    use setpoint_guest::setpoint::{AlgorithmManager, AlgorithmSpec, PolicySpec, Reading, Target};

    use super::*;

    #[test]
    fn it_goes_a_step_at_a_time_and_waits_between() {
        let mut manager = AlgorithmManager::new();
        manager.registry_mut().register_algorithm(NAME, setpoint_guest::native::<Custom>()).expect("a free name");
        let metrics = vec![Metric::new("qps", Target::average_value(100.0).expect("in range"))];
        let policy = PolicySpec::new(1, 5, metrics, AlgorithmSpec::named(NAME, Default::default())).expect("good");
        let workload = manager.add(&policy).expect("a good configuration");
        let mut current = 2;
        let mut decided = Vec::new();
        // Of all replicas: with a target of 100 each, 2 are at 0.8 with 160 and 3 are at it with 240.
        for (step, qps) in
            [160.0, 161.0, 300.0, 300.0, 300.0, 300.0, 241.0, 241.0, 240.0, 240.0, 0.0].into_iter().enumerate()
        {
            let readings = [Reading::Value(qps)];
            let now = Timestamp::from_millis(30_000 * i64::try_from(step).expect("a few"));
            let look = Observation::new(now, current, &readings);
            current = manager.decide(workload, &look, &mut Trace::off()).expect("a decision").desired;
            decided.push(current);
        }
        assert_eq!(decided, [2, 3, 3, 3, 4, 4, 4, 4, 3, 3, 3]);
    }
}
