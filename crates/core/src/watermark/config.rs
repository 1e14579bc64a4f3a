//! The configuration of a policy's algorithm, in the words of a WatermarkPodAutoscaler's `spec`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pods::milli;
use super::spec::{Algorithm, Mark, MetricSpec, RecommenderReadings, Rules, Source};
use crate::config::{ConfigError, near_miss};
use crate::metric::{Metric, Target};
use crate::quantity::Quantity;

/// Configuration of [`Watermark`](super::Watermark).
///
/// Names, units and defaults are those of a WatermarkPodAutoscaler's `spec`, so that one can be copied; its metrics are
/// the policy's own, and its bounds are `minReplicas` and `maxReplicas` there.
///
/// DataDog WatermarkPodAutoscaler: apis/datadoghq/v1alpha1/watermarkpodautoscaler_default.go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WatermarkConfig {
    /// The watermarks of each metric, by its name. A metric without any has its target for both.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub watermarks: BTreeMap<String, Watermarks>,
    /// What is compared with them. Default: `average` for a metric whose target is an `averageValue`, else `absolute`.
    /// What each instance has is always averaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// How far beyond a watermark a value has to be, as a part of it, 0 to 1. Default 0.1.
    pub tolerance: Quantity,
    /// The most that one step may add, in percent of the current count, at least 0; 0 forbids scaling up. Cut to whole
    /// replicas, and never less than one of them. Default 50.
    pub scale_up_limit_factor: Quantity,
    /// The most that one step may take away, likewise, below 100. Default 20.
    pub scale_down_limit_factor: Quantity,
    /// Seconds after any scaling in which nothing is scaled up. Default 60.
    pub upscale_forbidden_window_seconds: u32,
    /// Seconds after any scaling in which nothing is scaled down. Default 300.
    pub downscale_forbidden_window_seconds: u32,
    /// Seconds that a value has to stay above its high watermark before anything is scaled up. Default 0: at once.
    pub upscale_delay_above_watermark_seconds: u32,
    /// Seconds that a value has to stay below its low watermark before anything is scaled down. Default 0: at once.
    pub downscale_delay_below_watermark_seconds: u32,
    /// Proposals are rounded up to a multiple of this, at least 1. Default 1.
    pub replica_scaling_absolute_modulo: NonZeroU32,
    /// The watermark that is approached step by step while all values are between theirs. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converge_towards_watermark: Option<Mark>,
    /// Whether 0 is a value like any other. Default false: a metric that is 0 changes nothing.
    pub tolerate_zero: bool,
    /// With fewer percent of the replicas ready nothing is done, 0 to 100. Default 0.
    pub min_available_replica_percentage: u32,
    /// Seconds after its start before an instance's CPU counts. Default 0.
    pub readiness_delay_seconds: u32,
    /// The metrics that hold a recommender's answer, in place of watermarks. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommender: Option<RecommenderMetrics>,
    /// Whether to decide exactly as the controller does, quirks included: see the
    /// [table](crate::watermark#what-differs). Default false.
    pub exact: bool,
}

/// The watermarks of one metric, in its own unit. Where one is missing it is as the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Watermarks {
    /// Below this there are too many replicas. At least 0, and not above `high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Quantity>,
    /// Above this there are too few. Above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Quantity>,
}

/// The metrics that hold a recommender's answer, by name. Their targets mean nothing, and a policy has no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecommenderMetrics {
    /// The replicas it recommends.
    pub replicas: String,
    /// The fewest that would do. Default: as recommended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_bound: Option<String>,
    /// The most that would do. Default: as recommended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_bound: Option<String>,
}

const TOLERANCE: i64 = 100;
const UP_WINDOW: u32 = 60;
const DOWN_WINDOW: u32 = 300;
/// In thousandths: the controller multiplies it by the thousandths of a tolerance, and adds both.
const HIGHEST_MARK: i64 = i64::MAX / 2_000;

impl Default for WatermarkConfig {
    fn default() -> Self {
        Self {
            watermarks: BTreeMap::new(),
            algorithm: None,
            tolerance: Quantity::from_milli(TOLERANCE),
            scale_up_limit_factor: Quantity::from_milli(50_000),
            scale_down_limit_factor: Quantity::from_milli(20_000),
            upscale_forbidden_window_seconds: UP_WINDOW,
            downscale_forbidden_window_seconds: DOWN_WINDOW,
            upscale_delay_above_watermark_seconds: 0,
            downscale_delay_below_watermark_seconds: 0,
            replica_scaling_absolute_modulo: NonZeroU32::MIN,
            converge_towards_watermark: None,
            tolerate_zero: false,
            min_available_replica_percentage: 0,
            readiness_delay_seconds: 0,
            recommender: None,
            exact: false,
        }
    }
}

impl WatermarkConfig {
    /// The rules for the readings of `metrics`, in this order.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the field that is out of its range, or that names a metric that isn't there.
    pub fn rules(&self, metrics: &[Metric]) -> Result<Rules, ConfigError> {
        within("tolerance", self.tolerance, 0, 1_000, "a number in 0 to 1")?;
        within("scaleUpLimitFactor", self.scale_up_limit_factor, 0, i64::MAX, "a percentage of at least 0")?;
        within(
            "scaleDownLimitFactor",
            self.scale_down_limit_factor,
            0,
            99_999,
            "a percentage of at least 0, below 100",
        )?;
        if self.min_available_replica_percentage > 100 {
            let got = self.min_available_replica_percentage;
            return Err(ConfigError::new("minAvailableReplicaPercentage", format!("must be in 0 to 100, got {got}")));
        }
        let secs = |secs: u32| Duration::from_secs(secs.into());
        // The controller takes a zero for a field that isn't set.
        let or_default = |given: u32, default: u32| if given == 0 && self.exact { default } else { given };
        let tolerance = match self.tolerance.milli() {
            0 if self.exact => TOLERANCE,
            given => given,
        };
        Ok(Rules {
            source: self.source(metrics)?,
            tolerance,
            up_limit: self.scale_up_limit_factor.milli(),
            down_limit: self.scale_down_limit_factor.milli(),
            up_forbidden: secs(or_default(self.upscale_forbidden_window_seconds, UP_WINDOW)),
            down_forbidden: secs(or_default(self.downscale_forbidden_window_seconds, DOWN_WINDOW)),
            up_delay: secs(self.upscale_delay_above_watermark_seconds),
            down_delay: secs(self.downscale_delay_below_watermark_seconds),
            modulo: self.replica_scaling_absolute_modulo,
            converge: self.converge_towards_watermark,
            tolerate_zero: self.tolerate_zero,
            min_available: self.min_available_replica_percentage,
            readiness_delay: secs(self.readiness_delay_seconds),
            exact: self.exact,
        })
    }

    fn source(&self, metrics: &[Metric]) -> Result<Source, ConfigError> {
        let find = |path: &str, name: &str| {
            metrics.iter().position(|metric| metric.name == name).ok_or_else(|| {
                let known: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
                ConfigError::new(path, format!("no metric is called `{name}`; {}", near_miss(name, &known)))
            })
        };
        for name in self.watermarks.keys() {
            find(&format!("watermarks.{name}"), name)?;
        }
        let Some(recommender) = &self.recommender else {
            return Ok(Source::Metrics(metrics.iter().map(|metric| self.metric(metric)).collect::<Result<_, _>>()?));
        };
        if let Some(name) = self.watermarks.keys().next() {
            let message = "a recommender's answer has no watermarks: it brings its own bounds";
            return Err(ConfigError::new(format!("watermarks.{name}"), message));
        }
        let replicas = find("recommender.replicas", &recommender.replicas)?;
        let bound = |path: &str, name: Option<&String>| name.map_or(Ok(replicas), |name| find(path, name));
        let readings = RecommenderReadings {
            replicas,
            lower: bound("recommender.lowerBound", recommender.lower_bound.as_ref())?,
            upper: bound("recommender.upperBound", recommender.upper_bound.as_ref())?,
            observed: None,
        };
        let used = [readings.replicas, readings.lower, readings.upper];
        if let Some((_, other)) = metrics.iter().enumerate().find(|(index, _)| !used.contains(index)) {
            let message =
                format!("the metric `{}` is no part of its answer, and there are no watermarks beside it", other.name);
            return Err(ConfigError::new("recommender", message));
        }
        Ok(Source::Recommender(readings))
    }

    fn metric(&self, metric: &Metric) -> Result<MetricSpec, ConfigError> {
        let (target, average, of_request) = match metric.target {
            Target::Value(target) => (target, false, false),
            Target::AverageValue(target) => (target, true, false),
            Target::Utilization(target) => (target, false, true),
        };
        let given = self.watermarks.get(&metric.name).copied().unwrap_or_default();
        let (low, high) = match (given.low, given.high) {
            (None, None) => (milli(target.get()), milli(target.get())),
            (Some(both), None) | (None, Some(both)) => (both.milli(), both.milli()),
            (Some(low), Some(high)) => (low.milli(), high.milli()),
        };
        let refuse = |field: &str, message: String| {
            let name = &metric.name;
            Err(ConfigError::new(format!("watermarks.{name}.{field}"), format!("the {field} watermark {message}")))
        };
        if low < 0 {
            return refuse("low", format!("must be at least 0, got {}", Quantity::from_milli(low)));
        }
        if high <= 0 {
            return refuse("high", "must be at least a thousandth: replicas are computed in thousandths".to_owned());
        }
        if high > HIGHEST_MARK {
            return refuse("high", format!("must be at most {}", HIGHEST_MARK / 1000));
        }
        if low > high {
            let high = Quantity::from_milli(high);
            return refuse("low", format!("must not be above the high one, {high}, got {}", Quantity::from_milli(low)));
        }
        let default = if average { Algorithm::Average } else { Algorithm::Absolute };
        Ok(MetricSpec {
            kind: metric.kind,
            name: metric.resource().unwrap_or(&metric.name).to_owned(),
            low,
            high,
            algorithm: self.algorithm.unwrap_or(default),
            of_request: of_request && metric.kind.is_per_instance(),
        })
    }
}

fn within(path: &str, given: Quantity, least: i64, most: i64, range: &str) -> Result<(), ConfigError> {
    if (least..=most).contains(&given.milli()) {
        return Ok(());
    }
    Err(ConfigError::new(path, format!("must be {range}, got {given}")))
}
