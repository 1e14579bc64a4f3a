//! What an algorithm says, exact until the end.

use crate::failure::EvaluateError;
use crate::trace::{Effect, Hold, Reason, Trace};
use crate::units::Tolerances;

/// What an algorithm says.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Proposal {
    /// So many replicas are needed.
    Need(Need),
    /// Keep what there is. Bounds still apply.
    Hold(Hold),
    /// Not enough data to say anything. Like a hold for a workload, but a combinator can ask others.
    NoOpinion,
    /// Hands off: leave the workload as it is, outside its bounds too.
    Suspend,
}

impl Proposal {
    /// The same with its need settled, if it has one.
    #[inline]
    pub(crate) fn settled(self, current: u32, trace: &mut Trace) -> Self {
        match self {
            Self::Need(need) => Self::Need(need.settle(current, trace)),
            other => other,
        }
    }
}

impl From<Need> for Proposal {
    fn from(need: Need) -> Self {
        Self::Need(need)
    }
}

impl From<u32> for Need {
    /// A whole number of replicas.
    #[inline]
    fn from(replicas: u32) -> Self {
        Self::of(f64::from(replicas))
    }
}

/// An exact, unrounded number of replicas.
///
/// A ratio leaf's need is kept as what it was computed from, `ratio × current`, so that a stage can smooth
/// the ratio itself, and the tolerance is tested on what comes out. Any other need is a number of replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Need {
    signal: f64,
    // None: the signal is itself a number of replicas.
    base: Option<f64>,
    tolerance: Tolerances,
    may_shrink: bool,
}

impl Need {
    /// Of a number that is finite and not negative.
    #[inline]
    const fn of(replicas: f64) -> Self {
        Self { signal: replicas, base: None, tolerance: Tolerances::NONE, may_shrink: true }
    }

    /// An absolute number of replicas.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`] unless `replicas` is finite and not negative.
    #[inline]
    pub fn replicas(replicas: f64) -> Result<Self, EvaluateError> {
        if replicas.is_finite() && replicas >= 0.0 {
            Ok(Self::of(replicas))
        } else {
            Err(EvaluateError::nonsense(format!("a need must be a finite number of at least 0, got {replicas}")))
        }
    }

    /// `ratio` times the `current` replicas, or `current` itself while the ratio is within `tolerance`.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`] unless `ratio` is finite.
    #[inline]
    pub fn ratio(ratio: f64, current: u32, tolerance: impl Into<Tolerances>) -> Result<Self, EvaluateError> {
        if ratio.is_finite() {
            Ok(Self { signal: ratio, base: Some(f64::from(current)), tolerance: tolerance.into(), may_shrink: true })
        } else {
            Err(EvaluateError::nonsense(format!("a ratio must be finite, got {ratio}")))
        }
    }

    /// The same, but never below the current count: for a need computed from only part of the readings.
    #[must_use]
    #[inline]
    pub const fn never_shrinking(mut self) -> Self {
        self.may_shrink = false;
        self
    }

    /// What a smoothing stage averages: the ratio where there is one, else the replicas.
    #[must_use]
    #[inline]
    pub const fn signal(self) -> f64 {
        self.signal
    }

    /// Whether the signal is a ratio.
    #[must_use]
    #[inline]
    pub const fn is_ratio(self) -> bool {
        self.base.is_some()
    }

    /// The same need with another signal of the same kind.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`] unless `signal` is finite.
    #[inline]
    pub fn with_signal(self, signal: f64) -> Result<Self, EvaluateError> {
        if signal.is_finite() {
            Ok(Self { signal, ..self })
        } else {
            Err(EvaluateError::nonsense(format!("a need's signal must be finite, got {signal}")))
        }
    }

    /// The number of replicas, before the tolerance.
    #[must_use]
    #[inline]
    pub fn exact(self) -> f64 {
        match self.base {
            // Two finite numbers can overflow; no need is larger than the largest double.
            Some(base) => (base * self.signal).clamp(f64::MIN, f64::MAX),
            None => self.signal,
        }
    }

    /// The number of replicas after the tolerance, with a reason where that changes it.
    ///
    /// A stage that compares the need with the current count settles it first.
    #[inline]
    pub fn settle(self, current: u32, trace: &mut Trace) -> Self {
        if self.base.is_none() && self.may_shrink {
            return self;
        }
        let exact = self.exact();
        let current = f64::from(current);
        let effect = if self.base.is_some() && self.tolerance.contains(self.signal) {
            Effect::WithinTolerance { ratio: self.signal, tolerance: self.tolerance }
        } else if !self.may_shrink && exact < current {
            Effect::ShrinkBlocked
        } else {
            return Self { signal: exact, base: None, tolerance: Tolerances::NONE, may_shrink: self.may_shrink };
        };
        trace.push(|| Reason::new("tolerance", exact, current, effect));
        Self { signal: current, base: None, tolerance: Tolerances::NONE, may_shrink: self.may_shrink }
    }
}
