//! What is known of single instances, for algorithms that look at them.

use std::time::Duration;

use crate::time::Timestamp;

/// One instance's state at the time of an observation. In Kubernetes: a pod's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceState {
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether it serves.
    pub readiness: Readiness,
    /// Since when its readiness is what it is. Means nothing while that is [`Readiness::Unreported`].
    pub since: Timestamp,
    /// When it was started; `None` when that is not known, as before its node took it.
    pub started: Option<Timestamp>,
    /// Whether it is being taken away.
    pub terminating: bool,
}

impl InstanceState {
    /// An instance in `phase`, `readiness` of which is so since `since`.
    #[must_use]
    pub const fn new(phase: Phase, readiness: Readiness, since: Timestamp) -> Self {
        Self { phase, readiness, since, started: None, terminating: false }
    }

    /// Whether it runs and is ready; it may be on its way out all the same.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.phase == Phase::Running && self.readiness == Readiness::Ready
    }

    /// The same, started at `started`.
    #[must_use]
    pub const fn with_started(mut self, started: Option<Timestamp>) -> Self {
        self.started = started;
        self
    }

    /// The same, being taken away or not.
    #[must_use]
    pub const fn with_terminating(mut self, terminating: bool) -> Self {
        self.terminating = terminating;
        self
    }
}

/// Where an instance is in its life, as a pod's `status.phase` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Accepted, and not running yet.
    Pending,
    /// Running.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Its node doesn't answer.
    Unknown,
}

impl Phase {
    /// As a pod's `status.phase` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// Whether an instance serves, as a pod's `Ready` condition says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does not.
    NotReady,
    /// Whoever should know doesn't.
    Unknown,
    /// Nobody has said anything yet.
    Unreported,
}

/// One instance's value of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// In thousandths.
    pub value: i64,
    /// The end of the time it was measured over.
    pub at: Timestamp,
    /// The length of that time.
    pub window: Duration,
}

/// A metric's samples, one for each instance of the observation that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Samples<'a> {
    /// By instance, in the order of [`Observation::instances`](crate::Observation::instances).
    pub of_instances: &'a [Option<Sample>],
    /// What each instance requests of the resource, in thousandths and in the same order. Empty where the
    /// target isn't a utilization.
    pub requests: &'a [i64],
    /// The values of instances that the observation doesn't know, in thousandths: just gone, or just come.
    pub of_others: &'a [i64],
}

impl<'a> Samples<'a> {
    /// `of_instances`, and nothing else.
    #[must_use]
    pub const fn new(of_instances: &'a [Option<Sample>]) -> Self {
        Self { of_instances, requests: &[], of_others: &[] }
    }

    /// The same, with what each instance requests.
    #[must_use]
    pub const fn with_requests(mut self, requests: &'a [i64]) -> Self {
        self.requests = requests;
        self
    }

    /// The same, with samples of instances that are not in the observation.
    #[must_use]
    pub const fn with_others(mut self, of_others: &'a [i64]) -> Self {
        self.of_others = of_others;
        self
    }

    /// The mean of all samples, in units; none where there are none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let all = self.of_instances.iter().flatten().map(|sample| sample.value).chain(self.of_others.iter().copied());
        let (count, sum) = all.fold((0_u32, 0_i128), |(count, sum), value| (count + 1, sum + i128::from(value)));
        #[expect(clippy::cast_precision_loss, reason = "a mean is a double")]
        (count > 0).then(|| sum as f64 / f64::from(count) / 1000.0)
    }
}
