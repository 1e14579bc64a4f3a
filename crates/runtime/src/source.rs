//! What reads metrics.

mod align;
mod command;
mod fetch;
mod fixed;
mod http;
mod once;
mod prometheus;

use std::sync::Arc;

use setpoint::{BoxFuture, Instance, Metric, Sample, TargetRef};
use tokio::time::Instant;

pub(crate) use self::align::Aligned;
pub use self::command::{Command, RunProgram};
pub use self::fetch::{Fetch, FetchError, RequestError};
pub use self::fixed::{Fixed, fixed};
pub use self::http::HttpJson;
pub use self::once::{CONCURRENCY, NO_TURN, once_each, read_each};
pub use self::prometheus::{Grid, PastError, Prometheus, PrometheusServer};

/// Reads metrics of one kind of source.
pub trait Source: Send + Sync {
    /// What it is called in messages and telemetry: `prometheus`.
    fn name(&self) -> &'static str;

    /// Whether it reads `metric`. The first of an engine's sources that does is asked.
    fn answers(&self, metric: &Metric) -> bool;

    /// Whether it has to know the instances: then it is asked once they are known, for each workload apart, and for all
    /// its metrics at once; else for all workloads of a tick at once, with no instances. Default: it hasn't.
    fn needs_instances(&self) -> bool {
        false
    }

    /// One answer a question, in order, at the earliest [`Question::until`] of them: what isn't answered then is missing,
    /// and what is, isn't lost with it. What can't be read is [`Measured::Missing`] with the cause: never a zero, and
    /// never an earlier value.
    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>>;
}

const _: Option<&dyn Source> = None;

/// What is to be read: one metric of one workload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// Whose.
    pub target: Arc<TargetRef>,
    /// Which.
    pub metric: Arc<Metric>,
    /// The instances there are; empty for sources that needn't know.
    pub instances: Arc<[Instance]>,
    /// When the answer is used at the latest, with whatever else was answered by then. None: whenever it comes.
    pub until: Option<Instant>,
}

impl Question {
    /// `metric` of `target`, whose instances needn't be known.
    #[must_use]
    pub fn new(target: Arc<TargetRef>, metric: Arc<Metric>) -> Self {
        Self { target, metric, instances: Arc::new([]), until: None }
    }

    /// The same, with the instances there are.
    #[must_use]
    pub fn with_instances(mut self, instances: Arc<[Instance]>) -> Self {
        self.instances = instances;
        self
    }

    /// The same, of use until then.
    #[must_use]
    pub const fn with_until(mut self, until: Instant) -> Self {
        self.until = Some(until);
        self
    }

    /// When all of `questions` are to be answered at the latest.
    #[must_use]
    pub fn earliest(questions: &[Self]) -> Option<Instant> {
        questions.iter().filter_map(|asked| asked.until).min()
    }
}

/// A [`Reading`](setpoint::Reading) that owns what it says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Measured {
    /// The value.
    Value(f64),
    /// The values of several series that add up, in thousandths.
    Series(Vec<i64>),
    /// A sample an instance, in any order.
    Samples(Vec<InstanceSample>),
    /// Nothing was measured, and why.
    Missing(String),
    /// A value exists, and is too old to act on: how old.
    Stale(String),
    /// Something came that is no number one can act on: what.
    Invalid(String),
}

/// What one instance uses, and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceSample {
    /// The instance's name.
    pub instance: String,
    /// What was measured of it, if anything was.
    pub sample: Option<Sample>,
    /// What it requests of the resource, in thousandths. Only of a utilization.
    pub request: Option<i64>,
}

impl InstanceSample {
    /// `sample` of `instance`.
    #[must_use]
    pub fn new(instance: impl Into<String>, sample: Option<Sample>) -> Self {
        Self { instance: instance.into(), sample, request: None }
    }

    /// The same of an instance that requests so many thousandths.
    #[must_use]
    pub const fn with_request(mut self, request: Option<i64>) -> Self {
        self.request = request;
        self
    }
}

impl Measured {
    /// The value in one number, when there is a finite one: the sum of series, the mean of samples.
    #[must_use]
    pub fn usable(&self) -> Option<f64> {
        let aligned = Aligned::new(self, &[], false);
        aligned.reading_of(&aligned.samples()).usable()
    }

    /// The state in one word, `value`, `missing`, `stale` or `invalid`, and the text that came with it.
    #[must_use]
    pub fn state(&self) -> (&'static str, &str) {
        match self {
            Self::Missing(why) => ("missing", why),
            Self::Stale(why) => ("stale", why),
            Self::Invalid(why) => ("invalid", why),
            Self::Value(_) | Self::Series(_) | Self::Samples(_) if self.usable().is_some() => ("value", ""),
            Self::Value(_) => ("invalid", "not a finite number"),
            Self::Series(_) => ("missing", "no series"),
            Self::Samples(_) => ("missing", "no samples"),
        }
    }
}
