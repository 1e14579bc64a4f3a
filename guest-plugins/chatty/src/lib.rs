//! A plugin that uses what a policy can grant: a log, a clock, random numbers. For tests of hosts.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Instant, SystemTime};

use setpoint_guest::{
    ConfigError, EvaluateError, Level, Metric, MetricNeed, Need, Observation, Plugin, Proposal, ScalingAlgorithm,
    Trace, log, schemars, serde,
};

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "setpoint_guest::serde", rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(crate = "setpoint_guest::schemars")]
#[derive(Default)]
struct Config {
    /// How many lines it logs of each look.
    lines: u32,
    /// How many characters each of them has, beside its number.
    width: usize,
    /// What it proposes.
    tell: Tell,
}

#[derive(Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "setpoint_guest::serde", rename_all = "camelCase")]
#[schemars(crate = "setpoint_guest::schemars")]
enum Tell {
    /// The first reading.
    #[default]
    Reading,
    /// The seconds of the day, by the wall clock.
    Clock,
    /// How often the monotonic clock has to be read until it shows another time: 1000 when it stands still.
    Passing,
    /// A number below 1000 from whatever randomness there is.
    Random,
}

struct Chatty(Config);

impl Plugin for Chatty {
    const NAME: &'static str = "chatty";
    const SUMMARY: &'static str = "tells what it finds around itself, and logs; for tests of hosts";
    const METRICS: &'static [MetricNeed] =
        &[MetricNeed { name: "p99", meaning: "the 99th percentile of latency, in ms" }];
    const DETERMINISTIC: bool = false;
    type Config = Config;

    fn new(config: Config, _: &[Metric]) -> Result<Self, ConfigError> {
        Ok(Self(config))
    }
}

impl ScalingAlgorithm for Chatty {
    fn evaluate(&mut self, look: &Observation<'_>, _: &mut Trace) -> Result<Proposal, EvaluateError> {
        let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
        for (line, level) in (0..self.0.lines).zip(levels.into_iter().cycle()) {
            log!(level, "line {line} \u{1b}[31m{}", "x".repeat(self.0.width));
        }
        let need = match self.0.tell {
            Tell::Reading => look.readings[0].usable().unwrap_or(0.0),
            Tell::Clock => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                since.as_secs_f64() % 86_400.0
            }
            Tell::Passing => {
                let begin = Instant::now();
                (1..1000).find(|_| !begin.elapsed().is_zero()).unwrap_or(1000).into()
            }
            Tell::Random => (RandomState::new().hash_one(1) % 1000) as f64,
        };
        Ok(Need::replicas(need)?.into())
    }
}

setpoint_guest::export!(Chatty);
