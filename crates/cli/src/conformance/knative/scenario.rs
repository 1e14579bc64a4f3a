//! One line of a file of Knative vectors: what was given to the real autoscaler, and what it said.
//!
//! Times are milliseconds since it was made, numbers the bits of a double.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use setpoint::knative;
use setpoint::window::Averaging;

/// A double, written as its bits.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Bits(pub(super) f64);

impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} (0x{:016x})", self.0, self.0.to_bits())
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bits = text.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
        bits.map(|bits| Self(f64::from_bits(bits))).ok_or_else(|| {
            D::Error::custom(format!("{text:?} is not the bits of a double, such as 0x4024000000000000"))
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    pub(super) id: String,
    #[serde(rename = "family")]
    _family: IgnoredAny,
    pub(super) note: Option<String>,
    pub(super) user: Option<User>,
    pub(super) spec: Option<Spec>,
    pub(super) windows: Option<Windows>,
    pub(super) ready0: Option<u32>,
    #[serde(default, rename = "ready0Err")]
    pub(super) ready0_failed: bool,
    pub(super) steps: Vec<Step>,
}

/// What people wrote, and the bounds it gives.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct User {
    pub(super) config: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) container_concurrency: u32,
    pub(super) reachability: Reachability,
    pub(super) min: u32,
    pub(super) max: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum Reachability {
    #[serde(rename = "")]
    Unknown,
    Reachable,
    Unreachable,
}

impl From<Reachability> for knative::Reachability {
    fn from(written: Reachability) -> Self {
        match written {
            Reachability::Unknown => Self::Unknown,
            Reachability::Reachable => Self::Reachable,
            Reachability::Unreachable => Self::Unreachable,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Metric {
    Concurrency,
    Rps,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) metric: Metric,
    target: Bits,
    total: Bits,
    target_burst: Bits,
    panic_threshold: Bits,
    max_up_rate: Bits,
    max_down_rate: Bits,
    stable_window_ms: u64,
    scale_down_delay_ms: u64,
    activation_scale: u32,
    /// Left out where it is 0.
    #[serde(default)]
    pub(super) initial_scale: u32,
    reachable: bool,
}

impl Spec {
    pub(super) fn read(&self) -> knative::Spec {
        knative::Spec {
            target: self.target.0,
            total: self.total.0,
            target_burst_capacity: self.target_burst.0,
            panic_threshold: self.panic_threshold.0,
            max_scale_up_rate: self.max_up_rate.0,
            max_scale_down_rate: self.max_down_rate.0,
            stable_window: Duration::from_millis(self.stable_window_ms),
            scale_down_delay: Duration::from_millis(self.scale_down_delay_ms),
            activation_scale: self.activation_scale,
            reachable: self.reachable,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Windows {
    algorithm: Algorithm,
    stable_ms: u64,
    panic_ms: u64,
    /// Whether an empty window is no data, and not 0.
    pub(super) scraped: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Algorithm {
    Linear,
    WeightedExponential,
}

impl Windows {
    pub(super) fn read(&self) -> knative::Windows {
        let averaging = match self.algorithm {
            Algorithm::Linear => Averaging::Linear,
            Algorithm::WeightedExponential => Averaging::WeightedExponential,
        };
        let (stable, panic) = (Duration::from_millis(self.stable_ms), Duration::from_millis(self.panic_ms));
        knative::Windows { averaging, stable, panic }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Step {
    pub(super) t: i64,
    pub(super) spec: Option<Spec>,
    pub(super) resize: Option<Windows>,
    #[serde(default)]
    pub(super) recs: Vec<Sample>,
    ready: Option<u32>,
    ready_err: Option<CountError>,
    pub(super) stable: Option<Bits>,
    pub(super) panic: Option<Bits>,
    pub(super) metric_err: Option<MetricError>,
    pub(super) expect: Expected,
}

impl Step {
    /// The pods that are ready; none where counting them failed. Pods of nothing are none that are ready.
    pub(super) fn ready(&self) -> Result<Option<u32>, String> {
        match (self.ready, self.ready_err) {
            (Some(ready), None) => Ok(Some(ready)),
            (None, Some(CountError::NotFound)) => Ok(Some(0)),
            (None, Some(CountError::Other)) => Ok(None),
            _ => Err(format!("neither a count of ready pods nor an error at t = {}", self.t)),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    pub(super) t: i64,
    stat: [Bits; 4],
}

impl Sample {
    /// Without what came through the activator, which counts it itself: concurrency, and requests a second.
    pub(super) fn values(&self) -> [f64; 2] {
        let [concurrency, proxied_concurrency, requests, proxied_requests] = self.stat;
        [concurrency.0 - proxied_concurrency.0, requests.0 - proxied_requests.0]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum CountError {
    NotFound,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum MetricError {
    NoData,
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) conc: Option<[Bits; 2]>,
    pub(super) rps: Option<[Bits; 2]>,
    pub(super) err: Option<MetricError>,
    pub(super) valid: Option<bool>,
    pub(super) desired: Option<u32>,
    pub(super) ebc: Option<i32>,
    pub(super) panic: Option<bool>,
}
