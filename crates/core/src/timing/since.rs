//! Since when something is so.
//!
//! DataDog WatermarkPodAutoscaler: controllers/datadoghq/watermarkpodautoscaler_controller.go, `canScaleAfterDelay`, which
//! reads it from the times of conditions, as Kubernetes keeps them.

use std::time::Duration;

use crate::state::{StateError, StateReader, write_time};
use crate::time::{Timestamp, millis};

/// Whether something is so, and since when it is as it is.
///
/// ```
/// use std::time::Duration;
/// use setpoint::Timestamp;
/// use setpoint::timing::Since;
/// let at = |secs: i64| Timestamp::from_millis(secs * 1000);
/// let mut above = Since::default();
/// above.follow(true, at(0));
/// above.follow(true, at(15));
/// assert!(!above.lasts(Duration::from_secs(30), at(15)));
/// assert_eq!(above.will_have_lasted(Duration::from_secs(30)), Some(at(30)));
/// above.follow(true, at(30));
/// assert!(above.lasts(Duration::from_secs(30), at(30)));
/// above.follow(false, at(45));
/// assert_eq!(above.will_have_lasted(Duration::from_secs(30)), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    known: Option<(bool, Timestamp)>,
}

impl Since {
    /// What is known from elsewhere.
    pub(crate) const fn new(on: bool, at: Timestamp) -> Self {
        Self { known: Some((on, at)) }
    }

    /// Takes note of whether it is so at `now`. The time moves only when the answer does.
    #[inline]
    pub fn follow(&mut self, on: bool, now: Timestamp) {
        if self.known.is_none_or(|(before, _)| before != on) {
            self.known = Some((on, now));
        }
    }

    /// Whether it is so, and since when it is as it is; none before the first look.
    #[must_use]
    #[inline]
    pub const fn known(&self) -> Option<(bool, Timestamp)> {
        self.known
    }

    /// When it will have been so for `long`, or was; none while it isn't so.
    #[must_use]
    #[inline]
    pub fn will_have_lasted(&self, long: Duration) -> Option<Timestamp> {
        match self.known {
            Some((true, at)) => Some(at.plus_millis(millis(long))),
            _ => None,
        }
    }

    /// Whether at `now` it has been so for `long`.
    #[must_use]
    #[inline]
    pub fn lasts(&self, long: Duration, now: Timestamp) -> bool {
        self.will_have_lasted(long).is_some_and(|until| until <= now)
    }

    /// The same with its time changed by `cut`.
    pub(crate) fn map(self, cut: impl FnOnce(Timestamp) -> Timestamp) -> Self {
        Self { known: self.known.map(|(on, at)| (on, cut(at))) }
    }

    /// Appends what it knows to a state.
    pub fn write(&self, state: &mut Vec<u8>) {
        write_time(self.known.map(|(_, at)| at), state);
        state.push(u8::from(self.known.is_some_and(|(on, _)| on)));
    }

    /// What [`write`](Self::write) wrote.
    ///
    /// # Errors
    ///
    /// [`StateError`] for bytes that none writes.
    pub fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        match (reader.time()?, reader.flag()?) {
            (None, true) => Err(reader.damaged("something is so, and never since")),
            (at, on) => Ok(Self { known: at.map(|at| (on, at)) }),
        }
    }
}
