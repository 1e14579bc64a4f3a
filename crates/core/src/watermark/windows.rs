//! When a step may be made: forbidden windows after the last one, and delays before the next.
//!
//! DataDog WatermarkPodAutoscaler: controllers/datadoghq/watermarkpodautoscaler_controller.go, `shouldScale` and
//! `canScaleAfterDelay`.

use std::time::Duration;

use super::spec::Rules;
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::trace::Direction;

/// What has to be remembered to know when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// The last scaling, of either direction.
    pub(super) last_scale: Option<Timestamp>,
    /// Whether the value was above its high watermark at the last sync, and since when it was so.
    pub(super) above: Option<Since>,
    /// Likewise for the low one.
    pub(super) below: Option<Since>,
}

/// Whether something is so, and since when it is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) on: bool,
    pub(super) at: Timestamp,
}

/// Whether a step may be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    pub(super) opens: Opens,
    /// Within the upscale forbidden window, and within the downscale one.
    pub(super) backoff: (bool, bool),
}

/// The outcome of a [`Gate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// The step is made.
    Yes,
    /// It is made because there never was one before, whatever the windows and delays say.
    First,
    /// There is no step to make.
    Unchanged,
    /// It is too early after the last one.
    Forbidden(Direction, Timestamp),
    /// The value has not been beyond its watermark for long enough. Without a time: it isn't.
    Delayed(Direction, Option<Timestamp>),
}

impl Opens {
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Yes | Self::First)
    }
}

impl Since {
    /// The time moves only when the answer does.
    #[inline]
    fn follow(before: Option<Self>, on: bool, now: Timestamp) -> Option<Self> {
        match before {
            Some(known) if known.on == on => before,
            _ => Some(Self { on, at: now }),
        }
    }
}

impl Memory {
    #[inline]
    pub(super) fn see(&mut self, above: bool, below: bool, now: Timestamp) {
        self.above = Since::follow(self.above, above, now);
        self.below = Since::follow(self.below, below, now);
    }

    /// Cuts its times to seconds, as the API server stores them.
    #[inline]
    pub(super) fn cut(&mut self) {
        for since in [&mut self.above, &mut self.below].into_iter().flatten() {
            since.at = seconds(since.at);
        }
        self.last_scale = self.last_scale.map(seconds);
    }

    pub(super) fn write(&self, state: &mut Vec<u8>) {
        write_time(self.last_scale, state);
        for since in [self.above, self.below] {
            write_time(since.map(|since| since.at), state);
            state.push(u8::from(since.is_some_and(|since| since.on)));
        }
    }

    pub(super) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let last_scale = read_time(reader)?;
        let since = |reader: &mut StateReader<'_>| {
            let (at, on) = (read_time(reader)?, reader.flag()?);
            match at {
                None if on => Err(reader.damaged("beyond a watermark, and never since")),
                at => Ok(at.map(|at| Since { on, at })),
            }
        };
        Ok(Self { last_scale, above: since(reader)?, below: since(reader)? })
    }
}

pub(super) fn write_time(time: Option<Timestamp>, state: &mut Vec<u8>) {
    state.push(u8::from(time.is_some()));
    if let Some(time) = time {
        state.extend(time.as_millis().to_le_bytes());
    }
}

pub(super) fn read_time(reader: &mut StateReader<'_>) -> Result<Option<Timestamp>, StateError> {
    if reader.flag()? { reader.i64().map(|millis| Some(Timestamp::from_millis(millis))) } else { Ok(None) }
}

/// The whole seconds of a time, towards the past.
#[inline]
pub(super) fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().div_euclid(1000).saturating_mul(1000))
}

impl Rules {
    /// Whether the step from `current` to `desired` may be made. `stable`: no value is beyond a watermark.
    #[inline]
    pub(super) fn gate(&self, memory: &Memory, now: Timestamp, (current, desired): (i32, i32), stable: bool) -> Gate {
        if memory.last_scale.is_none() && self.exact {
            return Gate { opens: Opens::First, backoff: (false, false) };
        }
        let up = open_after(memory.last_scale, self.up_forbidden, now);
        let down = open_after(memory.last_scale, self.down_forbidden, now);
        let backoff = (up.is_some(), down.is_some());
        let (direction, window, delay, since) = if desired > current {
            (Direction::Up, up, self.up_delay, memory.above)
        } else if desired < current {
            (Direction::Down, down, self.down_delay, memory.below)
        } else {
            return Gate { opens: Opens::Unchanged, backoff };
        };
        let opens = match (waits(delay, since, stable, now), window) {
            (Some(until), _) => Opens::Delayed(direction, until),
            (None, Some(until)) => Opens::Forbidden(direction, until),
            (None, None) => Opens::Yes,
        };
        Gate { opens, backoff }
    }
}

/// When a forbidden window ends, if it hasn't. At exactly its end it has.
#[inline]
fn open_after(last: Option<Timestamp>, window: Duration, now: Timestamp) -> Option<Timestamp> {
    let until = after(last?, window);
    (until > now).then_some(until)
}

/// When a delay ends, if it hasn't: it needs the value to be beyond its mark until then.
#[inline]
fn waits(delay: Duration, since: Option<Since>, stable: bool, now: Timestamp) -> Option<Option<Timestamp>> {
    if delay.is_zero() || stable {
        return None;
    }
    match since.filter(|since| since.on) {
        None => Some(None),
        Some(since) => {
            let until = after(since.at, delay);
            (until > now).then_some(Some(until))
        }
    }
}

/// As a sum of the two, without the 128 bits that a duration's milliseconds take. Saturates.
#[inline]
fn after(time: Timestamp, window: Duration) -> Timestamp {
    let seconds = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
    let millis = seconds.saturating_mul(1000).saturating_add(i64::from(window.subsec_millis()));
    Timestamp::from_millis(time.as_millis().saturating_add(millis))
}
