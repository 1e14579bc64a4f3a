//! Which instances count: how many are ready, and what each of them uses.
//!
//! DataDog WatermarkPodAutoscaler: controllers/datadoghq/replica_calculator.go, `getReadyPodsCount` and `groupPods`.

use serde::Serialize;

use super::spec::{Algorithm, MetricSpec, Rules};
use crate::hpa::metrics::count;
use crate::instance::{InstanceState, Phase, Readiness, Samples};
use crate::metric::Reading;
use crate::observation::Observation;

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// A reading is missing, too old, or no number.
    Unusable,
    /// There are no instances.
    NoInstances,
    /// None of them is ready.
    NoneReady,
    /// Fewer of them are ready than `minAvailableReplicaPercentage` asks for.
    TooFewReady {
        /// How many percent are.
        percent: i64,
        /// How many have to be.
        least: u32,
    },
    /// No instance that counts has a sample.
    NoSamples,
    /// What the instances request isn't known, or adds up to nothing.
    RequestsUnknown,
    /// Every instance was left out, and the controller divides by how many are left. It recovers, and the sync leaves
    /// no trace.
    DividedByZero,
}

/// A look, with what it has no place for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) look: &'a Observation<'a>,
    /// Pods that the workload's selector finds, and that are somebody else's.
    pub(super) foreign: u32,
}

/// What a metric comes to, before it is compared: thousandths, and the replicas that they are multiplied by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) amount: f64,
    pub(super) ready: i32,
    /// Whether all that was measured adds up to nothing.
    pub(super) zero: bool,
}

impl Rules {
    /// The ready replicas, where there are enough of them.
    #[inline]
    pub(super) fn ready(&self, seen: &Seen<'_>) -> Result<i32, Failure> {
        let Some(instances) = seen.look.instances else {
            let existing = seen.look.existing;
            return self.enough(seen.look.ready, existing, existing, existing == 0);
        };
        let now = seen.look.now;
        let (mut ready, mut ended) = (0, 0);
        for instance in instances {
            if matches!(instance.phase, Phase::Failed | Phase::Succeeded) {
                ended += 1;
            } else if self.is_ready(instance, now) {
                ready += 1;
            }
        }
        let own = number(instances.len());
        self.enough(ready, own - ended, seen.look.existing, own + seen.foreign == 0)
    }

    #[inline]
    fn is_ready(&self, instance: &InstanceState, now: crate::time::Timestamp) -> bool {
        if !self.exact {
            return instance.serves() && !instance.terminating;
        }
        if instance.readiness == Readiness::Unreported || instance.started.is_none() || instance.terminating {
            return false;
        }
        // A pending one counts for a while, as if it were about to start.
        let starting = || {
            instance.phase == Phase::Pending && now.as_millis() < (instance.since + self.readiness_delay).as_millis()
        };
        instance.serves() || starting()
    }

    /// At most as many are ready as there are: others may wear the same labels.
    #[inline]
    fn enough(&self, ready: u32, of: u32, existing: u32, none: bool) -> Result<i32, Failure> {
        let capped = ready.min(existing);
        if none {
            return Err(Failure::NoInstances);
        }
        if ready == 0 || (!self.exact && capped == 0) {
            return Err(Failure::NoneReady);
        }
        self.available(capped, of)?;
        Ok(count(capped))
    }

    #[inline]
    fn available(&self, ready: u32, of: u32) -> Result<(), Failure> {
        let least = self.min_available;
        if least == 0 {
            return Ok(());
        }
        let percent = 100 * i64::from(ready) / i64::from(of.max(1));
        if percent < i64::from(least) { Err(Failure::TooFewReady { percent, least }) } else { Ok(()) }
    }

    /// What a metric of the workload as a whole comes to.
    #[inline]
    pub(super) fn total(&self, spec: &MetricSpec, reading: Reading<'_>, ready: i32) -> Result<Usage, Failure> {
        let sum = match reading {
            Reading::Series(series) if !series.is_empty() => {
                series.iter().fold(0_i64, |sum, &value| sum.wrapping_add(value))
            }
            other => milli(other.usable().ok_or(Failure::Unusable)?),
        };
        let amount = match spec.algorithm {
            Algorithm::Absolute => float(sum),
            Algorithm::Average => float(sum) / f64::from(ready),
        };
        Ok(Usage { amount, ready, zero: sum == 0 })
    }

    /// What a metric of each instance comes to. `ready` is only called for where it is needed.
    pub(super) fn per_instance(
        &self,
        spec: &MetricSpec,
        reading: Reading<'_>,
        seen: &Seen<'_>,
        ready: impl FnOnce() -> Result<i32, Failure>,
    ) -> Result<Usage, Failure> {
        match (reading, seen.look.instances) {
            (Reading::Samples(samples), Some(instances)) if self.exact => self.sum(spec, samples, instances, seen),
            (Reading::Samples(samples), Some(instances)) => {
                let ready = ready()?;
                self.mean(spec, samples, instances, seen.look, ready)
            }
            // One number is the mean of all.
            _ => {
                let mean = milli(reading.usable().ok_or(Failure::Unusable)?);
                let ready = ready()?;
                let summed = self.exact && spec.algorithm == Algorithm::Absolute && !spec.of_request;
                let amount = if summed { float(mean) * f64::from(ready) } else { float(mean) };
                Ok(Usage { amount, ready, zero: mean == 0 })
            }
        }
    }

    /// As the controller has it: the sum of every sample but those of instances that are left out.
    fn sum(
        &self,
        spec: &MetricSpec,
        samples: &Samples<'_>,
        instances: &[InstanceState],
        seen: &Seen<'_>,
    ) -> Result<Usage, Failure> {
        let all = number(instances.len()) + seen.foreign;
        if all == 0 {
            return Err(Failure::NoInstances);
        }
        let cpu = spec.is_cpu();
        let (mut ready, mut left_out, mut sum) = (0_u32, 0, 0_i64);
        for (instance, sample) in with_samples(instances, samples) {
            if matches!(instance.phase, Phase::Failed | Phase::Pending) {
                left_out += 1;
                continue;
            }
            let Some(value) = sample else { continue };
            // The start is compared with when it became ready, not with now: who was fast is left out for good.
            let unready = |instance: &InstanceState| {
                instance.readiness == Readiness::Unreported
                    || instance.readiness == Readiness::NotReady
                    || instance.started.is_none_or(|started| started + self.readiness_delay > instance.since)
            };
            if cpu && unready(instance) {
                left_out += 1;
                continue;
            }
            ready += 1;
            sum = sum.wrapping_add(value);
        }
        if all == left_out {
            return Err(Failure::DividedByZero);
        }
        self.available(ready, all - left_out)?;
        if ready == 0 && samples.of_others.is_empty() {
            return Err(Failure::NoSamples);
        }
        sum = samples.of_others.iter().fold(sum, |sum, &value| sum.wrapping_add(value));
        if spec.of_request {
            // Nothing the controller knows: the mean of what is requested.
            return self.mean(spec, samples, instances, seen.look, count(ready));
        }
        let amount = match spec.algorithm {
            Algorithm::Absolute => float(sum),
            Algorithm::Average => float(sum) / f64::from(ready),
        };
        // Zero is a value like any other here.
        Ok(Usage { amount, ready: count(ready), zero: false })
    }

    /// The mean of the samples of instances that serve, or what part of their requests they use.
    fn mean(
        &self,
        spec: &MetricSpec,
        samples: &Samples<'_>,
        instances: &[InstanceState],
        look: &Observation<'_>,
        ready: i32,
    ) -> Result<Usage, Failure> {
        let cpu = spec.is_cpu();
        if spec.of_request && samples.requests.len() != instances.len() {
            return Err(Failure::RequestsUnknown);
        }
        let (mut counted, mut sum, mut requested) = (0_u32, 0_i128, 0_i128);
        for (index, (instance, sample)) in with_samples(instances, samples).enumerate() {
            let Some(value) = sample else { continue };
            // What it uses while it starts says nothing of what it will use.
            let starting = cpu && instance.started.is_some_and(|started| started + self.readiness_delay > look.now);
            if !instance.serves() || instance.terminating || starting {
                continue;
            }
            counted += 1;
            sum += i128::from(value);
            requested += i128::from(samples.requests.get(index).copied().unwrap_or_default());
        }
        if counted == 0 {
            return Err(Failure::NoSamples);
        }
        let amount = if spec.of_request {
            if requested <= 0 {
                return Err(Failure::RequestsUnknown);
            }
            // Thousandths of a percent.
            wide(sum) * 100_000.0 / wide(requested)
        } else {
            wide(sum) / f64::from(counted)
        };
        Ok(Usage { amount, ready, zero: sum == 0 })
    }
}

fn with_samples<'a>(
    instances: &'a [InstanceState],
    samples: &'a Samples<'_>,
) -> impl Iterator<Item = (&'a InstanceState, Option<i64>)> {
    let sample = |index: usize| samples.of_instances.get(index).copied().flatten().map(|sample| sample.value);
    instances.iter().enumerate().map(move |(index, instance)| (instance, sample(index)))
}

/// To the nearest thousandth, as the amounts of Kubernetes are whole ones.
#[inline]
pub(super) fn milli(units: f64) -> i64 {
    crate::hpa::spec::milli(units)
}

#[expect(clippy::cast_precision_loss, reason = "Go's float64(int64)")]
#[inline]
pub(super) fn float(milli: i64) -> f64 {
    milli as f64
}

#[expect(clippy::cast_precision_loss, reason = "a mean is a double")]
fn wide(sum: i128) -> f64 {
    sum as f64
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
