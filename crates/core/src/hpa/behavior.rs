//! `behavior`, in the words of an HPA manifest, and the rules it stands for.
//!
//! Kubernetes: pkg/apis/autoscaling/v2/defaults.go and pkg/apis/autoscaling/validation/validation.go.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::quantity::Quantity;
use crate::trace::Direction;

/// How fast, and how soon, as in the `behavior` of an autoscaling/v2 HorizontalPodAutoscaler.
///
/// What isn't given has v2's default: up at once, by 4 pods or 100 % every 15 s, whichever is more; down by as
/// much as wanted, after 5 minutes. Giving one direction's `policies` replaces all of its default ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Behavior {
    /// On the way up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,
    /// On the way down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// The rules of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingRules {
    /// Do only what was wanted throughout this long, in seconds, 0 to 3600. Default 0 up, 300 down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilization_window_seconds: Option<u32>,
    /// Which of the policies decides. Default `Max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicy>,
    /// How much may change in how long: at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<ScalingPolicy>>,
    /// How far a ratio may be from 1 in this direction before anything is done. Default: the algorithm's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Quantity>,
}

/// Which of several policies decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    #[default]
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: this direction is off.
    Disabled,
}

/// How much may change in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingPolicy {
    /// Of what.
    #[serde(rename = "type")]
    pub kind: PolicyKind,
    /// How many, or how many percent of the count that there was when the period began. Greater than 0.
    pub value: i32,
    /// In how many seconds, 1 to 1800.
    pub period_seconds: u32,
}

/// What a policy counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyKind {
    /// Replicas.
    Pods,
    /// Percent of the count that there was when the period began.
    Percent,
}

/// The longest window, in seconds.
const LONGEST_WINDOW: u32 = 3600;
/// The longest period, in seconds.
const LONGEST_PERIOD: u32 = 1800;

impl Behavior {
    /// The tolerance down and up, where given.
    pub(crate) fn tolerances(&self) -> (Option<f64>, Option<f64>) {
        let own = |rules: &Option<ScalingRules>| rules.as_ref().and_then(|it| it.tolerance).map(Quantity::approximate);
        (own(&self.scale_down), own(&self.scale_up))
    }

    /// The API server's own checks.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field: a window above 3600 s, no policies, a policy's value or period out of
    /// range, a negative tolerance.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (name, rules) in [("scaleUp", &self.scale_up), ("scaleDown", &self.scale_down)] {
            if let Some(rules) = rules {
                rules.check().map_err(|error| error.under(name))?;
            }
        }
        Ok(())
    }

    /// The same with v2's defaults written out: all but the window down, which is a setting of the controller.
    #[must_use]
    pub fn defaulted(&self) -> Self {
        let direction = |given: &Option<ScalingRules>, window: Option<u32>, policies: &[ScalingPolicy]| {
            let given = given.clone().unwrap_or_default();
            Some(ScalingRules {
                stabilization_window_seconds: given.stabilization_window_seconds.or(window),
                select_policy: Some(given.select_policy.unwrap_or_default()),
                policies: Some(given.policies.unwrap_or_else(|| policies.to_vec())),
                tolerance: given.tolerance,
            })
        };
        Self {
            scale_up: direction(&self.scale_up, Some(0), &DEFAULT_UP),
            scale_down: direction(&self.scale_down, None, &DEFAULT_DOWN),
        }
    }

    /// The rules of `direction`, complete. `window` is that down, where nothing else says.
    pub(crate) fn rules(&self, direction: Direction, window: Duration) -> Rules {
        let Self { scale_up, scale_down } = self.defaulted();
        let given = match direction {
            Direction::Up => scale_up,
            Direction::Down => scale_down,
        }
        .unwrap_or_default();
        // Whole seconds, as Kubernetes hands the flag on.
        let window = given.stabilization_window_seconds.map_or(window.as_secs(), u64::from);
        let policies = given.policies.unwrap_or_default();
        Rules {
            window: Duration::from_secs(window),
            select: given.select_policy.unwrap_or_default(),
            longest_period: policies.iter().map(ScalingPolicy::period).max().unwrap_or_default(),
            rates: policies.into_iter().map(|policy| Rate::new(policy, direction)).collect(),
        }
    }
}

impl ScalingRules {
    fn check(&self) -> Result<(), ConfigError> {
        if let Some(window) = self.stabilization_window_seconds.filter(|&window| window > LONGEST_WINDOW) {
            let message = format!("must be at most {LONGEST_WINDOW}, got {window}");
            return Err(ConfigError::new("stabilizationWindowSeconds", message));
        }
        if self.policies.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::new(
                "policies",
                "at least one policy is needed; leave the field out for the defaults",
            ));
        }
        for (index, policy) in self.policies.iter().flatten().enumerate() {
            let at = |field: &str| format!("policies[{index}].{field}");
            if policy.value <= 0 {
                return Err(ConfigError::new(at("value"), format!("must be greater than 0, got {}", policy.value)));
            }
            if !(1..=LONGEST_PERIOD).contains(&policy.period_seconds) {
                let message = format!("must be in 1 to {LONGEST_PERIOD}, got {}", policy.period_seconds);
                return Err(ConfigError::new(at("periodSeconds"), message));
            }
        }
        if let Some(tolerance) = self.tolerance.filter(|tolerance| tolerance.milli() < 0) {
            return Err(ConfigError::new("tolerance", format!("must not be negative, got {tolerance}")));
        }
        Ok(())
    }
}

const DEFAULT_UP: [ScalingPolicy; 2] = [
    ScalingPolicy { kind: PolicyKind::Pods, value: 4, period_seconds: 15 },
    ScalingPolicy { kind: PolicyKind::Percent, value: 100, period_seconds: 15 },
];
const DEFAULT_DOWN: [ScalingPolicy; 1] = [ScalingPolicy { kind: PolicyKind::Percent, value: 100, period_seconds: 15 }];

/// One direction's rules, complete.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rules {
    pub(crate) window: Duration,
    pub(crate) select: SelectPolicy,
    pub(crate) rates: Box<[Rate]>,
    pub(crate) longest_period: Duration,
}

/// A policy, with what it takes to apply it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) policy: ScalingPolicy,
    pub(crate) period_ms: i64,
    /// What a percentage multiplies the count by, in the order in which Kubernetes computes it.
    pub(crate) factor: f64,
}

impl Rate {
    fn new(policy: ScalingPolicy, direction: Direction) -> Self {
        let percent = f64::from(policy.value) / 100.0;
        let factor = match direction {
            Direction::Up => 1.0 + percent,
            Direction::Down => 1.0 - percent,
        };
        Self { policy, period_ms: i64::from(policy.period_seconds) * 1000, factor }
    }
}

impl ScalingPolicy {
    pub(crate) fn period(&self) -> Duration {
        Duration::from_secs(self.period_seconds.into())
    }
}
