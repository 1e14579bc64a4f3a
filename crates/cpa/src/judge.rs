//! From a program's answer to the count: bounds, window and reasons are those of every policy.

use serde_json::{Value, json};
use setpoint::{
    AlgorithmFactory, AlgorithmManager, AlgorithmSpec, ConfigError, Decision, Description, Effect, Need, Observation,
    PolicySpec, Proposal, Reading, Reason, ReasonRecord, Registry, ScalingAlgorithm, Setup, Timestamp, Trace,
    WorkloadId, algorithm_fn,
};

/// The algorithm's name in reasons.
const NAME: &str = "cpa";

/// Decides, and remembers what the window asks for.
#[derive(Debug)]
pub(crate) struct Judge {
    manager: AlgorithmManager,
    workload: WorkloadId,
    policy: PolicySpec,
}

/// A decision and the reasons for it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) decision: Decision,
    pub(crate) reasons: Vec<ReasonRecord>,
}

/// The answer is the count. A workload without replicas is somebody's who stopped it, unless the minimum is 0.
struct AsAnswered;

impl AlgorithmFactory for AsAnswered {
    fn describe(&self) -> Description {
        Description::new("what the evaluate program answered", json!({ "type": "object", "maxProperties": 0 }))
    }

    fn build(&self, _: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        Ok(Box::new(algorithm_fn(|look: &Observation<'_>, trace: &mut Trace| {
            let current = f64::from(look.current);
            if look.current == 0 && look.bounds.min() > 0 {
                trace.push(|| Reason::new(NAME, current, current, Effect::ScalingDisabled));
                return Ok(Proposal::Suspend);
            }
            let Some(answer) = look.readings.first().and_then(|reading| reading.usable()) else {
                return Ok(Proposal::NoOpinion);
            };
            // Fewer than none: as few as there may be.
            let count = answer.max(0.0);
            let text = trace.keep(format_args!("the evaluate program answered {answer}"));
            trace.push(|| Reason::new(NAME, current, count, Effect::Note { text }));
            Ok(Need::replicas(count)?.into())
        })))
    }
}

impl Judge {
    /// Within the bounds and the window of `policy`, which has one metric: the answer.
    pub(crate) fn new(policy: &PolicySpec) -> Result<Self, ConfigError> {
        let mut registry = Registry::builtin();
        registry.register_algorithm(NAME, AsAnswered).map_err(|error| ConfigError::new("", error.to_string()))?;
        let mut policy = policy.clone();
        policy.algorithm = AlgorithmSpec::named(NAME, Value::Null);
        let mut manager = AlgorithmManager::with_registry(registry);
        let workload = manager.add(&policy)?;
        Ok(Self { manager, workload, policy })
    }

    /// Decides, and remembers.
    pub(crate) fn decide(&mut self, now: Timestamp, current: u32, answer: i32) -> Judged {
        self.decide_for(self.workload, now, current, answer)
    }

    /// What [`decide`](Self::decide) would say, without remembering.
    pub(crate) fn would_decide(&mut self, now: Timestamp, current: u32, answer: i32) -> Judged {
        let copy = self.manager.add(&self.policy).expect("it was added once");
        let state = self.manager.snapshot(self.workload).expect("native stages tell their state");
        self.manager.restore(copy, &state).expect("it is the state of the same policy");
        let judged = self.decide_for(copy, now, current, answer);
        self.manager.remove(copy);
        judged
    }

    fn decide_for(&mut self, workload: WorkloadId, now: Timestamp, current: u32, answer: i32) -> Judged {
        let readings = [Reading::Value(f64::from(answer))];
        let mut trace = Trace::new();
        let look = Observation::new(now, current, &readings);
        let decision = self.manager.decide(workload, &look, &mut trace).expect("it has this workload, with one metric");
        Judged { decision, reasons: trace.records(&self.policy.metrics) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn judge(more: &Value) -> Judge {
        let method = json!({ "type": "shell", "timeout": 100, "shell": { "command": ["-c", "true"] } });
        let mut document = json!({ "metric": method, "evaluate": method });
        let fields = document.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        Judge::new(&Config::read(&document).expect("a configuration").policy).expect("a policy")
    }

    #[test]
    fn the_count_is_the_answer_within_bounds_and_window() {
        type Looks = &'static [(i64, u32, i32, u32)];
        let cases: [(&str, Value, Looks); 6] = [
            ("the answer", json!({}), &[(0, 3, 5, 5), (15, 5, 2, 2), (30, 2, 2, 2)]),
            (
                "bounds, at once from outside them",
                json!({ "minReplicas": 2, "maxReplicas": 8 }),
                &[(0, 1, 8, 8), (15, 8, 40, 8), (30, 20, 3, 3), (45, 3, -7, 2)],
            ),
            ("stopped by hand", json!({}), &[(0, 0, 5, 0), (15, 0, 5, 0), (30, 2, 5, 5)]),
            ("a minimum of 0", json!({ "minReplicas": 0 }), &[(0, 0, 5, 5), (15, 5, 0, 0), (30, 0, 1, 1)]),
            (
                "the largest of the window, which begins with the current count",
                json!({ "downscaleStabilization": 60 }),
                &[
                    (0, 4, 2, 4),
                    (30, 4, 3, 4),
                    // The start has left the window, and its 3 is the largest.
                    (60, 4, 1, 3),
                    (90, 3, 1, 1),
                ],
            ),
            ("up at once", json!({ "downscaleStabilization": 60 }), &[(0, 1, 7, 7), (15, 7, 1, 7)]),
        ];
        for (name, more, looks) in cases {
            let mut judge = judge(&more);
            for (seconds, current, answer, want) in looks {
                let now = Timestamp::from_millis(seconds * 1000);
                let tried = judge.would_decide(now, *current, *answer);
                let judged = judge.decide(now, *current, *answer);
                assert_eq!(judged.decision.desired, *want, "{name}, at {seconds} s: {:?}", judged.reasons);
                assert_eq!(tried.decision, judged.decision, "{name}, at {seconds} s");
            }
        }
    }

    #[test]
    fn who_only_asks_leaves_no_trace_in_the_window() {
        let mut judge = judge(&json!({ "downscaleStabilization": 60 }));
        let at = Timestamp::from_millis;
        assert_eq!(judge.decide(at(0), 2, 2).decision.desired, 2);
        assert_eq!(judge.would_decide(at(1000), 2, 9).decision.desired, 9);
        assert_eq!(judge.decide(at(2000), 2, 2).decision.desired, 2);
        assert_eq!(judge.manager.len(), 1);
    }

    #[test]
    fn a_decision_says_what_was_answered_and_what_held_it() {
        let mut judge = judge(&json!({ "maxReplicas": 4, "downscaleStabilization": 60 }));
        let judged = judge.decide(Timestamp::from_millis(0), 4, 2);
        let texts: Vec<&str> = judged.reasons.iter().map(|reason| reason.text.as_str()).collect();
        assert!(texts[0] == "the evaluate program answered 2" && texts[1].contains("1m"), "{texts:?}");
    }
}
