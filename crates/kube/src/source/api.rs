//! Requests to the metrics APIs, which the API server passes on to whoever serves them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use jiff::Timestamp as Instant;
use kube::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use setpoint::{Quantity, Timestamp};
use setpoint_runtime::source::Fetch;
use setpoint_runtime::{Clock as _, SystemClock, in_one_line};

use super::MAX_AGE;

/// Asks the metrics APIs. Cheap to clone: clones know what one of them does.
#[derive(Clone)]
pub(super) struct MetricsApi {
    client: Client,
    versions: Arc<Mutex<HashMap<&'static str, &'static str>>>,
}

/// Those of a group that is served.
#[derive(Deserialize)]
struct Group {
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

impl MetricsApi {
    pub(super) fn new(client: Client) -> Self {
        Self { client, versions: Arc::default() }
    }

    /// What is at `path`, or why not, in words.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let request = Request::get(path).body(Vec::new()).map_err(|error| in_one_line(&error))?;
        match tokio::time::timeout(Fetch::TIMEOUT, self.client.request(request)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(kube::Error::Api(status))) if !status.message.is_empty() => Err(status.message.clone()),
            Ok(Err(error)) => Err(in_one_line(&error)),
            Err(_) => Err("the API server did not answer in time".to_owned()),
        }
    }

    /// The first of `known` versions of `group` that is served. Asked until there is an answer.
    pub(super) async fn version(
        &self,
        group: &'static str,
        known: &'static [&'static str],
    ) -> Result<&'static str, String> {
        let remembered = self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(group).copied();
        if let Some(version) = remembered {
            return Ok(version);
        }
        let served: Group =
            self.get(&format!("/apis/{group}")).await.map_err(|problem| format!("{group} can't be had: {problem}"))?;
        let is_served = |version: &&&str| served.versions.iter().any(|one| one.version == **version);
        let version = known.iter().find(is_served).copied();
        let version =
            version.ok_or_else(|| format!("{group} is served in none of the versions {}", known.join(", ")))?;
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(group, version);
        Ok(version)
    }

    /// Forgets which version is served, as after an answer that says that it isn't.
    pub(super) fn forget(&self, group: &'static str) {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }
}

/// `text` as a part of an address: whatever could end it is escaped.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A list of metric values, as custom.metrics.k8s.io and external.metrics.k8s.io give it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct MetricValues {
    #[serde(default)]
    pub(super) items: Vec<MetricValue>,
}

/// One value.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetricValue {
    #[serde(default)]
    pub(super) described_object: Described,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    window_seconds: Option<u64>,
    #[serde(default)]
    window: Option<u64>,
    pub(super) value: Quantity,
}

/// Whose value it is.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Described {
    #[serde(default)]
    pub(super) name: String,
}

impl MetricValue {
    /// When it was measured, where that is told.
    pub(super) fn at(&self) -> Option<Timestamp> {
        self.timestamp.as_deref().and_then(time)
    }

    /// Over how long: a minute, where that isn't told, as to HPA.
    pub(super) fn window(&self) -> Duration {
        Duration::from_secs(self.window_seconds.or(self.window).unwrap_or(60))
    }
}

/// A time as Kubernetes writes it. Adapters that don't know it write the year 1.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let time: Instant = text.parse().ok()?;
    (time.as_millisecond() > 0).then(|| Timestamp::from_millis(time.as_millisecond()))
}

/// Now, and what is too old at this time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now(pub(super) Timestamp);

impl Now {
    pub(super) fn read() -> Self {
        Self(SystemClock.now())
    }

    /// What is said of a sample of the time `at` that is too old.
    pub(super) fn too_old(self, at: Option<Timestamp>) -> Option<String> {
        // Without a time there is no age; what lies ahead has none either.
        let age = self.0.since(at?);
        let told = |duration: Duration| setpoint::Span::from_secs(duration.as_secs());
        (age > MAX_AGE).then(|| format!("the sample is {} old, more than {}", told(age), told(MAX_AGE)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_in_a_text_can_end_its_part_of_an_address() {
        assert_eq!(encoded("app=web,tier in (a,b)"), "app%3Dweb%2Ctier%20in%20%28a%2Cb%29");
        assert_eq!(encoded("a/../b?c#d%é"), "a%2F..%2Fb%3Fc%23d%25%C3%A9");
    }

    #[test]
    fn values_are_read_in_each_version() {
        let value = |more: serde_json::Value| -> MetricValue {
            let mut value = json!({ "value": "1500m", "describedObject": { "kind": "Pod", "name": "a" } });
            value.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            serde_json::from_value(value).expect("a value")
        };
        let first = value(json!({ "metricName": "m", "window": 30, "timestamp": "2026-01-01T00:00:00Z" }));
        let second =
            value(json!({ "metric": { "name": "m" }, "windowSeconds": 30, "timestamp": "0001-01-01T00:00:00Z" }));
        let third = value(json!({ "timestamp": null, "windowSeconds": null }));
        assert_eq!(first.value.milli(), 1500);
        assert_eq!(first.described_object.name, "a");
        assert_eq!([&first, &second, &third].map(|value| value.window().as_secs()), [30, 30, 60]);
        assert_eq!(first.at(), Some(Timestamp::from_millis(1_767_225_600_000)));
        assert_eq!((second.at(), third.at()), (None, None), "nobody knows");
    }

    #[test]
    fn only_what_has_a_time_grows_old() {
        let now = Now(Timestamp::from_millis(1_000_000));
        let ago = |seconds: i64| Some(Timestamp::from_millis(1_000_000 - seconds * 1000));
        let cases = [(None, false), (ago(-60), false), (ago(300), false), (ago(301), true)];
        for (at, want) in cases {
            assert_eq!(now.too_old(at).is_some(), want, "{at:?}");
        }
        assert_eq!(now.too_old(ago(301)).as_deref(), Some("the sample is 5m 1s old, more than 5m"));
    }
}
