//! What a WatermarkPodAutoscaler shows of itself, which is also all that it remembers.
//!
//! DataDog WatermarkPodAutoscaler: apis/datadoghq/v1alpha1/watermarkpodautoscaler_types.go and const.go.

use super::replicas::Convergence;
use super::windows::{Memory, seconds};
use crate::metric::MetricKind;
use crate::state::{StateError, StateReader, write_time};
use crate::time::Timestamp;
use crate::timing::Since;
use crate::trace::Direction;

/// The status of one WatermarkPodAutoscaler, as `status` in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// `currentReplicas`: those that exist.
    pub current: u32,
    /// `desiredReplicas`.
    pub desired: u32,
    /// `lastScaleTime`.
    pub last_scale: Option<Timestamp>,
    /// `scalingEventsCount`.
    pub scalings: u32,
    /// `currentMetrics`: one a metric of the spec, in thousandths; empty until the first of them were computed.
    pub metrics: Vec<i64>,
    pub(super) conditions: Conditions,
}

/// By kind: there is at most one of each.
pub(super) type Conditions = [Option<Condition>; ConditionKind::ALL.len()];

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Condition {
    /// Which.
    pub kind: ConditionKind,
    /// True or false.
    pub status: bool,
    /// Why.
    pub reason: ConditionReason,
    /// Since when the status is what it is.
    pub since: Timestamp,
}

/// `type` of a condition, in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionKind {
    /// Whether the scale can be read and written, and no forbidden window is open.
    AbleToScale,
    /// Whether a value is above its high watermark.
    AboveHighWatermark,
    /// Whether a value is below its low watermark.
    BelowLowWatermark,
    /// Whether a step is made towards a watermark.
    ConvergeToWatermark,
    /// Whether nothing is written.
    DryRun,
    /// Whether there is something to go by.
    ScalingActive,
    /// Whether a cap or a bound cut the step.
    ScalingLimited,
}

impl ConditionKind {
    const ALL: [Self; 7] = [
        Self::AbleToScale,
        Self::AboveHighWatermark,
        Self::BelowLowWatermark,
        Self::ConvergeToWatermark,
        Self::DryRun,
        Self::ScalingActive,
        Self::ScalingLimited,
    ];

    /// As the controller spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AbleToScale => "AbleToScale",
            Self::AboveHighWatermark => "AboveHighWatermark",
            Self::BelowLowWatermark => "BelowLowWatermark",
            Self::ConvergeToWatermark => "ConvergeToWatermark",
            Self::DryRun => "DryRun",
            Self::ScalingActive => "ScalingActive",
            Self::ScalingLimited => "ScalingLimited",
        }
    }
}

/// `reason` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say what they mean; those of the controller are in `as_str`")]
pub enum ConditionReason {
    FailedProcess,
    SucceededGetScale,
    ReadyForScale,
    SuccessfulScale,
    FailedScale,
    BackoffUpscale,
    BackoffDownscale,
    BackoffBoth,
    ScalingDisabled,
    ValidMetricFound,
    FailedGetExternalMetric,
    FailedGetResourceMetric,
    AboveHighWatermark,
    BelowLowWatermark,
    ConvergeToHighWatermark,
    ConvergeToLowWatermark,
    OnlyInStableRegime,
    ConvergenceOff,
    DryRunOn,
    DryRunOff,
    DesiredWithinRange,
    TooFewReplicas,
    TooManyReplicas,
    ScaleUpLimit,
    ScaleDownLimit,
    /// The controller gives no reason where `minReplicas` is 0.
    Unsaid,
}

impl ConditionReason {
    const ALL: [Self; 26] = [
        Self::FailedProcess,
        Self::SucceededGetScale,
        Self::ReadyForScale,
        Self::SuccessfulScale,
        Self::FailedScale,
        Self::BackoffUpscale,
        Self::BackoffDownscale,
        Self::BackoffBoth,
        Self::ScalingDisabled,
        Self::ValidMetricFound,
        Self::FailedGetExternalMetric,
        Self::FailedGetResourceMetric,
        Self::AboveHighWatermark,
        Self::BelowLowWatermark,
        Self::ConvergeToHighWatermark,
        Self::ConvergeToLowWatermark,
        Self::OnlyInStableRegime,
        Self::ConvergenceOff,
        Self::DryRunOn,
        Self::DryRunOff,
        Self::DesiredWithinRange,
        Self::TooFewReplicas,
        Self::TooManyReplicas,
        Self::ScaleUpLimit,
        Self::ScaleDownLimit,
        Self::Unsaid,
    ];

    /// As the controller spells it. Some are sentences there, and that of `BelowLowWatermark` says "above".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailedProcess => "FailedProcessWPA",
            Self::SucceededGetScale => "SucceededGetScale",
            Self::ReadyForScale => "ReadyForScale",
            Self::SuccessfulScale => "SuccessfulScale",
            Self::FailedScale => "FailedScale",
            Self::BackoffUpscale => "BackoffUpscale",
            Self::BackoffDownscale => "BackoffDownscale",
            Self::BackoffBoth => "BackoffBoth",
            Self::ScalingDisabled => "ScalingDisabled",
            Self::ValidMetricFound => "ValidMetricFound",
            Self::FailedGetExternalMetric => "FailedGetExternalMetric",
            Self::FailedGetResourceMetric => "FailedGetResourceMetric",
            Self::AboveHighWatermark => "Value above High Watermark",
            Self::BelowLowWatermark => "Value above Low Watermark",
            Self::ConvergeToHighWatermark => "Allow downscaling to converge to the High Watermark",
            Self::ConvergeToLowWatermark => "Allow upscaling to converge to the Low Watermark",
            Self::OnlyInStableRegime => "Converging to Watermark only allowed in stable regime",
            Self::ConvergenceOff => "Feature not enabled",
            Self::DryRunOn => "DryRun mode enabled",
            Self::DryRunOff => "DryRun mode disabled",
            Self::DesiredWithinRange => "DesiredWithinRange",
            Self::TooFewReplicas => "TooFewReplicas",
            Self::TooManyReplicas => "TooManyReplicas",
            Self::ScaleUpLimit => "ScaleUpLimit",
            Self::ScaleDownLimit => "ScaleDownLimit",
            Self::Unsaid => "",
        }
    }

    pub(super) const fn failed(kind: Option<MetricKind>) -> Self {
        match kind {
            Some(kind) if !kind.is_per_instance() => Self::FailedGetExternalMetric,
            // A recommender's failure has this reason too.
            _ => Self::FailedGetResourceMetric,
        }
    }

    /// Whether the condition `ConvergeToWatermark` is true, and why.
    pub(super) const fn of(convergence: Convergence) -> (bool, Self) {
        match convergence {
            Convergence::Off => (false, Self::ConvergenceOff),
            Convergence::Unstable(Direction::Down) => (false, Self::OnlyInStableRegime),
            Convergence::Unstable(Direction::Up) | Convergence::TooFar(Direction::Down) => {
                (false, Self::ConvergeToHighWatermark)
            }
            Convergence::TooFar(Direction::Up) => (false, Self::ConvergeToLowWatermark),
            Convergence::Step(Direction::Down) => (true, Self::ConvergeToHighWatermark),
            Convergence::Step(Direction::Up) => (true, Self::ConvergeToLowWatermark),
        }
    }
}

impl Status {
    const VERSION: u8 = 1;

    /// The condition of `kind`, where there is one.
    #[must_use]
    pub const fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions[kind as usize].as_ref()
    }

    /// All conditions, in the order of their names.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().flatten()
    }

    pub(super) fn memory(&self) -> Memory {
        let since = |kind| {
            let condition = self.condition(kind);
            condition.map_or_else(Since::default, |condition| Since::new(condition.status, condition.since))
        };
        Memory {
            last_scale: self.last_scale,
            above: since(ConditionKind::AboveHighWatermark),
            below: since(ConditionKind::BelowLowWatermark),
        }
    }

    /// Appends the status to `state`, versioned.
    pub fn write(&self, state: &mut Vec<u8>) {
        state.push(Self::VERSION);
        for number in [self.current, self.desired, self.scalings] {
            state.extend(number.to_le_bytes());
        }
        write_time(self.last_scale, state);
        state.extend(u32::try_from(self.metrics.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.metrics.iter().for_each(|value| state.extend(value.to_le_bytes()));
        for condition in &self.conditions {
            write_time(condition.map(|condition| condition.since), state);
            if let Some(condition) = condition {
                state.extend([u8::from(condition.status), condition.reason as u8]);
            }
        }
    }

    /// Reads a status that [`write`](Self::write) wrote, all of `state`.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the bytes are no such status.
    pub fn read(state: &[u8]) -> Result<Self, StateError> {
        let mut reader = StateReader::new(super::NAME, Self::VERSION, state)?;
        let (current, desired, scalings) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let last_scale = reader.time()?;
        // Not allocated ahead: the bytes may lie about how many there are.
        let mut metrics = Vec::new();
        for _ in 0..reader.u32()? {
            metrics.push(reader.i64()?);
        }
        let mut conditions = Conditions::default();
        for kind in ConditionKind::ALL {
            if let Some(since) = reader.time()? {
                let (status, reason) = (reader.flag()?, usize::from(reader.u8()?));
                let reason =
                    ConditionReason::ALL.get(reason).ok_or_else(|| reader.damaged("a reason that no condition has"))?;
                conditions[kind as usize] = Some(Condition { kind, status, reason: *reason, since });
            }
        }
        reader.end()?;
        Ok(Self { current, desired, last_scale, scalings, metrics, conditions })
    }
}

/// Sets a condition; its time moves only when its status does.
pub(super) fn set(
    conditions: &mut Conditions,
    now: Timestamp,
    kind: ConditionKind,
    status: bool,
    reason: ConditionReason,
) {
    let known = &mut conditions[kind as usize];
    let since = known.filter(|known| known.status == status).map_or(now, |known| known.since);
    *known = Some(Condition { kind, status, reason, since });
}

/// Cuts all times to seconds, as the API server stores them.
pub(super) fn cut(conditions: &mut Conditions) {
    for condition in conditions.iter_mut().flatten() {
        condition.since = seconds(condition.since);
    }
}
