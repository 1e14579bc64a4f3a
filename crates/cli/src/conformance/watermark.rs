//! WatermarkPodAutoscaler: what DataDog's controller decided, sync by sync.

mod replay;
mod scenario;

use serde::de::Error as _;

use self::scenario::Scenario;
use super::{Outcome, Suite};

pub(super) struct Watermark;

impl Suite for Watermark {
    fn run(&self, line: &str) -> Result<Outcome, serde_json::Error> {
        let scenario: Scenario = serde_json::from_str(line)?;
        let difference = replay::replay(&scenario).map_err(serde_json::Error::custom)?;
        Ok(Outcome { id: scenario.id, note: scenario.note, difference })
    }
}
