//! From a reading and its target to a ratio.

use crate::hpa::Failure;
use crate::hpa::instances::{self, PerInstance, StartRules, Usage};
use crate::metric::{Metric, Reading, Target};
use crate::observation::Observation;

impl Metric {
    /// What a reading is compared with when there are `current` replicas.
    #[must_use]
    pub fn amount(&self, current: u32) -> f64 {
        self.terms().amount(current)
    }

    /// The ratio of `reading` to the target in `look`, when both make one.
    ///
    /// A sample an instance goes through HPA's rules for instances that are not ready or not measured first, with
    /// its default times: see [`Hpa`](crate::Hpa).
    ///
    /// ```
    /// use setpoint::{Metric, Observation, Reading, Target, Timestamp};
    /// let queue = Metric::new("queue", Target::average_value(4.0)?);
    /// let at = |current| Observation::new(Timestamp::default(), current, &[]);
    /// assert_eq!(queue.ratio(Reading::Value(20.0), &at(4)), Some(1.25));
    /// assert_eq!(queue.ratio(Reading::Missing("scrape failed"), &at(4)), None);
    /// assert_eq!(queue.ratio(Reading::Value(20.0), &at(0)), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ratio(&self, reading: Reading<'_>, look: &Observation<'_>) -> Option<f64> {
        self.terms().ratio(reading, look)
    }

    /// `reading` in one number that can be compared with the target: a percentage for a utilization, the mean for
    /// what each instance has, else the value or the sum.
    #[must_use]
    pub fn value(&self, reading: Reading<'_>, look: &Observation<'_>) -> Option<f64> {
        match reading {
            Reading::Samples(_) => self.ratio(reading, look).map(|ratio| ratio * self.amount(look.current)),
            plain => plain.usable(),
        }
    }

    pub(crate) fn terms(&self) -> Terms {
        let cpu = self.resource().is_some_and(|resource| resource == "cpu");
        Terms { target: self.target, per_instance: self.kind.is_per_instance(), cpu }
    }
}

/// What it takes to compare a reading with its target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    target: Target,
    per_instance: bool,
    cpu: bool,
}

impl Terms {
    #[inline]
    pub(crate) fn amount(self, current: u32) -> f64 {
        self.target.amount(if self.per_instance { 1 } else { current })
    }

    pub(crate) const fn is_utilization(self) -> bool {
        matches!(self.target, Target::Utilization(_))
    }

    /// A ratio that is not finite is none: over a tiny target a finite reading overflows.
    #[inline]
    pub(crate) fn ratio(self, reading: Reading<'_>, look: &Observation<'_>) -> Option<f64> {
        let ratio = match reading {
            Reading::Value(value) => value / self.amount(look.current),
            Reading::Missing(_) | Reading::Stale(_) | Reading::Invalid(_) => return None,
            Reading::Series(_) => reading.usable()? / self.amount(look.current),
            Reading::Samples(_) => self.usage(reading, look).ok()?.ratio(),
        };
        Some(ratio).filter(|ratio| ratio.is_finite())
    }

    /// What the samples of instances say, by HPA's rules.
    ///
    /// # Errors
    ///
    /// Why they say nothing; [`Failure::Unfit`] for a reading that has none.
    #[cold]
    pub(crate) fn usage(self, reading: Reading<'_>, look: &Observation<'_>) -> Result<Usage, Failure> {
        let Reading::Samples(samples) = reading else {
            return Err(Failure::Unfit);
        };
        let target = PerInstance::of(self.target).filter(|_| self.per_instance).ok_or(Failure::Unfit)?;
        let cpu = self.cpu.then(StartRules::default);
        instances::usage(target, cpu, samples, look.instances.unwrap_or_default(), look.now)
    }
}
