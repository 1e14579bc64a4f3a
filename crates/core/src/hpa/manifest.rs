//! A HorizontalPodAutoscaler manifest, as a cluster takes it.
//!
//! Kubernetes: staging/src/k8s.io/api/autoscaling/v2/types.go, pkg/apis/autoscaling/v2/defaults.go and
//! pkg/apis/autoscaling/validation/validation.go.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Hpa;
use super::behavior::Behavior;
use super::spec::{MetricSpec, MetricTarget, Spec};
use crate::config::{ConfigError, parse_config};
use crate::metric::{Metric, MetricKind, Target};
use crate::policy::{AlgorithmSpec, Metadata, Policy, PolicySpec, StageSpec, TargetRef};
use crate::quantity::Quantity;
use crate::stage::restrained::Restrained;

/// An autoscaling/v2 HorizontalPodAutoscaler. Its status and the server's part of its metadata are not looked at.
///
/// ```
/// use serde_json::json;
/// use setpoint::hpa::{Manifest, MetricTarget};
///
/// let manifest = Manifest::from_value(&json!({
///     "apiVersion": "autoscaling/v2",
///     "kind": "HorizontalPodAutoscaler",
///     "metadata": { "name": "web" },
///     "spec": {
///         "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
///         "maxReplicas": 10,
///         "behavior": { "scaleDown": { "stabilizationWindowSeconds": 60 } },
///     },
/// }))?;
/// // Without metrics it is 80 % of the CPU, and without minReplicas it is 1.
/// assert_eq!(manifest.spec().metrics[0].target, MetricTarget::Utilization(80));
/// assert_eq!(manifest.policy().spec.min_replicas, 1);
/// # Ok::<(), setpoint::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    metadata: Metadata,
    target: TargetRef,
    spec: Spec,
}

const API_VERSION: &str = "autoscaling/v2";
const KIND: &str = "HorizontalPodAutoscaler";
/// What defaults.go has an HPA without metrics look at: percent of the CPU requested.
const DEFAULT_CPU: i32 = 80;

impl Manifest {
    /// Whether `document` says that it is one.
    #[must_use]
    pub fn is_one(document: &Value) -> bool {
        document.get("kind").and_then(Value::as_str) == Some(KIND)
    }

    /// Reads a manifest, already parsed into a JSON value.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the field's path for what the API server would refuse: another version, an unknown field
    /// in the spec, a target without its value, a value that is not above zero, `minReplicas` above `maxReplicas`.
    pub fn from_value(document: &Value) -> Result<Self, ConfigError> {
        let written: Written = parse_config(document)?;
        if written.api_version != API_VERSION {
            let message = format!("must be {API_VERSION}, got {}; `kubectl convert` makes one", written.api_version);
            return Err(ConfigError::new("apiVersion", message));
        }
        if written.metadata.name.is_empty() {
            return Err(ConfigError::new("metadata.name", "must not be empty"));
        }
        let spec = written.spec.read().map_err(|error| error.under("spec"))?;
        let WrittenMetadata { name, namespace, labels } = written.metadata;
        let WrittenTarget { api_version, kind, name: target } = written.spec.scale_target_ref;
        let target = TargetRef {
            // Kinds of the core group have no group to name.
            api_version: api_version.filter(|version| !version.is_empty()).unwrap_or_else(|| "v1".to_owned()),
            kind,
            name: target,
            namespace: namespace.clone(),
        };
        let metadata = Metadata { name, namespace, labels: labels.unwrap_or_default(), annotations: BTreeMap::new() };
        Ok(Self { metadata, target, spec })
    }

    /// What it asks for, in the numbers that HPA computes with.
    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The same as a policy: the algorithm `hpa`, and its `behavior` or what an HPA does without.
    ///
    /// Readings are found by the metric's name: `cpu` for a resource, `app/cpu` for that of the container `app`, else
    /// the metric's own. A second metric of one name becomes `name#2`.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let mut metrics: Vec<Metric> = Vec::with_capacity(self.spec.metrics.len());
        for spec in &self.spec.metrics {
            let plain = match &spec.container {
                Some(container) => format!("{container}/{}", spec.name),
                None => spec.name.clone(),
            };
            let taken = |name: &String| metrics.iter().any(|metric| metric.name == *name);
            let numbered = (2..).map(|number| format!("{plain}#{number}"));
            let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken(name));
            let mut metric = Metric::new(name.unwrap_or(plain), in_units(spec.target)).with_kind(spec.kind);
            metric.resource = spec.kind.is_resource().then(|| spec.name.clone());
            metric.container.clone_from(&spec.container);
            metrics.push(metric);
        }
        let algorithm = AlgorithmSpec::named(Hpa::NAME, Value::Null);
        let mut spec = PolicySpec::new(self.spec.min, self.spec.max, metrics, algorithm)
            .expect("a manifest that was read makes a policy");
        spec.target_ref = Some(self.target.clone());
        spec.behavior.clone_from(&self.spec.behavior);
        if spec.behavior.is_none() {
            let legacy = Restrained::<Hpa>::LEGACY_NAME;
            spec.stages.push(StageSpec { name: legacy.to_owned(), config: Value::Object(serde_json::Map::new()) });
        }
        Policy::new(self.metadata.clone(), spec)
    }
}

/// A target that was read, and so is above zero, in a policy's units.
fn in_units(target: MetricTarget) -> Target {
    #[expect(clippy::cast_precision_loss, reason = "below 2^51 the thousandths come out as they went in")]
    let units = |milli: i64| milli as f64 / 1000.0;
    let made = match target {
        MetricTarget::Utilization(percent) => Target::utilization(f64::from(percent)),
        MetricTarget::AverageValue(milli) => Target::average_value(units(milli)),
        MetricTarget::Value(milli) => Target::value(units(milli)),
    };
    made.expect("a target that was read is above zero")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: WrittenMetadata,
    spec: WrittenSpec,
    #[serde(default, rename = "status")]
    _status: Value,
}

// What a server adds to it is nobody's mistake.
#[derive(Deserialize)]
struct WrittenMetadata {
    name: String,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenSpec {
    scale_target_ref: WrittenTarget,
    min_replicas: Option<u32>,
    max_replicas: u32,
    metrics: Option<Vec<WrittenMetric>>,
    behavior: Option<Behavior>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenTarget {
    api_version: Option<String>,
    kind: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenMetric {
    #[serde(rename = "type")]
    kind: MetricKind,
    resource: Option<ResourceSource>,
    container_resource: Option<ContainerSource>,
    pods: Option<NamedSource>,
    object: Option<ObjectSource>,
    external: Option<NamedSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceSource {
    name: String,
    target: WrittenMetricTarget,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainerSource {
    name: String,
    container: String,
    target: WrittenMetricTarget,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedSource {
    metric: Identifier,
    target: WrittenMetricTarget,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ObjectSource {
    #[serde(rename = "describedObject")]
    _described_object: WrittenTarget,
    metric: Identifier,
    target: WrittenMetricTarget,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identifier {
    name: String,
    // Whoever fetches the metric selects its series; nothing here does.
    #[serde(default, rename = "selector")]
    _selector: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenMetricTarget {
    #[serde(rename = "type")]
    kind: TargetKind,
    value: Option<Quantity>,
    average_value: Option<Quantity>,
    average_utilization: Option<i32>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum TargetKind {
    Utilization,
    Value,
    AverageValue,
}

impl WrittenSpec {
    fn read(&self) -> Result<Spec, ConfigError> {
        let (min, max) = (self.min_replicas.unwrap_or(1), self.max_replicas);
        if let Err(error) = crate::bounds::Bounds::new(min, max) {
            return Err(ConfigError::new("maxReplicas", error.to_string()));
        }
        if let Some(behavior) = &self.behavior {
            behavior.check().map_err(|error| error.under("behavior"))?;
        }
        let mut metrics = Vec::new();
        for (index, metric) in self.metrics.iter().flatten().enumerate() {
            metrics.push(metric.read().map_err(|error| error.under(&format!("metrics[{index}]")))?);
        }
        if metrics.is_empty() {
            metrics.push(MetricSpec {
                kind: MetricKind::Resource,
                name: "cpu".to_owned(),
                container: None,
                target: MetricTarget::Utilization(DEFAULT_CPU),
            });
        }
        let works_from_zero = |spec: &MetricSpec| matches!(spec.kind, MetricKind::Object | MetricKind::External);
        if min == 0 && !metrics.iter().any(works_from_zero) {
            let message = "with 0 an Object or External metric is needed: without replicas no other has a value";
            return Err(ConfigError::new("minReplicas", message));
        }
        Ok(Spec { min, max, metrics, behavior: self.behavior.clone() })
    }
}

impl WrittenMetric {
    fn read(&self) -> Result<MetricSpec, ConfigError> {
        use TargetKind::{AverageValue, Utilization, Value};
        type Source<'a> = (&'a String, Option<&'a String>, &'a WrittenMetricTarget);
        let sources: [(&str, MetricKind, Option<Source<'_>>, &[TargetKind]); 5] = [
            (
                "resource",
                MetricKind::Resource,
                self.resource.as_ref().map(|it| (&it.name, None, &it.target)),
                &[Utilization, AverageValue],
            ),
            (
                "containerResource",
                MetricKind::ContainerResource,
                self.container_resource.as_ref().map(|it| (&it.name, Some(&it.container), &it.target)),
                &[Utilization, AverageValue],
            ),
            (
                "pods",
                MetricKind::Pods,
                self.pods.as_ref().map(|it| (&it.metric.name, None, &it.target)),
                &[AverageValue],
            ),
            (
                "object",
                MetricKind::Object,
                self.object.as_ref().map(|it| (&it.metric.name, None, &it.target)),
                &[Value, AverageValue],
            ),
            (
                "external",
                MetricKind::External,
                self.external.as_ref().map(|it| (&it.metric.name, None, &it.target)),
                &[Value, AverageValue],
            ),
        ];
        let own = sources.iter().find(|(_, kind, ..)| *kind == self.kind).expect("every kind has a source");
        let &(field, _, found, allowed) = own;
        if let Some((other, ..)) = sources.iter().find(|(_, kind, given, _)| given.is_some() && *kind != self.kind) {
            return Err(ConfigError::new(*other, format!("a metric of type {:?} has `{field}`, not this", self.kind)));
        }
        let Some((name, container, target)) = found else {
            return Err(ConfigError::new(field, format!("a metric of type {:?} needs it", self.kind)));
        };
        if name.is_empty() {
            return Err(ConfigError::new(field, "a metric needs a name"));
        }
        let target = target.read(allowed).map_err(|error| error.under(&format!("{field}.target")))?;
        Ok(MetricSpec { kind: self.kind, name: name.clone(), container: container.cloned(), target })
    }
}

impl WrittenMetricTarget {
    fn read(&self, allowed: &[TargetKind]) -> Result<MetricTarget, ConfigError> {
        if !allowed.contains(&self.kind) {
            let message = format!("must be one of {allowed:?} for such a metric, got {:?}", self.kind);
            return Err(ConfigError::new("type", message));
        }
        let amount = |field: &str, amount: Option<Quantity>| match amount {
            Some(amount) if amount.milli() > 0 => Ok(amount.milli()),
            Some(amount) => Err(ConfigError::new(field, format!("must be above 0, got {amount}"))),
            None => Err(ConfigError::new(field, format!("a target of type {:?} needs it", self.kind))),
        };
        match self.kind {
            TargetKind::Value => amount("value", self.value).map(MetricTarget::Value),
            TargetKind::AverageValue => amount("averageValue", self.average_value).map(MetricTarget::AverageValue),
            TargetKind::Utilization => match self.average_utilization {
                Some(percent) if percent > 0 => Ok(MetricTarget::Utilization(percent)),
                Some(percent) => Err(ConfigError::new("averageUtilization", format!("must be above 0, got {percent}"))),
                None => Err(ConfigError::new("averageUtilization", "a target of type Utilization needs it")),
            },
        }
    }
}
