//! What is measured: a metric with its target, and a reading with its state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, near_miss};
use crate::instance::Samples;
use crate::source::MetricSource;
use crate::units::{Positive, RangeError};

/// A metric of a policy: a name and what its reading should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The name under which a source gives the reading. Unique in a policy.
    pub name: String,
    /// What is measured, in HPA's words. Default `External`.
    #[serde(rename = "type", default, skip_serializing_if = "MetricKind::is_default")]
    pub kind: MetricKind,
    /// The resource of a `Resource` or `ContainerResource` metric. Default: the metric's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The container of a `ContainerResource` metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What the reading should be.
    pub target: Target,
    /// Where the reading comes from. Whoever runs the policy fetches it: nothing in this library does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<MetricSource>,
}

impl Metric {
    /// A metric `name` with `target`.
    ///
    /// ```
    /// use setpoint::{Metric, Target};
    /// let p99 = Metric::new("p99", Target::value(500.0)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        Self { name: name.into(), kind: MetricKind::External, resource: None, container: None, target, source: None }
    }

    /// The same, of another kind.
    #[must_use]
    pub const fn with_kind(mut self, kind: MetricKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same, from `source`.
    #[must_use]
    pub fn with_source(mut self, source: MetricSource) -> Self {
        self.source = Some(source);
        self
    }

    /// The resource that is measured, of the kinds that measure one.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.kind.is_resource().then(|| self.resource.as_deref().unwrap_or(&self.name))
    }

    /// The one of `metrics` called `name`, and its place among them; else an error about `field`.
    pub(crate) fn called<'a>(name: &str, metrics: &'a [Self], field: &str) -> Result<(usize, &'a Self), ConfigError> {
        metrics.iter().enumerate().find(|(_, metric)| metric.name == name).ok_or_else(|| {
            let known: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
            ConfigError::new(field, format!("no metric is called {name:?}; {}", near_miss(name, &known)))
        })
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let kind = self.kind;
        if let Some(source) = &self.source {
            source.check(self).map_err(|error| error.under("source"))?;
            if matches!(source, MetricSource::Pods(_)) && !kind.is_per_instance() {
                let message = "is read of each pod: the metric's type must be Pods";
                return Err(ConfigError::new("source.pods", message));
            }
        }
        if self.resource.is_some() && !kind.is_resource() {
            let message =
                format!("a metric of type {kind:?} measures no resource; types that do: Resource, ContainerResource");
            return Err(ConfigError::new("resource", message));
        }
        if kind.is_per_instance() && matches!(self.target, Target::Value(_)) {
            let message = format!(
                "a metric of type {kind:?} has a value an instance: its target must be averageValue or utilization"
            );
            return Err(ConfigError::new("target.value", message));
        }
        match (self.container.as_deref(), kind) {
            (None | Some(""), MetricKind::ContainerResource) => {
                Err(ConfigError::new("container", "a metric of type ContainerResource needs a container's name"))
            }
            (Some(_), other) if other != MetricKind::ContainerResource => {
                let message = format!("a metric of type {other:?} has no container; ContainerResource has");
                Err(ConfigError::new("container", message))
            }
            _ => Ok(()),
        }
    }
}

/// What is measured, in the words of HPA's `type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MetricKind {
    /// What each instance uses of a resource, such as its CPU.
    Resource,
    /// What one container of each instance uses of a resource.
    ContainerResource,
    /// Something else of each instance.
    Pods,
    /// One number of one object, such as the requests/s of an ingress.
    Object,
    /// One number, or several that add up, from anywhere.
    #[default]
    External,
}

impl MetricKind {
    /// Whether each instance has its own value. A reading in one number is then their mean.
    #[must_use]
    pub const fn is_per_instance(self) -> bool {
        matches!(self, Self::Resource | Self::ContainerResource | Self::Pods)
    }

    /// Whether it is a resource of the instances.
    #[must_use]
    pub const fn is_resource(self) -> bool {
        matches!(self, Self::Resource | Self::ContainerResource)
    }

    fn is_default(&self) -> bool {
        *self == Self::External
    }
}

/// What a reading should be. Greater than 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// The reading itself, whatever the number of replicas: a latency in milliseconds.
    Value(Positive),
    /// The reading divided by the current replicas: a queue of so many a replica.
    AverageValue(Positive),
    /// A percentage of what the replicas can do: 70 for 70 %.
    Utilization(Positive),
}

impl Target {
    /// [`Target::Value`].
    ///
    /// # Errors
    ///
    /// [`RangeError`] unless `value` is finite and greater than 0.
    pub fn value(value: f64) -> Result<Self, RangeError> {
        Positive::new(value).map(Self::Value)
    }

    /// [`Target::AverageValue`].
    ///
    /// # Errors
    ///
    /// As for [`Target::value`].
    pub fn average_value(value: f64) -> Result<Self, RangeError> {
        Positive::new(value).map(Self::AverageValue)
    }

    /// [`Target::Utilization`], in percent.
    ///
    /// # Errors
    ///
    /// As for [`Target::value`].
    pub fn utilization(percent: f64) -> Result<Self, RangeError> {
        Positive::new(percent).map(Self::Utilization)
    }

    /// What `reading` is compared with when there are `current` replicas.
    #[must_use]
    #[inline]
    pub fn amount(self, current: u32) -> f64 {
        match self {
            Self::Value(target) | Self::Utilization(target) => target.get(),
            Self::AverageValue(target) => target.get() * f64::from(current),
        }
    }
}

/// One metric's value, or why there is none. Zero is a value; a missing reading never is one.
///
/// The text says what went wrong, for the person who reads the decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading<'a> {
    /// The value.
    Value(f64),
    /// The values of several series that add up, each in thousandths: exact, as Kubernetes' amounts are.
    Series(&'a [i64]),
    /// A sample an instance.
    Samples(&'a Samples<'a>),
    /// Nothing was measured.
    Missing(&'a str),
    /// A value exists, and is too old to act on.
    Stale(&'a str),
    /// A value came, and is no number one can act on.
    Invalid(&'a str),
}

impl Reading<'_> {
    /// The value in one number, when there is a finite one: the sum of series, the mean of samples. A NaN that
    /// a source let through ends here.
    #[must_use]
    #[inline]
    pub fn usable(self) -> Option<f64> {
        match self {
            Self::Value(value) if value.is_finite() => Some(value),
            Self::Value(_) | Self::Missing(_) | Self::Stale(_) | Self::Invalid(_) => None,
            several => several.summed_up(),
        }
    }

    // Beside the hot path: few algorithms that look at one number are given more.
    #[cold]
    fn summed_up(self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "a reading in one number is a double")]
            Self::Series(series) if !series.is_empty() => {
                Some(series.iter().map(|&value| i128::from(value)).sum::<i128>() as f64 / 1000.0)
            }
            Self::Samples(samples) => samples.mean(),
            _ => None,
        }
    }

    /// The state in one word, and the text that came with it.
    #[must_use]
    pub fn state(&self) -> (&'static str, &str) {
        match self {
            Self::Value(value) if value.is_finite() => ("value", ""),
            Self::Value(_) => ("invalid", "not a finite number"),
            Self::Series([]) => ("missing", "no series"),
            Self::Series(_) => ("value", ""),
            Self::Samples(samples) if samples.mean().is_none() => ("missing", "no samples"),
            Self::Samples(_) => ("value", ""),
            Self::Missing(why) => ("missing", why),
            Self::Stale(why) => ("stale", why),
            Self::Invalid(why) => ("invalid", why),
        }
    }
}
