//! How policies write checks: their strategy by name, and what it looks at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::OnError;
use super::eye::Eye;
use super::fixed_value::FixedValueConfig;
use super::pass_through::PassThroughConfig;
use super::strategy::Strategy;
use super::target_value::TargetValueConfig;
use super::threshold::ThresholdConfig;
use super::window::Recent;
use crate::config::ConfigError;
use crate::metric::Metric;

/// A check of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckConfig {
    /// What it is called, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Whose vote it is part of. In a group a vote for none is no vote beside a real one. Default: the group of those
    /// without one, in which it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// What becomes of the decision when it fails. Default: what the policy's `onCheckError` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// How it votes: one strategy, by its name.
    pub strategy: StrategyConfig,
}

/// A strategy by name: `target-value: { target: 70 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyConfig {
    /// As much more or less as the value is of its target.
    TargetValue(TargetValueConfig),
    /// A step, when enough values are within bounds.
    Threshold(ThresholdConfig),
    /// The value is the count.
    PassThrough(PassThroughConfig),
    /// A count.
    FixedValue(FixedValueConfig),
}

impl StrategyConfig {
    pub(super) fn build(&self, metrics: &[Metric], exact: bool) -> Result<(Strategy, Eye), ConfigError> {
        Ok(match self {
            Self::TargetValue(config) => {
                let eye = eye(config.metric.as_deref(), metrics)?;
                let eye = if config.target.is_none() { eye.comparing_with_own_target() } else { eye };
                (Strategy::TargetValue(config.build(exact)?), eye)
            }
            Self::Threshold(config) => {
                let threshold = config.build(exact)?;
                let most = config.within_bounds_trigger as usize;
                let recent = Recent::new(config.query_window.as_duration(), most, threshold.bounds());
                (Strategy::Threshold(threshold), eye(config.metric.as_deref(), metrics)?.remembering(recent))
            }
            Self::PassThrough(config) => {
                (Strategy::PassThrough(config.build(exact)), eye(config.metric.as_deref(), metrics)?)
            }
            Self::FixedValue(config) => (Strategy::FixedValue(config.build()?), Eye::blind()),
        })
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::TargetValue(_) => "target-value",
            Self::Threshold(_) => "threshold",
            Self::PassThrough(_) => "pass-through",
            Self::FixedValue(_) => "fixed-value",
        }
    }
}

/// The metric of this name; the first, where none is named.
fn eye(name: Option<&str>, metrics: &[Metric]) -> Result<Eye, ConfigError> {
    let (index, metric) = match (name, metrics.first()) {
        (None, Some(first)) => (0, first),
        (name, _) => Metric::called(name.unwrap_or_default(), metrics, "metric")?,
    };
    Ok(Eye::on(index, metric.terms()))
}
