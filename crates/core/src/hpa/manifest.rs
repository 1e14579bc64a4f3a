//! A HorizontalPodAutoscaler manifest, as a cluster takes it.
//!
//! Kubernetes: staging/src/k8s.io/api/autoscaling/v2/types.go, pkg/apis/autoscaling/v2/defaults.go and
//! pkg/apis/autoscaling/validation/validation.go.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::Hpa;
use super::behavior::Behavior;
use super::spec::{MetricSpec, MetricTarget, Spec, source};
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
    /// in the spec, a target with no value or with two, and what [`Spec::check`] refuses. Which of a target's values is
    /// set says what it is; its `type` is read and, as by the controller, not gone by.
    pub fn from_value(document: &Value) -> Result<Self, ConfigError> {
        // Before the rest, which other versions spell otherwise.
        check_version(document)?;
        let written: Written = parse_config(document)?;
        if written.metadata.name.is_empty() {
            return Err(ConfigError::new("metadata.name", "must not be empty"));
        }
        let read = written.spec.read().and_then(|spec| spec.check().map(|()| spec));
        let spec = read.map_err(|error| error.under("spec"))?;
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
        let mut names = Names::default();
        let metric = |spec: &MetricSpec| {
            let plain = match &spec.container {
                Some(container) => format!("{container}/{}", spec.name),
                None => spec.name.clone(),
            };
            let mut metric = Metric::new(names.unique(plain), in_units(spec.target)).with_kind(spec.kind);
            metric.resource = spec.kind.is_resource().then(|| spec.name.clone());
            metric.container.clone_from(&spec.container);
            metric
        };
        let metrics = self.spec.metrics.iter().map(metric).collect();
        let algorithm = AlgorithmSpec::named(Hpa::NAME, Value::Null);
        let mut spec = PolicySpec::new(self.spec.min, self.spec.max, metrics, algorithm)
            .expect("a manifest that was read makes a policy");
        spec.target_ref = Some(self.target.clone());
        spec.behavior.clone_from(&self.spec.behavior);
        if spec.behavior.is_none() {
            let legacy = Restrained::<Hpa>::LEGACY_NAME;
            spec.stages.push(StageSpec { name: legacy.to_owned(), config: Value::Null });
        }
        Policy::new(self.metadata.clone(), spec)
    }
}

/// Names that were given, each with how many asked for it.
#[derive(Default)]
struct Names(HashMap<String, usize>);

impl Names {
    /// `plain`, or with a number after it where it is given already.
    fn unique(&mut self, plain: String) -> String {
        let mut name = plain.clone();
        while self.0.contains_key(&name) {
            let asked = self.0.entry(plain.clone()).or_insert(1);
            *asked += 1;
            name = format!("{plain}#{asked}");
        }
        self.0.insert(name.clone(), 1);
        name
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
    #[serde(rename = "apiVersion")]
    _api_version: String,
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
    // Only checked to be one of the known words: see `read`.
    #[serde(rename = "type")]
    _kind: TargetKind,
    value: Option<Quantity>,
    average_value: Option<Quantity>,
    average_utilization: Option<i32>,
}

#[derive(Deserialize)]
enum TargetKind {
    Utilization,
    Value,
    AverageValue,
}

fn check_version(document: &Value) -> Result<(), ConfigError> {
    match document.get("apiVersion").and_then(Value::as_str) {
        Some(API_VERSION) => Ok(()),
        Some(other) => {
            let message = format!("{other} is not supported, use {API_VERSION}; `kubectl convert` makes one of it");
            Err(ConfigError::new("apiVersion", message))
        }
        None => Err(ConfigError::new("apiVersion", format!("must be {API_VERSION}"))),
    }
}

impl WrittenSpec {
    /// As it is written, with the API server's defaults. [`Spec::check`] is still to come.
    fn read(&self) -> Result<Spec, ConfigError> {
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
        let (min, max) = (self.min_replicas.unwrap_or(1), self.max_replicas);
        Ok(Spec { min, max, metrics, behavior: self.behavior.clone() })
    }
}

impl WrittenMetric {
    fn read(&self) -> Result<MetricSpec, ConfigError> {
        type Source<'a> = (&'a String, Option<&'a String>, &'a WrittenMetricTarget);
        let sources: [(MetricKind, Option<Source<'_>>); 5] = [
            (MetricKind::Resource, self.resource.as_ref().map(|it| (&it.name, None, &it.target))),
            (
                MetricKind::ContainerResource,
                self.container_resource.as_ref().map(|it| (&it.name, Some(&it.container), &it.target)),
            ),
            (MetricKind::Pods, self.pods.as_ref().map(|it| (&it.metric.name, None, &it.target))),
            (MetricKind::Object, self.object.as_ref().map(|it| (&it.metric.name, None, &it.target))),
            (MetricKind::External, self.external.as_ref().map(|it| (&it.metric.name, None, &it.target))),
        ];
        let field = source(self.kind);
        let mut own = None;
        for (kind, found) in sources {
            if kind == self.kind {
                own = found;
            } else if found.is_some() {
                let message = format!("a metric of type {:?} has `{field}`, not this", self.kind);
                return Err(ConfigError::new(source(kind), message));
            }
        }
        let Some((name, container, target)) = own else {
            return Err(ConfigError::new(field, format!("a metric of type {:?} needs it", self.kind)));
        };
        let target = target.read(self.kind).map_err(|error| error.under(&format!("{field}.target")))?;
        Ok(MetricSpec { kind: self.kind, name: name.clone(), container: container.cloned(), target })
    }
}

impl WrittenMetricTarget {
    /// What is set says what the target is, as to the controller.
    fn read(&self, kind: MetricKind) -> Result<MetricTarget, ConfigError> {
        let targets = [
            self.average_utilization.map(MetricTarget::Utilization),
            self.average_value.map(|amount| MetricTarget::AverageValue(amount.milli())),
            self.value.map(|amount| MetricTarget::Value(amount.milli())),
        ];
        let mut set = targets.into_iter().flatten();
        match (set.next(), set.next()) {
            (Some(target), None) => Ok(target),
            (Some(target), Some(other)) => {
                let message = format!("a target has one value, and `{}` is set too", target.field());
                Err(ConfigError::new(other.field(), message))
            }
            (None, _) => {
                let known = match kind {
                    MetricKind::Resource | MetricKind::ContainerResource => "`averageUtilization` or `averageValue`",
                    MetricKind::Pods => "`averageValue`",
                    MetricKind::Object | MetricKind::External => "`value` or `averageValue`",
                };
                Err(ConfigError::new("", format!("a target of such a metric needs {known}")))
            }
        }
    }
}
