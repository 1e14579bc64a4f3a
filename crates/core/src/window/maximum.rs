//! The largest value of a window that moves on in buckets.
//!
//! Knative: pkg/autoscaler/aggregation/max/window.go, timewindow.go.

use std::collections::VecDeque;
use std::time::Duration;

use super::average::{WindowError, bucket_millis};
use crate::state::{StateError, StateReader};
use crate::time::{Timestamp, millis};

/// The largest value of the newest buckets, in constant time a value.
///
/// A bucket counts while fewer than the window's number of buckets have begun since: a value is remembered for up to the
/// window, and up to a bucket less than that. Of several values in one bucket the largest counts. A value that comes late
/// counts as of the newest bucket. It moves on when a value is recorded, not when it is asked.
///
/// ```
/// use std::time::Duration;
/// use setpoint::Timestamp;
/// use setpoint::window::BucketedMaximum;
///
/// let at = |secs: i64| Timestamp::from_millis(secs * 1000);
/// let mut needed = BucketedMaximum::new(Duration::from_secs(10), Duration::from_secs(2))?;
/// needed.record(at(0), 7.0);
/// needed.record(at(9), 3.0);
/// assert_eq!(needed.current(), Some(7.0));
/// assert_eq!(needed.holds_until(), Some(at(10)));
/// needed.record(at(10), 2.0);
/// assert_eq!(needed.current(), Some(3.0));
/// # Ok::<(), setpoint::window::WindowError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BucketedMaximum {
    bucket_ms: i64,
    buckets: i64,
    /// Bucket numbers that rise, with values that fall: what can still become the largest.
    entries: VecDeque<(i64, f64)>,
}

impl BucketedMaximum {
    /// Entries for which there is room from the start. Beyond, room is made as a window fills with falling values.
    const ROOM: usize = 4096;

    /// An empty window of `window`, rounded up to whole buckets of `bucket`.
    ///
    /// # Errors
    ///
    /// [`WindowError`] unless the bucket is whole milliseconds and the window longer than nothing.
    pub fn new(window: Duration, bucket: Duration) -> Result<Self, WindowError> {
        let bucket_ms = bucket_millis(bucket)?;
        let ceiled = window.as_nanos().div_ceil(bucket.as_nanos());
        let buckets = i64::try_from(ceiled).ok().filter(|&buckets| buckets >= 1 && millis(window) < i64::MAX);
        let buckets = buckets.ok_or(WindowError::Window { window, bucket })?;
        let room = usize::try_from(buckets).map_or(Self::ROOM, |buckets| buckets.min(Self::ROOM));
        Ok(Self { bucket_ms, buckets, entries: VecDeque::with_capacity(room) })
    }

    /// Records a finite `value` at `at`; others are ignored.
    #[inline]
    pub fn record(&mut self, at: Timestamp, value: f64) {
        if !value.is_finite() {
            return;
        }
        let mut number = at.as_millis().div_euclid(self.bucket_ms);
        if let Some(&(newest, _)) = self.entries.back() {
            number = number.max(newest);
        }
        while self.entries.pop_back_if(|&mut (_, smaller)| smaller <= value).is_some() {}
        while self.entries.pop_front_if(|&mut (oldest, _)| number.saturating_sub(oldest) >= self.buckets).is_some() {}
        // What is left is larger: in the same bucket it stays.
        if self.entries.back().is_none_or(|&(newest, _)| newest != number) {
            self.entries.push_back((number, value));
        }
    }

    /// The largest value as of the newest one recorded; none before the first.
    #[must_use]
    #[inline]
    pub fn current(&self) -> Option<f64> {
        self.entries.front().map(|&(_, value)| value)
    }

    /// When the largest value's bucket leaves the window.
    #[must_use]
    pub fn holds_until(&self) -> Option<Timestamp> {
        let &(oldest, _) = self.entries.front()?;
        Some(Timestamp::from_millis(oldest.saturating_add(self.buckets).saturating_mul(self.bucket_ms)))
    }

    /// How many buckets the window has.
    #[must_use]
    pub const fn buckets(&self) -> i64 {
        self.buckets
    }

    /// Appends what it remembers to a state. It carries no version: that is for the part that holds it.
    pub fn write(&self, state: &mut Vec<u8>) {
        let count = u32::try_from(self.entries.len()).expect("no more entries than memory has room for");
        state.extend(self.bucket_ms.to_le_bytes());
        state.extend(self.buckets.to_le_bytes());
        state.extend(count.to_le_bytes());
        for (number, value) in &self.entries {
            state.extend(number.to_le_bytes());
            state.extend(value.to_le_bytes());
        }
    }

    /// What [`write`](Self::write) wrote, with the window that it had then.
    ///
    /// # Errors
    ///
    /// [`StateError`] for bytes that no such window writes.
    pub fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let (bucket_ms, buckets) = (reader.i64()?, reader.i64()?);
        if bucket_ms < 1 || buckets < 1 {
            return Err(reader.damaged("a window has no length"));
        }
        let mut entries: VecDeque<(i64, f64)> = VecDeque::new();
        for _ in 0..reader.u32()? {
            let entry = (reader.i64()?, reader.finite()?);
            if entries.back().is_some_and(|before| entry.0 <= before.0 || entry.1 >= before.1) {
                return Err(reader.damaged("a window's maxima don't fall"));
            }
            entries.push_back(entry);
        }
        Ok(Self { bucket_ms, buckets, entries })
    }

    /// Takes over what `other` remembers, of which this window keeps what it reaches. Buckets of another length are not
    /// comparable, and are forgotten.
    pub fn adopt(&mut self, other: &Self) {
        self.entries.clear();
        let Some(&(newest, _)) = other.entries.back().filter(|_| other.bucket_ms == self.bucket_ms) else {
            return;
        };
        let reached = |&&(number, _): &&(i64, f64)| newest.saturating_sub(number) < self.buckets;
        self.entries.extend(other.entries.iter().filter(reached));
    }
}
