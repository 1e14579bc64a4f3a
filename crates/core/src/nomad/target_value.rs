//! `target-value`: as much more or less as the value is of its target.
//!
//! Nomad Autoscaler: plugins/builtin/strategy/target-value/plugin/plugin.go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fact::Why;
use super::strategy::{Judgement, Steps, enough, go_int};
use super::vote::Vote;
use crate::config::ConfigError;

/// Configuration of a `target-value` check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TargetValueConfig {
    /// The metric, by name. Default: the policy's first.
    pub metric: Option<String>,
    /// What the value should be, at least 0; at 0 the value itself is the factor. Default: the metric's own target.
    pub target: Option<f64>,
    /// How far from 1 the factor may be before anything is done, at least 0. Default 0.01.
    pub threshold: f64,
    /// The most that one step may add, in replicas; 0 adds nothing. Default: no limit.
    pub max_scale_up: Option<u32>,
    /// The most that one step may take away, in replicas; 0 takes nothing away. Default: no limit.
    pub max_scale_down: Option<u32>,
    /// As Nomad, to the last bit: see the table of what differs. Default false.
    pub exact: bool,
}

impl Default for TargetValueConfig {
    fn default() -> Self {
        Self {
            metric: None,
            target: None,
            threshold: TargetValue::THRESHOLD,
            max_scale_up: None,
            max_scale_down: None,
            exact: false,
        }
    }
}

impl TargetValueConfig {
    /// With what a policy around it says of exactness. What is compared with the metric's own target gets 1.
    pub(super) fn build(&self, exact: bool) -> Result<TargetValue, ConfigError> {
        let exact = exact || self.exact;
        if let Some(target) = self.target
            && !(target.is_finite() && (target >= 0.0 || exact))
        {
            return Err(ConfigError::new("target", format!("must be a number of at least 0, got {target}")));
        }
        let threshold = self.threshold;
        if !(threshold.is_finite() && (threshold >= 0.0 || exact)) {
            return Err(ConfigError::new("threshold", format!("must be a number of at least 0, got {threshold}")));
        }
        let mut strategy = TargetValue::new(self.target.unwrap_or(1.0)).with_threshold(threshold);
        strategy.steps = Steps { up: self.max_scale_up.map(i64::from), down: self.max_scale_down.map(i64::from) };
        Ok(if exact { strategy.exact() } else { strategy })
    }
}

/// Multiplies the count by the factor of value to target, rounded up, in steps of limited size.
///
/// ```
/// use setpoint::nomad::{TargetValue, Vote};
/// let target = TargetValue::new(50.0);
/// // 83 / 50 is 1.66, times 3 is 4.98.
/// assert_eq!(target.judge(3, target.factor(83.0)).vote, Vote::Up(5));
/// // Within 1 % of the target nothing is done.
/// assert_eq!(target.judge(3, target.factor(50.4)).vote, Vote::Keep);
/// // From 0 the factor itself is the count.
/// assert_eq!(target.judge(0, target.factor(120.0)).vote, Vote::Up(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetValue {
    target: f64,
    threshold: f64,
    pub(super) steps: Steps,
    exact: bool,
}

impl TargetValue {
    /// How far from 1 a factor may be where nobody says.
    pub const THRESHOLD: f64 = 0.01;

    /// With this target, the default threshold and no limit to a step.
    #[must_use]
    pub const fn new(target: f64) -> Self {
        Self { target, threshold: Self::THRESHOLD, steps: Steps { up: None, down: None }, exact: false }
    }

    /// The same that does nothing while the factor is within `threshold` of 1.
    #[must_use]
    pub const fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// The same, as Nomad to the last bit: a NaN is a factor at which nothing is done, and counts can be negative.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    pub(super) const fn is_exact(&self) -> bool {
        self.exact
    }

    /// The factor of `value` to the target; the value itself where the target is 0, as for a queue that should be empty.
    #[must_use]
    #[inline]
    pub fn factor(&self, value: f64) -> f64 {
        if self.target == 0.0 { value } else { value / self.target }
    }

    /// The vote at `count` for a factor.
    #[must_use]
    #[inline]
    pub fn judge(&self, count: i64, factor: f64) -> Judgement {
        let why = Why::Factor { factor };
        // Compared like this and not by the difference, which rounds.
        let (up, down) = if count == 0 {
            (factor > 0.0, false)
        } else {
            (factor > 1.0 + self.threshold, factor < 1.0 - self.threshold)
        };
        if !up && !down {
            return Judgement { vote: Vote::Keep, why };
        }
        #[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is none")]
        let exact = if count == 0 { factor } else { count as f64 * factor };
        let wanted = if self.exact { go_int(exact.ceil()) } else { enough(exact) };
        let wanted = self.steps.limit(count, wanted);
        let vote = match wanted {
            same if same == count => Vote::Keep,
            more if up => Vote::Up(more),
            fewer => Vote::Down(fewer),
        };
        Judgement { vote, why }
    }
}
