//! Nomad Autoscaler: what its strategies voted, and what its policy handler did, tick by tick.

mod handler;
mod policy;
mod scenario;
mod strategy;

use serde::de::Error as _;

use self::scenario::{Scenario, Subject};
use super::{Outcome, Suite};

pub(super) struct Nomad;

impl Suite for Nomad {
    fn run(&self, line: &str) -> Result<Outcome, serde_json::Error> {
        let scenario: Scenario = serde_json::from_str(line)?;
        let subject = scenario.subject().map_err(serde_json::Error::custom)?;
        let difference = match subject {
            Subject::Strategy { name, config, steps } => strategy::replay(name, config, &steps),
            Subject::Policy { policy, last_event, steps } => handler::replay(policy, last_event, &steps),
        };
        let difference = difference.map_err(serde_json::Error::custom)?;
        Ok(Outcome { id: scenario.id, note: scenario.note, difference })
    }
}

/// What differs, what was expected, what came.
type Found = (&'static str, String, String);

fn compare<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: &T, got: &T) -> Option<Found> {
    (expected != got).then(|| (what, format!("{expected:?}"), format!("{got:?}")))
}
