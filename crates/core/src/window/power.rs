//! Powers whose bits are the same on every machine, and those of Go's `math.Pow`.
//!
//! Go: src/math/pow.go, frexp.go, ldexp.go.

const MANTISSA_BITS: i32 = 52;
const EXPONENT_MASK: u64 = 0x7ff << MANTISSA_BITS;
/// Of a number in [0.5, 1).
const HALF_EXPONENT: i32 = 1022;

/// `base` to a whole, positive `exponent`, for a normal `base` in (0, 1): the mantissa is squared again and again,
/// and powers of two are counted beside it.
pub(super) fn power(base: f64, exponent: i64) -> f64 {
    debug_assert!(base.is_normal() && base > 0.0 && base < 1.0);
    let (mut square, mut twos) = split(base);
    let (mut mantissa, mut power_of_two) = (1.0, 0_i64);
    let mut left = exponent;
    while left > 0 {
        // Beyond what any double holds: the exact count no longer matters.
        if twos < -4096 {
            power_of_two += twos;
            break;
        }
        if left & 1 == 1 {
            mantissa *= square;
            power_of_two += twos;
        }
        square *= square;
        twos *= 2;
        if square < 0.5 {
            square += square;
            twos -= 1;
        }
        left >>= 1;
    }
    join(mantissa, power_of_two)
}

/// Into a mantissa in [0.5, 1) and a power of two.
fn split(number: f64) -> (f64, i64) {
    let bits = number.to_bits();
    let exponent = i64::try_from((bits & EXPONENT_MASK) >> MANTISSA_BITS).expect("eleven bits");
    let half = u64::from(HALF_EXPONENT.unsigned_abs()) << MANTISSA_BITS;
    (f64::from_bits(bits & !EXPONENT_MASK | half), exponent - i64::from(HALF_EXPONENT))
}

/// The product of a normal mantissa in (0, 1] and a power of two, rounded once.
fn join(mantissa: f64, power_of_two: i64) -> f64 {
    let (mantissa, twos) = split(mantissa);
    let exponent = twos + power_of_two + i64::from(HALF_EXPONENT);
    let with = |exponent: i64| {
        let exponent = u64::try_from(exponent).expect("a normal double's exponent is positive");
        f64::from_bits(mantissa.to_bits() & !EXPONENT_MASK | exponent << MANTISSA_BITS)
    };
    match exponent {
        // As no double is so small that doubling it 53 times doesn't make it a normal one.
        ..=-53 => 0.0,
        -52..=0 => with(exponent + 53) * f64::from_bits((1023 - 53) << MANTISSA_BITS),
        _ => with(exponent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_go_bit_by_bit() {
        let cases = [
            (0.8, 1, 0x3fe9_9999_9999_999a),
            (0.8, 2, 0x3fe4_7ae1_47ae_147c),
            (0.8, 3, 0x3fe0_624d_d2f1_a9fd),
            (0.8, 7, 0x3fca_d7f2_9abc_af4e),
            (0.8, 13, 0x3fac_25c2_6849_768d),
            (0.8, 40, 0x3f21_6c26_2777_57b2),
            (0.8, 60, 0x3eb9_b604_aaac_a656),
            (0.8, 127, 0x3d61_5445_81b7_df05),
            (0.8, 599, 0x33e1_f085_d4fb_63ee),
            (0.8, 3_000, 0x0392_9499_e403_418b),
            (0.8, 3_331, 0x0000_0000_0000_0003),
            (0.8, 3_599, 0x0000_0000_0000_0000),
            (0.8, 100_000, 0x0000_0000_0000_0000),
            (1e-4, 1, 0x3f1a_36e2_eb1c_432d),
            (1e-4, 2, 0x3e45_798e_e230_8c3a),
            (1e-4, 3, 0x3d71_9799_812d_ea11),
            (1e-4, 7, 0x3a1f_b0f6_be50_601a),
            (1e-4, 13, 0x3523_27fc_58da_0f72),
            (1e-4, 40, 0x1eb6_7e9c_127b_6e79),
            (1e-4, 60, 0x0e1a_ac0b_f9b9_e664),
            (0.7943, 1, 0x3fe9_6ae7_d566_cf42),
            (0.7943, 2, 0x3fe4_306f_63e6_0380),
            (0.7943, 3, 0x3fe0_0949_bb4d_f863),
            (0.7943, 7, 0x3fc9_8872_ed89_9a16),
            (0.7943, 13, 0x3fa9_a620_5c65_1a9b),
            (0.7943, 40, 0x3f1a_2d59_f2d9_4c28),
            (0.7943, 60, 0x3eb0_bdd1_211d_dba8),
            (0.7943, 127, 0x3d4b_f44f_9cff_7eb2),
            (0.7943, 599, 0x337f_afb4_000a_6b3d),
            (0.7943, 3_000, 0x01a3_4335_1b6a_d28f),
            (0.7943, 3_599, 0x0000_0000_0000_0000),
            (0.7943, 100_000, 0x0000_0000_0000_0000),
            (0.999, 1, 0x3fef_f7ce_d916_872b),
            (0.999, 2, 0x3fef_ef9f_cb0c_026d),
            (0.999, 3, 0x3fef_e772_d557_0166),
            (0.999, 7, 0x3fef_c6d3_e722_29bc),
            (0.999, 13, 0x3fef_9624_00e9_c94d),
            (0.999, 40, 0x3fee_bea1_2b42_9a59),
            (0.999, 60, 0x3fee_22b4_15f6_95d4),
            (0.999, 127, 0x3fec_2e83_0599_bdfd),
            (0.999, 599, 0x3fe1_9303_b500_2f38),
            (0.999, 3_000, 0x3fa9_73e7_24da_d91e),
            (0.999, 3_331, 0x3fa2_46fa_ee21_da09),
            (0.999, 3_400, 0x3fa1_0edd_c559_cc3e),
            (0.999, 3_599, 0x3f9b_f504_5875_ea31),
            (0.999, 100_000, 0x36e9_4074_7bb8_6c55),
        ];
        for (base, exponent, want) in cases {
            assert_eq!(power(base, exponent).to_bits(), want, "{base} to {exponent}");
        }
    }
}
