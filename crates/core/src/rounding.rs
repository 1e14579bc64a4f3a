//! Whole numbers near a double, without the calls that `f64::floor` and its like are on many targets.

/// Adding it leaves a number below [`EXACT`] no room for a fraction: the sum is rounded to a whole number.
const NO_FRACTION: f64 = 6_755_399_441_055_744.0;
/// 2^51. From 2^52 on a double has no fraction; up to here the trick works.
const EXACT: f64 = 2_251_799_813_685_248.0;

/// A whole number next to `number`, or it itself; `number` is below [`EXACT`].
#[inline]
fn beside(number: f64) -> f64 {
    (number + NO_FRACTION) - NO_FRACTION
}

/// [`f64::floor`], to the bit.
#[inline]
pub(crate) fn floor(number: f64) -> f64 {
    if number.abs() < EXACT {
        let beside = beside(number);
        (if beside > number { beside - 1.0 } else { beside }).copysign(number)
    } else {
        number.floor()
    }
}

/// [`f64::ceil`], to the bit.
#[inline]
pub(crate) fn ceil(number: f64) -> f64 {
    if number.abs() < EXACT {
        let beside = beside(number);
        (if beside < number { beside + 1.0 } else { beside }).copysign(number)
    } else {
        number.ceil()
    }
}

/// [`f64::round`], to the bit: a half goes away from zero.
#[inline]
pub(crate) fn round(number: f64) -> f64 {
    let size = number.abs();
    if size < EXACT {
        let beside = beside(size);
        // A half went to the even side.
        (if size - beside >= 0.5 { beside + 1.0 } else { beside }).copysign(number)
    } else {
        number.round()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(number: f64) {
        let bits = |numbers: [f64; 3]| numbers.map(f64::to_bits);
        let ours = [floor(number), ceil(number), round(number)];
        assert_eq!(bits(ours), bits([number.floor(), number.ceil(), number.round()]), "{number:?}: {ours:?}");
    }

    #[test]
    fn it_is_what_the_standard_library_has_also_at_the_edges() {
        let edges = [0.0, 0.5, 1.0, 1.5, 2.5, 0.1 + 0.2, EXACT - 0.5, EXACT, EXACT * 2.0 - 0.5, 1e300, f64::INFINITY];
        for edge in edges {
            for number in [edge, edge.next_up(), edge.next_down()] {
                check(number);
                check(-number);
            }
        }
        assert!([floor(f64::NAN), ceil(f64::NAN), round(f64::NAN)].iter().all(|number| number.is_nan()));
    }

    proptest! {
        #[test]
        fn it_is_what_the_standard_library_has(number in any::<f64>(), halves in -1_000_000_i32..1_000_000) {
            if !number.is_nan() {
                check(number);
            }
            let half = f64::from(halves) / 2.0;
            for number in [half, half.next_up(), half.next_down(), half / 3.0] {
                check(number);
            }
        }
    }
}
