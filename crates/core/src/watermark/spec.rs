//! What a WatermarkPodAutoscaler asks for, in the exact numbers that it computes with.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::bounds::Bounds;
use crate::metric::MetricKind;

/// One WatermarkPodAutoscaler: the part of its `spec` that decides, after its defaults.
///
/// DataDog WatermarkPodAutoscaler: apis/datadoghq/v1alpha1/watermarkpodautoscaler_types.go.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// `minReplicas` and `maxReplicas`.
    pub bounds: Bounds,
    /// `dryRun`: everything happens, also to the status, but the write.
    pub dry_run: bool,
    /// The rest.
    pub rules: Rules,
}

/// How one decides: what a policy's algorithm and a [`Reconciler`](super::Reconciler) have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Where the numbers come from.
    pub source: Source,
    /// `tolerance`, in thousandths: how far beyond a mark a value has to be. 100 is 10 %.
    pub tolerance: i64,
    /// `scaleUpLimitFactor`, in thousandths of a percent of the current count. 0 forbids scaling up.
    pub up_limit: i64,
    /// `scaleDownLimitFactor`, likewise.
    pub down_limit: i64,
    /// `upscaleForbiddenWindowSeconds`.
    pub up_forbidden: Duration,
    /// `downscaleForbiddenWindowSeconds`.
    pub down_forbidden: Duration,
    /// `upscaleDelayAboveWatermarkSeconds`; zero: at once.
    pub up_delay: Duration,
    /// `downscaleDelayBelowWatermarkSeconds`; zero: at once.
    pub down_delay: Duration,
    /// `replicaScalingAbsoluteModulo`: proposals are rounded up to a multiple of this.
    pub modulo: NonZeroU32,
    /// `convergeTowardsWatermark`: the mark that is approached step by step while the value is between both.
    pub converge: Option<Mark>,
    /// `tolerateZero`: whether 0 is a value like any other.
    pub tolerate_zero: bool,
    /// `minAvailableReplicaPercentage`: with fewer ready replicas nothing is done.
    pub min_available: u32,
    /// `readinessDelaySeconds`.
    pub readiness_delay: Duration,
    /// Whether the controller's own quirks hold: see the [table](crate::watermark#what-differs).
    pub exact: bool,
}

/// Where the numbers come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Metrics, one reading each, in this order.
    Metrics(Box<[MetricSpec]>),
    /// A recommender's answer: which of the readings hold it.
    Recommender(RecommenderReadings),
}

/// Which of an observation's readings hold a recommender's answer, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecommenderReadings {
    /// The replicas it recommends.
    pub replicas: usize,
    /// The fewest that would do: with fewer, the value is above its high watermark.
    pub lower: usize,
    /// The most: with more, the value is below its low watermark.
    pub upper: usize,
    /// The value it goes by, which is only shown.
    pub observed: Option<usize>,
}

/// One metric with its watermarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricSpec {
    /// What is measured. The controller has `External` and `Resource`; `Object` is treated as the former, `Pods` and
    /// `ContainerResource` as the latter.
    pub kind: MetricKind,
    /// The resource, or the metric's own name.
    pub name: String,
    /// `lowWatermark`, in thousandths.
    pub low: i64,
    /// `highWatermark`, in thousandths.
    pub high: i64,
    /// `algorithm`.
    pub algorithm: Algorithm,
    /// Whether the marks are percentages of what the instances request. The controller has no such thing.
    pub of_request: bool,
}

/// What is compared with the watermarks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Algorithm {
    /// The value as it is: for a metric that falls as replicas are added, as a mean CPU usage does.
    #[default]
    Absolute,
    /// The value over the ready replicas: for a total that they share, as requests/s at a load balancer.
    Average,
}

/// One of the two watermarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// `lowwatermark`: converging adds replicas.
    #[serde(rename = "lowwatermark")]
    Low,
    /// `highwatermark`: converging takes replicas away.
    #[serde(rename = "highwatermark")]
    High,
}

impl MetricSpec {
    /// Whether this is the instances' CPU: starting ones have rules of their own then.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        self.kind.is_resource() && self.name == "cpu"
    }
}
