//! From a request to a policy.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use setpoint::{ConfigError, PolicySpec, Span, TargetRef};
use setpoint_dialects::{Dialect, read_as};

/// What a request asks for.
pub(crate) struct Wanted {
    /// The policy's name.
    pub(crate) name: String,
    pub(crate) policy: PolicySpec,
    pub(crate) target: TargetRef,
}

/// A rate's shortest period, in seconds.
const SHORTEST_PERIOD: u32 = 1;

/// Reads a request to create an autoscaler that is looked at every `interval`.
pub(crate) fn read(request: &Value, interval: Duration) -> Result<Wanted, ConfigError> {
    let policy = read_as(Dialect::Storage, request)?.policy;
    let mut spec = policy.spec;
    spec.interval = Span::from_secs(interval.as_secs().max(1));
    // `max_scale_change` is for one look. Looks are an interval apart, give or take: in a period as long as that, the one
    // before would count every other time.
    if let Some(behavior) = &mut spec.behavior {
        for rules in [&mut behavior.scale_up, &mut behavior.scale_down].into_iter().flatten() {
            for policy in rules.policies.iter_mut().flatten() {
                policy.period_seconds = SHORTEST_PERIOD;
            }
        }
    }
    let target =
        spec.target_ref.clone().ok_or_else(|| ConfigError::new("workload_name", "workload_name is required"))?;
    for (field, value) in [("workload_name", Some(&target.name)), ("workload_namespace", target.namespace.as_ref())] {
        if let Some(value) = value.filter(|value| !is_name(value)) {
            let message = format!("{field} must be a name as Kubernetes has it (a-z, 0-9, `-`, `.`), got {value:?}");
            return Err(ConfigError::new(field, message));
        }
    }
    Ok(Wanted { name: policy.metadata.name, policy: spec, target })
}

/// A workload in one word: `default/Deployment/nginx`.
pub(crate) fn word(target: &TargetRef) -> String {
    let mut word = String::new();
    if let Some(namespace) = &target.namespace {
        // Writing into a string doesn't fail.
        let _ = write!(word, "{namespace}/");
    }
    word + &target.kind + "/" + &target.name
}

/// Whether `text` can be a name in Kubernetes: a DNS subdomain.
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let outer = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= 253 && bytes.iter().all(|byte| inner(*byte)) && outer(bytes.first()) && outer(bytes.last())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_limited_in_each_look() -> Result<(), ConfigError> {
        let request = json!({
            "workload_name": "a", "workload_namespace": "b", "workload_type": "Deployment",
            "min_replicas": 1, "max_replicas": 9, "target_cpu_percent": 70,
            "scale_up_policy": { "max_scale_change": 3 }, "scale_down_policy": { "max_scale_change": 2 },
        });
        let wanted = read(&request, Duration::from_secs(15))?;
        let behavior = wanted.policy.behavior.expect("both directions");
        for (rules, most) in [(behavior.scale_up, 3), (behavior.scale_down, 2)] {
            let policies = rules.and_then(|rules| rules.policies).expect("a limit");
            assert_eq!(
                policies.iter().map(|limit| (limit.value, limit.period_seconds)).collect::<Vec<_>>(),
                [(most, 1)]
            );
        }
        assert_eq!(word(&wanted.target), "b/Deployment/a");
        Ok(())
    }

    #[test]
    fn names_are_those_of_kubernetes() {
        for (name, fits) in [("nginx", true), ("a-1.b", true), ("", false), ("-a", false), ("A", false), ("a/b", false)]
        {
            assert_eq!(is_name(name), fits, "{name:?}");
        }
    }
}
