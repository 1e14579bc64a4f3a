//! What a Kubernetes cluster's metrics APIs are asked for, with the fields of HPA's `autoscaling/v2`.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::not_empty;
use crate::config::ConfigError;
use crate::metric::{Metric, MetricKind, Target};

/// What each pod uses of a resource, by metrics.k8s.io.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceQuery {
    /// Which.
    pub name: ResourceName,
    /// Of which container alone, for a metric of type `ContainerResource`. Default: of all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// A resource that metrics.k8s.io measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ResourceName {
    /// Cores: `500m` is half of one.
    Cpu,
    /// Bytes.
    Memory,
}

impl ResourceName {
    /// As Kubernetes calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A metric of each pod, or of one object, by custom.metrics.k8s.io.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomQuery {
    /// Which metric.
    pub metric: MetricIdentifier,
    /// The object whose metric it is, in the policy's namespace, for a metric of type `Object`. Default: each pod's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described_object: Option<DescribedObject>,
}

/// A metric of something outside of the cluster, by external.metrics.k8s.io. Its series add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalQuery {
    /// Which metric.
    pub metric: MetricIdentifier,
}

/// A metric's name, and which of its series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricIdentifier {
    /// The name.
    pub name: String,
    /// Only series with these labels. Default: all.
    #[serde(default, skip_serializing_if = "LabelSelector::is_empty")]
    pub selector: LabelSelector,
}

impl MetricIdentifier {
    /// All series called `name`.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), selector: LabelSelector::default() }
    }
}

/// An object, as HPA names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DescribedObject {
    /// Group and version: `networking.k8s.io/v1`.
    pub api_version: String,
    /// The kind: `Ingress`.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// Labels that all have to fit. Displayed as Kubernetes has it in an address: `app=web,tier in (a,b)`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels and their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// What else has to be so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelRequirement>,
}

/// What has to be so of one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// How it relates to the values.
    pub operator: LabelOperator,
    /// The values, for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a label relates to values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum LabelOperator {
    /// It has one of them.
    In,
    /// It has none of them, or isn't there.
    NotIn,
    /// It is there.
    Exists,
    /// It isn't there.
    DoesNotExist,
}

impl LabelOperator {
    const fn takes_values(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }
}

impl LabelSelector {
    /// Whether everything fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in &self.match_labels {
            is_label(&format!("matchLabels.{key}"), key, value)?;
        }
        for (index, LabelRequirement { key, operator, values }) in self.match_expressions.iter().enumerate() {
            let field = format!("matchExpressions[{index}]");
            is_label(&format!("{field}.key"), key, "")?;
            if operator.takes_values() == values.is_empty() {
                let words = if operator.takes_values() { "needs values" } else { "takes no values" };
                return Err(ConfigError::new(format!("{field}.values"), format!("`{operator:?}` {words}")));
            }
            for (place, value) in values.iter().enumerate() {
                is_label(&format!("{field}.values[{place}]"), key, value)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (key, value) in &self.match_labels {
            write!(f, "{between}{key}={value}")?;
            between = ",";
        }
        for LabelRequirement { key, operator, values } in &self.match_expressions {
            f.write_str(between)?;
            match operator {
                LabelOperator::In => write!(f, "{key} in ({})", values.join(",")),
                LabelOperator::NotIn => write!(f, "{key} notin ({})", values.join(",")),
                LabelOperator::Exists => f.write_str(key),
                LabelOperator::DoesNotExist => write!(f, "!{key}"),
            }?;
            between = ",";
        }
        Ok(())
    }
}

/// As Kubernetes has labels: nothing in one can end it, or begin another.
fn is_label(field: &str, key: &str, value: &str) -> Result<(), ConfigError> {
    let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    if key.is_empty() || !plain(key, "-_./") || !plain(value, "-_.") {
        let message = "a label is of letters, digits, `-`, `_` and `.`, and its key can have a prefix before a `/`";
        return Err(ConfigError::new(field, message));
    }
    Ok(())
}

impl MetricIdentifier {
    fn check(&self) -> Result<(), ConfigError> {
        not_empty("name", &self.name)?;
        // It becomes a part of the address.
        if self.name == "." || self.name == ".." || self.name.contains(['/', '%']) {
            return Err(ConfigError::new("name", "must not be `.` or `..`, nor have a `/` or `%`"));
        }
        self.selector.check().map_err(|error| error.under("selector"))
    }
}

impl ResourceQuery {
    pub(super) fn check(&self, metric: &Metric) -> Result<(), ConfigError> {
        let wanted = if self.container.is_some() { MetricKind::ContainerResource } else { MetricKind::Resource };
        is_kind(metric, wanted, "")?;
        if let Some(container) = &self.container
            && metric.container.as_ref().is_some_and(|of_metric| of_metric != container)
        {
            return Err(ConfigError::new("container", "must be the metric's own `container`"));
        }
        match metric.resource() {
            Some(resource) if resource != self.name.as_str() => {
                let message = format!("the metric measures `{resource}`: give it `resource: {}`", self.name);
                Err(ConfigError::new("name", message))
            }
            _ => Ok(()),
        }
    }
}

impl CustomQuery {
    pub(super) fn check(&self, metric: &Metric) -> Result<(), ConfigError> {
        self.metric.check().map_err(|error| error.under("metric"))?;
        let Some(object) = &self.described_object else {
            is_kind(metric, MetricKind::Pods, "")?;
            return no_utilization(metric);
        };
        is_kind(metric, MetricKind::Object, "describedObject")?;
        for (field, text) in [("apiVersion", &object.api_version), ("kind", &object.kind), ("name", &object.name)] {
            not_empty(&format!("describedObject.{field}"), text)?;
        }
        Ok(())
    }
}

impl ExternalQuery {
    pub(super) fn check(&self, metric: &Metric) -> Result<(), ConfigError> {
        self.metric.check().map_err(|error| error.under("metric"))?;
        is_kind(metric, MetricKind::External, "")
    }
}

fn is_kind(metric: &Metric, wanted: MetricKind, field: &str) -> Result<(), ConfigError> {
    if metric.kind == wanted {
        return Ok(());
    }
    Err(ConfigError::new(field, format!("the metric's type must be {wanted:?} for this, and is {:?}", metric.kind)))
}

/// A utilization is a part of what pods request, and they request resources alone.
pub(super) fn no_utilization(metric: &Metric) -> Result<(), ConfigError> {
    match metric.target {
        Target::Utilization(_) => {
            let message = "pods request nothing of it, and a utilization is a part of that: give `averageValue`";
            Err(ConfigError::new("", message))
        }
        Target::Value(_) | Target::AverageValue(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(kind: &str, target: &Value, source: &Value) -> Result<Metric, ConfigError> {
        let metric = json!({ "name": "cpu", "type": kind, "target": target, "source": source });
        let metric: Metric = serde_json::from_value(metric).expect("a metric");
        metric.check()?;
        Ok(metric)
    }

    #[test]
    fn what_no_api_answers_is_refused_at_its_field() {
        let average = json!({ "averageValue": 1 });
        let custom = |metric: Value| json!({ "custom": { "metric": metric } });
        let selected = |selector: Value| custom(json!({ "name": "a", "selector": selector }));
        let expression = |expression: Value| selected(json!({ "matchExpressions": [expression] }));
        let at = |object: Value| json!({ "custom": { "metric": { "name": "a" }, "describedObject": object } });
        let cases = [
            ("another resource", "Resource", json!({ "resource": { "name": "memory" } }), "source.resource.name"),
            ("of nothing", "External", json!({ "resource": { "name": "cpu" } }), "source.resource"),
            (
                "of a container",
                "Resource",
                json!({ "resource": { "name": "cpu", "container": "a" } }),
                "source.resource",
            ),
            ("no name", "Pods", custom(json!({ "name": "" })), "source.custom.metric.name"),
            ("a path", "Pods", custom(json!({ "name": "a/b" })), "source.custom.metric.name"),
            ("the parent", "Pods", custom(json!({ "name": ".." })), "source.custom.metric.name"),
            ("one for all", "Object", custom(json!({ "name": "a" })), "source.custom"),
            (
                "one for each",
                "Pods",
                at(json!({ "apiVersion": "v1", "kind": "Service", "name": "a" })),
                "source.custom.describedObject",
            ),
            (
                "no object",
                "Object",
                at(json!({ "apiVersion": "v1", "kind": "Service", "name": "" })),
                "source.custom.describedObject.name",
            ),
            (
                "two labels in one",
                "Pods",
                selected(json!({ "matchLabels": { "a": "b,c=d" } })),
                "source.custom.metric.selector.matchLabels.a",
            ),
            (
                "no values",
                "Pods",
                expression(json!({ "key": "a", "operator": "In" })),
                "source.custom.metric.selector.matchExpressions[0].values",
            ),
            (
                "values of what is there",
                "Pods",
                expression(json!({ "key": "a", "operator": "Exists", "values": ["b"] })),
                "source.custom.metric.selector.matchExpressions[0].values",
            ),
            (
                "no label",
                "Pods",
                expression(json!({ "key": "a b", "operator": "Exists" })),
                "source.custom.metric.selector.matchExpressions[0].key",
            ),
            ("of each pod", "Pods", json!({ "external": { "metric": { "name": "a" } } }), "source.external"),
        ];
        for (name, kind, source, path) in cases {
            assert_eq!(read(kind, &average, &source).expect_err(name).path, path, "{name}");
        }
        let percent = json!({ "utilization": 50 });
        for source in [custom(json!({ "name": "a" })), json!({ "pods": { "metric": "a" } })] {
            let error = read("Pods", &percent, &source).expect_err("pods request none");
            assert!(error.message.contains("averageValue"), "{error}");
        }
    }

    #[test]
    fn what_an_api_answers_is_taken_and_written_as_it_was() {
        let selector = json!({
            "matchLabels": { "app": "web" },
            "matchExpressions": [
                { "key": "tier", "operator": "In", "values": ["a", "b"] },
                { "key": "x.y/z", "operator": "NotIn", "values": ["c"] },
                { "key": "here", "operator": "Exists" },
                { "key": "gone", "operator": "DoesNotExist" },
            ],
        });
        let identifier = json!({ "name": "a", "selector": selector });
        let object = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main" });
        let cases = [
            ("Resource", json!({ "resource": { "name": "cpu" } })),
            ("Pods", json!({ "custom": { "metric": { "name": "a" } } })),
            ("Object", json!({ "custom": { "metric": { "name": "a" }, "describedObject": object } })),
            ("External", json!({ "external": { "metric": identifier } })),
        ];
        for (kind, source) in cases {
            let metric = read(kind, &json!({ "averageValue": 1 }), &source).expect(kind);
            assert_eq!(serde_json::to_value(&metric.source).expect("JSON"), source);
        }
        let of_container = json!({
            "name": "app", "type": "ContainerResource", "resource": "memory", "container": "app",
            "target": { "utilization": 70 }, "source": { "resource": { "name": "memory", "container": "app" } },
        });
        let metric: Metric = serde_json::from_value(of_container).expect("a metric");
        assert_eq!(metric.check(), Ok(()));
        let selector: LabelSelector = serde_json::from_value(selector).expect("a selector");
        assert_eq!(selector.to_string(), "app=web,tier in (a,b),x.y/z notin (c),here,!gone");
        assert!(LabelSelector::default().to_string().is_empty());
    }
}
