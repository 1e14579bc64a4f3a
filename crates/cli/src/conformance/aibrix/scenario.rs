//! A line of a file, as the vectors' own README has it.

use std::collections::BTreeMap;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use setpoint::aibrix::{Collected, Spec, Strategy, read_annotations};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    pub(super) id: String,
    #[serde(rename = "family")]
    _family: IgnoredAny,
    pub(super) note: Option<String>,
    pub(super) spec: WrittenSpec,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenSpec {
    strategy: Strategy,
    min: Option<u32>,
    max: u32,
    observe_s: Option<u32>,
    panic_s: Option<u32>,
    annotations: BTreeMap<String, String>,
    pub(super) metrics: Vec<WrittenMetric>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenMetric {
    name: String,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    target: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Pod,
    External,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) t: i64,
    pub(super) spec: Option<WrittenSpec>,
    pub(super) current: u32,
    pub(super) values: Vec<Vec<Option<Bits>>>,
    pub(super) expect: Expected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    #[serde(default)]
    pub(super) err: bool,
    pub(super) desired: u32,
    pub(super) scale: bool,
    pub(super) reason: String,
}

/// A double, by its bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits(f64);

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bits = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let bits = bits.ok_or_else(|| D::Error::custom(format!("{text:?} are no bits of a double")))?;
        Ok(Self(f64::from_bits(bits)))
    }
}

impl WrittenSpec {
    pub(super) fn read(&self) -> Spec {
        let metrics: Vec<(&str, &str)> =
            self.metrics.iter().map(|metric| (metric.name.as_str(), metric.target.as_str())).collect();
        let annotations = self.annotations.iter().map(|(key, text)| (key.as_str(), text.as_str()));
        let (metrics, settings) = read_annotations(&metrics, annotations);
        let mut spec = Spec::new(self.strategy, self.min.unwrap_or(1), self.max, metrics);
        spec.settings = settings;
        spec.observe_window_seconds = self.observe_s.unwrap_or(spec.observe_window_seconds);
        spec.panic_window_seconds = self.panic_s.unwrap_or(spec.panic_window_seconds);
        spec
    }
}

impl Step {
    /// What was collected of each metric of `spec`.
    pub(super) fn collected(&self, spec: &WrittenSpec) -> Result<Vec<Collected>, String> {
        if self.values.len() != spec.metrics.len() {
            return Err(format!("{} metrics, and values of {}", spec.metrics.len(), self.values.len()));
        }
        let collect = |(metric, values): (&WrittenMetric, &Vec<Option<Bits>>)| {
            let values: Vec<Option<f64>> = values.iter().map(|value| value.map(|Bits(value)| value)).collect();
            match (metric.kind, values.as_slice()) {
                (Kind::Pod, pods) => Ok(Collected::of_pods(pods)),
                (Kind::External, &[value]) => Ok(Collected::external(value)),
                (Kind::External, _) => Err(format!("{} is from outside, and has {} values", metric.name, values.len())),
            }
        };
        spec.metrics.iter().zip(&self.values).map(collect).collect()
    }
}
