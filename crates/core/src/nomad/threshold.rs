//! `threshold`: a step, when enough of the values are within bounds.
//!
//! Nomad Autoscaler: plugins/builtin/strategy/threshold/plugin/plugin.go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fact::Why;
use super::strategy::{Judgement, enough, go_int, towards};
use super::vote::Vote;
use crate::config::ConfigError;
use crate::time::Span;

/// Configuration of a `threshold` check: at least one bound, and exactly one of `delta`, `percentage` and `value`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ThresholdConfig {
    /// The metric, by name. Default: the policy's first.
    pub metric: Option<String>,
    /// The lowest value within the bounds. Default: none is too low.
    pub lower_bound: Option<f64>,
    /// The lowest value above the bounds. Default: none is too high.
    pub upper_bound: Option<f64>,
    /// How many of the window's values have to be within the bounds, in a row or not: 1 to 1000. Default 5.
    pub within_bounds_trigger: u32,
    /// How far back values count, up to a day. Default `1m`, as Nomad's `query_window`. A look brings one value, so at
    /// an interval of 15 s a window of a minute has five, its two ends included.
    pub query_window: Span,
    /// So many more, or fewer.
    pub delta: Option<i64>,
    /// So many percent more, or fewer, rounded up to a whole count.
    pub percentage: Option<f64>,
    /// This many.
    pub value: Option<u32>,
    /// As Nomad, to the last bit: see the table of what differs. Default false.
    pub exact: bool,
}

impl Default for ThresholdConfig {
    fn default() -> Self {
        Self {
            metric: None,
            lower_bound: None,
            upper_bound: None,
            within_bounds_trigger: Threshold::TRIGGER,
            query_window: Span::from_secs(60),
            delta: None,
            percentage: None,
            value: None,
            exact: false,
        }
    }
}

impl ThresholdConfig {
    pub(super) fn build(&self, exact: bool) -> Result<Threshold, ConfigError> {
        let exact = exact || self.exact;
        let (lower, upper) = (self.lower_bound.unwrap_or(f64::NEG_INFINITY), self.upper_bound.unwrap_or(f64::INFINITY));
        if self.lower_bound.is_none() && self.upper_bound.is_none() {
            return Err(ConfigError::new("lowerBound", "a threshold needs a `lowerBound`, an `upperBound`, or both"));
        }
        if lower >= upper && !exact {
            return Err(ConfigError::new("upperBound", format!("must be above lowerBound {lower}, got {upper}")));
        }
        let trigger = self.within_bounds_trigger;
        if trigger > 1000 || (trigger == 0 && !exact) {
            return Err(ConfigError::new("withinBoundsTrigger", format!("must be in 1 to 1000, got {trigger}")));
        }
        let window = self.query_window;
        if window == Span::ZERO || window > Span::from_secs(24 * 3600) {
            return Err(ConfigError::new("queryWindow", "must be longer than 0s and at most a day"));
        }
        let step = match (self.delta, self.percentage, self.value) {
            (Some(delta), None, None) => Step::Delta(delta),
            (None, Some(percent), None) => Step::Percentage(percent),
            (None, None, Some(value)) => Step::Value(value.into()),
            (None, None, None) => {
                return Err(ConfigError::new("delta", "a threshold needs a `delta`, a `percentage` or a `value`"));
            }
            _ => return Err(ConfigError::new("delta", "give only one of `delta`, `percentage` and `value`")),
        };
        let threshold = Threshold::new(lower, upper, step).with_trigger(trigger.into());
        Ok(if exact { threshold.exact() } else { threshold })
    }
}

/// Where a threshold goes when it is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// So many more, or fewer.
    Delta(i64),
    /// So many percent more, or fewer, rounded up.
    Percentage(f64),
    /// To this count.
    Value(i64),
}

/// Goes a step when enough values are at least the lower and less than the upper bound.
///
/// ```
/// use setpoint::nomad::{Step, Threshold, Vote};
/// // Two more when three of the last values are at 80 and above.
/// let busy = Threshold::new(80.0, f64::INFINITY, Step::Delta(2)).with_trigger(3);
/// assert_eq!(busy.judge(4, busy.within(&[85.0, 60.0, 80.0, 99.0])).vote, Vote::Up(6));
/// assert_eq!(busy.judge(4, busy.within(&[85.0, 60.0, 79.9, 99.0])).vote, Vote::Keep);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    lower: f64,
    upper: f64,
    trigger: i64,
    step: Step,
    exact: bool,
}

impl Threshold {
    const TRIGGER: u32 = 5;

    /// Between `lower`, which is within, and `upper`, which isn't. Infinities are no bound. Five values trigger it.
    #[must_use]
    pub const fn new(lower: f64, upper: f64, step: Step) -> Self {
        Self { lower, upper, trigger: Self::TRIGGER as i64, step, exact: false }
    }

    /// The same, triggered by so many values.
    #[must_use]
    pub const fn with_trigger(mut self, trigger: i64) -> Self {
        self.trigger = trigger;
        self
    }

    /// The same, as Nomad to the last bit: 10 % more than 100 are 111.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    pub(super) const fn bounds(&self) -> (f64, f64) {
        (self.lower, self.upper)
    }

    pub(super) const fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether a value is within the bounds. NaN never is.
    #[must_use]
    #[inline]
    pub fn contains(&self, value: f64) -> bool {
        value >= self.lower && value < self.upper
    }

    /// How many of `points` are.
    #[must_use]
    pub fn within(&self, points: &[f64]) -> i64 {
        let count = points.iter().filter(|&&value| self.contains(value)).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// The vote at `count`, when so many values are within the bounds.
    #[must_use]
    #[inline]
    pub fn judge(&self, count: i64, within: i64) -> Judgement {
        let why = Why::WithinBounds { within, trigger: self.trigger };
        if within < self.trigger {
            return Judgement { vote: Vote::Keep, why };
        }
        Judgement { vote: towards(count, self.wanted(count).max(0)), why }
    }

    #[expect(clippy::cast_precision_loss, reason = "Nomad computes in doubles, and a count beyond 2^53 is none")]
    fn wanted(&self, count: i64) -> i64 {
        match self.step {
            Step::Delta(delta) if self.exact => count.wrapping_add(go_int(delta as f64)),
            Step::Delta(delta) => count.saturating_add(delta),
            Step::Percentage(percent) if self.exact => go_int((count as f64 * (1.0 + percent / 100.0)).ceil()),
            // 1.1 is a little more than 11/10: the percents of the count come first, so that 10 % of 100 are 10.
            Step::Percentage(percent) => enough(count as f64 + count as f64 * percent / 100.0),
            Step::Value(value) if self.exact => go_int(value as f64),
            Step::Value(value) => value,
        }
    }
}
