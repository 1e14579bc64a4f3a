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

    /// Whose readings a stage exchanges, each with its place and with what `suits` makes of it: those that are `named`, or
    /// all that suit.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a name that is no metric's or that of one that doesn't suit, which is `unsuited`, and for more
    /// metrics than there is room for.
    pub(super) fn chosen<T>(
        metrics: &[Metric],
        named: &[String],
        suits: impl Fn(&Metric) -> Option<T>,
        unsuited: &str,
    ) -> Result<Vec<(usize, T)>, ConfigError> {
        let given = metrics.len();
        if given > MOST {
            return Err(ConfigError::new("", format!("works with at most {MOST} metrics, and there are {given}")));
        }
        for (index, name) in named.iter().enumerate() {
            let field = format!("metrics[{index}]");
            let (_, metric) = Metric::called(name, metrics, &field)?;
            if suits(metric).is_none() {
                return Err(ConfigError::new(field, format!("`{name}` can't be {unsuited}")));
            }
        }
        let is_chosen = |metric: &Metric| named.is_empty() || named.contains(&metric.name);
        let chosen = metrics.iter().enumerate().filter(|(_, metric)| is_chosen(metric));
        Ok(chosen.filter_map(|(index, metric)| Some((index, suits(metric)?))).collect())
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
