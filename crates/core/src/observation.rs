//! One look at a workload.

use crate::bounds::Bounds;
use crate::metric::Reading;
use crate::time::Timestamp;

/// One look at a workload at one instant. It borrows, so that taking one costs nothing.
///
/// ```
/// use setpoint::{Observation, Reading, Timestamp};
/// let readings = [Reading::Value(620.0), Reading::Missing("scrape failed")];
/// let observation = Observation::new(Timestamp::from_millis(0), 4, &readings);
/// assert_eq!(observation.ready, 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Observation<'a> {
    /// When the look was taken.
    pub now: Timestamp,
    /// How many replicas are asked for.
    pub current: u32,
    /// How many of them serve. The rest are starting, or failing.
    pub ready: u32,
    /// What the manager will clamp to. An algorithm may look; it can't get outside.
    pub bounds: Bounds,
    /// One reading a metric, in the order in which the policy lists its metrics.
    pub readings: &'a [Reading<'a>],
}

impl<'a> Observation<'a> {
    /// A look at `now` with `current` replicas, all of them ready.
    #[must_use]
    pub const fn new(now: Timestamp, current: u32, readings: &'a [Reading<'a>]) -> Self {
        Self { now, current, ready: current, bounds: Bounds::UNBOUNDED, readings }
    }

    /// The same with `ready` of the replicas serving.
    #[must_use]
    pub const fn with_ready(mut self, ready: u32) -> Self {
        self.ready = ready;
        self
    }

    /// The same within `bounds`. The manager does this for its workloads.
    #[must_use]
    pub const fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }
}
