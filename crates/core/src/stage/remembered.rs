//! `remembered`: a metric that can't be read for a while still counts as it last read.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::readings::Exchanged;
use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::metric::{Metric, Reading};
use crate::observation::Observation;
use crate::proposal::Proposal;
use crate::state::{StateError, StateReader, write_time};
use crate::time::{Span, Timestamp};
use crate::trace::{Effect, Reason, Trace};

/// Configuration of [`Remembered`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RememberedConfig {
    /// So old may the last usable reading be to stand in for one that is missing, stale or invalid. Above 0. Default `2m`.
    pub r#for: Span,
    /// The metrics that are remembered, by name. Default: all with one number for all instances.
    pub metrics: Vec<String>,
}

impl Default for RememberedConfig {
    fn default() -> Self {
        Self { r#for: Span::from_secs(120), metrics: Vec::new() }
    }
}

/// Gives the algorithm inside the last usable reading of each metric that has none now, until that is too old. What a
/// policy does about a missing reading begins only then: a server that restarts changes nothing.
///
/// A stage that is listed later sees readings earlier: after `substituted`, a metric fails only once it is forgotten.
///
/// ```
/// use setpoint::{MaxRatio, Metric, Need, Observation, Reading, Remembered, ScalingAlgorithm, Target, Timestamp, Tolerance, Trace};
/// let metrics = [Metric::new("queue", Target::average_value(4.0)?)];
/// let mut algorithm = Remembered::new(MaxRatio::new(&metrics, &Default::default()), &metrics, &Default::default())?;
/// let mut need = |seconds: i64, reading| {
///     let readings = [reading];
///     let look = Observation::new(Timestamp::from_millis(seconds * 1000), 4, &readings);
///     algorithm.evaluate(&look, &mut Trace::off())
/// };
/// // 48 / (4 · 4) is 3: it wants 12, and goes on wanting them for two minutes.
/// let twelve = Need::ratio(3.0, 4, Tolerance::default())?.into();
/// assert_eq!(need(0, Reading::Value(48.0))?, twelve);
/// assert_eq!(need(120, Reading::Missing("no answer"))?, twelve);
/// assert_ne!(need(121, Reading::Missing("no answer"))?, twelve);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Remembered<A> {
    inner: A,
    r#for: Duration,
    metrics: Box<[Last]>,
}

/// What a metric last read, and when.
#[derive(Clone, Copy, Debug)]
struct Last {
    index: usize,
    read: Option<(Timestamp, f64)>,
}

impl Last {
    /// What stands in at `now`, and how old it is. From before a clock that was set back nobody knows how old it is.
    fn at(&self, now: Timestamp, most: Duration) -> Option<(f64, Duration)> {
        let (at, value) = self.read?;
        let age = now.since(at);
        (at <= now && age <= most).then_some((value, age))
    }
}

impl<A: ScalingAlgorithm> Remembered<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "remembered";
    /// How many metrics there can be: in an outage their readings are laid out anew for each look, on the stack.
    pub const MOST_METRICS: usize = Exchanged::MOST;
    const STATE_VERSION: u8 = 1;

    /// Around `inner`, for readings of `metrics`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a time of 0, for a metric that isn't among `metrics` or has a sample an instance, and for more
    /// than [`MOST_METRICS`](Self::MOST_METRICS).
    pub fn new(inner: A, metrics: &[Metric], config: &RememberedConfig) -> Result<Self, ConfigError> {
        if config.r#for == Span::ZERO {
            return Err(ConfigError::new("for", "must be above 0: nothing is remembered for no time"));
        }
        let suits = |metric: &Metric| (!metric.kind.is_per_instance()).then_some(());
        let unsuited = "remembered: its samples are of instances, which come and go";
        let chosen = Exchanged::chosen(metrics, &config.metrics, suits, unsuited)?;
        let metrics = chosen.into_iter().map(|(index, ())| Last { index, read: None }).collect();
        Ok(Self { inner, r#for: config.r#for.as_duration(), metrics })
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Remembered<A> {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let mut fails = false;
        for last in &mut self.metrics {
            match look.readings.get(last.index).and_then(|reading| reading.usable()) {
                Some(value) => last.read = Some((look.now, value)),
                None => fails = true,
            }
        }
        if !fails {
            return self.inner.evaluate(look, trace);
        }
        let mut readings = Exchanged::of(look);
        for last in &self.metrics {
            let unusable = look.readings.get(last.index).is_some_and(|reading| reading.usable().is_none());
            if let (true, Some((reading, age))) = (unusable, last.at(look.now, self.r#for)) {
                readings.exchange(last.index, Reading::Value(reading));
                let current = f64::from(look.current);
                let effect = Effect::Remembered { metric: last.index, reading, age };
                trace.push(|| Reason::new(Self::NAME, current, current, effect));
            }
        }
        self.inner.evaluate(&look.with_readings(readings.readings()), trace)
    }

    // Version, how many metrics, of each whether, when and what it last read, and then the inner algorithm's state.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        let count = u32::try_from(self.metrics.len()).expect("a policy has fewer metrics than that");
        state.push(Self::STATE_VERSION);
        state.extend(count.to_le_bytes());
        for last in &self.metrics {
            write_time(last.read.map(|(at, _)| at), state);
            if let Some((_, value)) = last.read {
                state.extend(value.to_le_bytes());
            }
        }
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(Self::NAME, Self::STATE_VERSION, state)?;
        if usize::try_from(reader.u32()?) != Ok(self.metrics.len()) {
            return Err(reader.damaged("it is of another number of metrics"));
        }
        let mut read = Vec::with_capacity(self.metrics.len());
        for _ in &self.metrics {
            read.push(reader.time()?.map(|at| Ok((at, reader.finite()?))).transpose()?);
        }
        self.inner.restore(reader.rest())?;
        for (last, read) in self.metrics.iter_mut().zip(read) {
            last.read = read;
        }
        Ok(())
    }
}
