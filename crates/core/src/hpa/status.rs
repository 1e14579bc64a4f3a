//! HPA's status: what it shows of itself, and how it changes.

use super::metrics::{Failure, MetricStatus};
use crate::time::Timestamp;

/// The status of one HPA, as `status` in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// `currentReplicas`.
    pub current: u32,
    /// `desiredReplicas`.
    pub desired: u32,
    /// `lastScaleTime`.
    pub last_scale: Option<Timestamp>,
    /// `currentMetrics`: one a metric of the spec, none for those that failed; empty where none were computed.
    pub metrics: Vec<Option<MetricStatus>>,
    /// `conditions`, in the order in which they first appeared.
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Condition {
    /// Which.
    pub kind: ConditionKind,
    /// True or false; HPA has no unknown ones.
    pub status: bool,
    /// Why.
    pub reason: ConditionReason,
    /// Since when the status is what it is.
    pub since: Timestamp,
    /// What the reason is about.
    pub about: About,
}

/// `type` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionKind {
    /// Whether the scale can be read and written.
    AbleToScale,
    /// Whether there is a usable metric.
    ScalingActive,
    /// Whether a bound or a rate keeps it from what it wants.
    ScalingLimited,
    /// Whether the HPA itself took the last replica away.
    ScaledToZero,
}

impl ConditionKind {
    /// As Kubernetes spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AbleToScale => "AbleToScale",
            Self::ScalingActive => "ScalingActive",
            Self::ScalingLimited => "ScalingLimited",
            Self::ScaledToZero => "ScaledToZero",
        }
    }
}

/// `reason` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are Kubernetes' own, and say what they mean")]
pub enum ConditionReason {
    FailedGetScale,
    SucceededGetScale,
    FailedUpdateScale,
    SucceededRescale,
    ReadyForNewScale,
    ScaleUpStabilized,
    ScaleDownStabilized,
    ScalingDisabled,
    InvalidSelector,
    AmbiguousSelector,
    ValidMetricFound,
    FailedGetResourceMetric,
    FailedGetContainerResourceMetric,
    FailedGetPodsMetric,
    FailedGetObjectMetric,
    FailedGetExternalMetric,
    DesiredWithinRange,
    TooFewReplicas,
    TooManyReplicas,
    ScaleUpLimit,
    ScaleDownLimit,
    ScaledToZero,
    NotScaledToZero,
}

impl ConditionReason {
    /// As Kubernetes spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailedGetScale => "FailedGetScale",
            Self::SucceededGetScale => "SucceededGetScale",
            Self::FailedUpdateScale => "FailedUpdateScale",
            Self::SucceededRescale => "SucceededRescale",
            Self::ReadyForNewScale => "ReadyForNewScale",
            Self::ScaleUpStabilized => "ScaleUpStabilized",
            Self::ScaleDownStabilized => "ScaleDownStabilized",
            Self::ScalingDisabled => "ScalingDisabled",
            Self::InvalidSelector => "InvalidSelector",
            Self::AmbiguousSelector => "AmbiguousSelector",
            Self::ValidMetricFound => "ValidMetricFound",
            Self::FailedGetResourceMetric => "FailedGetResourceMetric",
            Self::FailedGetContainerResourceMetric => "FailedGetContainerResourceMetric",
            Self::FailedGetPodsMetric => "FailedGetPodsMetric",
            Self::FailedGetObjectMetric => "FailedGetObjectMetric",
            Self::FailedGetExternalMetric => "FailedGetExternalMetric",
            Self::DesiredWithinRange => "DesiredWithinRange",
            Self::TooFewReplicas => "TooFewReplicas",
            Self::TooManyReplicas => "TooManyReplicas",
            Self::ScaleUpLimit => "ScaleUpLimit",
            Self::ScaleDownLimit => "ScaleDownLimit",
            Self::ScaledToZero => "ScaledToZero",
            Self::NotScaledToZero => "NotScaledToZero",
        }
    }
}

/// What a condition's reason is about: what Kubernetes tells in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum About {
    /// Nothing in particular.
    Nothing,
    /// The metric that won.
    Metric(usize),
    /// The replicas asked for.
    Replicas(u32),
    /// The first metric that failed, and how.
    Failed(usize, Failure),
}

/// What a sync gives an occasion to tell, as the controller does with an Event. Whoever tells decides what is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `SuccessfulRescale`: so many replicas are asked for now.
    Rescaled {
        /// The replicas.
        to: u32,
        /// Why.
        why: Option<RescaleReason>,
    },
    /// `FailedRescale`: so many were wanted, and could not be written.
    RescaleFailed {
        /// The replicas.
        to: u32,
        /// Why they were wanted.
        why: Option<RescaleReason>,
    },
    /// `FailedGetScale`: the scale could not be read.
    ScaleUnreadable,
    /// `FailedComputeMetricsReplicas`: too many metrics failed to go by the others.
    MetricsFailed {
        /// The first of them.
        metric: usize,
        /// How it failed.
        failure: Failure,
    },
}

/// Why a count is written. None where what was proposed is what there was, and only windows, rates or bounds differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RescaleReason {
    /// The metric of this number asks for more than there are.
    AboveTarget(usize),
    /// No metric asks for as many as there are.
    AllBelowTarget,
    /// There were more than `maxReplicas`.
    AboveMax,
    /// There were fewer than `minReplicas`.
    BelowMin,
}

impl Event {
    /// `reason` of the Event, as Kubernetes spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rescaled { .. } => "SuccessfulRescale",
            Self::RescaleFailed { .. } => "FailedRescale",
            Self::ScaleUnreadable => "FailedGetScale",
            Self::MetricsFailed { .. } => "FailedComputeMetricsReplicas",
        }
    }
}

impl Status {
    /// The condition of `kind`, where there is one.
    #[must_use]
    pub fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Becomes like `other`, in the room there is.
    pub(super) fn copy(&mut self, other: &Self) {
        let Self { current, desired, last_scale, metrics, conditions } = self;
        (*current, *desired, *last_scale) = (other.current, other.desired, other.last_scale);
        metrics.clone_from(&other.metrics);
        conditions.clone_from(&other.conditions);
    }

    /// Sets a condition; its time moves only when its status does.
    pub(super) fn set(
        &mut self,
        now: Timestamp,
        kind: ConditionKind,
        status: bool,
        reason: ConditionReason,
        about: About,
    ) {
        let fresh = Condition { kind, status, reason, since: now, about };
        match self.conditions.iter_mut().find(|condition| condition.kind == kind) {
            Some(known) => {
                let since = if known.status == status { known.since } else { now };
                *known = Condition { since, ..fresh };
            }
            None => self.conditions.push(fresh),
        }
    }

    pub(super) fn remove(&mut self, kind: ConditionKind) {
        self.conditions.retain(|condition| condition.kind != kind);
    }
}
