//! The mean of the last so many seconds.
//!
//! AIBrix: pkg/controller/podautoscaler/types/metrics.go, `TimeWindow`; metrics/client.go, `ConfigureMetricWindows`.

use std::collections::VecDeque;

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;

/// The mean of the last so many seconds: one value a second, the last that came.
///
/// ```
/// use setpoint::Timestamp;
/// use setpoint::window::SecondsMean;
/// let mut mean = SecondsMean::default();
/// for (second, value) in [(0, 9.0), (10, 2.0), (20, 4.0)] {
///     mean.record(Timestamp::from_millis(second * 1000), value, 15);
/// }
/// assert_eq!(mean.mean(), Some(3.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecondsMean {
    /// By second, ascending.
    values: VecDeque<(i64, f64)>,
}

impl SecondsMean {
    /// Keeps `value` for the second of `now`, and nothing that is older than `length` seconds: both ends count, so that
    /// a window of 30 s holds four values that come every 10 s.
    #[inline]
    pub fn record(&mut self, now: Timestamp, value: f64, length: u32) {
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

    /// None while it is empty. Added up in the order of time, for no other order gives the same double.
    #[must_use]
    #[inline]
    pub fn mean(&self) -> Option<f64> {
        let (front, back) = self.values.as_slices();
        let sum = front.iter().chain(back).fold(0.0, |sum, &(_, value)| sum + value);
        #[expect(clippy::cast_precision_loss, reason = "at most one a second")]
        (!self.values.is_empty()).then(|| sum / self.values.len() as f64)
    }

    /// The newest value.
    #[must_use]
    pub fn newest(&self) -> Option<f64> {
        self.values.back().map(|&(_, value)| value)
    }

    /// How many values it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        self.values.clear();
    }

    /// Multiplies all values, as for another unit.
    pub fn scale(&mut self, by: f64) {
        // What grows out of a double is no value any more.
        self.values.iter_mut().for_each(|(_, value)| *value *= by);
        self.values.retain(|(_, value)| value.is_finite());
    }

    /// Appends the values to a state. It carries no version: that is for the part that holds it.
    pub fn write(&self, state: &mut Vec<u8>) {
        let count = u32::try_from(self.values.len()).expect("a window is a few thousand seconds long");
        state.extend(count.to_le_bytes());
        for (second, value) in &self.values {
            state.extend(second.to_le_bytes());
            state.extend(value.to_le_bytes());
        }
    }

    /// What [`write`](Self::write) wrote.
    ///
    /// # Errors
    ///
    /// [`StateError`] for bytes that no window writes.
    pub fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
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
            let (mut window, mut map, mut now) = (SecondsMean::default(), std::collections::BTreeMap::new(), -5_000);
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
        let mut window = SecondsMean::default();
        for second in [1, 2] {
            window.record(Timestamp::from_millis(second * 1000), 1.0, 30);
        }
        let mut state = Vec::new();
        window.write(&mut state);
        state[4] = 9;
        let read = SecondsMean::read(&mut StateReader::unversioned("a window", &state));
        assert!(matches!(read, Err(StateError::Damaged { .. })), "{read:?}");
    }
}
