//! The average over a window that moves on in buckets.
//!
//! Knative: pkg/autoscaler/aggregation/bucketing.go.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::power::power;
use crate::rounding;
use crate::state::{StateError, StateReader};
use crate::time::{Timestamp, millis};

/// How a window's buckets make an average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Averaging {
    /// Every bucket counts alike. The result is rounded to six digits after the point, half away from zero.
    #[default]
    Linear,
    /// A bucket counts less the older it is, by a factor that leaves a ten-thousandth beyond the window; in windows of
    /// more than 41 buckets, by a fifth a bucket. Not rounded.
    WeightedExponential,
}

/// Why a window can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// A bucket of no length.
    #[error("a bucket must be at least a millisecond long, and a whole number of them, got {bucket:?}")]
    Bucket {
        /// Its length.
        bucket: Duration,
    },
    /// A window that is not made of buckets.
    #[error(
        "a window must be a whole number of buckets, from 1 to {}, got {window:?} in buckets of {bucket:?}",
        Self::MAX_BUCKETS
    )]
    Window {
        /// Its length.
        window: Duration,
        /// Each bucket's.
        bucket: Duration,
    },
}

impl WindowError {
    /// Every one takes memory.
    const MAX_BUCKETS: i64 = 100_000;
}

/// An average over a window of time, in buckets.
///
/// The window ends at the newest value. The first bucket ever written begins what is averaged, so a young window averages
/// what it has. Memory is one double a bucket; an average costs the same whatever the window while it is
/// [`Averaging::Linear`], and in proportion to the buckets otherwise. Values are finite: others are ignored.
///
/// ```
/// use std::time::Duration;
/// use setpoint::Timestamp;
/// use setpoint::window::{Averaging, WindowAverage};
///
/// let at = |secs: i64| Timestamp::from_millis(secs * 1000);
/// let mut requests = WindowAverage::new(Averaging::Linear, Duration::from_secs(4), Duration::from_secs(1))?;
/// requests.add(at(10), 6.0);
/// requests.add(at(12), 3.0);
/// // (6 + 0 + 3) over the three seconds there are.
/// assert_eq!(requests.average(at(12)), Some(3.0));
/// // A second on, without a word: as old as the window is long, the 10th second's drops out later.
/// assert_eq!(requests.average(at(13)), Some(3.0));
/// assert_eq!(requests.average(at(17)), None);
/// # Ok::<(), setpoint::window::WindowError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct WindowAverage {
    averaging: Averaging,
    bucket_ms: i64,
    /// By bucket number modulo its length.
    ring: Vec<f64>,
    /// Where the newest bucket is in it.
    head: usize,
    /// Of all buckets: kept by adding what comes and subtracting what goes.
    total: f64,
    /// The number of the bucket where what is averaged begins. None before anything was written, and after a
    /// [`resize_as_if_full`](Self::resize_as_if_full) that found nothing: then it begins before the window.
    first: Option<i64>,
    /// The number of the newest bucket.
    last: Option<i64>,
    /// The newest bucket's weight.
    weight: f64,
}

impl WindowAverage {
    /// An empty window, `window` long, in buckets of `bucket`.
    ///
    /// # Errors
    ///
    /// [`WindowError`] unless the bucket is whole milliseconds and the window whole buckets, from 1 to 100,000.
    pub fn new(averaging: Averaging, window: Duration, bucket: Duration) -> Result<Self, WindowError> {
        let bucket_ms = bucket_millis(bucket)?;
        let count = count_buckets(window, bucket_ms)?;
        Ok(Self {
            averaging,
            bucket_ms,
            ring: vec![0.0; count],
            head: 0,
            total: 0.0,
            first: None,
            last: None,
            weight: newest_weight(count),
        })
    }

    /// How long the window is.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.bucket_ms.unsigned_abs() * self.ring.len() as u64)
    }

    /// How it averages.
    #[must_use]
    pub const fn averaging(&self) -> Averaging {
        self.averaging
    }

    /// Adds an amount to the bucket of `at`. Buckets skipped since the newest one are zero.
    ///
    /// One that comes late counts where it belongs while that is within a window of the newest bucket. After a window
    /// without any, everything begins anew.
    #[inline]
    pub fn add(&mut self, at: Timestamp, value: f64) {
        self.add_to(self.number(at), value);
    }

    /// The same to the bucket of a number.
    #[inline]
    pub(crate) fn add_to(&mut self, number: i64, value: f64) {
        if !value.is_finite() {
            return;
        }
        match self.place(number) {
            None => {}
            Some(Place::Anew) => self.begin(number, value),
            Some(Place::Known(slot)) => {
                self.ring[slot] = sum(self.ring[slot], value);
                self.total = sum(self.total, value);
            }
            Some(Place::Ahead(buckets)) => {
                for _ in 0..buckets {
                    self.head = self.next(self.head);
                    self.total = sum(self.total, -self.ring[self.head]);
                    self.ring[self.head] = 0.0;
                }
                self.ring[self.head] = sum(0.0, value);
                self.total = sum(self.total, value);
                self.last = Some(number);
            }
        }
    }

    /// Notes that the level is `value` at `at`. It fills the buckets skipped since the newest one, and takes the place of
    /// what its own bucket had.
    ///
    /// Late ones and gaps of a window are as for [`add`](Self::add).
    #[inline]
    pub fn sample(&mut self, at: Timestamp, value: f64) {
        self.sample_to(self.number(at), value);
    }

    /// The same in the bucket of a number.
    #[inline]
    pub(crate) fn sample_to(&mut self, number: i64, value: f64) {
        if !value.is_finite() {
            return;
        }
        match self.place(number) {
            None => {}
            Some(Place::Anew) => self.begin(number, value),
            Some(Place::Known(slot)) => {
                let before = std::mem::replace(&mut self.ring[slot], value);
                self.set_total(self.total + (value - before));
            }
            Some(Place::Ahead(buckets)) => {
                let (start, end) = (self.head + 1, self.head + 1 + buckets);
                self.last = Some(number);
                #[expect(clippy::cast_precision_loss, reason = "at most the ring's length")]
                let new = value * buckets as f64;
                if let Some(slots) = self.ring.get_mut(start..end) {
                    let gone = total(slots);
                    slots.fill(value);
                    self.head = end - 1;
                    self.set_total(self.total + (new - gone));
                } else {
                    // Added up anew once a turn of the ring: what a large value rounded away comes back.
                    let over = end - self.ring.len();
                    let kept = total(&self.ring[over..start]);
                    self.ring[start..].fill(value);
                    self.ring[..over].fill(value);
                    self.head = over - 1;
                    self.set_total(kept + new);
                }
            }
        }
    }

    #[inline]
    fn set_total(&mut self, total: f64) {
        self.total = total;
        if !total.is_finite() {
            self.add_up();
        }
    }

    /// Step by step, for sums that leave what a double can hold.
    #[cold]
    fn add_up(&mut self) {
        self.total = self.ring.iter().fold(0.0, |total, &value| sum(total, value));
    }

    /// Where a bucket is; none for one that is too late.
    #[inline]
    fn place(&mut self, number: i64) -> Option<Place> {
        let Some(last) = self.last else {
            return Some(Place::Anew);
        };
        let (ahead, length) = (number.saturating_sub(last), self.length());
        if ahead == 0 {
            return Some(Place::Known(self.head));
        }
        if ahead >= length {
            return Some(Place::Anew);
        }
        if ahead <= -length {
            return None;
        }
        if self.first.is_none_or(|first| first > number) {
            self.first = Some(number);
        }
        Some(if ahead < 0 { Place::Known(self.slot(-ahead)) } else { Place::Ahead(index(ahead)) })
    }

    /// With one value, in the bucket of a number.
    fn begin(&mut self, number: i64, value: f64) {
        self.ring.fill(0.0);
        self.head = modulo(number, self.ring.len());
        self.ring[self.head] = sum(0.0, value);
        self.total = self.ring[self.head];
        (self.first, self.last) = (Some(number), Some(number));
    }

    /// Whether nothing was written for more than a window.
    #[must_use]
    #[inline]
    pub fn is_empty(&self, now: Timestamp) -> bool {
        self.behind(self.number(now)).is_none()
    }

    /// The average at `now`; none if nothing was written for more than a window.
    ///
    /// Linear: the buckets of the window that ends at `now`, over their number since the first one; those after the
    /// newest one don't count. Exactly a window after the newest it is 0. Weighted: time since the newest bucket counts as
    /// zeros, and so does time before the first.
    #[must_use]
    #[inline]
    pub fn average(&self, now: Timestamp) -> Option<f64> {
        self.average_at(self.number(now))
    }

    /// The same in the bucket of a number.
    #[inline]
    pub(crate) fn average_at(&self, number: i64) -> Option<f64> {
        let average = self.exact_average_at(number)?;
        Some(if self.averaging == Averaging::Linear { round(average) } else { average })
    }

    /// The same, and not rounded.
    #[inline]
    pub(crate) fn exact_average_at(&self, number: i64) -> Option<f64> {
        let behind = self.behind(number)?;
        let last = self.last?;
        Some(match self.averaging {
            Averaging::Linear => self.linear(last, behind),
            Averaging::WeightedExponential => self.weighted(behind),
        })
    }

    /// The weights of the buckets in [`average`](Self::average) since the first one, up to `now`, together: 1 while all
    /// count alike. Dividing by it makes a young weighted window an average of what it has.
    #[must_use]
    pub fn coverage(&self, now: Timestamp) -> f64 {
        let (Averaging::WeightedExponential, Some(last)) = (self.averaging, self.last) else {
            return 1.0;
        };
        let newest = last.max(self.number(now));
        let length = self.length();
        let count = self.first.map_or(length, |first| newest.saturating_sub(first).saturating_add(1).clamp(1, length));
        1.0 - power(1.0 - self.weight, count)
    }

    /// Buckets since the newest one, zero if that is a later one.
    #[inline]
    fn behind(&self, number: i64) -> Option<i64> {
        let behind = number.saturating_sub(self.last?);
        (behind <= self.length()).then_some(behind.max(0))
    }

    #[expect(clippy::cast_precision_loss, reason = "at most the ring's length")]
    #[inline]
    fn linear(&self, last: i64, behind: i64) -> f64 {
        let length = self.length();
        if behind >= length {
            return 0.0;
        }
        let (mut total, mut gone) = (self.total, self.head);
        for _ in 0..behind {
            gone = self.next(gone);
            total -= self.ring[gone];
        }
        let since_first = self.first.map_or(length, |first| last.saturating_sub(first).saturating_add(1));
        total / since_first.min(length - behind) as f64
    }

    fn weighted(&self, behind: i64) -> f64 {
        let decay = 1.0 - self.weight;
        let mut weight = self.weight;
        if behind > 0 {
            weight *= power(decay, behind);
        }
        let (older, newer) = (&self.ring[..=self.head], &self.ring[self.head + 1..]);
        let counted = index(self.length() - behind);
        let mut average = 0.0;
        for bucket in older.iter().rev().chain(newer.iter().rev()).take(counted) {
            average += bucket * weight;
            weight *= decay;
        }
        average
    }

    /// Makes the window `window` long at `now`, keeping its newest buckets. What is averaged begins where it did, or where
    /// the shorter window reaches.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); then nothing has changed.
    pub fn resize(&mut self, window: Duration, now: Timestamp) -> Result<(), WindowError> {
        let reach = self.last.map(|last| last.saturating_sub(self.length() - 1));
        let first = self.first.max(reach);
        if self.resize_buckets(window, now)? {
            match self.last.filter(|_| self.first.is_some()) {
                Some(_) => self.first = first,
                None => (self.first, self.last, self.head) = (None, None, 0),
            }
        }
        Ok(())
    }

    /// The same as Knative's collector does it: what is averaged begins as if the window had been full, so that a young one
    /// averages to less; and one that nobody wrote to for longer than it was long forgets its values and not their time.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); then nothing has changed.
    pub fn resize_as_if_full(&mut self, window: Duration, now: Timestamp) -> Result<(), WindowError> {
        self.resize_buckets(window, now).map(|_| ())
    }

    /// False if it has that length.
    fn resize_buckets(&mut self, window: Duration, now: Timestamp) -> Result<bool, WindowError> {
        let count = count_buckets(window, self.bucket_ms)?;
        if count == self.ring.len() {
            return Ok(false);
        }
        let mut ring = vec![0.0; count];
        // A time that stays has a place, whether or not there is a value at it.
        let head = self.last.map_or(0, |last| modulo(last, count));
        let mut total = 0.0;
        match self.last.filter(|_| !self.is_empty(now)) {
            Some(last) => {
                for age in 0..count.min(self.ring.len()) as i64 {
                    let value = self.ring[self.slot(age)];
                    ring[back(head, age, count)] = value;
                    total = sum(total, value);
                }
                self.first = Some(last.saturating_sub(self.length() - 1));
            }
            None => self.first = None,
        }
        (self.ring, self.head, self.total, self.weight) = (ring, head, total, newest_weight(count));
        Ok(true)
    }

    /// Appends what it remembers to a state. It carries no version: that is for the part that holds it.
    pub fn write(&self, state: &mut Vec<u8>) {
        let count = u32::try_from(self.ring.len()).expect("at most 100,000 buckets");
        state.extend(self.bucket_ms.to_le_bytes());
        state.extend(count.to_le_bytes());
        for number in [self.first, self.last] {
            state.push(u8::from(number.is_some()));
            state.extend(number.unwrap_or_default().to_le_bytes());
        }
        for value in std::iter::once(&self.total).chain(&self.ring) {
            state.extend(value.to_le_bytes());
        }
    }

    /// What [`write`](Self::write) wrote, with the averaging of this one. Its window may have another length:
    /// [`resize`](Self::resize) it.
    ///
    /// # Errors
    ///
    /// [`StateError`] for bytes that no window with buckets of this length writes.
    pub fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        if reader.i64()? != self.bucket_ms {
            return Err(reader.damaged("a window has buckets of another length"));
        }
        let count = reader.u32()?;
        if !(1..=WindowError::MAX_BUCKETS).contains(&i64::from(count)) {
            return Err(reader.damaged("a window has no buckets, or too many"));
        }
        let mut number = || -> Result<Option<i64>, StateError> {
            let known = reader.flag()?;
            let number = reader.i64()?;
            if !known && number != 0 {
                return Err(reader.damaged("a time is given and isn't known"));
            }
            Ok(known.then_some(number))
        };
        let (first, last) = (number()?, number()?);
        if first.is_some() && (last.is_none() || first > last) {
            return Err(reader.damaged("a window begins after it ends"));
        }
        let total = reader.finite()?;
        let mut ring = Vec::new();
        for _ in 0..count {
            ring.push(reader.finite()?);
        }
        let (head, weight) = (last.map_or(0, |last| modulo(last, ring.len())), newest_weight(ring.len()));
        Ok(Self { averaging: self.averaging, bucket_ms: self.bucket_ms, ring, head, total, first, last, weight })
    }

    #[inline]
    fn number(&self, at: Timestamp) -> i64 {
        at.as_millis().div_euclid(self.bucket_ms)
    }

    /// Where the bucket is that is so much older than the newest one.
    #[inline]
    fn slot(&self, age: i64) -> usize {
        back(self.head, age, self.ring.len())
    }

    #[inline]
    fn next(&self, slot: usize) -> usize {
        if slot + 1 == self.ring.len() { 0 } else { slot + 1 }
    }

    #[expect(clippy::cast_possible_wrap, reason = "at most 100,000")]
    #[inline]
    fn length(&self) -> i64 {
        self.ring.len() as i64
    }
}

/// Where the bucket of a number is.
enum Place {
    /// In no window that there is: what is averaged begins with it.
    Anew,
    /// There, as one of the window's.
    Known(usize),
    /// So many buckets beyond the newest one, and within a window of it.
    Ahead(usize),
}

/// So many slots before `head`, for less than a turn.
#[inline]
fn back(head: usize, slots: i64, length: usize) -> usize {
    let slots = index(slots);
    if head >= slots { head - slots } else { head + length - slots }
}

#[inline]
fn index(number: i64) -> usize {
    usize::try_from(number).expect("a part of a window is not negative")
}

#[expect(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "a remainder")]
#[inline]
fn modulo(number: i64, length: usize) -> usize {
    number.rem_euclid(length as i64) as usize
}

/// Finite, so that one absurd value can't spoil what comes after it.
#[inline]
fn sum(one: f64, other: f64) -> f64 {
    (one + other).clamp(f64::MIN, f64::MAX)
}

/// Of buckets whose order doesn't matter: four sums at a time, as a processor adds them.
#[inline]
fn total(buckets: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let fours = buckets.chunks_exact(sums.len());
    let rest = fours.remainder().iter().fold(0.0, |sum, value| sum + value);
    for four in fours {
        for (sum, value) in sums.iter_mut().zip(four) {
            *sum += value;
        }
    }
    let [first, second, third, fourth] = sums;
    (first + second) + (third + fourth) + rest
}

/// To six digits after the point.
#[inline]
fn round(value: f64) -> f64 {
    const SCALE: f64 = 1e6;
    let rounded = rounding::round(value * SCALE) / SCALE;
    if rounded.is_finite() { rounded } else { value }
}

pub(super) fn bucket_millis(bucket: Duration) -> Result<i64, WindowError> {
    if bucket.is_zero() || !bucket.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(WindowError::Bucket { bucket });
    }
    Ok(millis(bucket))
}

fn count_buckets(window: Duration, bucket_ms: i64) -> Result<usize, WindowError> {
    let bucket = Duration::from_millis(bucket_ms.unsigned_abs());
    let whole = window.subsec_nanos().is_multiple_of(1_000_000) && millis(window) % bucket_ms == 0;
    let count = millis(window) / bucket_ms;
    if !whole || !(1..=WindowError::MAX_BUCKETS).contains(&count) {
        return Err(WindowError::Window { window, bucket });
    }
    Ok(usize::try_from(count).expect("checked above"))
}

/// 1 less the `count`-th root of a ten-thousandth, and no less than 0.2.
fn newest_weight(count: usize) -> f64 {
    count.checked_sub(1).and_then(|index| NEWEST_WEIGHTS.get(index)).map_or(0.2, |&bits| f64::from_bits(bits))
}

/// As bits: those that Go 1.26 computes on amd64, where its exponential is one of its own, so that no machine's library
/// decides them.
const NEWEST_WEIGHTS: [u64; 41] = [
    0x3fef_ff2e_48e8_a71e,
    0x3fef_ae14_7ae1_47ae,
    0x3fee_83c2_d3b2_9c00,
    0x3fec_cccc_cccc_cccd,
    0x3fea_eda7_cea2_5322,
    0x3fe9_1b16_4c4f_d313,
    0x3fe7_6a55_ea2d_4d4e,
    0x3fe5_e176_4edb_db78,
    0x3fe4_7ff2_a613_54f0,
    0x3fe3_42b4_c045_6da6,
    0x3fe2_25e0_f651_c875,
    0x3fe1_259c_44fa_1806,
    0x3fe0_3e5a_f817_ed46,
    0x3fde_d9f2_dd0e_590e,
    0x3fdd_5d7a_7d79_085a,
    0x3fdc_0299_87c7_8fc4,
    0x3fda_c547_0e8f_f2d6,
    0x3fd9_a20c_cf9a_6fc0,
    0x3fd8_95f1_628a_f6c4,
    0x3fd7_9e65_1612_5710,
    0x3fd6_b931_928b_3ae0,
    0x3fd5_e46c_0b49_3610,
    0x3fd5_1e69_ace2_4b40,
    0x3fd4_65b5_f317_ccee,
    0x3fd3_b90a_9762_c476,
    0x3fd3_1748_d318_7e76,
    0x3fd2_7f73_ba9a_9826,
    0x3fd1_f0ab_80c3_dbfc,
    0x3fd1_6a29_7a46_6490,
    0x3fd0_eb3c_bfe2_917e,
    0x3fd0_7347_5458_6290,
    0x3fd0_01bb_b7dd_44cc,
    0x3fcf_2c35_adc3_c7c0,
    0x3fce_5fe4_8a6c_07a8,
    0x3fcd_9db5_727d_3cc8,
    0x3fcc_e4ed_7a33_b780,
    0x3fcc_34e3_1a9a_8300,
    0x3fcb_8cfc_3c10_b5ac,
    0x3fca_ecac_8262_45d8,
    0x3fca_5373_d0c8_ef30,
    0x3fc9_c0dc_fdbc_3fbc,
];
