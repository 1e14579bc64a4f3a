//! What was recommended a while ago still counts.
//!
//! AIBrix: pkg/controller/podautoscaler/podautoscaler_controller.go, `stabilizeRecommendation` and
//! `cleanOldRecommendations`.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::trace::Direction;

/// For how long a recommendation counts, in milliseconds: while it is younger than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) up: i64,
    pub(super) down: i64,
}

impl Lengths {
    const fn longest(self) -> i64 {
        if self.up > self.down { self.up } else { self.down }
    }

    pub(super) const fn of(self, direction: Direction) -> i64 {
        match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        }
    }
}

/// Which recommendation of a window wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The one nearest to the current count, and never one beyond it: a change waits until the whole window agrees.
    Nearest,
    /// The one that goes farthest, AIBrix's: the highest on the way up, the lowest on the way down.
    Farthest,
}

/// A recommendation that won over the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cooled {
    /// What it comes to.
    pub(super) replicas: i32,
    /// What it was: it may go beyond the current count.
    pub(super) recommended: i32,
    /// When it was made.
    pub(super) at: Timestamp,
}

/// The recommendations that can still win.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cooldown {
    rule: Rule,
    up: Extremes,
    down: Extremes,
}

impl Cooldown {
    pub(super) fn new(rule: Rule) -> Self {
        let (up, down) = match rule {
            Rule::Nearest => (Ordering::Less, Ordering::Greater),
            Rule::Farthest => (Ordering::Greater, Ordering::Less),
        };
        Self { rule, up: Extremes::new(up), down: Extremes::new(down) }
    }

    /// Keeps `recommended`, and gives what wins over it where something does.
    #[inline]
    pub(super) fn add(&mut self, now: Timestamp, recommended: i32, current: i32, lengths: Lengths) -> Option<Cooled> {
        let old = now.minus_millis(lengths.longest());
        for extremes in [&mut self.up, &mut self.down] {
            extremes.add(now, recommended);
            extremes.forget(old);
        }
        let (extremes, length) = match recommended.cmp(&current) {
            Ordering::Equal => return None,
            Ordering::Greater => (&self.up, lengths.up),
            Ordering::Less => (&self.down, lengths.down),
        };
        // In a window of no length there is not even the newest.
        let (at, winner) = extremes.after(now.minus_millis(length))?;
        let replicas = match self.rule {
            Rule::Nearest if recommended > current => winner.max(current),
            Rule::Nearest => winner.min(current),
            Rule::Farthest => winner,
        };
        (replicas != recommended).then_some(Cooled { replicas, recommended: winner, at })
    }

    /// Remembers `replicas` as if they had been recommended.
    pub(super) fn seed(&mut self, now: Timestamp, replicas: i32) {
        self.up.add(now, replicas);
        self.down.add(now, replicas);
    }

    pub(super) fn write(&self, state: &mut Vec<u8>) {
        self.up.write(state);
        self.down.write(state);
    }

    pub(super) fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        Ok(Self { rule: self.rule, up: self.up.read(reader)?, down: self.down.read(reader)? })
    }
}

/// The most extreme of each window that ends now: an entry for which there is one as late and as extreme is in none.
/// So the oldest is the most extreme, and what is left are steps towards the newest.
#[derive(Clone, Debug, PartialEq)]
struct Extremes {
    /// How a more extreme one compares.
    more: Ordering,
    entries: VecDeque<(Timestamp, i32)>,
}

impl Extremes {
    fn new(more: Ordering) -> Self {
        Self { more, entries: VecDeque::new() }
    }

    fn is_more(&self, one: i32, other: i32) -> bool {
        one.cmp(&other) == self.more
    }

    #[inline]
    fn add(&mut self, at: Timestamp, replicas: i32) {
        while let Some(&(newest, last)) = self.entries.back() {
            if newest > at {
                return self.insert(at, replicas);
            }
            if self.is_more(last, replicas) {
                break;
            }
            self.entries.pop_back();
        }
        self.entries.push_back((at, replicas));
    }

    /// After the clock stepped back.
    #[cold]
    fn insert(&mut self, at: Timestamp, replicas: i32) {
        let later = self.entries.partition_point(|&(other, _)| other < at);
        if self.entries.get(later).is_some_and(|&(_, other)| !self.is_more(replicas, other)) {
            return;
        }
        let beaten = self.entries.iter().take(later).rev().take_while(|&&(_, other)| !self.is_more(other, replicas));
        let first = later - beaten.count();
        self.entries.drain(first..later);
        self.entries.insert(first, (at, replicas));
    }

    #[inline]
    fn forget(&mut self, edge: Timestamp) {
        while self.entries.front().is_some_and(|&(at, _)| at <= edge) {
            self.entries.pop_front();
        }
    }

    /// The most extreme of those after `edge`.
    #[inline]
    fn after(&self, edge: Timestamp) -> Option<(Timestamp, i32)> {
        // Usually all are, or none.
        match (self.entries.front(), self.entries.back()) {
            (Some(&first), _) if first.0 > edge => Some(first),
            (_, Some(&(newest, _))) if newest > edge => {
                self.entries.get(self.entries.partition_point(|&(at, _)| at <= edge)).copied()
            }
            _ => None,
        }
    }

    fn write(&self, state: &mut Vec<u8>) {
        let count = u32::try_from(self.entries.len()).expect("a history never has 2^32 entries");
        state.extend(count.to_le_bytes());
        for (at, replicas) in &self.entries {
            state.extend(at.as_millis().to_le_bytes());
            state.extend(replicas.to_le_bytes());
        }
    }

    fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let mut read = Self::new(self.more);
        for _ in 0..reader.u32()? {
            let (at, replicas) = (Timestamp::from_millis(reader.i64()?), reader.u32()?.cast_signed());
            if read.entries.back().is_some_and(|&(before, last)| before > at || !self.is_more(last, replicas)) {
                return Err(reader.damaged("recommendations are out of order"));
            }
            read.entries.push_back((at, replicas));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the list that the original keeps.
        #[test]
        fn the_steps_win_as_a_whole_list_would(
            // Now and then the clock steps back.
            steps in prop::collection::vec((prop_oneof![9 => 0_i64..40, 1 => -50_i64..0], 0_i32..9, 0_i32..9), 1..200),
            lengths in prop::collection::vec((-5_i64..100, -5_i64..100), 1..4),
            farthest in any::<bool>(),
        ) {
            let mut cooldown = Cooldown::new(if farthest { Rule::Farthest } else { Rule::Nearest });
            let (mut list, mut now): (Vec<(i64, i32)>, i64) = (Vec::new(), 0);
            for (index, (step, recommended, current)) in steps.into_iter().enumerate() {
                now += step;
                let (up, down) = lengths[index / 7 % lengths.len()];
                let got = cooldown.add(Timestamp::from_millis(now), recommended, current, Lengths { up, down });
                list.push((now, recommended));
                list.retain(|&(at, _)| at > now - up.max(down));
                let window = if recommended > current { up } else { down };
                let inside = list.iter().filter(|&&(at, _)| at > now - window).map(|&(_, replicas)| replicas);
                let highest = (recommended > current) == farthest;
                let won = if highest { inside.max() } else { inside.min() }.unwrap_or(recommended);
                let want = match (recommended.cmp(&current), farthest) {
                    (Ordering::Equal, _) => current,
                    (_, true) => won,
                    (Ordering::Greater, false) => won.max(current),
                    (Ordering::Less, false) => won.min(current),
                };
                prop_assert_eq!(got.map_or(recommended, |cooled| cooled.replicas), want);
            }
        }
    }
}
