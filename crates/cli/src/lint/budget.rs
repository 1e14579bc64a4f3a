//! How much trying a policy is worth: all its probes together.

use std::time::{Duration, Instant};

/// Looks at one policy: a month at one every 15 s. What a policy of this world needs to come to rest a few times is in
/// the thousands.
const MOST_LOOKS: u32 = 200_000;
/// For what is slow at each look, as a plugin near its deadline or a history of many entries: a person waits for this.
/// Only where this ends the trying does the answer depend on the machine.
const MOST_TIME: Duration = Duration::from_secs(5);

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    looks: u32,
    end: Instant,
}

/// What there is no more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// Looks.
    Looks,
    /// Time.
    Time,
}

impl Spent {
    /// In words, with how much of it there was.
    pub(super) fn words(self) -> String {
        match self {
            Self::Looks => format!("{MOST_LOOKS} looks"),
            Self::Time => format!("{} of trying", humantime::format_duration(MOST_TIME)),
        }
    }
}

impl Budget {
    /// For one policy, from now on.
    pub(super) fn new() -> Self {
        Self::of(MOST_LOOKS, MOST_TIME)
    }

    /// Of so many looks and so much time.
    pub(super) fn of(looks: u32, time: Duration) -> Self {
        Self { looks, end: Instant::now() + time }
    }

    /// Takes one look, if there is one.
    pub(super) fn take(&mut self) -> Result<(), Spent> {
        self.looks = self.looks.checked_sub(1).ok_or(Spent::Looks)?;
        if Instant::now() < self.end { Ok(()) } else { Err(Spent::Time) }
    }

    /// Whether there are so many looks.
    pub(super) const fn covers(&self, looks: u32) -> bool {
        looks <= self.looks
    }
}
