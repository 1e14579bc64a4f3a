//! A panic that is remembered, as KPA's own words have it: while it lasts nothing is taken away.
//!
//! AIBrix: pkg/controller/podautoscaler/algorithm/kpa.go, where the high mark is kept in a context that forgets it.
//! Knative: pkg/autoscaler/scaling/autoscaler.go, where both are kept.

use std::time::Duration;

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;

/// Until when a metric panics, and the most replicas it asked for meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Panic {
    high: Option<(Timestamp, i32)>,
}

impl Panic {
    /// The panic at `now`, if there is one: it begins with what is `over` the threshold, at the `current` count, and ends
    /// when nothing was for so `long`. Gives its end and its high mark, raised to what is `wanted`.
    #[inline]
    pub(super) fn follow(
        &mut self,
        now: Timestamp,
        over: bool,
        long: Duration,
        current: i32,
        wanted: impl FnOnce() -> i32,
    ) -> Option<(Timestamp, i32)> {
        self.high = match self.high {
            None if !over => return None,
            Some((until, _)) if !over && until <= now => None,
            Some((until, mark)) if !over => Some((until, mark.max(wanted()))),
            Some((until, mark)) if until > now => Some((now + long, mark.max(wanted()))),
            _ => Some((now + long, current.max(wanted()))),
        };
        self.high
    }

    pub(super) fn write(self, state: &mut Vec<u8>) {
        state.push(u8::from(self.high.is_some()));
        if let Some((until, mark)) = self.high {
            state.extend(until.as_millis().to_le_bytes());
            state.extend(mark.to_le_bytes());
        }
    }

    pub(super) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        if !reader.flag()? {
            return Ok(Self::default());
        }
        Ok(Self { high: Some((Timestamp::from_millis(reader.i64()?), reader.u32()?.cast_signed())) })
    }
}
