//! `fixed-value`: a count, whatever is measured.
//!
//! Nomad Autoscaler: plugins/builtin/strategy/fixed-value/plugin/plugin.go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fact::Why;
use super::strategy::{Judgement, towards};
use crate::bounds::MAX_REPLICAS;
use crate::config::ConfigError;

/// Configuration of a `fixed-value` check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixedValueConfig {
    /// The count: 0 to 2147483647.
    pub value: u32,
}

impl FixedValueConfig {
    pub(super) fn build(&self) -> Result<FixedValue, ConfigError> {
        if self.value > MAX_REPLICAS {
            return Err(ConfigError::new("value", format!("must be in 0 to {MAX_REPLICAS}, got {}", self.value)));
        }
        Ok(FixedValue::new(self.value.into()))
    }
}

/// Wants the same count always: the floor under other checks, or the whole of a policy that a schedule changes.
///
/// ```
/// use setpoint::nomad::{FixedValue, Vote};
/// assert_eq!(FixedValue::new(4).judge(6).vote, Vote::Down(4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedValue(i64);

impl FixedValue {
    /// This count.
    #[must_use]
    pub const fn new(value: i64) -> Self {
        Self(value)
    }

    /// The vote at `count`.
    #[must_use]
    #[inline]
    pub fn judge(&self, count: i64) -> Judgement {
        Judgement { vote: towards(count, self.0), why: Why::Fixed { value: self.0 } }
    }
}
