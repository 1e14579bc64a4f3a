//! `substituted`: what a metric that has failed for too long is taken to ask for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::readings::Exchanged;
use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::metric::{Metric, Reading, Target};
use crate::observation::Observation;
use crate::proposal::Proposal;
use crate::state::{StateError, StateReader};
use crate::trace::{Effect, Reason, Trace};

/// Configuration of [`Substituted`], in the words of a KEDA `fallback`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SubstitutedConfig {
    /// So many looks in a row may bring no usable reading before it is substituted. Default 3.
    pub failure_threshold: u32,
    /// What a failed metric is taken to ask for. Default: the current count, whatever `behavior` says.
    pub replicas: Option<u32>,
    /// How `replicas` and the current count go together. Default `static`.
    pub behavior: SubstitutedCount,
    /// The metrics that are substituted, by name. Default: all with one number for all instances and an `averageValue`.
    pub metrics: Vec<String>,
}

impl Default for SubstitutedConfig {
    fn default() -> Self {
        Self { failure_threshold: 3, replicas: None, behavior: SubstitutedCount::default(), metrics: Vec::new() }
    }
}

/// The count that a failed metric is taken to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SubstitutedCount {
    /// `replicas`.
    #[default]
    Static,
    /// The current count.
    CurrentReplicas,
    /// The current count where it is higher than `replicas`, else `replicas`.
    CurrentReplicasIfHigher,
    /// The current count where it is lower than `replicas`, else `replicas`.
    CurrentReplicasIfLower,
}

/// Gives the algorithm inside a reading for each metric that has had none for too long: what it would read if it asked
/// for so many replicas. The other metrics count as ever, so that a busy one still adds replicas.
///
/// KEDA's `fallback` (pkg/fallback/fallback.go): a metric whose target is 20 a replica, with `replicas: 3`, is taken to
/// read 60 from the fourth failure on.
#[derive(Clone, Debug)]
pub struct Substituted<A> {
    inner: A,
    threshold: u32,
    replicas: Option<u32>,
    behavior: SubstitutedCount,
    metrics: Box<[Failing]>,
}

/// A metric that can be substituted, and its failures in a row.
#[derive(Clone, Debug)]
struct Failing {
    index: usize,
    target: f64,
    failures: u32,
}

impl<A: ScalingAlgorithm> Substituted<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "substituted";
    /// How many metrics there can be: in an outage their readings are laid out anew for each look, on the stack.
    pub const MOST_METRICS: usize = Exchanged::MOST;
    const STATE_VERSION: u8 = 1;

    /// Around `inner`, for readings of `metrics`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a metric that isn't among `metrics`, or has no `averageValue` in one number, and for more than
    /// [`MOST_METRICS`](Self::MOST_METRICS).
    pub fn new(inner: A, metrics: &[Metric], config: &SubstitutedConfig) -> Result<Self, ConfigError> {
        let target = |metric: &Metric| match metric.target {
            Target::AverageValue(target) if !metric.kind.is_per_instance() => Some(target.get()),
            _ => None,
        };
        let unsuited =
            "substituted: only one number for all instances with a target of averageValue says how many it asks for";
        let chosen = Exchanged::chosen(metrics, &config.metrics, target, unsuited)?;
        let failing = chosen.into_iter().map(|(index, target)| Failing { index, target, failures: 0 });
        Ok(Self {
            inner,
            threshold: config.failure_threshold,
            replicas: config.replicas,
            behavior: config.behavior,
            metrics: failing.collect(),
        })
    }

    fn count(&self, current: u32) -> u32 {
        match (self.replicas, self.behavior) {
            (None, _) | (_, SubstitutedCount::CurrentReplicas) => current,
            (Some(replicas), SubstitutedCount::Static) => replicas,
            (Some(replicas), SubstitutedCount::CurrentReplicasIfHigher) => replicas.max(current),
            (Some(replicas), SubstitutedCount::CurrentReplicasIfLower) => replicas.min(current),
        }
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Substituted<A> {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let mut any = false;
        for Failing { index, failures, .. } in &mut self.metrics {
            let usable = look.readings.get(*index).is_some_and(|reading| reading.usable().is_some());
            *failures = if usable { 0 } else { failures.saturating_add(1) };
            any |= *failures > self.threshold;
        }
        if !any {
            return self.inner.evaluate(look, trace);
        }
        let mut readings = Exchanged::of(look);
        let replicas = self.count(look.current);
        for &Failing { index, target, failures } in &self.metrics {
            if failures > self.threshold {
                readings.exchange(index, Reading::Value(target * f64::from(replicas)));
                let current = f64::from(look.current);
                let effect = Effect::Substituted { metric: index, failures, replicas };
                trace.push(|| Reason::new(Self::NAME, current, current, effect));
            }
        }
        self.inner.evaluate(&look.with_readings(readings.readings()), trace)
    }

    // Version, how many metrics, the failures of each, and then the inner algorithm's state.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        let count = u32::try_from(self.metrics.len()).expect("a policy has fewer metrics than that");
        state.push(Self::STATE_VERSION);
        state.extend(count.to_le_bytes());
        for metric in &self.metrics {
            state.extend(metric.failures.to_le_bytes());
        }
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(Self::NAME, Self::STATE_VERSION, state)?;
        if usize::try_from(reader.u32()?) != Ok(self.metrics.len()) {
            return Err(reader.damaged("it is of another number of metrics"));
        }
        let failures = self.metrics.iter().map(|_| reader.u32()).collect::<Result<Vec<_>, _>>()?;
        self.inner.restore(reader.rest())?;
        for (metric, failures) in self.metrics.iter_mut().zip(failures) {
            metric.failures = failures;
        }
        Ok(())
    }
}
