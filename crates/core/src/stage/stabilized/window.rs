//! The smallest or largest value of a sliding time window, in constant time a value.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// Which value of the window is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Min,
    Max,
}

/// A monotonic queue: only values that can still become the extremum are kept, so the front is it.
#[derive(Clone, Debug)]
pub(super) struct Extremum {
    keep: Keep,
    length: Duration,
    entries: VecDeque<(Timestamp, f64)>,
}

impl Extremum {
    pub(super) fn new(keep: Keep, length: Duration) -> Self {
        Self { keep, length, entries: VecDeque::new() }
    }

    pub(super) fn emptied(&self) -> Self {
        Self::new(self.keep, self.length)
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (Timestamp, f64)> + '_ {
        self.entries.iter().copied()
    }

    /// Adds `value` at `now` and returns the extremum with its time.
    ///
    /// A value that comes late counts as of the newest time seen: a clock that steps back must not reorder
    /// the queue.
    pub(super) fn add(&mut self, now: Timestamp, value: f64) -> (Timestamp, f64) {
        let now = self.entries.back().map_or(now, |&(newest, _)| now.max(newest));
        while let Some(&(_, last)) = self.entries.back() {
            let beaten = match self.keep {
                Keep::Min => value <= last,
                Keep::Max => value >= last,
            };
            if !beaten {
                break;
            }
            self.entries.pop_back();
        }
        self.entries.push_back((now, value));
        let edge = now - self.length;
        while self.entries.len() > 1 && self.entries.front().is_some_and(|&(at, _)| at <= edge) {
            self.entries.pop_front();
        }
        *self.entries.front().expect("a value was just added")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(keep: Keep, length: Duration, all: &[(Timestamp, f64)]) -> f64 {
        let &(now, newest) = all.last().unwrap();
        let inside = all.iter().filter(|&&(at, _)| at > now - length).map(|&(_, value)| value);
        match keep {
            Keep::Min => inside.fold(newest, f64::min),
            Keep::Max => inside.fold(newest, f64::max),
        }
    }

    proptest! {
        #[test]
        fn equals_a_search_through_the_whole_window(
            steps in prop::collection::vec((0_u64..40, -50_i32..50), 1..200),
            length in 0_u64..100,
            max in any::<bool>(),
        ) {
            let keep = if max { Keep::Max } else { Keep::Min };
            let length = Duration::from_millis(length);
            let mut window = Extremum::new(keep, length);
            let mut now = Timestamp::default();
            let mut all = Vec::new();
            for (step, value) in steps {
                now = now + Duration::from_millis(step);
                all.push((now, f64::from(value)));
                prop_assert_eq!(window.add(now, f64::from(value)).1, naive(keep, length, &all));
            }
        }
    }

    #[test]
    fn a_late_value_counts_as_of_the_newest_time() {
        let mut window = Extremum::new(Keep::Max, Duration::from_secs(10));
        let at = |secs: i64| Timestamp::from_millis(secs * 1000);
        assert_eq!(window.add(at(20), 5.0), (at(20), 5.0));
        assert_eq!(window.add(at(15), 3.0), (at(20), 5.0));
        assert_eq!(window.add(at(29), 1.0), (at(20), 5.0));
        assert_eq!(window.add(at(30), 1.0), (at(30), 1.0));
    }
}
