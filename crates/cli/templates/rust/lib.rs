//! The largest ratio of a metric to its target says how many replicas are needed. Up at once; down only as far as leaves
//! some headroom.

use setpoint_guest::{
    ConfigError, EvaluateError, Hold, Metric, Need, Observation, Plugin, Proposal,
    ScalingAlgorithm, Trace, schemars, serde,
};

const NAME: &str = "{{name}}";
/// The largest need that hosts take.
const MOST: f64 = 2_147_483_647.0;

/// What a policy can set: `config: { headroom: 0.5 }`.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(
    crate = "setpoint_guest::serde",
    rename_all = "camelCase",
    deny_unknown_fields,
    default
)]
#[schemars(crate = "setpoint_guest::schemars")]
struct Config {
    /// What stays beyond the need on the way down, as a fraction of it. In [0, 1], default 0.2.
    #[schemars(range(min = 0, max = 1))]
    headroom: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { headroom: 0.2 }
    }
}

/// One workload's algorithm. What it must remember from look to look are more fields here, which `snapshot` and `restore`
/// of `ScalingAlgorithm` carry over a restart.
struct Headroom {
    config: Config,
    metrics: Vec<Metric>,
}

impl Plugin for Headroom {
    const NAME: &'static str = NAME;
    const SUMMARY: &'static str =
        "the largest ratio of a metric to its target, with headroom on the way down";
    type Config = Config;

    fn new(config: Config, metrics: &[Metric]) -> Result<Self, ConfigError> {
        if !(0.0..=1.0).contains(&config.headroom) {
            let message = format!(
                "headroom must be a number in [0, 1], got {}",
                config.headroom
            );
            return Err(ConfigError::new("headroom", message));
        }
        Ok(Self {
            config,
            metrics: metrics.to_vec(),
        })
    }
}

impl ScalingAlgorithm for Headroom {
    fn evaluate(
        &mut self,
        look: &Observation<'_>,
        trace: &mut Trace,
    ) -> Result<Proposal, EvaluateError> {
        let current = f64::from(look.current);
        let (mut largest, mut complete) = (None, true);
        for (metric, reading) in self.metrics.iter().zip(look.readings) {
            match metric.ratio(*reading, look) {
                Some(ratio) => {
                    largest = Some(largest.map_or(ratio, |largest: f64| largest.max(ratio)))
                }
                None => complete = false,
            }
        }
        let (Some(largest), true) = (largest, look.current > 0) else {
            trace.note(NAME, current, current, format_args!("nothing to go by"));
            return Ok(Proposal::Hold(Hold::Said));
        };
        let needed = (current * largest).clamp(0.0, MOST);
        let with_headroom = needed * (1.0 + self.config.headroom);
        let replicas = if needed > current {
            needed
        } else if complete && with_headroom < current {
            with_headroom
        } else {
            // Between the two there is nothing to do, and what isn't measured may be what needs them.
            current
        };
        trace.note(
            NAME,
            current,
            replicas,
            format_args!(
                "{largest:.3} of the target: {needed:.2} needed, {with_headroom:.2} with headroom"
            ),
        );
        Ok(Need::replicas(replicas)?.into())
    }
}

setpoint_guest::export!(Headroom);

#[cfg(test)]
mod tests {
    use setpoint_guest::setpoint::{Reading, Target, Timestamp};

    use super::*;

    /// What is proposed at 10 replicas for a queue that should have 4 a replica.
    fn proposed(headroom: f64, queue: Reading<'_>) -> Proposal {
        let metrics = [Metric::new(
            "queue",
            Target::average_value(4.0).expect("in range"),
        )];
        let mut algorithm =
            Headroom::new(Config { headroom }, &metrics).expect("a good configuration");
        let readings = [queue];
        let look = Observation::new(Timestamp::from_millis(0), 10, &readings);
        algorithm
            .evaluate(&look, &mut Trace::off())
            .expect("an answer")
    }

    #[test]
    fn it_goes_up_at_once_and_down_with_headroom() {
        let rows = [
            ("at its target", 0.2, 40.0, 10.0),
            ("above it", 0.2, 60.0, 15.0),
            ("too little below it", 0.2, 36.0, 10.0),
            ("well below it", 0.2, 20.0, 6.0),
            ("well below it, with more headroom", 0.5, 20.0, 7.5),
            ("idle", 0.2, 0.0, 0.0),
        ];
        for (name, headroom, queue, want) in rows {
            let want = Need::replicas(want).expect("in range").into();
            assert_eq!(proposed(headroom, Reading::Value(queue)), want, "{name}");
        }
    }

    #[test]
    fn without_a_reading_nothing_changes() {
        assert_eq!(
            proposed(0.2, Reading::Missing("scrape failed")),
            Proposal::Hold(Hold::Said)
        );
    }

    #[test]
    fn a_headroom_out_of_range_is_refused() {
        let wrong = Headroom::new(Config { headroom: 3.0 }, &[])
            .err()
            .expect("out of range");
        assert_eq!(wrong.path, "headroom");
    }
}
