//! Sums over time: what happened between two instants is the difference of two meters.

use crate::units::Micros;

/// What is there at an instant.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Level {
    pub(crate) asked: u32,
    pub(crate) ready: u32,
    /// Starting, ready and draining.
    pub(crate) billed: u32,
    /// Busy slots of ready replicas.
    pub(crate) busy: u64,
    /// Busy slots of all replicas.
    pub(crate) in_service: u64,
    pub(crate) waiting: u64,
    pub(crate) concurrency: u32,
}

/// Each [`Level`] times how long it lasted, in µs, and counters, since the start.
///
/// 128 bits: ten million busy slots for 400 days are more microseconds than 64 hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    pub(crate) at: Micros,
    pub(crate) asked: u128,
    pub(crate) ready: u128,
    pub(crate) ready_slots: u128,
    pub(crate) billed: u128,
    pub(crate) busy: u128,
    pub(crate) in_service: u128,
    pub(crate) waiting: u128,
    /// Requests that arrived, refused ones included.
    pub(crate) arrived: u64,
    /// Their work, in µs.
    pub(crate) work: u128,
}

impl Meter {
    /// Let the level last until `at`.
    pub(super) fn advance(&mut self, at: Micros, level: &Level) {
        let time = u128::from(at - self.at);
        self.at = at;
        self.asked += time * u128::from(level.asked);
        self.ready += time * u128::from(level.ready);
        self.ready_slots += time * u128::from(u64::from(level.ready) * u64::from(level.concurrency));
        self.billed += time * u128::from(level.billed);
        self.busy += time * u128::from(level.busy);
        self.in_service += time * u128::from(level.in_service);
        self.waiting += time * u128::from(level.waiting);
    }

    /// Busy part of the slots of ready replicas since an earlier meter; `None` without any.
    pub(crate) fn utilization_since(&self, from: &Self) -> Option<f64> {
        let slots = self.ready_slots - from.ready_slots;
        (slots > 0).then(|| (self.busy - from.busy) as f64 / slots as f64)
    }
}
