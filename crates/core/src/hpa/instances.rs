//! HPA's rules for instances that are not ready or not measured, in front of any ratio.
//!
//! Kubernetes: pkg/controller/podautoscaler/replica_calculator.go, `groupPods`, `GetResourceReplicas` and
//! `calcPlainMetricReplicas`; metrics/utilization.go.

use std::time::Duration;

use super::metrics::Failure;
use super::spec::{MetricTarget, milli};
use crate::instance::{InstanceState, Phase, Readiness, Sample, Samples};
use crate::metric::Target;
use crate::time::Timestamp;

/// When an instance's CPU sample counts: while it starts, the work of starting is no load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRules {
    /// For so long after its start an instance has to be ready, and its sample wholly from after it became so. Default
    /// 300 s, as kube-controller-manager's `--horizontal-pod-autoscaler-cpu-initialization-period`.
    pub initialization_period: Duration,
    /// An instance that is not ready later counts, if it was ready at all: if that changed so long after its start. Default
    /// 30 s, as `--horizontal-pod-autoscaler-initial-readiness-delay`.
    pub readiness_delay: Duration,
}

impl Default for StartRules {
    fn default() -> Self {
        Self { initialization_period: Duration::from_secs(300), readiness_delay: Duration::from_secs(30) }
    }
}

/// What a mean over instances is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PerInstance {
    /// Percent of what the instances request.
    Utilization(f64),
    /// Thousandths an instance: what a missing one is taken to use, and what the mean is compared with.
    Average { whole: i64, exact: f64 },
}

impl PerInstance {
    /// A policy's target as it is, part of a percent included; none for a value of all instances together.
    pub(crate) fn of(target: Target) -> Option<Self> {
        match target {
            Target::Utilization(percent) => Some(Self::Utilization(percent.get())),
            Target::AverageValue(value) => {
                Some(Self::Average { whole: milli(value.get()), exact: value.get() * 1000.0 })
            }
            Target::Value(_) => None,
        }
    }
}

impl TryFrom<MetricTarget> for PerInstance {
    type Error = Failure;

    /// HPA's own target, in its integers.
    #[expect(clippy::cast_precision_loss, reason = "Go's float64(int64)")]
    #[inline]
    fn try_from(target: MetricTarget) -> Result<Self, Failure> {
        match target {
            MetricTarget::Utilization(percent) => Ok(Self::Utilization(f64::from(percent))),
            MetricTarget::AverageValue(whole) => Ok(Self::Average { whole, exact: whole as f64 }),
            MetricTarget::Value(_) => Err(Failure::Unfit),
        }
    }
}

/// The use of a metric's instances, as the samples say, and after what isn't known was filled in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// Over the samples that count.
    pub(crate) measured: Measure,
    /// The samples that count. Without those of instances that the observation doesn't know.
    pub(crate) ready: u32,
    /// The same with an assumption for each instance that lacks a sample or isn't ready, and how many values
    /// that makes; none where nothing had to be assumed.
    pub(crate) assumed: Option<(Measure, u32)>,
    /// Instances that lack a sample.
    pub(crate) missing: u32,
    /// Instances whose sample doesn't count because they aren't ready.
    pub(crate) unready: u32,
}

/// One comparison of use and target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measure {
    pub(crate) ratio: f64,
    /// Percent, for a utilization.
    pub(crate) utilization: Option<i32>,
    /// The mean, in thousandths.
    pub(crate) average: i64,
}

/// What HPA takes an instance for, in a metric of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceGroup {
    /// It is on its way out, or has failed: it isn't looked at.
    Ignored,
    /// It isn't ready: it counts as idle on the way up.
    Unready,
    /// It has no sample: it counts as idle on the way up, and as busy on the way down.
    Missing,
    /// Its sample counts: the value, in thousandths.
    Counts(i64),
}

/// Values and requests, added up. Go's arithmetic wraps, and so does this.
#[derive(Clone, Copy, Default)]
struct Sum {
    values: i64,
    requests: i64,
    /// With a known request.
    matched: i64,
    /// All.
    count: u32,
}

impl Sum {
    fn add(&mut self, value: i64, request: i64) {
        self.values = self.values.wrapping_add(value);
        self.requests = self.requests.wrapping_add(request);
        self.matched += 1;
        self.count += 1;
    }

    fn join(&mut self, other: Self) {
        self.values = self.values.wrapping_add(other.values);
        self.requests = self.requests.wrapping_add(other.requests);
        self.matched += other.matched;
        self.count += other.count;
    }

    #[expect(clippy::cast_precision_loss, reason = "Go's float64(int64)")]
    fn measure(self, target: PerInstance) -> Result<Measure, Failure> {
        match target {
            PerInstance::Utilization(percent) => {
                if self.requests == 0 {
                    return Err(Failure::NothingRequested);
                }
                // Whole percents before the division: 79.9 % is 79 %.
                #[expect(clippy::cast_possible_truncation, reason = "Go's int32(int64)")]
                let utilization = self.values.wrapping_mul(100).wrapping_div(self.requests) as i32;
                let ratio = f64::from(utilization) / percent;
                Ok(Measure { ratio, utilization: Some(utilization), average: self.values.wrapping_div(self.matched) })
            }
            PerInstance::Average { exact, .. } => {
                let average = self.values.wrapping_div(i64::from(self.count));
                Ok(Measure { ratio: average as f64 / exact, utilization: None, average })
            }
        }
    }
}

/// What `samples` of `instances` say of a metric with `target`. `cpu` gives the rules for starting instances,
/// which hold for CPU alone.
pub(crate) fn usage(
    target: PerInstance,
    cpu: Option<StartRules>,
    samples: &Samples<'_>,
    instances: &[InstanceState],
    now: Timestamp,
) -> Result<Usage, Failure> {
    if instances.is_empty() {
        return Err(Failure::NoInstances);
    }
    let known = samples.requests.len() == instances.len();
    // On the way down a missing instance is taken to use all it requests, or its target where that is more.
    let fallback = match target {
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates; HPA's percents are whole")]
        PerInstance::Utilization(percent) => percent.max(100.0) as i64,
        PerInstance::Average { .. } => 0,
    };
    let (mut counted, mut unready) = (Sum::default(), Sum::default());
    let (mut missing_idle, mut missing_busy) = (Sum::default(), Sum::default());
    for (index, instance) in instances.iter().enumerate() {
        let request = if known { samples.requests[index] } else { 0 };
        match instance_group(instance, samples.of_instances.get(index).and_then(Option::as_ref), cpu, now) {
            InstanceGroup::Ignored => {}
            InstanceGroup::Unready => unready.add(0, request),
            InstanceGroup::Counts(value) => counted.add(value, request),
            InstanceGroup::Missing => {
                let busy = match target {
                    PerInstance::Utilization(_) => request.wrapping_mul(fallback) / 100,
                    PerInstance::Average { whole, .. } => whole,
                };
                missing_idle.add(0, request);
                missing_busy.add(busy, request);
            }
        }
    }
    let ready = counted.count;
    // Samples of instances that nobody knows: in a plain mean they count, to a utilization they lack a request.
    for &value in samples.of_others {
        counted.count += 1;
        if matches!(target, PerInstance::Average { .. }) {
            counted.values = counted.values.wrapping_add(value);
        }
    }
    if counted.count == 0 {
        return Err(Failure::NoSamples);
    }
    if matches!(target, PerInstance::Utilization(_)) && !known {
        return Err(Failure::RequestsUnknown);
    }
    let measured = counted.measure(target)?;
    let grow_with_unready = unready.count > 0 && measured.ratio > 1.0;
    let mut assumed = None;
    if grow_with_unready || missing_idle.count > 0 {
        let mut all = counted;
        if measured.ratio < 1.0 {
            all.join(missing_busy);
        } else if measured.ratio > 1.0 {
            all.join(missing_idle);
        }
        if grow_with_unready {
            all.join(unready);
        }
        assumed = Some((all.measure(target)?, all.count));
    }
    Ok(Usage { measured, ready, assumed, missing: missing_idle.count, unready: unready.count })
}

/// What HPA takes an instance for at `now`, by its `sample` of a metric. `cpu` gives the rules for starting instances, which
/// hold for CPU alone.
///
/// Kubernetes: `groupPods` in pkg/controller/podautoscaler/replica_calculator.go.
#[must_use]
pub fn instance_group(
    instance: &InstanceState,
    sample: Option<&Sample>,
    cpu: Option<StartRules>,
    now: Timestamp,
) -> InstanceGroup {
    if instance.terminating || instance.phase == Phase::Failed {
        return InstanceGroup::Ignored;
    }
    if instance.phase == Phase::Pending {
        return InstanceGroup::Unready;
    }
    let Some(sample) = sample else {
        return InstanceGroup::Missing;
    };
    let starting = cpu.is_some_and(|rules| is_starting(instance, sample, rules, now));
    if starting { InstanceGroup::Unready } else { InstanceGroup::Counts(sample.value) }
}

fn is_starting(instance: &InstanceState, sample: &Sample, rules: StartRules, now: Timestamp) -> bool {
    let Some(started) = instance.started else {
        return true;
    };
    let not_ready = instance.readiness == Readiness::NotReady;
    if instance.readiness == Readiness::Unreported {
        true
    } else if started + rules.initialization_period > now {
        not_ready || sample.at < instance.since + sample.window
    } else {
        not_ready && started + rules.readiness_delay > instance.since
    }
}

/// Instances that run and serve, terminating ones included: what the ratio of a single value multiplies.
pub(crate) fn serving(instances: &[InstanceState]) -> u32 {
    u32::try_from(instances.iter().filter(|instance| instance.serves()).count()).unwrap_or(u32::MAX)
}

impl Usage {
    /// The ratio for an algorithm that multiplies its own count: the one after the assumptions, and 1 where
    /// those turn its direction.
    pub(crate) fn ratio(&self) -> f64 {
        match self.assumed {
            Some((assumed, _)) if turns(self.measured.ratio, assumed.ratio) => 1.0,
            Some((assumed, _)) => assumed.ratio,
            None => self.measured.ratio,
        }
    }
}

/// Whether one ratio asks for more and the other for less.
pub(crate) fn turns(one: f64, other: f64) -> bool {
    (one < 1.0 && other > 1.0) || (one > 1.0 && other < 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn pods_are_grouped_as_hpa_does() {
        let sample = |second| Some(Sample { value: 1, at: at(second), window: Duration::from_secs(10) });
        // In a phase, ready or not since when, and started at 0; looked at when.
        let state = |phase, readiness, since| InstanceState::new(phase, readiness, at(since)).with_started(Some(at(0)));
        let running = |readiness, since| state(Phase::Running, readiness, since);
        let (ready, unready) = (Readiness::Ready, Readiness::NotReady);
        let counts = InstanceGroup::Counts(1);
        let cases = [
            ("failed", state(Phase::Failed, ready, 5), sample(100), true, 100, InstanceGroup::Ignored),
            (
                "on its way out",
                running(ready, 5).with_terminating(true),
                sample(100),
                true,
                100,
                InstanceGroup::Ignored,
            ),
            ("pending", state(Phase::Pending, unready, 5), sample(100), false, 100, InstanceGroup::Unready),
            ("not measured", running(ready, 5), None, true, 100, InstanceGroup::Missing),
            ("ready", running(ready, 5), sample(100), true, 100, counts),
            ("not ready, of memory", running(unready, 5), sample(100), false, 100, counts),
            ("not ready, and starting", running(unready, 5), sample(100), true, 100, InstanceGroup::Unready),
            ("measured before it was ready", running(ready, 95), sample(100), true, 100, InstanceGroup::Unready),
            ("never ready", running(unready, 20), sample(400), true, 400, InstanceGroup::Unready),
            ("ready once", running(unready, 40), sample(400), true, 400, counts),
            ("nobody says", running(Readiness::Unreported, 0), sample(400), true, 400, InstanceGroup::Unready),
            ("not started", running(ready, 5).with_started(None), sample(400), true, 400, InstanceGroup::Unready),
        ];
        for (name, state, sample, is_cpu, now, want) in cases {
            let cpu = is_cpu.then(StartRules::default);
            assert_eq!(instance_group(&state, sample.as_ref(), cpu, at(now)), want, "{name}");
        }
    }
}
