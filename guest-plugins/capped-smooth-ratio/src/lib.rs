//! KubeAI's `CappedSmoothRatio`, with a scale-down that works, written against the guest SDK alone.
//!
//! The host's native `capped-smooth-ratio` is the same algorithm, composed of stages; a test holds the two
//! equal, bit for bit, state included.

use setpoint_guest::{
    ConfigError, EvaluateError, Fraction, Hold, Metric, Need, Observation, Plugin, Proposal, ScalingAlgorithm,
    SmoothingFactor, StateError, StateReader, StepDown, StepUp, Tolerance, Tolerances, Trace, schemars, serde,
};

const NAME: &str = "capped-smooth-ratio-plugin";

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "setpoint_guest::serde", rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(crate = "setpoint_guest::schemars")]
struct Config {
    /// The weight of the newest ratio.
    smoothing_factor: SmoothingFactor,
    /// The largest growth in one step.
    max_scale_up: StepUp,
    /// The largest reduction in one step.
    max_scale_down: StepDown,
    /// How far the averaged ratio may be from 1 before anything is done.
    tolerance: Tolerance,
    /// The smallest ratio used. At 1 it never scales down.
    ratio_floor: Fraction,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            smoothing_factor: SmoothingFactor::new(0.3).expect("in range"),
            max_scale_up: StepUp::new(0.5).expect("in range"),
            max_scale_down: StepDown::new(0.25).expect("in range"),
            tolerance: Tolerance::default(),
            ratio_floor: Fraction::new(0.0).expect("in range"),
        }
    }
}

struct CappedSmoothRatio {
    config: Config,
    metrics: Vec<Metric>,
    average: Option<f64>,
}

impl Plugin for CappedSmoothRatio {
    const NAME: &'static str = NAME;
    const SUMMARY: &'static str = "the largest ratio, exponentially smoothed, in steps of limited size";
    type Config = Config;

    fn new(config: Config, metrics: &[Metric]) -> Result<Self, ConfigError> {
        Ok(Self { config, metrics: metrics.to_vec(), average: None })
    }
}

impl ScalingAlgorithm for CappedSmoothRatio {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let current = f64::from(look.current);
        let mut largest: Option<f64> = None;
        let mut complete = true;
        for (metric, reading) in self.metrics.iter().zip(look.readings) {
            match metric.ratio(*reading, look) {
                Some(ratio) if largest.is_none_or(|largest| ratio > largest) => largest = Some(ratio),
                Some(_) => {}
                None => complete = false,
            }
        }
        let (Some(largest), true) = (largest, look.current > 0) else {
            trace.note(NAME, current, current, format_args!("nothing to go by"));
            return Ok(Proposal::Hold(Hold::Said));
        };
        let floor = self.config.ratio_floor.get();
        let newest = if largest < floor { floor } else { largest };
        let factor = self.config.smoothing_factor.get();
        let average = self.average.map_or(newest, |before| factor * newest + (1.0 - factor) * before);
        self.average = Some(average);

        let uncapped = current * average;
        let need = if Tolerances::from(self.config.tolerance).contains(average) || (!complete && uncapped < current) {
            current
        } else if uncapped > current {
            uncapped.min(current + current * self.config.max_scale_up.get())
        } else {
            uncapped.max(current - current * self.config.max_scale_down.get())
        };
        trace.note(
            NAME,
            current,
            need,
            format_args!("ratio {newest:.3}, averaged {average:.3}, asks for {uncapped:.2}"),
        );
        Ok(Need::replicas(need.max(0.0))?.into())
    }

    // The layout of the host's own `smoothed` stage, so that a workload can move between the two.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.push(1);
        match self.average {
            None => state.push(0),
            Some(average) => {
                state.push(2);
                state.extend(average.to_le_bytes());
            }
        }
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(NAME, 1, state)?;
        let average = match reader.u8()? {
            0 => None,
            2 => Some(reader.finite()?),
            _ => return Err(reader.damaged("the average is no ratio")),
        };
        match reader.rest().len() {
            0 => self.average = average,
            bytes => return Err(StateError::LeftOver { bytes }),
        }
        Ok(())
    }
}

setpoint_guest::export!(CappedSmoothRatio);

#[cfg(test)]
mod tests {
    use setpoint_guest::setpoint::{AlgorithmManager, AlgorithmSpec, PolicySpec, Reading, Target, Timestamp};

    use super::*;

    /// The algorithm as it is, in a manager: no component, no sandbox, and a debugger works.
    #[test]
    fn natively_it_is_an_algorithm_as_any_other() {
        let mut manager = AlgorithmManager::new();
        let factory = setpoint_guest::native::<CappedSmoothRatio>();
        manager.registry_mut().register_algorithm(NAME, factory).expect("a free name");
        let metrics = vec![Metric::new("p99", Target::value(500.0).expect("in range"))];
        let algorithm = AlgorithmSpec::named(NAME, Default::default());
        let policy = PolicySpec::new(1, 100, metrics, algorithm).expect("a good policy");
        let workload = manager.add(&policy).expect("a good configuration");
        let mut current = 10;
        let mut decided = Vec::new();
        for (step, reading) in [500.0, 1500.0, 1500.0, 100.0, 100.0, 0.0].into_iter().enumerate() {
            let readings = [Reading::Value(reading)];
            let now = Timestamp::from_millis(15_000 * i64::try_from(step).expect("a few"));
            let look = Observation::new(now, current, &readings);
            current = manager.decide(workload, &look, &mut Trace::off()).expect("a decision").desired;
            decided.push(current);
        }
        assert_eq!(decided, [10, 15, 23, 34, 34, 26]);
    }
}
