//! The replay of a scenario through the control loop, with the policy's way beside it.

use setpoint::Timestamp;
use setpoint::Trace;
use setpoint::aibrix::ControlLoop;

use super::policy::{self, PolicyWay};
use super::scenario::{Scenario, Step, WrittenSpec};
use crate::conformance::Difference;

/// The first difference, if any; an error for a scenario that makes no sense.
pub(super) fn replay(scenario: &Scenario) -> Result<Option<Difference>, String> {
    let mut written = &scenario.spec;
    let mut spec = written.read();
    let control_loop = ControlLoop::new(&spec).map_err(|error| error.to_string())?;
    let mut way = Way { control_loop, policy: PolicyWay::new(&spec, written)?, trace: Trace::new() };
    for (index, step) in scenario.steps.iter().enumerate() {
        if let Some(next) = &step.spec {
            let before = std::mem::replace(&mut spec, next.read());
            written = next;
            way.control_loop.set_spec(&spec).map_err(|error| error.to_string())?;
            if let Some(policy) = way.policy.take() {
                way.policy = policy.change(&before, &spec, written)?;
            }
        }
        if let Some((what, expected, got)) = way.look(step, written)? {
            let reasons = way.trace.records(&policy::metrics(&spec, written));
            return Ok(Some(Difference { step: index, t_ms: step.t, what, expected, got, reasons }));
        }
    }
    Ok(None)
}

/// What differs, what was expected, what came.
type Found = (&'static str, String, String);

/// The two ways to a count: the reconciler's own loop, and a policy's.
struct Way {
    control_loop: ControlLoop,
    /// None where a policy can't say or do the same: see [`policy`].
    policy: Option<PolicyWay>,
    trace: Trace,
}

impl Way {
    fn look(&mut self, step: &Step, written: &WrittenSpec) -> Result<Option<Found>, String> {
        let (now, expect) = (Timestamp::from_millis(step.t), &step.expect);
        let collected = step.collected(written)?;
        self.trace.clear();
        let decided = self.control_loop.decide(now, step.current, &collected, &mut self.trace);
        let (desired, scale, reason) = match &decided {
            Ok(decision) => (decision.desired, decision.scale, decision.reason.to_string()),
            Err(_) => (0, false, String::new()),
        };
        let found = differs("err", &expect.err, &decided.is_err())
            .or_else(|| differs("desired", &expect.desired, &desired))
            .or_else(|| differs("scale", &expect.scale, &scale))
            .or_else(|| differs("reason", &expect.reason, &reason));
        if found.is_some() {
            return Ok(found);
        }
        let Some(policy) = &mut self.policy else {
            return Ok(None);
        };
        let expected = if expect.err { step.current } else { expect.desired };
        let desired = policy.decide(now, step.current, &collected, &mut self.trace)?;
        Ok(differs("desired by the policy", &expected, &desired))
    }
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: &T, got: &T) -> Option<Found> {
    (expected != got).then(|| (what, format!("{expected:?}"), format!("{got:?}")))
}
