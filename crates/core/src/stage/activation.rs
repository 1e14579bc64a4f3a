//! `activation`: whether there is anything to do at all. The only stage that leaves zero, or goes there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::algorithm::ScalingAlgorithm;
use crate::bounds::Bounds;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::metric::Metric;
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader, write_time};
use crate::time::{Span, Timestamp};
use crate::trace::{Direction, Effect, Hold, Reason, Trace};

/// Configuration of [`Activation`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ActivationConfig {
    /// By metric name: with a reading above it there is something to do. Metrics that are not listed say nothing.
    /// Default: every metric, at 0.
    pub thresholds: BTreeMap<String, f64>,
    /// How long nothing was to do before the workload goes idle. Default `5m`.
    pub cooldown: Span,
    /// The count of an idle workload. Default 0.
    pub idle_replicas: u32,
    /// The smallest count while there is something to do. Default 1.
    pub active_replicas: u32,
}

impl Default for ActivationConfig {
    fn default() -> Self {
        Self { thresholds: BTreeMap::new(), cooldown: Span::from_secs(300), idle_replicas: 0, active_replicas: 1 }
    }
}

/// Takes a workload to its idle count when no metric was above its threshold for a while, and back when one is.
///
/// In between the algorithm inside decides, with no fewer than `activeReplicas`. A metric without a usable reading is
/// neither above nor below: on its account nothing goes idle, and nothing wakes up. For a workload to go to zero, the
/// policy's `minReplicas` has to be 0.
///
/// With a threshold of 5 for `queue` and a cooldown of a minute, readings of 9, 2, 2, 2 half a minute apart make of an
/// inner 3, 3, 3, 3 the counts 3, 3, 0, 0: the minute counts from the last reading above the threshold.
#[derive(Clone, Debug)]
pub struct Activation<A> {
    inner: A,
    watched: Box<[Watched]>,
    cooldown: Span,
    idle: u32,
    active: u32,
    /// When there was something to do. A workload that is first seen with replicas had something.
    last_active: Option<Timestamp>,
}

/// A metric, and what its reading has to be above.
#[derive(Clone, Debug)]
struct Watched {
    index: usize,
    metric: Metric,
    threshold: f64,
}

/// What the metrics say together.
enum Activity {
    Active {
        metric: usize,
        reading: f64,
        threshold: f64,
    },
    Idle,
    /// Nothing above, and not everything known.
    Unknown,
}

impl<A: ScalingAlgorithm> Activation<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "activation";
    const STATE_VERSION: u8 = 1;

    /// Around `inner`, by the readings of `metrics`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a threshold of a metric that isn't among `metrics`, one that isn't finite, and an active
    /// count that isn't above the idle one.
    pub fn new(inner: A, metrics: &[Metric], config: &ActivationConfig) -> Result<Self, ConfigError> {
        for (name, threshold) in &config.thresholds {
            let field = format!("thresholds.{name}");
            Metric::called(name, metrics, &field)?;
            if !threshold.is_finite() {
                return Err(ConfigError::new(field, format!("must be a finite number, got {threshold}")));
            }
        }
        let (idle, active) = (config.idle_replicas, config.active_replicas);
        if active <= idle {
            let message = format!("must be above idleReplicas {idle}, got {active}");
            return Err(ConfigError::new("activeReplicas", message));
        }
        let watched = |(index, metric): (usize, &Metric)| {
            let threshold = match config.thresholds.get(&metric.name) {
                Some(threshold) => *threshold,
                None if config.thresholds.is_empty() => 0.0,
                None => return None,
            };
            Some(Watched { index, metric: metric.clone(), threshold })
        };
        let watched = metrics.iter().enumerate().filter_map(watched).collect();
        Ok(Self { inner, watched, cooldown: config.cooldown, idle, active, last_active: None })
    }

    fn activity(&self, look: &Observation<'_>) -> Activity {
        let mut known = true;
        for Watched { index, metric, threshold } in &self.watched {
            // As it was read, for a threshold is a number of the source's own.
            match look.readings.get(*index).and_then(|&reading| metric.value(reading, look)) {
                Some(reading) if reading > *threshold => {
                    return Activity::Active { metric: *index, reading, threshold: *threshold };
                }
                Some(_) => {}
                None => known = false,
            }
        }
        if known { Activity::Idle } else { Activity::Unknown }
    }

    /// What the algorithm inside says, and no fewer than while active.
    fn inside(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let (least, most) = (look.bounds.min().max(self.active), look.bounds.max());
        let bounds = Bounds::new(least.min(most), most).unwrap_or(look.bounds);
        let need = match self.inner.evaluate(&look.with_bounds(bounds), trace)? {
            Proposal::Need(need) => need,
            other => return Ok(other),
        };
        let need = need.settle(look.current, trace);
        let (exact, least) = (need.exact(), f64::from(self.active));
        if exact >= least {
            return Ok(need.into());
        }
        let effect = Effect::Bounded { direction: Direction::Up };
        trace.push(|| Reason::new(Self::NAME, exact, least, effect));
        Ok(Need::from(self.active).into())
    }

    fn note(effect: Effect, from: u32, to: u32, trace: &mut Trace) {
        trace.push(|| Reason::new(Self::NAME, f64::from(from), f64::from(to), effect));
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Activation<A> {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let current = look.current;
        let activity = self.activity(look);
        let since = *self.last_active.get_or_insert(look.now);
        if let Activity::Active { metric, reading, threshold } = activity {
            self.last_active = Some(look.now);
            if current < self.active {
                Self::note(Effect::Activated { metric, reading, threshold }, current, self.active, trace);
                return Ok(Need::from(self.active).into());
            }
            return self.inside(look, trace);
        }
        if current <= self.idle {
            // It has been idle: a wake-up by hand begins a cooldown of its own.
            self.last_active = None;
            if matches!(activity, Activity::Idle) {
                let effect = Effect::Idle { until: look.now, left: std::time::Duration::ZERO };
                Self::note(effect, current, self.idle, trace);
                if current < self.idle {
                    return Ok(Need::from(self.idle).into());
                }
            }
            return Ok(Proposal::Hold(Hold::Said));
        }
        // A clock that was set back begins the wait anew.
        if look.now < since {
            self.last_active = Some(look.now);
        }
        let until = since.min(look.now) + self.cooldown.as_duration();
        let left = until.since(look.now);
        if matches!(activity, Activity::Idle) {
            if left.is_zero() {
                Self::note(Effect::Idle { until, left }, current, self.idle, trace);
                return Ok(Need::from(self.idle).into());
            }
            Self::note(Effect::Idle { until, left }, current, current, trace);
        }
        self.inside(look, trace)
    }

    // Version, when it was last active, and then the inner algorithm's state.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.push(Self::STATE_VERSION);
        write_time(self.last_active, state);
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(Self::NAME, Self::STATE_VERSION, state)?;
        let last_active = reader.time()?;
        self.inner.restore(reader.rest())?;
        self.last_active = last_active;
        Ok(())
    }
}
