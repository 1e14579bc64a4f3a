//! When the last values within bounds were seen: what a threshold has to remember of a window.

use std::collections::VecDeque;
use std::time::Duration;

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;

/// The newest instants of a window, no more than it takes to trigger: older ones can't change the answer.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    window: Duration,
    most: usize,
    /// What the instants were judged by.
    bounds: (f64, f64),
    times: VecDeque<Timestamp>,
}

impl Recent {
    pub(super) fn new(window: Duration, most: usize, bounds: (f64, f64)) -> Self {
        Self { window, most, bounds, times: VecDeque::with_capacity(most) }
    }

    /// Takes note of the value of `now`, and says how many of the window are within the bounds, as far as it counts.
    #[inline]
    pub(super) fn see(&mut self, now: Timestamp, within: bool) -> i64 {
        // After a clock was set back, what is yet to come is in no window.
        while self.times.back().is_some_and(|&time| time > now) {
            self.times.pop_back();
        }
        let since = now - self.window;
        while self.times.front().is_some_and(|&time| time < since) {
            self.times.pop_front();
        }
        // Two looks at one instant see one value.
        if within && self.most > 0 && self.times.back() != Some(&now) {
            if self.times.len() == self.most {
                self.times.pop_front();
            }
            self.times.push_back(now);
        }
        i64::try_from(self.times.len()).unwrap_or(i64::MAX)
    }

    // The bounds, how many instants, and each of them.
    pub(super) fn write(&self, state: &mut Vec<u8>) {
        let (lower, upper) = self.bounds;
        for bound in [lower, upper] {
            state.extend(bound.to_bits().to_le_bytes());
        }
        let count = u32::try_from(self.times.len()).expect("a trigger is at most 1000");
        state.extend(count.to_le_bytes());
        for time in &self.times {
            state.extend(time.as_millis().to_le_bytes());
        }
    }

    /// The same with the instants that were written. Those of other bounds say nothing here, and are left out.
    pub(super) fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let (lower, upper) = self.bounds;
        let same = [lower, upper].map(f64::to_bits) == [reader.i64()?, reader.i64()?].map(i64::cast_unsigned);
        let mut read = Self::new(self.window, self.most, self.bounds);
        let mut last = None;
        for _ in 0..reader.u32()? {
            let time = Timestamp::from_millis(reader.i64()?);
            if last.is_some_and(|last| time <= last) {
                return Err(reader.damaged("the instants of a window are out of order"));
            }
            last = Some(time);
            if same && self.most > 0 {
                if read.times.len() == self.most {
                    read.times.pop_front();
                }
                read.times.push_back(time);
            }
        }
        Ok(read)
    }
}
