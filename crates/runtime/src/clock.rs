//! What time it is: the only place where one is read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use setpoint::Timestamp;
use tokio::time::Instant;

/// Tells the time of a look.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let epoch = Timestamp::from_millis(0);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => epoch + since,
            Err(before) => epoch - before.duration(),
        }
    }
}

/// Tokio's clock, which tests can pause, since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    start: Instant,
    at: Timestamp,
}

impl TokioClock {
    /// It is `at` now.
    #[must_use]
    pub fn starting(at: Timestamp) -> Self {
        Self { start: Instant::now(), at }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let since: Duration = self.start.elapsed();
        self.at + since
    }
}
