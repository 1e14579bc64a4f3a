//! What HPA remembers of a workload: what was proposed, and what was changed.
//!
//! Kubernetes keeps both in lists where a new entry takes the place of the last one that nobody needs any more,
//! and which are never pruned. That shows after a change of policy, when a longer window finds old entries again.

use std::hint::select_unpredictable;
use std::time::Duration;

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;

/// Proposals with their times.
#[derive(Clone, Debug)]
pub(crate) struct Recommendations {
    /// Apart from the proposals, since each look goes through all times and seldom through those.
    times: Vec<Timestamp>,
    proposals: Vec<f64>,
    newest: Timestamp,
    /// Where the last one was put.
    place: usize,
    /// Whether those behind it are known to be in the order of their times, as usual: then each look takes the place
    /// behind that of the look before it.
    in_order: bool,
    /// The windows of the last look, and their extremes: while those are inside, no other entry has to be looked at.
    lengths: Lengths,
    lowest: (Timestamp, f64),
    highest: (Timestamp, f64),
}

/// In no window.
const LONG_AGO: Timestamp = Timestamp::from_millis(i64::MIN);

impl Default for Recommendations {
    fn default() -> Self {
        Self {
            times: Vec::new(),
            proposals: Vec::new(),
            newest: LONG_AGO,
            place: 0,
            in_order: false,
            lengths: Lengths { up: 0, down: 0, old: 0 },
            lowest: (LONG_AGO, 0.0),
            highest: (LONG_AGO, 0.0),
        }
    }
}

/// How long proposals count, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// On the way up.
    pub(crate) up: i64,
    /// On the way down.
    pub(crate) down: i64,
    /// An older entry is in no window.
    pub(crate) old: i64,
}

/// What a look at the recommendations found: the extremes, the newest proposal among them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Windows {
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Recommendations {
    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    fn push(&mut self, at: Timestamp, proposal: f64) {
        self.times.push(at);
        self.proposals.push(proposal);
        self.newest = self.newest.max(at);
    }

    fn entries(&self) -> impl Iterator<Item = (Timestamp, f64)> {
        self.times.iter().copied().zip(self.proposals.iter().copied())
    }

    /// The first entry of an empty history: what there is, so that a start takes nothing away at once.
    pub(crate) fn seed(&mut self, now: Timestamp, current: f64) {
        if self.is_empty() {
            self.push(now, current);
        }
    }

    /// The lowest of the up window and the highest of the down window, `proposal` included, which is kept. An entry
    /// counts while it is younger than the window is long.
    #[inline]
    pub(crate) fn add(&mut self, now: Timestamp, proposal: f64, lengths: Lengths) -> Windows {
        let (up_edge, down_edge) = (now.minus_millis(lengths.up), now.minus_millis(lengths.down));
        // As long as windows only move on, what was the extreme stays it until it drops out.
        if self.lengths != lengths || now < self.newest {
            self.lengths = lengths;
            (self.lowest.0, self.highest.0) = (LONG_AGO, LONG_AGO);
        }
        if self.lowest.0 <= up_edge {
            self.lowest = self.extreme(up_edge, (now, proposal), |one, other| one < other);
        }
        if self.highest.0 <= down_edge {
            self.highest = self.extreme(down_edge, (now, proposal), |one, other| one > other);
        }
        // Of equal ones the newest, which stays longest.
        self.lowest = select_unpredictable(proposal <= self.lowest.1, (now, proposal), self.lowest);
        self.highest = select_unpredictable(proposal >= self.highest.1, (now, proposal), self.highest);
        self.keep(now, proposal, now.minus_millis(lengths.old));
        Windows { lowest: self.lowest.1, highest: self.highest.1 }
    }

    /// The newest of the most extreme entries after `edge`, or `proposal`.
    fn extreme(
        &self,
        edge: Timestamp,
        proposal: (Timestamp, f64),
        is_more: impl Fn(f64, f64) -> bool,
    ) -> (Timestamp, f64) {
        if self.newest <= edge {
            return proposal;
        }
        let inside = self.entries().filter(|&(at, _)| at > edge);
        inside.fold(proposal, |most, entry| {
            let newer = entry.1 == most.1 && entry.0 > most.0;
            if is_more(entry.1, most.1) || newer { entry } else { most }
        })
    }

    /// In the place of the last entry before `edge`, or at the end.
    #[inline]
    fn keep(&mut self, now: Timestamp, proposal: f64, edge: Timestamp) {
        let old = |times: &[Timestamp], place: usize| times.get(place).is_some_and(|&at| at < edge);
        let mut place = self.place + 1;
        if self.in_order && old(&self.times, place) {
            while old(&self.times, place + 1) {
                place += 1;
            }
        } else {
            place = self.times.iter().rposition(|&at| at < edge).unwrap_or(self.times.len());
            self.in_order = self.times.get(place + 1..).is_none_or(<[Timestamp]>::is_sorted);
        }
        self.place = place;
        if let (Some(time), Some(old)) = (self.times.get_mut(place), self.proposals.get_mut(place)) {
            (*time, *old) = (now, proposal);
            self.newest = self.newest.max(now);
        } else {
            self.push(now, proposal);
        }
    }

    /// When something that `is_such` was proposed last.
    pub(crate) fn last_proposed(&self, is_such: impl Fn(f64) -> bool) -> Option<Timestamp> {
        self.entries().filter(|&(_, need)| is_such(need)).map(|(at, _)| at).max()
    }

    pub(crate) fn write(&self, state: &mut Vec<u8>) {
        write_count(self.times.len(), state);
        for (at, proposal) in self.entries() {
            state.extend(at.as_millis().to_le_bytes());
            state.extend(proposal.to_le_bytes());
        }
    }

    pub(crate) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let mut read = Self::default();
        for _ in 0..reader.u32()? {
            read.push(Timestamp::from_millis(reader.i64()?), reader.finite()?);
        }
        Ok(read)
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
    /// The replicas changed after `edge`.
    #[inline]
    pub(crate) fn after(&self, edge: Timestamp) -> i32 {
        let counted = |change: &Change| select_unpredictable(change.at > edge, change.replicas, 0);
        self.entries.iter().fold(0, |sum, change| sum.wrapping_add(counted(change)))
    }

    /// When each was made, in no order.
    pub(crate) fn times(&self) -> impl Iterator<Item = Timestamp> {
        self.entries.iter().map(|change| change.at)
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
            // Now and then the clock steps back.
            steps in prop::collection::vec((prop_oneof![9 => 0_i64..40, 1 => -50_i64..0], 0_u32..50), 1..200),
            up in 0_i64..100,
            down in 0_i64..100,
        ) {
            let lengths = Lengths { up, down, old: i64::MAX };
            let mut kept = Recommendations::default();
            let mut all: Vec<(i64, f64)> = Vec::new();
            let mut now = 0;
            for (step, need) in steps {
                now += step;
                let need = f64::from(need);
                let inside = |window| all.iter().filter(move |&&(at, _)| at > now - window).map(|&(_, need)| need);
                let windows = kept.add(Timestamp::from_millis(now), need, lengths);
                prop_assert_eq!(windows.lowest, inside(up).fold(need, f64::min));
                prop_assert_eq!(windows.highest, inside(down).fold(need, f64::max));
                all.push((now, need));
            }
        }
    }

    proptest! {
        #[test]
        fn a_proposal_takes_the_place_of_the_last_one_that_is_old(
            looks in prop::collection::vec((prop_oneof![9 => 0_i64..40, 1 => -50_i64..0], 0_i64..100), 1..200),
        ) {
            let mut kept = Recommendations::default();
            let mut all: Vec<Timestamp> = Vec::new();
            let mut now = Timestamp::default();
            for (step, old) in looks {
                now = now.minus_millis(-step);
                // Each look may be by another policy.
                let old = if old < 90 { 60 } else { old };
                kept.add(now, 1.0, Lengths { up: 0, down: 0, old });
                match all.iter().rposition(|&at| at < now.minus_millis(old)) {
                    Some(place) => all[place] = now,
                    None => all.push(now),
                }
                prop_assert_eq!(&kept.times, &all);
            }
        }
    }

    #[test]
    fn entries_that_no_window_reaches_give_their_place_away() {
        let lengths = Lengths { up: 0, down: 30, old: 30 };
        let mut kept = Recommendations::default();
        for look in 0..100 {
            kept.add(Timestamp::from_millis(look * 10), 1.0, lengths);
        }
        // One that is as old as the window is long no longer counts, and is not old yet.
        assert_eq!(kept.times.len(), 4);
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
        assert_eq!(changes.after(at(-900)), 7);
        assert_eq!(changes.after(at(90)), 5);
    }
}
