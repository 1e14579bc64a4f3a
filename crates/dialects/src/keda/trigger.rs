//! One trigger as a metric.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use setpoint::{
    ConfigError, Metric, MetricKind, MetricSource, PrometheusQuery, Quantity, QuantityError, Target, near_miss,
};

use crate::conversion::at;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Trigger {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    use_cached_metrics: Option<bool>,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
    #[serde(default)]
    authentication_ref: Option<Value>,
    #[serde(default)]
    metric_type: Option<MetricType>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum MetricType {
    AverageValue,
    Value,
    Utilization,
}

/// A trigger that became a metric.
pub(super) struct Read {
    /// Its place in the document.
    pub(super) index: usize,
    pub(super) metric: Metric,
    /// Above it there is something to do.
    pub(super) activation: f64,
    pub(super) changed: Vec<(&'static str, &'static str)>,
    pub(super) lost: Vec<(String, String)>,
}

impl Trigger {
    /// The metric, or why there is none.
    pub(super) fn read(&self, index: usize, taken: &[String]) -> Result<Result<Read, String>, ConfigError> {
        let mut read = match self.kind.as_str() {
            "prometheus" => self.prometheus(index, taken)?,
            "cpu" | "memory" => self.resource(index, taken)?,
            other => {
                let known = ["prometheus", "cpu", "memory"];
                return Ok(Err(format!(
                    "a trigger of type `{other}` has no counterpart ({})",
                    near_miss(other, &known)
                )));
            }
        };
        if self.authentication_ref.is_some() {
            let text = "a policy holds no credentials: whoever fetches readings has them";
            read.lost.push(("authenticationRef".to_owned(), text.to_owned()));
        }
        if self.use_cached_metrics == Some(true) {
            let text = "a reading is as old as its source says, and no older copy is kept";
            read.lost.push(("useCachedMetrics".to_owned(), text.to_owned()));
        }
        Ok(Ok(read))
    }

    /// The trigger's own name or its type, and a number where that is taken.
    fn called(&self, taken: &[String]) -> String {
        let plain = self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.kind);
        let numbered = (2..).map(|number| format!("{plain}#{number}"));
        std::iter::once(plain.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
    }

    /// A text of the metadata: KEDA's are all texts, and YAML makes numbers of some.
    fn text(&self, field: &str) -> Option<String> {
        match self.metadata.get(field)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    fn needed(&self, field: &str) -> Result<String, ConfigError> {
        self.text(field).filter(|text| !text.trim().is_empty()).ok_or_else(|| {
            let given: Vec<&str> = self.metadata.keys().map(String::as_str).collect();
            let hint = if given.is_empty() { String::new() } else { format!("; given are {}", given.join(", ")) };
            ConfigError::new(format!("metadata.{field}"), format!("a trigger of type {} needs it{hint}", self.kind))
        })
    }

    fn number(field: &str, text: &str) -> Result<f64, ConfigError> {
        match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(ConfigError::new(format!("metadata.{field}"), format!("must be a number, got {text:?}"))),
        }
    }

    fn prometheus(&self, index: usize, taken: &[String]) -> Result<Read, ConfigError> {
        const KNOWN: [&str; 5] = ["serverAddress", "query", "threshold", "activationThreshold", "metricName"];
        let mut asked = PrometheusQuery::new(self.needed("query")?);
        asked.server = Some(self.needed("serverAddress")?);
        let threshold = Self::number("threshold", &self.needed("threshold")?)?;
        let activation = match self.text("activationThreshold") {
            Some(text) => Self::number("activationThreshold", &text)?,
            None => 0.0,
        };
        let target = match self.metric_type {
            None | Some(MetricType::AverageValue) => Target::average_value(threshold),
            Some(MetricType::Value) => Target::value(threshold),
            Some(MetricType::Utilization) => {
                return Err(ConfigError::new("metricType", "must be AverageValue or Value for a prometheus trigger"));
            }
        };
        let target = target.map_err(at("metadata.threshold"))?;
        let mut changed = Vec::new();
        if self.text("ignoreNullValues").as_deref() != Some("false") {
            changed.push((
                "metadata.ignoreNullValues",
                "an answer without a sample is a missing reading; there it is 0, unless this is false",
            ));
        }
        let lost =
            self.metadata.keys().filter(|field| !KNOWN.contains(&field.as_str()) && *field != "ignoreNullValues");
        let lost = lost.map(|field| {
            let text = "how the server is spoken to is for whoever fetches readings to know";
            (format!("metadata.{field}"), text.to_owned())
        });
        Ok(Read {
            index,
            metric: Metric::new(self.called(taken), target).with_source(MetricSource::Prometheus(asked)),
            activation,
            changed,
            lost: lost.collect(),
        })
    }

    fn resource(&self, index: usize, taken: &[String]) -> Result<Read, ConfigError> {
        const KNOWN: [&str; 3] = ["type", "value", "containerName"];
        let value = self.needed("value")?;
        let old = self.text("type");
        let (field, kind) = match (self.metric_type, old.as_deref()) {
            (Some(kind), _) => ("metricType", kind),
            (None, None | Some("Utilization")) => ("metadata.type", MetricType::Utilization),
            (None, Some("AverageValue")) => ("metadata.type", MetricType::AverageValue),
            (None, Some(other)) => {
                let known = near_miss(other, &["Utilization", "AverageValue"]);
                return Err(ConfigError::new("metadata.type", format!("unknown value `{other}`; {known}")));
            }
        };
        let target = match kind {
            MetricType::Utilization => Target::utilization(Self::number("value", &value)?),
            MetricType::AverageValue => {
                let amount: Quantity = value.parse().map_err(at::<QuantityError>("metadata.value"))?;
                Target::average_value(amount.approximate())
            }
            MetricType::Value => {
                return Err(ConfigError::new(
                    field,
                    format!("must be Utilization or AverageValue for a {} trigger", self.kind),
                ));
            }
        };
        let target = target.map_err(at("metadata.value"))?;
        let container = self.text("containerName").filter(|name| !name.is_empty());
        let mut metric = Metric::new(self.called(taken), target).with_kind(MetricKind::Resource);
        metric.resource = (metric.name != self.kind || container.is_some()).then(|| self.kind.clone());
        if container.is_some() {
            metric.kind = MetricKind::ContainerResource;
            metric.container = container;
        }
        let lost = self.metadata.keys().filter(|field| !KNOWN.contains(&field.as_str()));
        let lost =
            lost.map(|field| (format!("metadata.{field}"), format!("a {} trigger has no such field", self.kind)));
        Ok(Read { index, metric, activation: 0.0, changed: Vec::new(), lost: lost.collect() })
    }
}
