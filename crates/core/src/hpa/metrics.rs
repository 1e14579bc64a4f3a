//! From each metric to a number of replicas, and from all of them to one: HPA's arithmetic.
//!
//! Kubernetes: pkg/controller/podautoscaler/replica_calculator.go, and horizontal.go `computeReplicasForMetrics`.
//! Doubles in the order in which the Go code has them, amounts in thousandths as `i64`.

use std::hint::select_unpredictable;

use super::NAME;
use super::instances::{self, Measure, PerInstance, StartRules, Usage};
use super::spec::{MetricSpec, MetricTarget, Settings, milli, whole};
use crate::metric::{MetricKind, Reading};
use crate::observation::Observation;
use crate::trace::{Effect, Judged, Reason, Trace};
use crate::units::Tolerances;

/// The metrics of one HPA.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    specs: Box<[MetricSpec]>,
    start: StartRules,
}

/// What one metric came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Computed {
    pub(crate) replicas: i32,
    shown: Shown,
    ratio: f64,
    counted: Option<u32>,
    missing: u32,
    unready: u32,
    how: Judged,
}

/// What a status shows is made of: only those that have one make it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shown {
    Usage(Measure),
    Utilization(i32),
    Average(i64),
    Value(i64),
    /// Thousandths, shared by so many replicas.
    Total {
        total: i64,
        existing: u32,
        external: bool,
    },
}

impl Computed {
    pub(crate) fn status(&self) -> MetricStatus {
        let none = MetricStatus::default();
        match self.shown {
            Shown::Usage(measure) => {
                MetricStatus { utilization: measure.utilization, average: Some(measure.average), ..none }
            }
            Shown::Utilization(percent) => MetricStatus { utilization: Some(percent), ..none },
            Shown::Average(average) => MetricStatus { average: Some(average), ..none },
            Shown::Value(value) => MetricStatus { value: Some(value), ..none },
            Shown::Total { total, existing, external } => {
                MetricStatus { average: share(total, existing, external), ..none }
            }
        }
    }
}

/// An overflown sum stays what it is; a share of nobody is nothing that could be shown.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "Go's float64(int64) and back")]
fn share(total: i64, existing: u32, external: bool) -> Option<i64> {
    match existing {
        _ if external && total as f64 >= i64::MAX as f64 => Some(i64::MAX),
        0 => None,
        _ => Some((total as f64 / f64::from(existing)).ceil() as i64),
    }
}

/// A metric's current value, as HPA's status shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricStatus {
    /// Percent of the request.
    pub utilization: Option<i32>,
    /// The mean, in thousandths. None where it is a total divided among no replicas.
    pub average: Option<i64>,
    /// The value itself, in thousandths.
    pub value: Option<i64>,
}

/// Why a metric came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Its reading isn't usable.
    #[error("no usable reading")]
    Unusable,
    /// The reading is of another kind: one number for a sample an instance, or the reverse.
    #[error("a reading that the metric's type and target can't use")]
    Unfit,
    /// The workload has no instances.
    #[error("no instances")]
    NoInstances,
    /// No instance that counts has a sample.
    #[error("no sample of an instance that counts; they may not be ready")]
    NoSamples,
    /// What the instances request isn't known.
    #[error("what the instances request is not known")]
    RequestsUnknown,
    /// What the measured instances request adds up to nothing.
    #[error("what the instances request adds up to nothing")]
    NothingRequested,
}

/// What all metrics came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The highest proposal and its metric. Some metrics may have failed: `failed` is the first of them.
    Proposal { replicas: i32, metric: usize, failed: Option<usize> },
    /// All failed, or some did and the others would take something away.
    Failed { first: usize, why: Failure, all: bool },
}

impl Metrics {
    pub(crate) fn new(specs: impl Into<Box<[MetricSpec]>>, settings: &Settings) -> Self {
        let start = StartRules {
            initialization_period: settings.cpu_initialization_period,
            readiness_delay: settings.initial_readiness_delay,
        };
        Self { specs: specs.into(), start }
    }

    pub(crate) fn specs(&self) -> &[MetricSpec] {
        &self.specs
    }

    /// Whether there is a metric that has a value while there are no replicas.
    pub(crate) fn work_from_zero(&self) -> bool {
        self.specs.iter().any(MetricSpec::works_from_zero)
    }

    /// The highest proposal, if no metric fails: what [`judge`](Self::judge) comes to then.
    #[inline]
    pub(crate) fn highest(&self, look: &Observation<'_>, tolerances: Tolerances) -> Option<i32> {
        if look.readings.len() < self.specs.len() {
            return None;
        }
        let mut highest = 0;
        for (spec, reading) in self.specs.iter().zip(look.readings) {
            let proposal = compute(spec, *reading, look, tolerances, self.start).ok()?.replicas;
            highest = select_unpredictable(is_higher(proposal, highest), proposal, highest);
        }
        Some(highest)
    }

    /// All metrics, one reading each; one that isn't there is missing. `each` is told what every one came to.
    #[inline(never)]
    pub(crate) fn judge(
        &self,
        look: &Observation<'_>,
        tolerances: Tolerances,
        trace: &mut Trace,
        mut each: impl FnMut(Result<Computed, Failure>),
    ) -> Verdict {
        let (mut replicas, mut metric, mut failed, mut failures) = (0, 0, None, 0);
        for (index, spec) in self.specs.iter().enumerate() {
            let reading = look.readings.get(index).copied().unwrap_or(Reading::Missing("no reading was given"));
            let result = compute(spec, reading, look, tolerances, self.start);
            match &result {
                Ok(computed) => {
                    trace.push(|| proposed(index, spec, computed, look));
                    if is_higher(computed.replicas, replicas) {
                        (replicas, metric) = (computed.replicas, index);
                    }
                }
                Err(failure) => {
                    note_failure(index, reading, *failure, look, trace);
                    failed = failed.or(Some((index, *failure)));
                    failures += 1;
                }
            }
            each(result);
        }
        let all = failures >= self.specs.len();
        match failed {
            Some((first, why)) if all || replicas < count(look.current) => Verdict::Failed { first, why, all },
            _ => {
                if self.specs.len() > 1 {
                    let of = self.specs.len() - failures;
                    let effect = Effect::Highest { metric, of };
                    trace.push(|| Reason::new(NAME, f64::from(look.current), f64::from(replicas.max(0)), effect));
                }
                Verdict::Proposal { replicas, metric, failed: failed.map(|(first, _)| first) }
            }
        }
    }
}

/// A proposal of 0 gives way to any later one: it is HPA's "none yet".
#[inline]
fn is_higher(proposal: i32, so_far: i32) -> bool {
    (so_far == 0) | (proposal > so_far)
}

/// A count in HPA's own type. No count is larger than that holds.
#[inline]
pub(crate) fn count(replicas: u32) -> i32 {
    replicas.min(i32::MAX.unsigned_abs()).cast_signed()
}

#[inline(always)]
fn compute(
    spec: &MetricSpec,
    reading: Reading<'_>,
    look: &Observation<'_>,
    tolerances: Tolerances,
    start: StartRules,
) -> Result<Computed, Failure> {
    if spec.kind.is_per_instance() {
        let target = PerInstance::try_from(spec.target)?;
        return match reading {
            Reading::Samples(samples) => {
                let cpu = spec.is_cpu().then_some(start);
                let instances = look.instances.unwrap_or_default();
                let usage = instances::usage(target, cpu, samples, instances, look.now)?;
                Ok(from_usage(&usage, count(look.current), tolerances))
            }
            Reading::Value(mean) if mean.is_finite() => Ok(from_mean(mean, target, look, tolerances)),
            Reading::Series(_) => Err(Failure::Unfit),
            _ => Err(Failure::Unusable),
        };
    }
    match (spec.target, reading) {
        (MetricTarget::Value(target), _) => from_value(sum(reading, add_capped)?, target, look, tolerances),
        (MetricTarget::AverageValue(target), _) => {
            let external = spec.kind == MetricKind::External;
            let total = sum(reading, if external { add_or_saturate } else { add_capped })?;
            Ok(from_total(total, target, look, tolerances, external))
        }
        // HPA has no such thing. Here a percentage is a value that needs no instances.
        (MetricTarget::Utilization(percent), Reading::Value(value)) if value.is_finite() => {
            Ok(from_mean(value, PerInstance::Utilization(f64::from(percent)), look, tolerances))
        }
        (MetricTarget::Utilization(_), Reading::Samples(_) | Reading::Series(_)) => Err(Failure::Unfit),
        (MetricTarget::Utilization(_), _) => Err(Failure::Unusable),
    }
}

/// A metric with a sample an instance.
fn from_usage(usage: &Usage, current: i32, tolerances: Tolerances) -> Computed {
    let Usage { measured, ready, assumed, missing, unready } = *usage;
    let shown = Shown::Usage(measured);
    let judge = |ratio: f64, counted: u32, how: Judged| {
        let replicas = if how == Judged::Multiplied { ceil(ratio * f64::from(counted)) } else { current };
        Computed { replicas, shown, ratio, counted: Some(counted), missing, unready, how }
    };
    let Some((assumed, values)) = assumed else {
        let within = tolerances.contains(measured.ratio);
        return judge(measured.ratio, ready, if within { Judged::WithinTolerance } else { Judged::Multiplied });
    };
    if tolerances.contains(assumed.ratio) {
        return judge(assumed.ratio, values, Judged::WithinTolerance);
    }
    let multiplied = judge(assumed.ratio, values, Judged::Multiplied);
    // The number of values may differ from the count, and so turn the direction as well.
    let wrong_way = (assumed.ratio < 1.0 && multiplied.replicas > current)
        || (assumed.ratio > 1.0 && multiplied.replicas < current);
    if instances::turns(measured.ratio, assumed.ratio) || wrong_way {
        return judge(assumed.ratio, values, Judged::DirectionTurned);
    }
    multiplied
}

/// A metric of instances of which only the mean is known: all of them count alike.
#[inline(always)]
fn from_mean(mean: f64, target: PerInstance, look: &Observation<'_>, tolerances: Tolerances) -> Computed {
    let (ratio, shown) = match target {
        PerInstance::Utilization(percent) => {
            let utilization = whole(mean);
            (f64::from(utilization) / percent, Shown::Utilization(utilization))
        }
        #[expect(clippy::cast_precision_loss, reason = "Go's float64(int64)")]
        PerInstance::Average { exact, .. } => {
            let average = milli(mean);
            (average as f64 / exact, Shown::Average(average))
        }
    };
    let within = tolerances.contains(ratio);
    let replicas = select_unpredictable(within, count(look.current), ceil(ratio * f64::from(look.ready)));
    let how = if within { Judged::WithinTolerance } else { Judged::Multiplied };
    Computed { replicas, shown, ratio, counted: Some(look.ready), missing: 0, unready: 0, how }
}

/// One value, of an object or from outside: its ratio multiplies the instances that serve.
#[expect(clippy::cast_precision_loss, reason = "Go's float64(int64)")]
#[inline(always)]
fn from_value(value: i64, target: i64, look: &Observation<'_>, tolerances: Tolerances) -> Result<Computed, Failure> {
    let ratio = value as f64 / target as f64;
    let shown = Shown::Value(value);
    let computed = |replicas, counted, how| Computed { replicas, shown, ratio, counted, missing: 0, unready: 0, how };
    if look.current == 0 {
        // From nothing there is no tolerance, and nothing to multiply.
        return Ok(computed(ceil(ratio), None, Judged::FromZero));
    }
    if tolerances.contains(ratio) {
        return Ok(computed(count(look.current), None, Judged::WithinTolerance));
    }
    let serving = match look.instances {
        Some([]) => return Err(Failure::NoInstances),
        Some(instances) => instances::serving(instances),
        None => look.ready,
    };
    Ok(computed(ceil(ratio * f64::from(serving)), Some(serving), Judged::Multiplied))
}

/// A total of which each replica has a share: the count there is doesn't matter, except to the tolerance.
#[expect(clippy::cast_precision_loss, reason = "Go's float64(int64)")]
#[inline(always)]
fn from_total(total: i64, target: i64, look: &Observation<'_>, tolerances: Tolerances, external: bool) -> Computed {
    let existing = f64::from(look.existing);
    let ratio = total as f64 / (target as f64 * existing);
    let within = tolerances.contains(ratio);
    let replicas = select_unpredictable(within, count(look.existing), ceil(total as f64 / target as f64));
    let shown = Shown::Total { total, existing: look.existing, external };
    let how = match look.existing {
        0 => Judged::FromZero,
        _ if within => Judged::WithinTolerance,
        _ => Judged::Multiplied,
    };
    Computed { replicas, shown, ratio, counted: None, missing: 0, unready: 0, how }
}

/// Rounded up, within Go's `int32`.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, where Go leaves it to the machine")]
#[inline]
pub(super) fn ceil(replicas: f64) -> i32 {
    // Not `f64::ceil`, which many targets have only as a function to call.
    let below = replicas as i32;
    below.saturating_add(i32::from(f64::from(below) < replicas))
}

/// All series of a reading in one sum; `add` says how an overflow ends. None: it has ended.
#[inline(always)]
fn sum(reading: Reading<'_>, add: fn(i64, i64) -> Option<i64>) -> Result<i64, Failure> {
    match reading {
        Reading::Series(series) if !series.is_empty() => {
            let mut sum = 0;
            for &value in series {
                match add(sum, value) {
                    Some(next) => sum = next,
                    None => return Ok(i64::MAX),
                }
            }
            Ok(sum)
        }
        Reading::Value(value) if value.is_finite() => Ok(milli(value)),
        Reading::Samples(_) => Err(Failure::Unfit),
        _ => Err(Failure::Unusable),
    }
}

/// For a Value target: a sum beyond the largest is the largest.
fn add_capped(sum: i64, value: i64) -> Option<i64> {
    if value > 0 && sum > i64::MAX - value { None } else { Some(sum.wrapping_add(value)) }
}

/// For an AverageValue target: a sum that has become negative has overflown.
fn add_or_saturate(sum: i64, value: i64) -> Option<i64> {
    Some(sum.wrapping_add(value)).filter(|sum| *sum >= 0)
}

fn proposed(metric: usize, spec: &MetricSpec, computed: &Computed, look: &Observation<'_>) -> Reason {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let units = |milli: i64| milli as f64 / 1000.0;
    let Computed { ratio, counted, missing, unready, how, .. } = *computed;
    let status = computed.status();
    let (usage, target, utilization) = match spec.target {
        MetricTarget::Utilization(target) => {
            (f64::from(status.utilization.unwrap_or_default()), f64::from(target), true)
        }
        MetricTarget::AverageValue(target) | MetricTarget::Value(target) => {
            let usage = match computed.shown {
                Shown::Total { total, existing: 0, .. } => Some(total),
                _ => status.average.or(status.value),
            };
            (usage.map_or(0.0, units), units(target), false)
        }
    };
    let effect = Effect::Proposed { metric, usage, target, utilization, ratio, counted, missing, unready, how };
    // HPA computes with a negative one, as of a negative reading, and in the end takes it as none.
    Reason::new(NAME, f64::from(look.current), f64::from(computed.replicas.max(0)), effect)
}

#[cold]
fn note_failure(metric: usize, reading: Reading<'_>, failure: Failure, look: &Observation<'_>, trace: &mut Trace) {
    if !trace.is_on() {
        return;
    }
    let (state, cause) = match failure {
        Failure::Unusable => {
            let (state, cause) = reading.state();
            (state, trace.keep(format_args!("{cause}")))
        }
        other => ("invalid", trace.keep(format_args!("{other}"))),
    };
    let current = f64::from(look.current);
    trace.push(|| Reason::new(NAME, current, current, Effect::Unusable { metric, state, cause }));
}
