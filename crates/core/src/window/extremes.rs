//! The most extreme values of all windows that end now, in constant time a value.

use std::collections::VecDeque;

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;

/// Which value of a window is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The smallest.
    Smallest,
    /// The largest.
    Largest,
}

/// What can still be the most extreme of some window that ends now: a value for which there is one as late and as extreme
/// is that of none. So the oldest is the most extreme, and what is left are steps towards the newest.
///
/// ```
/// use setpoint::Timestamp;
/// use setpoint::window::{Extremes, Keep};
/// let at = |secs: i64| Timestamp::from_millis(secs * 1000);
/// let mut largest = Extremes::new(Keep::Largest);
/// for (second, value) in [(0, 7.0), (10, 3.0), (20, 5.0)] {
///     largest.add(at(second), value);
/// }
/// assert_eq!(largest.after(at(-1)), Some((at(0), 7.0)));
/// assert_eq!(largest.after(at(0)), Some((at(20), 5.0)));
/// largest.forget(at(20));
/// assert_eq!(largest.after(at(0)), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Extremes {
    keep: Keep,
    entries: VecDeque<(Timestamp, f64)>,
}

impl Extremes {
    /// Of no value yet.
    #[must_use]
    pub const fn new(keep: Keep) -> Self {
        Self { keep, entries: VecDeque::new() }
    }

    fn is_more(&self, one: f64, other: f64) -> bool {
        match self.keep {
            Keep::Smallest => one < other,
            Keep::Largest => one > other,
        }
    }

    /// Adds a finite `value` of the time `at`. One that comes late is put in its place.
    #[inline]
    pub fn add(&mut self, at: Timestamp, value: f64) {
        debug_assert!(value.is_finite(), "{value} is neither more nor less than others");
        while let Some(&(newest, last)) = self.entries.back() {
            if newest > at {
                return self.insert(at, value);
            }
            if self.is_more(last, value) {
                break;
            }
            self.entries.pop_back();
        }
        self.entries.push_back((at, value));
    }

    /// After the clock stepped back.
    #[cold]
    fn insert(&mut self, at: Timestamp, value: f64) {
        let later = self.entries.partition_point(|&(other, _)| other < at);
        if self.entries.get(later).is_some_and(|&(_, other)| !self.is_more(value, other)) {
            return;
        }
        let beaten = self.entries.iter().take(later).rev().take_while(|&&(_, other)| !self.is_more(other, value));
        let first = later - beaten.count();
        self.entries.drain(first..later);
        self.entries.insert(first, (at, value));
    }

    /// Forgets what is not after `edge`.
    #[inline]
    pub fn forget(&mut self, edge: Timestamp) {
        while self.entries.front().is_some_and(|&(at, _)| at <= edge) {
            self.entries.pop_front();
        }
    }

    /// The most extreme value after `edge`, with its time: of several the latest.
    #[must_use]
    #[inline]
    pub fn after(&self, edge: Timestamp) -> Option<(Timestamp, f64)> {
        // Usually all are, or none.
        match (self.entries.front(), self.entries.back()) {
            (Some(&first), _) if first.0 > edge => Some(first),
            (_, Some(&(newest, _))) if newest > edge => {
                self.entries.get(self.entries.partition_point(|&(at, _)| at <= edge)).copied()
            }
            _ => None,
        }
    }

    /// When the newest value was added.
    #[must_use]
    #[inline]
    pub fn newest(&self) -> Option<Timestamp> {
        self.entries.back().map(|&(at, _)| at)
    }

    /// The values that are kept, the oldest first.
    pub fn entries(&self) -> impl Iterator<Item = (Timestamp, f64)> + '_ {
        self.entries.iter().copied()
    }

    /// Appends the values to a state. It carries no version: that is for the part that holds it.
    pub fn write(&self, state: &mut Vec<u8>) {
        let count = u32::try_from(self.entries.len()).expect("a window never has 2^32 values");
        state.extend(count.to_le_bytes());
        for (at, value) in &self.entries {
            state.extend(at.as_millis().to_le_bytes());
            state.extend(value.to_le_bytes());
        }
    }

    /// What [`write`](Self::write) wrote, of the same kind as this.
    ///
    /// # Errors
    ///
    /// [`StateError`] for bytes that none writes.
    pub fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let mut read = Self::new(self.keep);
        for _ in 0..reader.u32()? {
            let (at, value) = (Timestamp::from_millis(reader.i64()?), reader.finite()?);
            if read.entries.back().is_some_and(|&(before, last)| before > at || !self.is_more(last, value)) {
                return Err(reader.damaged("the values of a window are out of order"));
            }
            read.entries.push_back((at, value));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_search_through_every_window(
            // Now and then the clock steps back.
            steps in prop::collection::vec((prop_oneof![9 => 0_i64..40, 1 => -50_i64..0], -50_i32..50), 1..200),
            lengths in prop::collection::vec(0_i64..100, 1..4),
            largest in any::<bool>(),
        ) {
            let mut kept = Extremes::new(if largest { Keep::Largest } else { Keep::Smallest });
            let (mut all, mut now): (Vec<(i64, f64)>, i64) = (Vec::new(), 0);
            let longest = *lengths.iter().max().expect("at least one");
            for (step, value) in steps {
                now += step;
                kept.add(Timestamp::from_millis(now), value.into());
                kept.forget(Timestamp::from_millis(now - longest));
                all.push((now, value.into()));
                all.retain(|&(at, _)| at > now - longest);
                for length in &lengths {
                    let inside = all.iter().filter(|&&(at, _)| at > now - length).map(|&(_, value)| value);
                    let want = if largest { inside.reduce(f64::max) } else { inside.reduce(f64::min) };
                    prop_assert_eq!(kept.after(Timestamp::from_millis(now - length)).map(|(_, value)| value), want);
                }
            }
        }
    }
}
