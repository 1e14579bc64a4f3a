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

/// Reads a request to create an autoscaler that is looked at every `interval`.
pub(crate) fn read(request: &Value, interval: Duration) -> Result<Wanted, ConfigError> {
    let policy = read_as(Dialect::Storage, request)?.policy;
    let mut spec = policy.spec;
    spec.interval = Span::from_secs(interval.as_secs().max(1));
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
    fn a_workload_is_looked_at_as_often_as_the_server_says() -> Result<(), ConfigError> {
        let request = json!({
            "workload_name": "a", "workload_namespace": "b", "workload_type": "Deployment",
            "min_replicas": 1, "max_replicas": 9, "target_cpu_percent": 70,
        });
        let wanted = read(&request, Duration::from_secs(20))?;
        assert_eq!((wanted.policy.interval, word(&wanted.target).as_str()), (Span::from_secs(20), "b/Deployment/a"));
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
