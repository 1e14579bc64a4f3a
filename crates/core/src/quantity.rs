//! Kubernetes quantities: `500m`, `1.5`, `2Gi`, exact.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount as Kubernetes writes it: digits, perhaps a fraction, and a suffix.
///
/// Suffixes are `n u m k M G T P E`, the binary `Ki Mi Gi Ti Pi Ei`, or an exponent as in `1e3`. HPA computes
/// in thousandths and rounds what is finer up to the next one (k8s.io/apimachinery `resource.Quantity`).
///
/// ```
/// use setpoint::Quantity;
/// let milli = |text: &str| text.parse::<Quantity>().map(Quantity::milli);
/// assert_eq!(milli("500m"), Ok(500));
/// assert_eq!(milli("1500u"), Ok(2));
/// assert_eq!(milli("2Ki"), Ok(2_048_000));
/// assert!(milli("10%").is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    milli: i64,
    // As `digits × 10^exponent`: a tolerance of 118m is 118 × 1e-3 to HPA, which is not the double 0.118.
    digits: i128,
    exponent: i32,
}

/// A text that is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a quantity such as \"500m\", \"1.5\" or \"2Gi\"{}", hint(text))]
pub struct QuantityError {
    /// The text.
    pub text: String,
}

/// How a percentage is written as a quantity.
fn hint(text: &str) -> String {
    match text.strip_suffix('%').and_then(|percent| percent.trim_end().parse::<f64>().ok()) {
        Some(percent) => format!("; {percent} % is {}", percent / 100.0),
        None => String::new(),
    }
}

/// A quantity has no more digits than its largest value, 2^63, with nine after the point; more is nonsense.
const MOST_DIGITS: usize = 34;

impl Quantity {
    /// `milli` thousandths.
    #[must_use]
    pub const fn from_milli(milli: i64) -> Self {
        Self { milli, digits: milli as i128, exponent: -3 }
    }

    /// In thousandths. What is finer was rounded up, and what is larger than an `i64` holds is its largest value.
    #[must_use]
    pub const fn milli(self) -> i64 {
        self.milli
    }

    /// As a double, by the multiplication that Kubernetes does (`AsApproximateFloat64`).
    #[must_use]
    pub fn approximate(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "approximate by name")]
        let digits = self.digits as f64;
        if self.exponent == 0 {
            return digits;
        }
        let power: f64 = format!("1e{}", self.exponent).parse().expect("a power of ten is a number");
        digits * power
    }
}

impl Quantity {
    /// The same amount with as few digits as there can be.
    fn shortest(self) -> (i128, i32) {
        let (mut digits, mut exponent) = (self.digits, self.exponent);
        if digits == 0 {
            return (0, 0);
        }
        while digits % 10 == 0 {
            (digits, exponent) = (digits / 10, exponent + 1);
        }
        (digits, exponent)
    }
}

/// By the amount, exactly: what is finer than a thousandth counts.
impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.shortest() == other.shortest()
    }
}

impl Eq for Quantity {}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        read(text).ok_or_else(|| QuantityError { text: text.to_owned() })
    }
}

fn read(text: &str) -> Option<Quantity> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > MOST_DIGITS || fraction.contains('.') {
        return None;
    }
    let mut digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    if negative {
        digits = -digits;
    }
    let (binary, power) = scale(suffix)?;
    let exponent = power - i32::try_from(fraction.len()).ok()?;
    if binary > 0 {
        digits = digits.checked_mul(1_i128.checked_shl(binary)?)?;
    }
    Some(Quantity { milli: in_milli(digits, exponent), digits, exponent })
}

/// The power of two and the power of ten of a suffix.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            ((-30..=30).contains(&exponent)).then_some((0, exponent))?
        }
    })
}

/// `digits × 10^exponent` in thousandths, rounded up, within an `i64`.
fn in_milli(digits: i128, exponent: i32) -> i64 {
    let exponent = exponent + 3;
    let power = 10_i128.checked_pow(exponent.unsigned_abs());
    let milli = match (exponent >= 0, power) {
        (true, Some(power)) => digits.saturating_mul(power),
        (true, None) => digits.signum() * i128::MAX,
        (false, Some(power)) => digits.div_euclid(power) + i128::from(digits.rem_euclid(power) != 0),
        (false, None) => i128::from(digits > 0),
    };
    i64::try_from(milli).unwrap_or(if milli > 0 { i64::MAX } else { i64::MIN })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, exponent) = self.shortest();
        let times = |power: i32| 10_i128.pow(power.unsigned_abs());
        match exponent {
            0..=3 => write!(f, "{}", digits * times(exponent)),
            -3..=-1 => write!(f, "{}m", digits * times(exponent + 3)),
            -6..=-4 => write!(f, "{}u", digits * times(exponent + 6)),
            -9..=-7 => write!(f, "{}n", digits * times(exponent + 9)),
            _ => write!(f, "{digits}e{exponent}"),
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as \"500m\", 1.5 or \"2Gi\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            // The shortest text that reads as this double is what the author wrote.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "description": "a Kubernetes quantity such as 500m, 1.5 or 2Gi",
            "examples": ["500m", 1.5, "2Gi"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_thousandths_rounded_up() {
        let cases = [
            ("0", Some(0)),
            ("2", Some(2_000)),
            ("1.5", Some(1_500)),
            (".5", Some(500)),
            ("5.", Some(5_000)),
            ("0.0001", Some(1)),
            ("1500u", Some(2)),
            ("1n", Some(1)),
            ("2k", Some(2_000_000)),
            ("1Ki", Some(1_024_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("1e3", Some(1_000_000)),
            ("1E-3", Some(1)),
            ("-1500u", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("1Ei", Some(i64::MAX)),
            ("", None),
            ("m", None),
            ("10%", None),
            ("1.2.3", None),
            ("1 Gi", None),
            ("1e99", None),
            ("0x10", None),
            ("99999999999999999999999999999999999", None),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse().ok().map(Quantity::milli), want, "{text}");
        }
    }

    #[test]
    fn a_percentage_is_refused_with_the_quantity_that_it_is() {
        let error = |text: &str| text.parse::<Quantity>().expect_err(text).to_string();
        assert!(error("10%").ends_with("; 10 % is 0.1"), "{}", error("10%"));
        assert!(error("12.5 %").ends_with("; 12.5 % is 0.125"), "{}", error("12.5 %"));
        assert!(error("many%").ends_with("\"2Gi\""), "{}", error("many%"));
    }

    #[test]
    fn a_quantity_is_written_as_the_amount_it_was_read_as() {
        let cases = [
            ("0", "0"),
            ("1.50", "1500m"),
            ("500m", "500m"),
            ("500u", "500u"),
            ("0.0001", "100u"),
            ("-1500u", "-1500u"),
            ("1n", "1n"),
            ("2k", "2000"),
            ("1Ki", "1024"),
            ("1E", "1e18"),
            ("1e-12", "1e-12"),
            ("1e30", "1e30"),
        ];
        for (text, want) in cases {
            let quantity: Quantity = text.parse().expect(text);
            assert_eq!(quantity.to_string(), want, "{text}");
            assert_eq!(want.parse(), Ok(quantity), "{text}");
        }
        assert_ne!("500u".parse::<Quantity>(), "1m".parse());
        assert_eq!("1000m".parse::<Quantity>(), "1".parse());
    }

    #[test]
    fn a_tolerance_is_digits_times_a_power_of_ten() {
        let tolerance: Quantity = "118m".parse().expect("a quantity");
        assert_eq!(tolerance.approximate().to_bits(), (118.0_f64 * 1e-3).to_bits());
        assert_ne!(tolerance.approximate().to_bits(), 0.118_f64.to_bits());
    }
}
