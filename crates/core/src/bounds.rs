//! The smallest and largest count a decision may name.

/// The largest replica count: what a Kubernetes scale subresource can hold.
pub const MAX_REPLICAS: u32 = i32::MAX.unsigned_abs();

/// `min ≤ max ≤` [`MAX_REPLICAS`]. Only the manager applies them, once, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    min: u32,
    max: u32,
}

/// Why two numbers are not bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BoundsError {
    /// The minimum is above the maximum.
    #[error("minReplicas {min} is above maxReplicas {max}")]
    Crossed {
        /// The minimum given.
        min: u32,
        /// The maximum given.
        max: u32,
    },
    /// No workload could hold so many.
    #[error("maxReplicas must be in 1 to {MAX_REPLICAS}, got {max}")]
    MaxOutOfRange {
        /// The maximum given.
        max: u32,
    },
}

impl Bounds {
    /// Counts from `min` to `max`, both included.
    ///
    /// # Errors
    ///
    /// [`BoundsError`] when `min > max`, or `max` is 0 or above [`MAX_REPLICAS`].
    pub const fn new(min: u32, max: u32) -> Result<Self, BoundsError> {
        if max == 0 || max > MAX_REPLICAS {
            return Err(BoundsError::MaxOutOfRange { max });
        }
        if min > max {
            return Err(BoundsError::Crossed { min, max });
        }
        Ok(Self { min, max })
    }

    /// 0 to [`MAX_REPLICAS`].
    pub const UNBOUNDED: Self = Self { min: 0, max: MAX_REPLICAS };

    /// The smallest count allowed.
    #[must_use]
    pub const fn min(self) -> u32 {
        self.min
    }

    /// The largest count allowed.
    #[must_use]
    pub const fn max(self) -> u32 {
        self.max
    }

    /// The nearest count inside.
    #[must_use]
    #[inline]
    pub fn clamp(self, replicas: u32) -> u32 {
        replicas.max(self.min).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossed_or_impossible_bounds_are_refused() {
        assert_eq!(Bounds::new(9, 4), Err(BoundsError::Crossed { min: 9, max: 4 }));
        assert_eq!(Bounds::new(0, 0), Err(BoundsError::MaxOutOfRange { max: 0 }));
        assert_eq!(Bounds::new(0, u32::MAX), Err(BoundsError::MaxOutOfRange { max: u32::MAX }));
        assert_eq!(Bounds::new(4, 4).map(|bounds| bounds.clamp(9)), Ok(4));
    }
}
