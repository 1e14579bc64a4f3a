//! What the controller does in one sync, as a pure state machine.
//!
//! DataDog WatermarkPodAutoscaler: controllers/datadoghq/watermarkpodautoscaler_controller.go, `Reconcile`.

use super::decide::{Decided, Decider, How, Step};
use super::limits::Limit;
use super::pods::{Failure, Seen};
use super::spec::{Source, Spec};
use super::status::{ConditionKind, ConditionReason, Conditions, Status, cut, set};
use super::windows::{Gate, seconds};
use crate::observation::Observation;
use crate::state::StateError;
use crate::time::Timestamp;
use crate::trace::Trace;

/// One WatermarkPodAutoscaler's control loop. The [`Status`] is all that it remembers, and it does no I/O.
///
/// A sync has two halves. [`plan`](Self::plan) takes what was observed and says what to write;
/// [`finish`](Self::finish) takes how the write ended. A scale that can't be read is
/// [`scale_unreadable`](Self::scale_unreadable). Bounds are the spec's, not the observation's.
///
/// ```
/// use setpoint::watermark::{Reconciler, Spec};
/// use setpoint::{Bounds, Metric, Observation, Reading, Target, Timestamp, Trace, WatermarkConfig};
///
/// let config: WatermarkConfig = serde_json::from_value(serde_json::json!({
///     "watermarks": { "cpu": { "low": 50, "high": 80 } },
/// }))?;
/// let rules = config.rules(&[Metric::new("cpu", Target::utilization(65.0)?)])?;
/// let mut wpa = Reconciler::new(Spec { bounds: Bounds::new(1, 50)?, dry_run: false, rules });
/// // 10 · 100 / 80 is 12.5, so 13.
/// let readings = [Reading::Value(100.0)];
/// let plan = wpa.plan(&Observation::new(Timestamp::from_millis(15_000), 10, &readings), &mut Trace::off());
/// assert_eq!(plan.write, Some(13));
/// wpa.finish(plan, true);
/// assert_eq!(wpa.status().last_scale, Some(Timestamp::from_millis(15_000)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reconciler {
    spec: Spec,
    decider: Decider,
    status: Status,
    /// Of the sync under way.
    conditions: Conditions,
    found: Vec<i64>,
}

/// What a sync came to, before anything is written.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a plan is to be finished"]
#[non_exhaustive]
pub struct Plan {
    /// The replicas to write to the scale, which can be as many as it has; `None`: leave it.
    pub write: Option<u32>,
    /// Why nothing can be said, where that is so.
    pub failure: Option<Failure>,
    now: Timestamp,
    existing: u32,
    ended: Ended,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ended {
    /// Without a trace.
    Lost,
    /// Nothing can be said.
    Failed,
    /// `scales`: whether this counts as a scaling.
    With { desired: u32, scales: bool, computed: bool },
}

impl Reconciler {
    /// A new one, with an empty status.
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        let metrics = match &spec.rules.source {
            Source::Metrics(specs) => specs.len(),
            Source::Recommender(_) => 1,
        };
        Self {
            decider: Decider::new(spec.rules.clone()),
            spec,
            status: Status::default(),
            conditions: Conditions::default(),
            found: Vec::with_capacity(metrics),
        }
    }

    /// Another spec, from the next sync on. The status stays.
    pub fn set_spec(&mut self, spec: Spec) {
        self.decider = Decider::new(spec.rules.clone());
        self.spec = spec;
    }

    /// What it shows of itself.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// Takes over a status, as after a restart: Kubernetes keeps it in the object.
    pub fn set_status(&mut self, status: Status) {
        self.status = status;
    }

    /// Appends the status to `state`, versioned.
    pub fn snapshot(&self, state: &mut Vec<u8>) {
        self.status.write(state);
    }

    /// Puts back what [`snapshot`](Self::snapshot) took out. On an error nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the bytes are no such status.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.status = Status::read(state)?;
        Ok(())
    }

    /// A sync in which the scale could not be read.
    pub fn scale_unreadable(&mut self, now: Timestamp) {
        for kind in [ConditionKind::ScalingActive, ConditionKind::AbleToScale] {
            set(&mut self.status.conditions, now, kind, false, ConditionReason::FailedProcess);
        }
        if self.spec.rules.exact {
            cut(&mut self.status.conditions);
        }
    }

    /// The first half of a sync: what to write, for what was observed. One reading a metric, or those of a recommender.
    pub fn plan(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Plan {
        self.plan_among(look, 0, trace)
    }

    /// The same where the workload's selector also finds `foreign` pods that are somebody else's. They are not among
    /// the observation's instances, and their samples are those of others.
    pub fn plan_among(&mut self, look: &Observation<'_>, foreign: u32, trace: &mut Trace) -> Plan {
        let now = look.now;
        let mut conditions = self.status.conditions;
        let mut tell = |kind, status, reason| set(&mut conditions, now, kind, status, reason);
        // False until proven otherwise: its time is that of the last sync.
        tell(ConditionKind::ScalingActive, false, ConditionReason::FailedProcess);
        let dry_run = self.spec.dry_run;
        let reason = if dry_run { ConditionReason::DryRunOn } else { ConditionReason::DryRunOff };
        tell(ConditionKind::DryRun, dry_run, reason);
        tell(ConditionKind::AbleToScale, true, ConditionReason::SucceededGetScale);
        self.found.clear();
        let found = &mut self.found;
        let mut memory = self.status.memory();
        let seen = Seen { look, foreign };
        let step = self.decider.decide(&seen, self.spec.bounds, &mut memory, trace, |proposed| {
            if let Some(convergence) = proposed.convergence {
                let (status, reason) = ConditionReason::of(convergence);
                tell(ConditionKind::ConvergeToWatermark, status, reason);
            }
            #[expect(clippy::cast_possible_truncation, reason = "`as` cuts off, as Go does, and saturates")]
            found.push(proposed.usage as i64);
        });
        let mut plan = Plan { write: None, failure: None, now, existing: look.existing, ended: Ended::Failed };
        match step {
            Step::Failed { metric, why } => {
                plan.failure = Some(why);
                if why == Failure::DividedByZero {
                    plan.ended = Ended::Lost;
                }
                let kind = match &self.spec.rules.source {
                    Source::Metrics(specs) => metric.and_then(|metric| specs.get(metric)).map(|spec| spec.kind),
                    Source::Recommender(_) => None,
                };
                tell(ConditionKind::ScalingActive, false, ConditionReason::failed(kind));
            }
            Step::Decided(decided) => {
                show(&decided, &mut tell);
                let desired = decided.desired.max(0).unsigned_abs();
                let scales = decided.scales;
                plan.write = (scales && !dry_run).then_some(desired);
                plan.ended = Ended::With {
                    desired: if scales { desired } else { look.current },
                    scales,
                    // What was measured isn't shown where a bound was corrected.
                    computed: decided.computed.is_some() && decided.how != How::Corrected,
                };
            }
        }
        self.conditions = conditions;
        plan
    }

    /// The second half of a sync: `written` tells whether the write went well. Without a write it means nothing.
    pub fn finish(&mut self, plan: Plan, written: bool) {
        let Plan { now, existing, ended, .. } = plan;
        if ended == Ended::Lost {
            return;
        }
        let conditions = &mut self.conditions;
        let status = &mut self.status;
        status.current = existing;
        match (ended, plan.write) {
            (Ended::With { .. }, Some(_)) if !written => {
                set(conditions, now, ConditionKind::AbleToScale, false, ConditionReason::FailedScale);
            }
            (Ended::With { desired, scales, computed }, write) => {
                if write.is_some() {
                    set(conditions, now, ConditionKind::AbleToScale, true, ConditionReason::SuccessfulScale);
                }
                status.desired = desired;
                if computed {
                    status.metrics.clone_from(&self.found);
                }
                if scales {
                    status.last_scale = Some(if self.spec.rules.exact { seconds(now) } else { now });
                    status.scalings = status.scalings.saturating_add(1);
                }
            }
            _ => {}
        }
        if self.spec.rules.exact {
            cut(conditions);
        }
        status.conditions = *conditions;
    }
}

/// The conditions of a sync that came to a count.
fn show(decided: &Decided, tell: &mut impl FnMut(ConditionKind, bool, ConditionReason)) {
    if let Some(computed) = &decided.computed {
        tell(ConditionKind::AboveHighWatermark, computed.above, ConditionReason::AboveHighWatermark);
        tell(ConditionKind::BelowLowWatermark, computed.below, ConditionReason::BelowLowWatermark);
        let limited = computed.limited.by;
        tell(ConditionKind::ScalingLimited, limited.is_some(), limit_reason(limited));
        if let Some(reason) = backoff_reason(computed.gate) {
            tell(ConditionKind::AbleToScale, false, reason);
        }
    }
    // Also where it is taken back at once: its time tells.
    if decided.computed.is_some() {
        tell(ConditionKind::ScalingActive, true, ConditionReason::ValidMetricFound);
    }
    if decided.how == How::Disabled {
        tell(ConditionKind::ScalingActive, false, ConditionReason::ScalingDisabled);
    }
    if decided.scales {
        tell(ConditionKind::AbleToScale, true, ConditionReason::ReadyForScale);
    }
}

const fn limit_reason(by: Option<Limit>) -> ConditionReason {
    match by {
        None => ConditionReason::DesiredWithinRange,
        Some(Limit::Up) => ConditionReason::ScaleUpLimit,
        Some(Limit::Down | Limit::GivenUp) => ConditionReason::ScaleDownLimit,
        Some(Limit::Min) => ConditionReason::TooFewReplicas,
        Some(Limit::Max) => ConditionReason::TooManyReplicas,
        Some(Limit::One) => ConditionReason::Unsaid,
    }
}

const fn backoff_reason(gate: Gate) -> Option<ConditionReason> {
    match gate.backoff {
        (true, true) => Some(ConditionReason::BackoffBoth),
        (true, false) => Some(ConditionReason::BackoffUpscale),
        (false, true) => Some(ConditionReason::BackoffDownscale),
        (false, false) => None,
    }
}
