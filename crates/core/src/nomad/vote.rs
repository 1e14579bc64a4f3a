//! How several opinions about one count become one.
//!
//! Nomad Autoscaler: sdk/strategy.go, `PreemptScalingAction`; policy/handler.go, `pickWinnerActionFromGroups`.

use serde::Serialize;

/// Which way a vote goes, from the riskiest to the safest: one that adds beats one that keeps, and that beats one that
/// takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Fewer.
    Down,
    /// As it is.
    None,
    /// More.
    Up,
}

impl Direction {
    /// As Nomad spells it: `up`, `down`, `none`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::None => "none",
            Self::Up => "up",
        }
    }
}

/// One opinion: a direction, and the count it should go to. The count is in whatever the voters count in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote<N> {
    /// Down to so many.
    Down(N),
    /// As it is.
    Keep,
    /// Up to so many.
    Up(N),
}

impl<N: Copy + PartialOrd> Vote<N> {
    /// Which way it goes.
    #[must_use]
    #[inline]
    pub const fn direction(self) -> Direction {
        match self {
            Self::Down(_) => Direction::Down,
            Self::Keep => Direction::None,
            Self::Up(_) => Direction::Up,
        }
    }

    /// The count, of one that wants another.
    #[must_use]
    #[inline]
    pub const fn count(self) -> Option<N> {
        match self {
            Self::Down(count) | Self::Up(count) => Some(count),
            Self::Keep => None,
        }
    }

    /// The same to another count.
    #[must_use]
    #[inline]
    pub fn map(self, to: impl FnOnce(N) -> N) -> Self {
        match self {
            Self::Down(count) => Self::Down(to(count)),
            Self::Keep => Self::Keep,
            Self::Up(count) => Self::Up(to(count)),
        }
    }

    /// Whether it is safer than `other`: of another direction, or of the same and to a higher count. Down too.
    #[must_use]
    #[inline]
    pub fn beats(self, other: Self) -> bool {
        let (own, others) = (self.direction(), other.direction());
        own > others || (own == others && self.count() > other.count())
    }
}

/// Counts votes, one after the other, and knows the winner. Among equals the first one wins.
///
/// Voters without a group are one group in which [`Keep`](Vote::Keep) counts: one of them that wants nothing blocks the
/// others' way down. In a named group `Keep` is no vote beside a real one, so that of checks of which one speaks at a
/// time, one alone can take something away; where nobody in it has a real vote, the group votes `Keep`. Then the groups
/// compete by the same rule.
///
/// The voters of a group have to come one after the other.
///
/// ```
/// use setpoint::nomad::{Tally, Vote};
/// let mut tally = Tally::new();
/// // A group of two of which one wants fewer, and one voter alone who wants fewer too, but not so few.
/// tally.add(0, Some(1), Vote::Keep);
/// tally.add(1, Some(1), Vote::Down(2.0));
/// tally.add(2, None, Vote::Down(3.5));
/// assert_eq!(tally.winner(), Some((2, Vote::Down(3.5))));
/// ```
///
/// A voter is whatever should come back with the winning vote: a number, or all that is to be told of it.
#[derive(Clone, Copy, Debug)]
pub struct Tally<V, N> {
    winner: Option<(V, Vote<N>)>,
    group: Option<u32>,
    of_group: Option<(V, Vote<N>)>,
}

impl<V: Copy, N: Copy + PartialOrd> Tally<V, N> {
    /// Without votes.
    #[must_use]
    pub const fn new() -> Self {
        Self { winner: None, group: None, of_group: None }
    }

    /// Counts the vote of `voter`, who is in `group`, or in none.
    #[inline]
    pub fn add(&mut self, voter: V, group: Option<u32>, vote: Vote<N>) {
        if group != self.group {
            self.close();
            self.group = group;
        }
        let wins = match self.of_group {
            None => true,
            // In a named group Keep stands only until a real vote comes, of either direction.
            Some((_, best)) if group.is_some() && matches!(best, Vote::Keep) => !matches!(vote, Vote::Keep),
            Some(_) if group.is_some() && matches!(vote, Vote::Keep) => false,
            Some((_, best)) => vote.beats(best),
        };
        if wins {
            self.of_group = Some((voter, vote));
        }
    }

    /// The voter who won, and the vote; none where nobody voted.
    #[must_use]
    #[inline]
    pub fn winner(mut self) -> Option<(V, Vote<N>)> {
        self.close();
        self.winner
    }

    #[inline]
    fn close(&mut self) {
        if let Some((voter, vote)) = self.of_group.take()
            && self.winner.is_none_or(|(_, best)| vote.beats(best))
        {
            self.winner = Some((voter, vote));
        }
    }
}

impl<V: Copy, N: Copy + PartialOrd> Default for Tally<V, N> {
    fn default() -> Self {
        Self::new()
    }
}
