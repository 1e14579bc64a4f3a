//! What serves each member of a group.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use setpoint::ConfigError;

use super::{Scenario, ServiceTime, Spec, TokenCost};
use crate::readings::Source;
use crate::units::{Concurrency, QueueLimit, ReplicaCount, Span};

/// How one member's service differs from the scenario's. A field that isn't given is as there; one that is given replaces
/// it whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct MemberSpec {
    /// What serves the requests.
    service: MemberService,
    /// How replicas come and go.
    replicas: MemberReplicas,
    /// Other names for readings, before the scenario's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    readings: BTreeMap<String, Source>,
}

/// What of a member's service differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct MemberService {
    /// How long a request of a rate is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<ServiceTime>,
    /// How long a request of a token trace is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<TokenCost>,
    /// Requests a replica serves at once, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<Concurrency>,
    /// Requests that may wait; one more is refused. 0 to 10,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_queue: Option<QueueLimit>,
}

/// What of a member's replicas differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct MemberReplicas {
    /// Ready replicas at the start, 0 to 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    initial: Option<ReplicaCount>,
    /// From asked for to ready, 0s to 24h.
    #[serde(skip_serializing_if = "Option::is_none")]
    startup: Option<Span>,
    /// Up to this much is added to each start, evenly spread, 0s to 24h.
    #[serde(skip_serializing_if = "Option::is_none")]
    startup_jitter: Option<Span>,
}

impl MemberSpec {
    /// The scenario `spec` with this member's service in place of its own.
    fn of(&self, mut spec: Spec) -> Spec {
        fn replace<T: Clone>(place: &mut T, given: Option<&T>) {
            if let Some(given) = given {
                place.clone_from(given);
            }
        }
        let Self { service, replicas, readings } = self;
        replace(&mut spec.service.time, service.time.as_ref());
        replace(&mut spec.service.tokens, service.tokens.as_ref());
        replace(&mut spec.service.concurrency, service.concurrency.as_ref());
        replace(&mut spec.service.max_queue, service.max_queue.as_ref());
        replace(&mut spec.replicas.initial, replicas.initial.as_ref());
        replace(&mut spec.replicas.startup, replicas.startup.as_ref());
        replace(&mut spec.replicas.startup_jitter, replicas.startup_jitter.as_ref());
        spec.readings.extend(readings.iter().map(|(name, source)| (name.clone(), *source)));
        spec.members.clear();
        spec
    }
}

impl Spec {
    /// Whether each member is a service that could be a scenario's own, which this one is.
    pub(super) fn check_members(&self, check: impl Fn(&Self) -> Result<(), ConfigError>) -> Result<(), ConfigError> {
        for (name, member) in &self.members {
            check(&member.of(self.clone())).map_err(|error| {
                let field = error.path.strip_prefix("spec").unwrap_or(&error.path);
                ConfigError::new(format!("spec.members.{name}{field}"), error.message.clone())
            })?;
        }
        Ok(())
    }
}

impl Scenario {
    /// The scenario as the member of a group called `name` meets it: the same requests, and its own service. Where the
    /// scenario tells of no members, that is the scenario's; none where it tells of others only.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Self> {
        let mut document = self.0.clone();
        if document.spec.members.is_empty() {
            return Some(self.clone());
        }
        let member = document.spec.members.get(name)?.clone();
        document.spec = member.of(document.spec);
        Some(Self(document))
    }

    /// The members that the scenario tells of.
    pub fn member_names(&self) -> impl Iterator<Item = &str> {
        self.spec().members.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{document, scenario};

    fn chat(members: Value) -> Value {
        json!({
            "duration": "1h",
            "load": { "constant": { "rate": 4 } },
            "service": { "time": { "mean": "2s", "distribution": "lognormal", "cv": 0.5 }, "concurrency": 6 },
            "replicas": { "initial": 4, "startup": "20s" },
            "readings": { "kv": "queue" },
            "members": members,
        })
    }

    #[test]
    fn a_member_is_the_scenario_s_service_but_for_what_it_says() {
        let scenario = scenario(chat(json!({
            "prefill": { "service": { "time": { "mean": "100ms" } }, "replicas": { "initial": 1 } },
            "decode": { "readings": { "kv": "utilization" } },
        })));
        let spec = |name: &str| scenario.member(name).expect(name).spec().clone();
        let (whole, prefill, decode) = (scenario.spec(), spec("prefill"), spec("decode"));
        assert_eq!(prefill.service.time, ServiceTime { mean: prefill.service.time.mean, ..ServiceTime::default() });
        assert_eq!(prefill.service.concurrency, whole.service.concurrency);
        assert_eq!((prefill.replicas.initial.get(), decode.replicas.initial.get()), (1, 4));
        assert_eq!(prefill.replicas.startup, whole.replicas.startup);
        assert_eq!(decode.service, whole.service);
        assert_eq!((prefill.readings["kv"], decode.readings["kv"]), (Source::Queue, Source::Utilization));
        assert_eq!(scenario.member("router"), None, "a name that is none of its own");
        let without = crate::testing::scenario(chat(json!({})));
        assert_eq!(without.member("router"), Some(without.clone()), "all are alike");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_member_s_field() {
        let rows = [
            (
                "cv of the default distribution",
                json!({ "service": { "time": { "cv": 2 } } }),
                "spec.members.decode.service.time.cv",
            ),
            ("too slow a start", json!({ "replicas": { "startup": "48h" } }), "spec.members.decode.replicas.startup"),
            ("a source's own name", json!({ "readings": { "p99": "queue" } }), "spec.members.decode.readings.p99"),
            ("a load of its own", json!({ "load": { "constant": { "rate": 1 } } }), "spec.members.decode.load"),
        ];
        for (name, member, path) in rows {
            let error = Scenario::from_value(&document(chat(json!({ "decode": member })))).expect_err(name);
            assert_eq!(error.path, path, "{name}: {error}");
        }
    }
}
