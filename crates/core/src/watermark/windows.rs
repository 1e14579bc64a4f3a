//! When a step may be made: forbidden windows after the last one, and delays before the next.
//!
//! DataDog WatermarkPodAutoscaler: controllers/datadoghq/watermarkpodautoscaler_controller.go, `shouldScale` and
//! `canScaleAfterDelay`.

use std::time::Duration;

use super::spec::Rules;
use crate::state::{StateError, StateReader, write_time};
use crate::time::Timestamp;
use crate::timing::Since;
use crate::trace::Direction;

/// What has to be remembered to know when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// The last scaling, of either direction.
    pub(super) last_scale: Option<Timestamp>,
    /// Whether the value was above its high watermark at the last sync, and since when it was so.
    pub(super) above: Since,
    /// Likewise for the low one.
    pub(super) below: Since,
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

impl Memory {
    #[inline]
    pub(super) fn see(&mut self, above: bool, below: bool, now: Timestamp) {
        self.above.follow(above, now);
        self.below.follow(below, now);
    }

    /// Cuts its times to seconds, as the API server stores them.
    #[inline]
    pub(super) fn cut(&mut self) {
        for since in [&mut self.above, &mut self.below] {
            *since = since.map(seconds);
        }
        self.last_scale = self.last_scale.map(seconds);
    }

    pub(super) fn write(&self, state: &mut Vec<u8>) {
        write_time(self.last_scale, state);
        self.above.write(state);
        self.below.write(state);
    }

    pub(super) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        Ok(Self { last_scale: reader.time()?, above: Since::read(reader)?, below: Since::read(reader)? })
    }
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
    let until = last? + window;
    (until > now).then_some(until)
}

/// When a delay ends, if it hasn't: it needs the value to be beyond its mark until then.
#[inline]
fn waits(delay: Duration, since: Since, stable: bool, now: Timestamp) -> Option<Option<Timestamp>> {
    if delay.is_zero() || stable {
        return None;
    }
    match since.will_have_lasted(delay) {
        None => Some(None),
        Some(until) => (until > now).then_some(Some(until)),
    }
}
