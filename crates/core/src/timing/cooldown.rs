//! The time after a change in which there is no other: one after a change up, one after any other.
//!
//! Nomad Autoscaler: policy/handler.go, `calculateCooldown` and the test of it in `Run`.

use std::time::Duration;

use crate::state::{StateError, StateReader, write_time};
use crate::time::Timestamp;

/// Until when nothing is changed. The last instant of it still belongs to it, as Nomad has it.
///
/// ```
/// use std::time::Duration;
/// use setpoint::Timestamp;
/// use setpoint::timing::Cooldown;
/// let at = |secs: i64| Timestamp::from_millis(secs * 1000);
/// let mut cooldown = Cooldown::new(Duration::from_secs(300), Duration::from_secs(60));
/// cooldown.start(at(0), true);
/// assert!(cooldown.holds(at(60)) && !cooldown.holds(at(61)));
/// cooldown.start(at(61), false);
/// assert!(cooldown.holds(at(361)) && !cooldown.holds(at(362)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    otherwise: Duration,
    after_up: Duration,
    until: Option<Timestamp>,
}

impl Cooldown {
    /// So long after a change up, and so long after any other. Nothing has changed yet.
    #[must_use]
    pub const fn new(otherwise: Duration, after_up: Duration) -> Self {
        Self { otherwise, after_up, until: None }
    }

    /// Starts at a change, in place of the one under way.
    #[inline]
    pub fn start(&mut self, at: Timestamp, up: bool) {
        self.until = Some(at + if up { self.after_up } else { self.otherwise });
    }

    /// Whether nothing is to be changed at `now`.
    #[must_use]
    #[inline]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now <= until)
    }

    /// The last instant of it, past or to come.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The same lengths, ending at `until`.
    pub(crate) const fn ending(self, until: Option<Timestamp>) -> Self {
        Self { until, ..self }
    }

    pub(crate) const fn after_up(&self) -> Duration {
        self.after_up
    }

    /// Appends when it ends to a state.
    pub fn write(&self, state: &mut Vec<u8>) {
        write_time(self.until, state);
    }

    /// The same lengths with the end that was written of another.
    ///
    /// # Errors
    ///
    /// [`StateError`] for bytes that no cooldown writes.
    pub fn read(self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        reader.time().map(|until| self.ending(until))
    }
}
