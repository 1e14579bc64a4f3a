//! A look's readings with some of them exchanged, laid out on the stack: in an outage that happens at each look.

use crate::config::ConfigError;
use crate::metric::{Metric, Reading};
use crate::observation::Observation;

const MOST: usize = 16;

/// Room for the readings of a look.
pub(super) struct Exchanged<'a> {
    room: [Reading<'a>; MOST],
    given: usize,
}

impl<'a> Exchanged<'a> {
    /// How many metrics there can be.
    pub(super) const MOST: usize = MOST;

    /// # Errors
    ///
    /// [`ConfigError`] for more metrics than there is room for.
    pub(super) fn check(metrics: &[Metric]) -> Result<(), ConfigError> {
        let given = metrics.len();
        if given > MOST {
            return Err(ConfigError::new("", format!("works with at most {MOST} metrics, and there are {given}")));
        }
        Ok(())
    }

    /// The readings of `look` as they are.
    pub(super) fn of(look: &Observation<'a>) -> Self {
        // The manager has seen to it that there is a reading for each metric.
        let given = look.readings.len().min(MOST);
        let mut room = [Reading::Missing(""); MOST];
        room[..given].copy_from_slice(&look.readings[..given]);
        Self { room, given }
    }

    pub(super) fn exchange(&mut self, metric: usize, reading: Reading<'a>) {
        if let Some(place) = self.room[..self.given].get_mut(metric) {
            *place = reading;
        }
    }

    pub(super) fn readings(&self) -> &[Reading<'a>] {
        &self.room[..self.given]
    }
}
