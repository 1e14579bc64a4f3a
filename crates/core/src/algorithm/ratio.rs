//! What the ratio leaves share: from readings and targets to ratios, and from one ratio to a need.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::EvaluateError;
use crate::metric::{Metric, Reading, Target};
use crate::observation::Observation;
use crate::proposal::{Hold, Need, Proposal};
use crate::trace::{Effect, Reason, Trace};
use crate::units::Tolerance;

/// What to do while some, but not all, metrics have a usable reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WhenMissing {
    /// Grow on what is known, and take nothing away: what can't be seen may be what needs the replicas.
    /// HPA does the same.
    #[default]
    BlockScaleDown,
    /// Decide as if the metric were not there. KubeAI does this.
    Ignore,
}

/// The targets of a ratio leaf, and what the leaves do alike.
#[derive(Clone, Debug)]
pub(crate) struct Ratios {
    stage: &'static str,
    targets: Box<[Target]>,
    tolerance: Tolerance,
    when_missing: WhenMissing,
}

impl Ratios {
    pub(crate) fn new(
        stage: &'static str,
        metrics: &[Metric],
        tolerance: Tolerance,
        when_missing: WhenMissing,
    ) -> Self {
        Self { stage, targets: metrics.iter().map(|metric| metric.target).collect(), tolerance, when_missing }
    }

    /// Calls `each` with every metric that makes a ratio, in order. Returns how many there were.
    #[inline]
    pub(crate) fn each(
        &self,
        observation: &Observation<'_>,
        trace: &mut Trace,
        mut each: impl FnMut(usize, f64),
    ) -> usize {
        let mut usable = 0;
        for (metric, (reading, target)) in observation.readings.iter().zip(&self.targets).enumerate() {
            match target.ratio(*reading, observation.current) {
                Some(ratio) => {
                    usable += 1;
                    each(metric, ratio);
                }
                None => self.note_unusable(metric, reading, observation.current, trace),
            }
        }
        usable
    }

    #[cold]
    fn note_unusable(&self, metric: usize, reading: &Reading<'_>, current: u32, trace: &mut Trace) {
        if !trace.is_on() {
            return;
        }
        let (state, cause) = match reading.state() {
            ("value", _) => ("invalid", "too large for its target"),
            state => state,
        };
        let cause = trace.keep(format_args!("{cause}"));
        let current = f64::from(current);
        trace.push(|| Reason::new(self.stage, current, current, Effect::Unusable { metric, state, cause }));
    }

    /// What makes the reason of a ratio that one metric decided.
    pub(crate) fn largest(&self, metric: usize, ratio: f64, observation: &Observation<'_>) -> Effect {
        let reading = observation.readings[metric].usable().unwrap_or_default();
        let amount = self.targets[metric].amount(observation.current);
        Effect::LargestRatio { metric, reading, amount, ratio }
    }

    /// A hold, with its reason.
    pub(crate) fn hold(&self, why: Hold, observation: &Observation<'_>, trace: &mut Trace) -> Proposal {
        let current = f64::from(observation.current);
        trace.push(|| Reason::new(self.stage, current, current, Effect::Held { why }));
        Proposal::Hold(why)
    }

    /// `ratio` times the current replicas, computed from `usable` of the metrics, with its reason.
    #[inline]
    pub(crate) fn propose(
        &self,
        ratio: f64,
        usable: usize,
        effect: impl FnOnce() -> Effect,
        observation: &Observation<'_>,
        trace: &mut Trace,
    ) -> Result<Proposal, EvaluateError> {
        let mut need = Need::ratio(ratio, observation.current, self.tolerance)?;
        if usable < self.targets.len() && self.when_missing == WhenMissing::BlockScaleDown {
            need = need.never_shrinking();
        }
        trace.push(|| Reason::new(self.stage, f64::from(observation.current), need.exact(), effect()));
        Ok(need.into())
    }
}
