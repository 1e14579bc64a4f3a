//! What was recommended a while ago still counts.
//!
//! AIBrix: pkg/controller/podautoscaler/podautoscaler_controller.go, `stabilizeRecommendation` and
//! `cleanOldRecommendations`.

use std::cmp::Ordering;

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::trace::Direction;
use crate::window::{Extremes, Keep};

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
            Rule::Nearest => (Keep::Smallest, Keep::Largest),
            Rule::Farthest => (Keep::Largest, Keep::Smallest),
        };
        Self { rule, up: Extremes::new(up), down: Extremes::new(down) }
    }

    /// Keeps `recommended`, and gives what wins over it where something does.
    #[inline]
    pub(super) fn add(&mut self, now: Timestamp, recommended: i32, current: i32, lengths: Lengths) -> Option<Cooled> {
        let old = now.minus_millis(lengths.longest());
        for extremes in [&mut self.up, &mut self.down] {
            extremes.add(now, recommended.into());
            extremes.forget(old);
        }
        let (extremes, length) = match recommended.cmp(&current) {
            Ordering::Equal => return None,
            Ordering::Greater => (&self.up, lengths.up),
            Ordering::Less => (&self.down, lengths.down),
        };
        // In a window of no length there is not even the newest.
        let (at, winner) = extremes.after(now.minus_millis(length))?;
        let winner = count(winner);
        let replicas = match self.rule {
            Rule::Nearest if recommended > current => winner.max(current),
            Rule::Nearest => winner.min(current),
            Rule::Farthest => winner,
        };
        (replicas != recommended).then_some(Cooled { replicas, recommended: winner, at })
    }

    /// Remembers `replicas` as if they had been recommended.
    pub(super) fn seed(&mut self, now: Timestamp, replicas: i32) {
        self.up.add(now, replicas.into());
        self.down.add(now, replicas.into());
    }

    pub(super) fn write(&self, state: &mut Vec<u8>) {
        self.up.write(state);
        self.down.write(state);
    }

    pub(super) fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let (up, down) = (self.up.read(reader)?, self.down.read(reader)?);
        let counts = |extremes: &Extremes| extremes.entries().all(|(_, value)| f64::from(count(value)) == value);
        if !counts(&up) || !counts(&down) {
            return Err(reader.damaged("a recommendation is no count"));
        }
        Ok(Self { rule: self.rule, up, down })
    }
}

/// A recommendation, out of a window of numbers.
#[expect(clippy::cast_possible_truncation, reason = "only counts go in")]
const fn count(value: f64) -> i32 {
    value as i32
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
