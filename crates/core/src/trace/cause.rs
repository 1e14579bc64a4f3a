//! The one reason to tell where there is room for one.

use super::{Effect, Reason, Trace};
use crate::failure;

impl Trace {
    /// The number of the reason that the count in the end hung on: the last that says more than that a number became
    /// whole, or that the algorithm, for the reason before, wants to be left alone. None where nothing was recorded.
    ///
    /// ```
    /// use setpoint::{AlgorithmManager, AlgorithmSpec, Metric, Observation, PolicySpec, Reading, Target, Timestamp, Trace};
    /// let metrics = vec![Metric::new("queue", Target::average_value(4.0)?)];
    /// let policy = PolicySpec::new(1, 40, metrics, AlgorithmSpec::named("max-ratio", Default::default()))?;
    /// let mut manager = AlgorithmManager::new();
    /// let (id, mut trace) = (manager.add(&policy)?, Trace::new());
    /// manager.decide(id, &Observation::new(Timestamp::default(), 2, &[Reading::Value(18.0)]), &mut trace)?;
    /// let records = trace.records(&policy.metrics);
    /// // The last is that 4.5 was rounded up.
    /// assert_eq!(records[trace.cause().expect("there are reasons")].text, "queue is 18 against 8: 2.25 times 2 replicas");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cause(&self) -> Option<usize> {
        let reasons = self.reasons();
        let says_more = |reason: &Reason| match reason.effect {
            Effect::RoundedUp | Effect::Highest { .. } | Effect::Suspended => false,
            // That an algorithm is tried and answers again is news, but not why it answers what it does.
            Effect::Failure(fact) => !matches!(fact, failure::Fact::Trial { .. } | failure::Fact::Recovered { .. }),
            _ => true,
        };
        let last = reasons.iter().rposition(says_more).or(reasons.len().checked_sub(1))?;
        if !matches!(reasons[last].effect, Effect::Proposed { .. } | Effect::Unusable { .. }) {
            return Some(last);
        }
        // Of several proposals it was the highest, which the reason after them names.
        let highest = reasons.iter().rev().find_map(|reason| match reason.effect {
            Effect::Highest { metric, .. } => Some(metric),
            _ => None,
        });
        let won = |reason: &Reason| matches!(reason.effect, Effect::Proposed { metric, .. } if Some(metric) == highest);
        reasons.iter().position(won).or(Some(last))
    }
}
