//! What the ratio leaves share: from readings and targets to ratios, and from one ratio to a need.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comparison::Terms;
use crate::failure::EvaluateError;
use crate::metric::{Metric, Reading};
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::trace::{Effect, Hold, Judged, Reason, Trace};
use crate::units::{Tolerance, Tolerances};

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
    terms: Box<[Terms]>,
    tolerances: Tolerances,
    when_missing: WhenMissing,
}

impl Ratios {
    pub(crate) fn new(
        stage: &'static str,
        metrics: &[Metric],
        tolerance: Tolerance,
        when_missing: WhenMissing,
    ) -> Self {
        Self { stage, terms: metrics.iter().map(Metric::terms).collect(), tolerances: tolerance.into(), when_missing }
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
        for (metric, (reading, terms)) in observation.readings.iter().zip(&self.terms).enumerate() {
            match terms.ratio(*reading, observation) {
                Some(ratio) => {
                    usable += 1;
                    trace.push(|| self.proposed(metric, *reading, ratio, observation));
                    each(metric, ratio);
                }
                None => self.note_unusable(metric, *reading, observation, trace),
            }
        }
        usable
    }

    #[cold]
    fn note_unusable(&self, metric: usize, reading: Reading<'_>, observation: &Observation<'_>, trace: &mut Trace) {
        if !trace.is_on() {
            return;
        }
        let (state, cause) = match (reading.state(), self.terms[metric].usage(reading, observation)) {
            (("value", _), Err(why)) if matches!(reading, Reading::Samples(_)) => {
                ("invalid", trace.keep(format_args!("{why}")))
            }
            (("value", _), _) => ("invalid", trace.keep(format_args!("too large for its target"))),
            ((state, cause), _) => (state, trace.keep(format_args!("{cause}"))),
        };
        let current = f64::from(observation.current);
        trace.push(|| Reason::new(self.stage, current, current, Effect::Unusable { metric, state, cause }));
    }

    /// One metric's ratio, multiplied out.
    #[cold]
    fn proposed(&self, metric: usize, reading: Reading<'_>, ratio: f64, observation: &Observation<'_>) -> Reason {
        let terms = self.terms[metric];
        let (current, target) = (observation.current, terms.amount(observation.current));
        let judged = terms.usage(reading, observation);
        let usage = judged.map_or_else(|_| reading.usable().unwrap_or_default(), |_| ratio * target);
        let effect = Effect::Proposed {
            metric,
            usage,
            target,
            utilization: terms.is_utilization(),
            ratio,
            counted: Some(current),
            missing: judged.map_or(0, |usage| usage.missing),
            unready: judged.map_or(0, |usage| usage.unready),
            how: Judged::Multiplied,
        };
        Reason::new(self.stage, f64::from(current), f64::from(current) * ratio, effect)
    }

    /// A hold, with its reason.
    pub(crate) fn hold(&self, why: Hold, observation: &Observation<'_>, trace: &mut Trace) -> Proposal {
        let current = f64::from(observation.current);
        trace.push(|| Reason::new(self.stage, current, current, Effect::Held { why }));
        Proposal::Hold(why)
    }

    /// Whether there is something to choose from, or to average.
    pub(crate) const fn several(&self) -> bool {
        self.terms.len() > 1
    }

    /// `ratio` times the current replicas, computed from `usable` of the metrics, with its reason. That is told
    /// only where it says more than the metrics' own did.
    #[inline]
    pub(crate) fn propose(
        &self,
        ratio: f64,
        usable: usize,
        effect: impl FnOnce() -> Option<Effect>,
        observation: &Observation<'_>,
        trace: &mut Trace,
    ) -> Result<Proposal, EvaluateError> {
        let mut need = Need::ratio(ratio, observation.current, observation.tolerances(self.tolerances))?;
        if usable < self.terms.len() && self.when_missing == WhenMissing::BlockScaleDown {
            need = need.never_shrinking();
        }
        if trace.is_on()
            && let Some(effect) = effect()
        {
            trace.push(|| Reason::new(self.stage, f64::from(observation.current), need.exact(), effect));
        }
        Ok(need.into())
    }
}
