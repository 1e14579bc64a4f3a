//! What the HPA controller does around the arithmetic, as a pure state machine.
//!
//! Kubernetes: pkg/controller/podautoscaler/horizontal.go, `reconcileAutoscaler`.

use std::cmp::Ordering;

use super::NAME;
use super::algorithm::wakes;
use super::metrics::{Computed, Failure, MetricStatus, Metrics, Verdict, count};
use super::restraint::Restraint;
use super::spec::{MetricSpec, Settings, Spec};
use super::status::{About, ConditionKind, ConditionReason, Event, RescaleReason, Status};
use crate::metric::MetricKind;
use crate::observation::{Action, Observation};
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::trace::{Direction, Effect, Reason, Trace};
use crate::units::Tolerances;

/// One HPA's control loop: it keeps the histories and the status, and does no I/O.
///
/// A sync has two halves. [`plan`](Self::plan) takes what was observed and says what to write;
/// [`finish`](Self::finish) takes how the write ended. A scale that can't be read is
/// [`scale_unreadable`](Self::scale_unreadable).
///
/// ```
/// use setpoint::hpa::{ControlLoop, MetricSpec, MetricTarget, Settings, Spec};
/// use setpoint::{MetricKind, Observation, Reading, Timestamp, Trace};
///
/// let cpu = MetricSpec {
///     kind: MetricKind::Resource, name: "cpu".into(), container: None, target: MetricTarget::Utilization(50),
/// };
/// let spec = Spec { min: 1, max: 10, metrics: vec![cpu], behavior: None };
/// let mut hpa = ControlLoop::new(&spec, Settings::default());
/// let readings = [Reading::Value(100.0)];
/// let plan = hpa.plan(&Observation::new(Timestamp::from_millis(15_000), 3, &readings), &mut Trace::off());
/// assert_eq!(plan.write, Some(6));
/// hpa.finish(plan, true);
/// assert_eq!(hpa.status().desired, 6);
/// ```
#[derive(Clone, Debug)]
pub struct ControlLoop {
    settings: Settings,
    metrics: Metrics,
    tolerances: Tolerances,
    restraint: Restraint,
    min: u32,
    max: u32,
    status: Status,
    /// What the metrics of the sync under way came to.
    found: Vec<Option<MetricStatus>>,
    /// The status as the sync under way found it.
    before: Status,
    /// Whether the status's metrics are others than those it shows, though their values may be the same.
    renamed: bool,
}

/// What a sync came to, before anything is written.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a plan is to be finished"]
#[non_exhaustive]
pub struct Plan {
    /// The replicas to write to the scale; `None`: leave it.
    pub write: Option<u32>,
    /// The highest metric's proposal, before windows, rates and bounds.
    pub proposal: Option<i32>,
    /// The metric it comes from.
    pub metric: Option<usize>,
    /// Why the count is to change.
    pub why: Option<RescaleReason>,
    /// Whether a metric failed. A sync can scale all the same.
    pub failed: bool,
    now: Timestamp,
    current: u32,
    desired: u32,
    // A failure that ends a sync leaves the desired count in the status as it was.
    ended: bool,
    computed: bool,
    broken: Option<(usize, Failure)>,
}

/// Why a workload's selector can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectorProblem {
    /// There is none, or it can't be read.
    Invalid,
    /// Another HPA selects some of the same pods.
    Ambiguous,
}

impl SelectorProblem {
    const fn reason(self) -> ConditionReason {
        match self {
            Self::Invalid => ConditionReason::InvalidSelector,
            Self::Ambiguous => ConditionReason::AmbiguousSelector,
        }
    }
}

/// How a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// Whether something failed: a metric, the scale, its update.
    pub error: bool,
    /// What there is to tell.
    pub event: Option<Event>,
    /// Whether the status is another than before, and is to be written.
    pub status_changed: bool,
}

impl ControlLoop {
    const STATE_VERSION: u8 = 1;

    /// A new HPA, without history.
    #[must_use]
    pub fn new(spec: &Spec, settings: Settings) -> Self {
        Self {
            metrics: Metrics::new(spec.metrics.clone(), &settings),
            tolerances: settings.tolerances(spec.behavior.as_ref()),
            restraint: Restraint::new(spec.behavior.as_ref(), settings.downscale_stabilization),
            min: spec.min,
            max: spec.max,
            status: Status::default(),
            found: Vec::with_capacity(spec.metrics.len()),
            before: Status::default(),
            renamed: false,
            settings,
        }
    }

    /// Another spec, from the next sync on. Histories and status stay.
    pub fn set_spec(&mut self, spec: &Spec) {
        let identity = |metric: &MetricSpec| (metric.kind, metric.name.clone(), metric.container.clone());
        self.renamed |= !self.metrics.specs().iter().map(identity).eq(spec.metrics.iter().map(identity));
        self.metrics = Metrics::new(spec.metrics.clone(), &self.settings);
        self.tolerances = self.settings.tolerances(spec.behavior.as_ref());
        self.restraint.set_rules(spec.behavior.as_ref(), self.settings.downscale_stabilization);
        (self.min, self.max) = (spec.min, spec.max);
    }

    /// What the HPA shows of itself.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// Takes over a status, as after a restart: Kubernetes keeps it in the object.
    pub fn set_status(&mut self, status: Status) {
        self.status = status;
    }

    /// A sync in which the scale could not be read.
    pub fn scale_unreadable(&mut self, now: Timestamp) -> Finished {
        self.before.copy(&self.status);
        self.set(now, ConditionKind::AbleToScale, false, ConditionReason::FailedGetScale, About::Nothing);
        let event = Some(Event::ScaleUnreadable);
        Finished { error: true, event, status_changed: self.status != self.before }
    }

    /// The first half of a sync: what to write, for what was observed. One reading a metric of the spec.
    pub fn plan(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Plan {
        self.plan_with(look, None, trace)
    }

    /// The same when the workload's selector can't be used: then there is nothing to look at, and only bounds are
    /// corrected.
    pub fn plan_unselected(&mut self, look: &Observation<'_>, problem: SelectorProblem, trace: &mut Trace) -> Plan {
        self.plan_with(look, Some(problem), trace)
    }

    fn plan_with(&mut self, look: &Observation<'_>, problem: Option<SelectorProblem>, trace: &mut Trace) -> Plan {
        let now = look.now;
        self.before.copy(&self.status);
        self.set(now, ConditionKind::AbleToScale, true, ConditionReason::SucceededGetScale, About::Nothing);
        self.restraint.seed(now, f64::from(look.current));
        let current = look.current;
        let mut plan = Plan {
            write: None,
            proposal: None,
            metric: None,
            why: None,
            failed: false,
            now,
            current,
            desired: current,
            ended: false,
            computed: false,
            broken: None,
        };
        let scaled_to_zero = self.settings.scale_to_zero
            && self.status.condition(ConditionKind::ScaledToZero).is_some_and(|condition| condition.status);
        if current == 0 && !wakes(scaled_to_zero, self.min, self.metrics.work_from_zero()) {
            self.set(now, ConditionKind::ScalingActive, false, ConditionReason::ScalingDisabled, About::Nothing);
            if !self.settings.scale_to_zero {
                self.status.remove(ConditionKind::ScaledToZero);
            }
            note(trace, 0.0, 0.0, Effect::ScalingDisabled);
            return plan;
        }
        if current != 0 && !(self.min..=self.max).contains(&current) {
            let (bound, why) = if current > self.max {
                (self.max, RescaleReason::AboveMax)
            } else {
                (self.min, RescaleReason::BelowMin)
            };
            plan.why = Some(why);
            note(trace, f64::from(current), f64::from(bound), Effect::OutsideBounds);
            plan.write = Some(bound);
            plan.desired = bound;
            return plan;
        }
        if let Some(problem) = problem {
            self.set(now, ConditionKind::ScalingActive, false, problem.reason(), About::Nothing);
            (plan.failed, plan.ended) = (true, true);
            return plan;
        }
        plan.computed = true;
        let statuses = &mut self.found;
        statuses.clear();
        let each = |result: Result<Computed, Failure>| statuses.push(result.ok().map(|computed| computed.status()));
        match self.metrics.judge(look, self.tolerances, trace, each) {
            Verdict::Failed { first, why: failure, .. } => {
                let reason = failed_to_get(self.metrics.specs()[first].kind);
                self.set(now, ConditionKind::ScalingActive, false, reason, About::Failed(first, failure));
                (plan.failed, plan.ended) = (true, true);
                plan.broken = Some((first, failure));
            }
            Verdict::Proposal { replicas, metric, failed } => {
                self.set(
                    now,
                    ConditionKind::ScalingActive,
                    true,
                    ConditionReason::ValidMetricFound,
                    About::Metric(metric),
                );
                plan.failed = failed.is_some();
                plan.proposal = Some(replicas);
                plan.metric = Some(metric);
                plan.why = match replicas.max(0).cmp(&count(current)) {
                    Ordering::Greater => Some(RescaleReason::AboveTarget(metric)),
                    Ordering::Less => Some(RescaleReason::AllBelowTarget),
                    Ordering::Equal => None,
                };
                plan.desired = self.restrain(now, current, replicas.max(0), trace);
                if current == 0 && scaled_to_zero && plan.desired < self.min {
                    (plan.desired, plan.why) = (self.min, Some(RescaleReason::BelowMin));
                }
                plan.write = (plan.desired != current).then_some(plan.desired);
            }
        }
        plan
    }

    /// Windows, rates and bounds, with the conditions that tell of them.
    fn restrain(&mut self, now: Timestamp, current: u32, proposal: i32, trace: &mut Trace) -> u32 {
        let (exact, from) = (f64::from(proposal), f64::from(current));
        let stabilized = self.restraint.stabilize(now, from, exact);
        let reason = if stabilized == exact {
            ConditionReason::ReadyForNewScale
        } else if exact >= from && !self.restraint.is_legacy() {
            ConditionReason::ScaleUpStabilized
        } else {
            ConditionReason::ScaleDownStabilized
        };
        self.set(now, ConditionKind::AbleToScale, true, reason, About::Nothing);
        if stabilized != exact {
            let effect = self.restraint.why_stabilized(now, exact, stabilized);
            note(trace, exact, stabilized, effect);
        }
        #[expect(clippy::cast_possible_truncation, reason = "every recommendation came from an i32")]
        let stabilized = stabilized as i32;
        let (allowed, reason) = self.limit(now, count(current), stabilized, trace);
        let limited = allowed != stabilized;
        self.set(now, ConditionKind::ScalingLimited, limited, reason, About::Nothing);
        allowed.max(0).unsigned_abs()
    }

    fn limit(&self, now: Timestamp, current: i32, stabilized: i32, trace: &mut Trace) -> (i32, ConditionReason) {
        let (min, max) = (count(self.min), count(self.max));
        let (from, legacy) = (f64::from(stabilized), self.restraint.is_legacy());
        // Without behavior both bounds are looked at, wherever the count comes from.
        let (upper, lower) =
            if legacy { (stabilized >= min, stabilized < min) } else { (stabilized > current, stabilized < current) };
        if upper {
            let limit = self.restraint.upper_limit(now, current);
            // A bound that is no further away goes before the rate.
            let (allowed, reason) = if max > limit.replicas {
                (limit.replicas, ConditionReason::ScaleUpLimit)
            } else {
                (max, ConditionReason::TooManyReplicas)
            };
            if stabilized > allowed {
                let effect = match reason {
                    ConditionReason::ScaleUpLimit => self.restraint.why_limited(limit, Direction::Up, now, current),
                    _ => Effect::Bounded { direction: Direction::Down },
                };
                note(trace, from, f64::from(allowed), effect);
                return (allowed, reason);
            }
        } else if lower {
            let limit = self.restraint.lower_limit(now, current);
            let (allowed, reason) = if min < limit.replicas {
                (limit.replicas, ConditionReason::ScaleDownLimit)
            } else {
                (min, ConditionReason::TooFewReplicas)
            };
            if stabilized < allowed {
                let effect = match reason {
                    ConditionReason::ScaleDownLimit => self.restraint.why_limited(limit, Direction::Down, now, current),
                    _ => Effect::Bounded { direction: Direction::Up },
                };
                note(trace, from, f64::from(allowed), effect);
                return (allowed, reason);
            }
        }
        (stabilized, ConditionReason::DesiredWithinRange)
    }

    /// The second half of a sync: `written` tells whether the write went well. Without a write it means nothing.
    pub fn finish(&mut self, plan: Plan, written: bool) -> Finished {
        let Plan { now, current, desired, why, .. } = plan;
        let mut event = plan.broken.map(|(metric, failure)| Event::MetricsFailed { metric, failure });
        let mut scaled = false;
        let mut ended = plan.ended;
        if plan.write.is_some() {
            if written {
                self.set(
                    now,
                    ConditionKind::AbleToScale,
                    true,
                    ConditionReason::SucceededRescale,
                    About::Replicas(desired),
                );
                let action = Action { at: now, from: current, to: desired, applied: true };
                self.restraint.record(action, self.restraint.periods());
                self.tell_zero(now, current, desired);
                scaled = true;
                event = Some(Event::Rescaled { to: desired, why });
            } else {
                event = Some(Event::RescaleFailed { to: desired, why });
                self.set(now, ConditionKind::AbleToScale, false, ConditionReason::FailedUpdateScale, About::Nothing);
                ended = true;
            }
        }
        self.status.current = current;
        if !ended {
            self.status.desired = desired;
        }
        self.status.metrics.clear();
        if plan.computed {
            self.status.metrics.extend_from_slice(&self.found);
        }
        if scaled {
            self.status.last_scale = Some(now);
        }
        let renamed = plan.computed && std::mem::take(&mut self.renamed);
        Finished { error: plan.failed || ended, event, status_changed: renamed || self.status != self.before }
    }

    /// After each change: whether it was this HPA that took the last replica away.
    fn tell_zero(&mut self, now: Timestamp, from: u32, to: u32) {
        if !self.settings.scale_to_zero {
            self.status.remove(ConditionKind::ScaledToZero);
            return;
        }
        let own = from > 0 && to == 0 && self.min == 0 && self.metrics.work_from_zero();
        let reason = if own { ConditionReason::ScaledToZero } else { ConditionReason::NotScaledToZero };
        self.set(now, ConditionKind::ScaledToZero, own, reason, About::Nothing);
    }

    fn set(&mut self, now: Timestamp, kind: ConditionKind, status: bool, reason: ConditionReason, about: About) {
        self.status.set(now, kind, status, reason, about);
    }

    /// Appends the histories to `state`. The status isn't among them: Kubernetes keeps it in the object.
    pub fn snapshot(&self, state: &mut Vec<u8>) {
        state.push(Self::STATE_VERSION);
        self.restraint.write(state);
    }

    /// Puts back what [`snapshot`](Self::snapshot) took out. On an error nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the bytes are no such histories.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(NAME, Self::STATE_VERSION, state)?;
        let restraint = self.restraint.read(&mut reader)?;
        reader.end()?;
        self.restraint = restraint;
        Ok(())
    }
}

fn note(trace: &mut Trace, from: f64, to: f64, effect: Effect) {
    trace.push(|| Reason::new(NAME, from, to, effect));
}

const fn failed_to_get(kind: MetricKind) -> ConditionReason {
    match kind {
        MetricKind::Resource => ConditionReason::FailedGetResourceMetric,
        MetricKind::ContainerResource => ConditionReason::FailedGetContainerResourceMetric,
        MetricKind::Pods => ConditionReason::FailedGetPodsMetric,
        MetricKind::Object => ConditionReason::FailedGetObjectMetric,
        MetricKind::External => ConditionReason::FailedGetExternalMetric,
    }
}
