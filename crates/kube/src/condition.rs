//! Conditions, and since when they are so.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a policy's status says yes or no to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum ConditionType {
    /// It is looked at and decided for.
    Ready,
    /// What is decided is carried out.
    Scaling,
    /// Its algorithm can be made, and answers.
    AlgorithmValid,
    /// Each of its metrics has a usable reading.
    MetricsAvailable,
    /// Another autoscaler's document means here all that it says.
    CarriedOver,
}

impl ConditionType {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Scaling => "Scaling",
            Self::AlgorithmValid => "AlgorithmValid",
            Self::MetricsAvailable => "MetricsAvailable",
            Self::CarriedOver => "CarriedOver",
        }
    }
}

/// Yes, no, or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Truth {
    True,
    False,
    Unknown,
}

/// What is so now. Since when is for [`Condition`] to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: ConditionType,
    pub(crate) status: Truth,
    /// In one word.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(kind: ConditionType, status: Truth, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status, reason, message: message.into() }
    }
}

/// A condition as Kubernetes' API conventions have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: ConditionType,
    pub(crate) status: Truth,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
    /// When `status` became what it is, and not when anybody last looked.
    pub(crate) last_transition_time: Timestamp,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// The conditions after `findings` at `now`, where `before` were those until then.
pub(crate) fn after(
    before: &[Condition],
    findings: Vec<Finding>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let since = |finding: &Finding| {
        let known = before.iter().find(|condition| condition.kind == finding.kind);
        known.filter(|known| known.status == finding.status).map_or(now, |known| known.last_transition_time)
    };
    let condition = |finding: Finding| Condition {
        last_transition_time: since(&finding),
        kind: finding.kind,
        status: finding.status,
        observed_generation: generation,
        reason: finding.reason.to_owned(),
        message: finding.message,
    };
    findings.into_iter().map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_transition_is_that_of_the_status_not_of_the_reason() {
        let at = |seconds| Timestamp::from_second(seconds).expect("in range");
        let finding = |status, reason| vec![Finding::new(ConditionType::Ready, status, reason, "")];
        let first = after(&[], finding(Truth::True, "Looked"), Some(1), at(10));
        let second = after(&first, finding(Truth::True, "LookedAgain"), Some(2), at(20));
        let third = after(&second, finding(Truth::False, "Failed"), Some(2), at(30));
        let times: Vec<_> = [&first, &second, &third].map(|one| one[0].last_transition_time).to_vec();
        assert_eq!(times, [at(10), at(10), at(30)]);
        assert_eq!((second[0].reason.as_str(), second[0].observed_generation), ("LookedAgain", Some(2)));
    }
}
