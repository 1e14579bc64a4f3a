//! `pass-through`: the value is the count.
//!
//! Nomad Autoscaler: plugins/builtin/strategy/pass-through/plugin/plugin.go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fact::Why;
use super::strategy::{Judgement, Steps, enough, go_int, towards};
use super::vote::Vote;

/// Configuration of a `pass-through` check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PassThroughConfig {
    /// The metric, by name. Default: the policy's first.
    pub metric: Option<String>,
    /// The most that one step may add, in replicas; 0 adds nothing. Default: no limit.
    pub max_scale_up: Option<u32>,
    /// The most that one step may take away, in replicas; 0 takes nothing away. Default: no limit.
    pub max_scale_down: Option<u32>,
    /// As Nomad, to the last bit: see the table of what differs. Default false.
    pub exact: bool,
}

impl PassThroughConfig {
    pub(super) fn build(&self, exact: bool) -> PassThrough {
        let steps = Steps { up: self.max_scale_up.map(i64::from), down: self.max_scale_down.map(i64::from) };
        PassThrough { steps, exact: exact || self.exact }
    }
}

/// Takes the newest value for the count, in steps of limited size.
///
/// ```
/// use setpoint::nomad::{PassThrough, Vote};
/// assert_eq!(PassThrough::new().judge(5, 5.5).vote, Vote::Up(6));
/// // Nomad cuts off what is after the point, after it compared: up, to where it is.
/// assert_eq!(PassThrough::new().exact().judge(5, 5.5).vote, Vote::Up(5));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassThrough {
    pub(super) steps: Steps,
    exact: bool,
}

impl PassThrough {
    /// Without limit to a step.
    #[must_use]
    pub const fn new() -> Self {
        Self { steps: Steps { up: None, down: None }, exact: false }
    }

    /// The same, as Nomad to the last bit.
    #[must_use]
    pub const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    pub(super) const fn is_exact(&self) -> bool {
        self.exact
    }

    /// The vote at `count` for a value.
    #[must_use]
    #[inline]
    pub fn judge(&self, count: i64, value: f64) -> Judgement {
        let vote = if self.exact { self.exactly(count, value) } else { self.soundly(count, value) };
        Judgement { vote, why: Why::Value { value } }
    }

    fn soundly(&self, count: i64, value: f64) -> Vote<i64> {
        towards(count, self.steps.limit(count, enough(value)))
    }

    fn exactly(&self, count: i64, value: f64) -> Vote<i64> {
        #[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is none")]
        let current = count as f64;
        if value > current {
            Vote::Up(self.steps.limit_up(count, go_int(value)))
        } else if value < current {
            Vote::Down(self.steps.limit_down(count, go_int(value)))
        } else {
            Vote::Keep
        }
    }
}
