//! What is set of a PodAutoscaler.
//!
//! AIBrix: api/autoscaling/v1alpha1/podautoscaler_types.go; pkg/controller/podautoscaler/context/context.go.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::units::RangeError;

/// `scalingStrategy`: how windows of a metric become a number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// The ratio of one window's mean to the target, times the replicas.
    #[serde(rename = "APA")]
    Apa,
    /// Two windows: the long one in calm, the larger of both in a panic.
    #[serde(rename = "KPA")]
    Kpa,
}

impl Strategy {
    /// As AIBrix calls the algorithm in its reasons.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apa => "apa",
            Self::Kpa => "kpa",
        }
    }
}

/// What annotations set, with AIBrix's defaults. Nothing is checked: AIBrix doesn't either.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// `max-scale-up-rate`: one decision at most multiplies the count by this. Default 2.
    pub max_scale_up_rate: f64,
    /// `max-scale-down-rate`: one decision at most divides the count by this. Default 2.
    pub max_scale_down_rate: f64,
    /// `scale-up-tolerance`: how far above 1 the ratio to the target may be. Default 0.1.
    pub scale_up_tolerance: f64,
    /// `scale-down-tolerance`: how far below. Default 0.1.
    pub scale_down_tolerance: f64,
    /// `panic-threshold`: KPA panics while the short window's mean is more than so many times the long one's. Default 2.
    pub panic_threshold: f64,
    /// `scale-up-cooldown-window` in milliseconds: how long a recommendation counts on the way up. Default 0.
    pub scale_up_cooldown_ms: i64,
    /// `scale-down-cooldown-window` in milliseconds: the same on the way down. Default 300,000.
    pub scale_down_cooldown_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_scale_up_rate: 2.0,
            max_scale_down_rate: 2.0,
            scale_up_tolerance: 0.1,
            scale_down_tolerance: 0.1,
            panic_threshold: 2.0,
            scale_up_cooldown_ms: 0,
            scale_down_cooldown_ms: 300_000,
        }
    }
}

/// A metric of a PodAutoscaler.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSource {
    /// `targetMetric`. Windows belong to a name: metrics that share one share them.
    pub name: String,
    /// `targetValue`, where AIBrix came to read it: see [`read_annotations`](super::read_annotations). Without one the
    /// metric asks for what there is.
    pub target: Option<f64>,
}

/// A PodAutoscaler as far as its decisions go.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spec {
    /// `scalingStrategy`.
    pub strategy: Strategy,
    /// `minReplicas`. AIBrix's default is 1.
    pub min: u32,
    /// `maxReplicas`.
    pub max: u32,
    /// `observeWindowSeconds`, the long window: 1 to 3600, default 180.
    pub observe_window_seconds: u32,
    /// `panicWindowSeconds`, the short one: 1 to 3600, default 60.
    pub panic_window_seconds: u32,
    /// What annotations set.
    pub settings: Settings,
    /// `metricsSources`.
    pub metrics: Vec<MetricSource>,
}

impl Spec {
    /// `observeWindowSeconds`, where a PodAutoscaler doesn't say.
    pub const OBSERVE_WINDOW_SECONDS: u32 = 180;
    /// `panicWindowSeconds`, where a PodAutoscaler doesn't say.
    pub const PANIC_WINDOW_SECONDS: u32 = 60;
    /// The longest that either may be.
    pub const LONGEST_WINDOW_SECONDS: u32 = 3600;

    /// Of `min` to `max` replicas by `metrics`, with AIBrix's defaults for the rest.
    #[must_use]
    pub fn new(strategy: Strategy, min: u32, max: u32, metrics: Vec<MetricSource>) -> Self {
        Self {
            strategy,
            min,
            max,
            observe_window_seconds: Self::OBSERVE_WINDOW_SECONDS,
            panic_window_seconds: Self::PANIC_WINDOW_SECONDS,
            settings: Settings::default(),
            metrics,
        }
    }
}

/// How many times: a finite number of at least 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Factor(f64);

impl Factor {
    /// 2, AIBrix's default for all of them.
    pub const TWO: Self = Self(2.0);

    /// Checks that `value` is finite and at least 1.
    ///
    /// # Errors
    ///
    /// [`RangeError`] when it is not.
    pub fn new(value: f64) -> Result<Self, RangeError> {
        if value.is_finite() && value >= 1.0 {
            Ok(Self(value))
        } else {
            Err(RangeError { name: "a factor", range: "a finite number of at least 1", value })
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Factor {
    type Error = RangeError;

    fn try_from(value: f64) -> Result<Self, RangeError> {
        Self::new(value)
    }
}

impl From<Factor> for f64 {
    fn from(factor: Factor) -> Self {
        factor.0
    }
}

impl JsonSchema for Factor {
    fn schema_name() -> Cow<'static, str> {
        "Factor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 1 })
    }
}
