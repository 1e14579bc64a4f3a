//! Knative's pod autoscaler: what its collector, its `Scale` and its resolution of annotations gave, call by call.

mod policy;
mod replay;
mod scenario;

use serde::de::Error as _;

use self::scenario::Scenario;
use super::{Outcome, Suite};

pub(super) struct KnativeKpa;

impl Suite for KnativeKpa {
    fn run(&self, line: &str) -> Result<Outcome, serde_json::Error> {
        let scenario: Scenario = serde_json::from_str(line)?;
        let difference = replay::replay(&scenario).map_err(serde_json::Error::custom)?;
        Ok(Outcome { id: scenario.id, note: scenario.note, difference })
    }
}
