//! One rate policy alone, tried on the stage that applies it.

use std::time::Duration;

use setpoint::hpa::{ScalingPolicy, ScalingRules};
use setpoint::{
    Behavior, Direction, MAX_REPLICAS, Need, Observation, Proposal, Restrained, ScalingAlgorithm, Timestamp, Trace,
    algorithm_fn,
};

/// A policy under an algorithm that wants all, or nothing.
pub(super) struct Rate {
    stage: Restrained<Box<dyn ScalingAlgorithm>>,
    now: Timestamp,
}

impl Rate {
    pub(super) fn new(policy: ScalingPolicy, direction: Direction) -> Self {
        let rules = Some(ScalingRules {
            stabilization_window_seconds: Some(0),
            policies: Some(vec![policy]),
            ..ScalingRules::default()
        });
        let (wanted, behavior) = match direction {
            Direction::Up => (MAX_REPLICAS, Behavior { scale_up: rules, scale_down: None }),
            Direction::Down => (0, Behavior { scale_up: None, scale_down: rules }),
        };
        let algorithm = algorithm_fn(move |_: &Observation<'_>, _: &mut Trace| Ok(Need::from(wanted).into()));
        let stage = Restrained::new(Box::new(algorithm) as Box<dyn ScalingAlgorithm>, &behavior);
        Self { stage: stage.expect("the policy was checked"), now: Timestamp::default() }
    }

    /// How far it lets the count go from `start`, in replicas, when nothing was changed before.
    pub(super) fn change(&mut self, start: u32) -> u32 {
        // Past what it remembers of the last question.
        self.now = self.now + Duration::from_secs(1);
        let look = Observation::new(self.now, start, &[]);
        match self.stage.evaluate(&look, &mut Trace::off()) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "this stage makes whole counts"
            )]
            Ok(Proposal::Need(need)) => start.abs_diff(need.exact() as u32),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use setpoint::hpa::PolicyKind;

    use super::*;

    #[test]
    fn a_policy_changes_what_hpa_has_it_change() {
        use Direction::{Down, Up};
        use PolicyKind::{Percent, Pods};
        let cases = [
            ("pods up", Pods, 4, Up, 10, 4),
            ("pods down", Pods, 4, Down, 10, 4),
            ("no more than there are", Pods, 4, Down, 3, 3),
            ("percent up is rounded up", Percent, 10, Up, 100, 11),
            ("percent down is cut off", Percent, 80, Down, 20, 17),
            ("percent of nothing", Percent, 100, Up, 0, 0),
        ];
        for (name, kind, value, direction, start, want) in cases {
            let mut rate = Rate::new(ScalingPolicy { kind, value, period_seconds: 60 }, direction);
            assert_eq!((rate.change(start), rate.change(start)), (want, want), "{name}");
        }
    }
}
