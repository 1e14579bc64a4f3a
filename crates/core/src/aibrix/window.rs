//! The mean of the last so many seconds.
//!
//! AIBrix: pkg/controller/podautoscaler/types/metrics.go, `TimeWindow`; metrics/client.go, `ConfigureMetricWindows`.

use std::collections::VecDeque;

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;

/// One value a second, the last that came, for as long as the window is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Window {
    /// By second, ascending.
    values: VecDeque<(i64, f64)>,
}

impl Window {
    /// Keeps `value` for the second of `now`, and nothing that is older than `length` seconds: both ends count, so that
    /// a window of 30 s holds four values that come every 10 s.
    #[inline]
    pub(super) fn record(&mut self, now: Timestamp, value: f64, length: u32) {
        let second = now.as_millis().div_euclid(1000);
        match self.values.back_mut() {
            Some((newest, last)) if *newest == second => *last = value,
            Some((newest, _)) if *newest > second => self.insert(second, value),
            _ => self.values.push_back((second, value)),
        }
        let oldest = second.saturating_sub(i64::from(length));
        while self.values.front().is_some_and(|&(second, _)| second < oldest) {
            self.values.pop_front();
        }
    }

    /// After the clock stepped back.
    #[cold]
    fn insert(&mut self, second: i64, value: f64) {
        match self.values.binary_search_by_key(&second, |&(second, _)| second) {
            Ok(index) => self.values[index].1 = value,
            Err(index) => self.values.insert(index, (second, value)),
        }
    }

    /// Added up in the order of time, for no other order gives the same double.
    #[inline]
    pub(super) fn mean(&self) -> Option<f64> {
        let (front, back) = self.values.as_slices();
        let sum = front.iter().chain(back).fold(0.0, |sum, &(_, value)| sum + value);
        #[expect(clippy::cast_precision_loss, reason = "at most one a second")]
        (!self.values.is_empty()).then(|| sum / self.values.len() as f64)
    }

    pub(super) fn newest(&self) -> Option<f64> {
        self.values.back().map(|&(_, value)| value)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    pub(super) fn scale(&mut self, by: f64) {
        // What grows out of a double is no value any more.
        self.values.iter_mut().for_each(|(_, value)| *value *= by);
        self.values.retain(|(_, value)| value.is_finite());
    }

    fn write(&self, state: &mut Vec<u8>) {
        let count = u32::try_from(self.values.len()).expect("a window is a few thousand seconds long");
        state.extend(count.to_le_bytes());
        for (second, value) in &self.values {
            state.extend(second.to_le_bytes());
            state.extend(value.to_le_bytes());
        }
    }

    fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let mut values = VecDeque::new();
        for _ in 0..reader.u32()? {
            let (second, value) = (reader.i64()?, reader.finite()?);
            if values.back().is_some_and(|&(before, _)| before >= second) {
                return Err(reader.damaged("the seconds of a window don't ascend"));
            }
            values.push_back((second, value));
        }
        Ok(Self { values })
    }
}

/// How long the two windows of a metric are, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) observe: u32,
    /// None where nobody looks at the short one.
    pub(super) panic: Option<u32>,
}

/// The two windows of a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Windows {
    pub(super) observe: Window,
    pub(super) panic: Window,
    /// What they were recorded under.
    lengths: Option<Lengths>,
}

impl Windows {
    /// Goes on with other `lengths`, with empty windows if they `start_over` at a change.
    #[inline]
    pub(super) fn configure(&mut self, lengths: Lengths, start_over: bool) {
        if self.lengths != Some(lengths) {
            if start_over {
                self.observe.clear();
                self.panic.clear();
            }
            self.lengths = Some(lengths);
        }
    }

    /// Keeps `value` in both.
    #[inline]
    pub(super) fn record(&mut self, now: Timestamp, value: f64, lengths: Lengths) {
        self.observe.record(now, value, lengths.observe);
        if let Some(panic) = lengths.panic {
            self.panic.record(now, value, panic);
        }
    }

    pub(super) fn write(&self, state: &mut Vec<u8>) {
        state.push(u8::from(self.lengths.is_some()));
        if let Some(Lengths { observe, panic }) = self.lengths {
            state.extend(observe.to_le_bytes());
            state.push(u8::from(panic.is_some()));
            state.extend(panic.unwrap_or_default().to_le_bytes());
        }
        self.observe.write(state);
        self.panic.write(state);
    }

    pub(super) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let lengths = if reader.flag()? {
            let (observe, short, panic) = (reader.u32()?, reader.flag()?, reader.u32()?);
            if !short && panic != 0 {
                return Err(reader.damaged("no window has a length"));
            }
            Some(Lengths { observe, panic: short.then_some(panic) })
        } else {
            None
        };
        Ok(Self { observe: Window::read(reader)?, panic: Window::read(reader)?, lengths })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A map from second to value, as the original keeps it.
        #[test]
        fn a_window_is_a_map_of_seconds(
            steps in prop::collection::vec((prop_oneof![9 => 0_i64..4_000, 1 => -9_000_i64..0], 0_u32..50), 1..200),
            length in 1_u32..20,
        ) {
            let (mut window, mut map, mut now) = (Window::default(), std::collections::BTreeMap::new(), -5_000);
            for (step, value) in steps {
                now += step;
                window.record(Timestamp::from_millis(now), f64::from(value), length);
                map.insert(now.div_euclid(1000), f64::from(value));
                map.retain(|&second, _| second >= (now - 1000 * i64::from(length)).div_euclid(1000));
                prop_assert!(window.values.iter().copied().eq(map.iter().map(|(&second, &value)| (second, value))));
            }
        }
    }

    #[test]
    fn values_that_don_t_ascend_are_no_window() {
        let mut window = Window::default();
        for second in [1, 2] {
            window.record(Timestamp::from_millis(second * 1000), 1.0, 30);
        }
        let mut state = Vec::new();
        window.write(&mut state);
        state[4] = 9;
        let read = Window::read(&mut StateReader::unversioned("a window", &state));
        assert!(matches!(read, Err(StateError::Damaged { .. })), "{read:?}");
    }
}
