//! The four strategies behind one face: what a check makes of a count and of what was measured.

use super::fact::Why;
use super::fixed_value::FixedValue;
use super::pass_through::PassThrough;
use super::target_value::TargetValue;
use super::threshold::Threshold;
use super::vote::Vote;

/// A strategy, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// As much more or less as the newest value is of its target.
    TargetValue(TargetValue),
    /// A step, when enough values are within bounds.
    Threshold(Threshold),
    /// The newest value is the count.
    PassThrough(PassThrough),
    /// A count.
    FixedValue(FixedValue),
}

/// What a strategy made of a count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// Its vote.
    pub vote: Vote<i64>,
    /// What the vote comes from.
    pub why: Why,
}

impl Strategy {
    /// The vote at `count` for `points`, in the order of time. None without any, unless it needs none.
    ///
    /// ```
    /// use setpoint::nomad::{Strategy, TargetValue, Vote};
    /// let strategy = Strategy::TargetValue(TargetValue::new(70.0));
    /// // 91 / 70 is 1.3; times 4 is 5.2, rounded up.
    /// let judgement = strategy.judge(4, &[35.0, 91.0]).unwrap();
    /// assert_eq!(judgement.vote, Vote::Up(6));
    /// assert_eq!(strategy.judge(4, &[]), None);
    /// ```
    #[must_use]
    pub fn judge(&self, count: i64, points: &[f64]) -> Option<Judgement> {
        match (self, points.last()) {
            (Self::FixedValue(fixed), _) => Some(fixed.judge(count)),
            (_, None) => None,
            (Self::TargetValue(target), Some(&value)) => Some(target.judge(count, target.factor(value))),
            (Self::Threshold(threshold), Some(_)) => Some(threshold.judge(count, threshold.within(points))),
            (Self::PassThrough(pass), Some(&value)) => Some(pass.judge(count, value)),
        }
    }

    /// Whether it looks at what was measured.
    #[must_use]
    pub const fn needs_points(&self) -> bool {
        !matches!(self, Self::FixedValue(_))
    }

    /// As Nomad calls it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::TargetValue(_) => "target-value",
            Self::Threshold(_) => "threshold",
            Self::PassThrough(_) => "pass-through",
            Self::FixedValue(_) => "fixed-value",
        }
    }
}

/// A limited step: no further than `max_down` below and `max_up` above `count`. A limit of 0 is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) up: Option<i64>,
    pub(super) down: Option<i64>,
}

impl Steps {
    /// In Nomad's order, with integers that wrap as its do.
    #[inline]
    pub(super) fn limit(self, count: i64, wanted: i64) -> i64 {
        self.limit_up(count, self.limit_down(count, wanted))
    }

    #[inline]
    pub(super) fn limit_up(self, count: i64, wanted: i64) -> i64 {
        match self.up.map(|up| count.wrapping_add(up)) {
            Some(most) if wanted > most => most,
            _ => wanted,
        }
    }

    #[inline]
    pub(super) fn limit_down(self, count: i64, wanted: i64) -> i64 {
        match self.down.map(|down| count.wrapping_sub(down)) {
            Some(least) if wanted < least => least,
            _ => wanted,
        }
    }
}

/// The whole number that Go makes of a double on x86-64: cut off at the point; the lowest there is, where it holds none.
#[inline]
pub(super) fn go_int(number: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    // NaN is in no range.
    #[expect(clippy::cast_possible_truncation, reason = "within the range")]
    if (-END..END).contains(&number) { number as i64 } else { i64::MIN }
}

/// The whole number that is enough: rounded up, at least 0.
#[inline]
pub(super) fn enough(number: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
    let whole = number.ceil().max(0.0) as i64;
    whole
}

/// Up, down or neither, from `count` to `wanted`.
#[inline]
pub(super) fn towards(count: i64, wanted: i64) -> Vote<i64> {
    match wanted.cmp(&count) {
        std::cmp::Ordering::Greater => Vote::Up(wanted),
        std::cmp::Ordering::Less => Vote::Down(wanted),
        std::cmp::Ordering::Equal => Vote::Keep,
    }
}
