//! What Go's arithmetic does where it differs from ours.

/// `int32(x)` as Go computes it on amd64: what doesn't fit is the smallest there is.
#[expect(clippy::cast_possible_truncation, reason = "it was looked at")]
#[inline]
pub(super) fn int32(x: f64) -> i32 {
    if x > f64::from(i32::MIN) - 1.0 && x < f64::from(i32::MAX) + 1.0 { x as i32 } else { i32::MIN }
}

/// `math.Max`: a NaN wins over all but infinity.
#[inline]
pub(super) fn max(x: f64, y: f64) -> f64 {
    if x == f64::INFINITY || y == f64::INFINITY {
        f64::INFINITY
    } else if x.is_nan() || y.is_nan() {
        f64::NAN
    } else {
        x.max(y)
    }
}

/// `math.Min`: a NaN wins over all but minus infinity.
#[inline]
pub(super) fn min(x: f64, y: f64) -> f64 {
    -max(-x, -y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_the_smallest_there_is() {
        let cases = [
            (2_147_483_647.0, i32::MAX),
            (2_147_483_647.9, i32::MAX),
            (2_147_483_648.0, i32::MIN),
            (-2_147_483_648.9, i32::MIN),
            (-3.9, -3),
            (f64::NAN, i32::MIN),
            (f64::INFINITY, i32::MIN),
        ];
        for (x, want) in cases {
            assert_eq!(int32(x), want, "{x}");
        }
    }

    #[test]
    fn a_nan_wins_over_all_but_its_infinity() {
        assert!(max(f64::NAN, 1.0).is_nan() && min(1.0, f64::NAN).is_nan());
        assert_eq!(
            (max(f64::NAN, f64::INFINITY), min(f64::NEG_INFINITY, f64::NAN)),
            (f64::INFINITY, f64::NEG_INFINITY)
        );
        assert_eq!((max(1.0, 2.0), min(1.0, 2.0)), (2.0, 1.0));
    }
}
