//! What is measured: a metric with its target, and a reading with its state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Positive, RangeError};

/// A metric of a policy: a name and what its reading should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The name under which a source gives the reading. Unique in a policy.
    pub name: String,
    /// What the reading should be.
    pub target: Target,
}

impl Metric {
    /// A metric `name` with `target`.
    ///
    /// ```
    /// use setpoint::{Metric, Target};
    /// let p99 = Metric::new("p99", Target::value(500.0)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        Self { name: name.into(), target }
    }

    /// The ratio of `reading` to the target with `current` replicas, when both make one.
    ///
    /// ```
    /// use setpoint::{Metric, Reading, Target};
    /// let queue = Metric::new("queue", Target::average_value(4.0)?);
    /// assert_eq!(queue.ratio(Reading::Value(20.0), 4), Some(1.25));
    /// assert_eq!(queue.ratio(Reading::Missing("scrape failed"), 4), None);
    /// assert_eq!(queue.ratio(Reading::Value(20.0), 0), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ratio(&self, reading: Reading<'_>, current: u32) -> Option<f64> {
        self.target.ratio(reading, current)
    }
}

/// What a reading should be. Greater than 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// The reading itself, whatever the number of replicas: a latency in milliseconds.
    Value(Positive),
    /// The reading divided by the current replicas: a queue of so many a replica.
    AverageValue(Positive),
    /// A percentage of what the replicas can do: 70 for 70 %.
    Utilization(Positive),
}

impl Target {
    /// [`Target::Value`].
    ///
    /// # Errors
    ///
    /// [`RangeError`] unless `value` is finite and greater than 0.
    pub fn value(value: f64) -> Result<Self, RangeError> {
        Positive::new(value).map(Self::Value)
    }

    /// [`Target::AverageValue`].
    ///
    /// # Errors
    ///
    /// As for [`Target::value`].
    pub fn average_value(value: f64) -> Result<Self, RangeError> {
        Positive::new(value).map(Self::AverageValue)
    }

    /// [`Target::Utilization`], in percent.
    ///
    /// # Errors
    ///
    /// As for [`Target::value`].
    pub fn utilization(percent: f64) -> Result<Self, RangeError> {
        Positive::new(percent).map(Self::Utilization)
    }

    /// What `reading` is compared with when there are `current` replicas.
    #[must_use]
    #[inline]
    pub fn amount(self, current: u32) -> f64 {
        match self {
            Self::Value(target) | Self::Utilization(target) => target.get(),
            Self::AverageValue(target) => target.get() * f64::from(current),
        }
    }

    /// See [`Metric::ratio`]. A finite reading over a tiny target overflows, and makes none.
    #[must_use]
    #[inline]
    pub fn ratio(self, reading: Reading<'_>, current: u32) -> Option<f64> {
        match reading {
            // Also refuses readings that are not finite: no division makes them so.
            Reading::Value(value) => Some(value / self.amount(current)).filter(|ratio| ratio.is_finite()),
            _ => None,
        }
    }
}

/// One metric's value, or why there is none. Zero is a value; a missing reading never is one.
///
/// The text says what went wrong, for the person who reads the decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading<'a> {
    /// The value.
    Value(f64),
    /// Nothing was measured.
    Missing(&'a str),
    /// A value exists, and is too old to act on.
    Stale(&'a str),
    /// A value came, and is no number one can act on.
    Invalid(&'a str),
}

impl Reading<'_> {
    /// The value, when there is a finite one. A NaN that a source let through ends here.
    #[must_use]
    #[inline]
    pub fn usable(self) -> Option<f64> {
        match self {
            Self::Value(value) if value.is_finite() => Some(value),
            _ => None,
        }
    }

    /// The state in one word, and the text that came with it.
    #[must_use]
    pub fn state(&self) -> (&'static str, &str) {
        match self {
            Self::Value(value) if value.is_finite() => ("value", ""),
            Self::Value(_) => ("invalid", "not a finite number"),
            Self::Missing(why) => ("missing", why),
            Self::Stale(why) => ("stale", why),
            Self::Invalid(why) => ("invalid", why),
        }
    }
}
