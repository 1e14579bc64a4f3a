//! When a process that ended is started again.

use std::time::Duration;

/// How long is waited before a process that ended by itself is started again: the first time `first`, then twice as long
/// each time, at most `most`; from `first` again once one was up for `steady`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restarts {
    /// Default 1 s.
    pub first: Duration,
    /// Default 30 s.
    pub most: Duration,
    /// Default 1 min.
    pub steady: Duration,
}

impl Default for Restarts {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(30), steady: Duration::from_secs(60) }
    }
}

impl Restarts {
    /// The same, beginning with `first`.
    #[must_use]
    pub const fn with_first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// The same, waiting at most `most`.
    #[must_use]
    pub const fn with_most(mut self, most: Duration) -> Self {
        self.most = most;
        self
    }
}

/// What one slot's next wait is.
#[derive(Debug)]
pub(super) struct Backoff {
    restarts: Restarts,
    next: Duration,
}

impl Backoff {
    pub(super) const fn new(restarts: Restarts) -> Self {
        Self { restarts, next: restarts.first }
    }

    /// How long to wait, after one that was up for `up`.
    pub(super) fn wait(&mut self, up: Duration) -> Duration {
        if up >= self.restarts.steady {
            self.next = self.restarts.first;
        }
        let wait = self.next.min(self.restarts.most);
        self.next = self.next.saturating_mul(2).min(self.restarts.most);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_begin_again_after_a_steady_time() {
        let mut backoff = Backoff::new(Restarts::default());
        let waits: Vec<u64> = [0, 0, 59, 0, 0, 0, 0, 60, 0]
            .into_iter()
            .map(|up| backoff.wait(Duration::from_secs(up)).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 1, 2]);
    }
}
