//! What HPA remembers of a workload: what was proposed, and what was changed.
//!
//! Kubernetes keeps both in lists where a new entry takes the place of the last one that nobody needs any more,
//! and which are never pruned. That shows after a change of policy, when a longer window finds old entries again.

use std::hint::select_unpredictable;
use std::time::Duration;

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;

/// Proposals with their times.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recommendations {
    entries: Vec<(Timestamp, f64)>,
}

/// What a look at the recommendations found: the extremes, the newest proposal among them, and the place that the
/// newest may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Windows {
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    replace: Option<usize>,
}

impl Recommendations {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first entry of an empty history: what there is, so that a start takes nothing away at once.
    pub(crate) fn seed(&mut self, now: Timestamp, current: f64) {
        if self.entries.is_empty() {
            self.entries.push((now, current));
        }
    }

    /// The lowest of the `up` window and the highest of the `down` window, `proposal` included. An entry counts
    /// while it is younger than the window is long.
    #[inline]
    pub(crate) fn windows(&self, now: Timestamp, proposal: f64, up: Duration, down: Duration) -> Windows {
        let (up_edge, down_edge) = (now - up, now - down);
        // Selects, for the load decides which way each would branch.
        let (mut lowest, mut highest, mut old) = (proposal, proposal, usize::MAX);
        let old_edge = up_edge.min(down_edge);
        for (index, &(at, need)) in self.entries.iter().enumerate() {
            lowest = select_unpredictable((at > up_edge) & (need < lowest), need, lowest);
            highest = select_unpredictable((at > down_edge) & (need > highest), need, highest);
            old = select_unpredictable(at < old_edge, index, old);
        }
        Windows { lowest, highest, replace: (old != usize::MAX).then_some(old) }
    }

    /// The highest of one window, as HPA without `behavior` has it: an entry exactly as old as the window is long
    /// still counts.
    pub(crate) fn legacy_window(&self, now: Timestamp, proposal: f64, window: Duration) -> Windows {
        let edge = now - window;
        let mut found = Windows { lowest: proposal, highest: proposal, replace: None };
        for (index, &(at, need)) in self.entries.iter().enumerate() {
            if at < edge {
                found.replace = Some(index);
            } else if need > found.highest {
                found.highest = need;
            }
        }
        found
    }

    /// Keeps `proposal`, in the place that `windows` found for it.
    pub(crate) fn record(&mut self, now: Timestamp, proposal: f64, windows: Windows) {
        match windows.replace {
            Some(index) => self.entries[index] = (now, proposal),
            None => self.entries.push((now, proposal)),
        }
    }

    /// When something that `is_such` was proposed last.
    pub(crate) fn last_proposed(&self, is_such: impl Fn(f64) -> bool) -> Option<Timestamp> {
        self.entries.iter().filter(|&&(_, need)| is_such(need)).map(|&(at, _)| at).max()
    }

    pub(crate) fn write(&self, state: &mut Vec<u8>) {
        write_count(self.entries.len(), state);
        for (at, need) in &self.entries {
            state.extend(at.as_millis().to_le_bytes());
            state.extend(need.to_le_bytes());
        }
    }

    pub(crate) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let mut entries = Vec::new();
        for _ in 0..reader.u32()? {
            entries.push((Timestamp::from_millis(reader.i64()?), reader.finite()?));
        }
        Ok(Self { entries })
    }
}

/// Changes in one direction, with their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    entries: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    at: Timestamp,
    replicas: i32,
    /// Once seen to be older than every period of its direction: the next change takes its place.
    outdated: bool,
}

impl Changes {
    /// The replicas changed within `period`. A change exactly as old as the period is long no longer counts.
    pub(crate) fn within(&self, period: Duration, now: Timestamp) -> i32 {
        let edge = now - period;
        let counted = self.entries.iter().filter(|change| change.at > edge);
        counted.fold(0, |sum, change| sum.wrapping_add(change.replicas))
    }

    /// The oldest change within `period`.
    pub(crate) fn oldest_within(&self, period: Duration, now: Timestamp) -> Option<Timestamp> {
        let edge = now - period;
        self.entries.iter().filter(|change| change.at > edge).map(|change| change.at).min()
    }

    /// Keeps a change of so many `replicas`; `longest` is the longest period of its direction.
    pub(crate) fn record(&mut self, at: Timestamp, replicas: i32, longest: Duration) {
        let edge = at - longest;
        let mut replace = None;
        for (index, change) in self.entries.iter_mut().enumerate() {
            change.outdated |= change.at < edge;
            if change.outdated {
                replace = Some(index);
            }
        }
        let change = Change { at, replicas, outdated: false };
        match replace {
            Some(index) => self.entries[index] = change,
            None => self.entries.push(change),
        }
    }

    pub(crate) fn write(&self, state: &mut Vec<u8>) {
        write_count(self.entries.len(), state);
        for change in &self.entries {
            state.extend(change.at.as_millis().to_le_bytes());
            state.extend(change.replicas.to_le_bytes());
            state.push(u8::from(change.outdated));
        }
    }

    pub(crate) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let mut entries = Vec::new();
        for _ in 0..reader.u32()? {
            let at = Timestamp::from_millis(reader.i64()?);
            let replicas = i32::try_from(reader.u32()?).map_err(|_| reader.damaged("a change is negative"))?;
            let outdated = reader.flag()?;
            entries.push(Change { at, replicas, outdated });
        }
        Ok(Self { entries })
    }
}

fn write_count(count: usize, state: &mut Vec<u8>) {
    let count = u32::try_from(count).expect("a history never has 2^32 entries");
    state.extend(count.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_s_extremes_are_those_of_a_list_that_forgets_nothing(
            steps in prop::collection::vec((0_u64..40, 0_u32..50), 1..200),
            up in 0_u64..100,
            down in 0_u64..100,
        ) {
            let (up, down) = (Duration::from_millis(up), Duration::from_millis(down));
            let mut kept = Recommendations::default();
            let mut all: Vec<(Timestamp, f64)> = Vec::new();
            let mut now = Timestamp::default();
            for (step, need) in steps {
                now = now + Duration::from_millis(step);
                let need = f64::from(need);
                let inside = |window| all.iter().filter(move |&&(at, _)| at > now - window).map(|&(_, need)| need);
                let windows = kept.windows(now, need, up, down);
                prop_assert_eq!(windows.lowest, inside(up).fold(need, f64::min));
                prop_assert_eq!(windows.highest, inside(down).fold(need, f64::max));
                kept.record(now, need, windows);
                all.push((now, need));
            }
        }
    }

    #[test]
    fn only_the_last_outdated_entry_is_replaced() {
        let at = Timestamp::from_millis;
        let mut changes = Changes::default();
        for time in [0, 1, 2] {
            changes.record(at(time), 1, Duration::from_millis(10));
        }
        changes.record(at(100), 5, Duration::from_millis(10));
        // Two old ones survive, and a longer period finds them again.
        assert_eq!(changes.within(Duration::from_millis(1000), at(100)), 7);
        assert_eq!(changes.within(Duration::from_millis(10), at(100)), 5);
    }
}
