//! AIBrix: what the reconciler of its pod autoscaler decided, look by look, by APA and KPA.

mod policy;
mod replay;
mod scenario;

use serde::de::Error as _;

use self::scenario::Scenario;
use super::{Outcome, Suite};

pub(super) struct Aibrix;

impl Suite for Aibrix {
    fn run(&self, line: &str) -> Result<Outcome, serde_json::Error> {
        let scenario: Scenario = serde_json::from_str(line)?;
        let difference = replay::replay(&scenario).map_err(serde_json::Error::custom)?;
        Ok(Outcome { id: scenario.id, note: scenario.note, difference })
    }
}
