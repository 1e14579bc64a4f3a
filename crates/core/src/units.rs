//! Numbers that cannot hold what makes no sense: each type documents its range and checks it once.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A number as documents write it: `0.25`, or `25%` where the type is a fraction.
struct Written {
    value: f64,
    percent: bool,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a percentage such as \"25%\"")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Written, E> {
                Ok(Written { value, percent: false })
            }

            // Beyond 2^53 the nearest double is as good as any: every range here ends far below.
            #[expect(clippy::cast_precision_loss, reason = "see above")]
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Written, E> {
                self.visit_f64(value as f64)
            }

            #[expect(clippy::cast_precision_loss, reason = "as for visit_u64")]
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Written, E> {
                self.visit_f64(value as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
                let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
                match percent {
                    Some(value) => Ok(Written { value: value / 100.0, percent: true }),
                    None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A refused number, and the range it had to be in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{name} must be {range}, got {value}")]
#[non_exhaustive]
pub struct RangeError {
    /// What the number is.
    pub name: &'static str,
    /// The allowed range, in words.
    pub range: &'static str,
    /// What was given.
    pub value: f64,
}

macro_rules! number {
    (
        $(#[$doc:meta])*
        $type:ident, $name:literal, $range:literal, percent: $percent:literal, schema: $schema:tt, $allowed:expr
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $type(f64);

        impl $type {
            #[doc = concat!("Checks that `value` is ", $range, ".")]
            ///
            /// # Errors
            ///
            /// The range, when `value` is outside it, NaN or infinite.
            pub fn new(value: f64) -> Result<Self, RangeError> {
                let allowed: fn(f64) -> bool = $allowed;
                if value.is_finite() && allowed(value) {
                    Ok(Self(value))
                } else {
                    Err(RangeError { name: $name, range: $range, value })
                }
            }

            /// The number itself.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let written = Written::deserialize(deserializer)?;
                if written.percent && !$percent {
                    return Err(de::Error::custom(concat!($name, " must be ", $range, ", not a percentage")));
                }
                // 50 where 50% was meant would be a step of 5,000 %.
                if $percent && !written.percent && written.value >= 10.0 {
                    return Err(de::Error::custom(format!(
                        concat!($name, " must be ", $range, ", got {}: for a percentage write \"{}%\""),
                        written.value, written.value,
                    )));
                }
                Self::new(written.value).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let number = json_schema!($schema);
                if $percent {
                    json_schema!({
                        "description": concat!($range, ", or a percentage such as 25%"),
                        "anyOf": [number, { "type": "string", "pattern": "^[0-9]+([.][0-9]+)?%$" }],
                    })
                } else {
                    number
                }
            }
        }
    };
}

number!(
    /// How far a ratio may be from 1 before anything is done, inclusive: at 0.1, ratios in [0.9, 1.1] keep
    /// the current count. Default 0.1, as HPA and KubeAI have it.
    Tolerance, "tolerance", "a fraction in [0, 1]", percent: true,
    schema: { "type": "number", "minimum": 0, "maximum": 1 },
    |value| (0.0..=1.0).contains(&value)
);

impl Tolerance {
    /// Every difference counts.
    pub const NONE: Self = Self(0.0);
}

impl Default for Tolerance {
    fn default() -> Self {
        Self(0.1)
    }
}

/// A tolerance for each direction. HPA allows more than 1: a workload with 1.5 `down` never shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tolerances {
    /// How far below 1 a ratio may be.
    pub down: f64,
    /// How far above.
    pub up: f64,
}

impl Tolerances {
    /// Every difference counts.
    pub const NONE: Self = Self { down: 0.0, up: 0.0 };

    /// Whether `ratio` is so near to 1 that nothing should be done.
    #[must_use]
    #[inline]
    pub fn contains(self, ratio: f64) -> bool {
        // Both, without a branch: where a ratio lies is nothing a processor can predict.
        (1.0 - self.down <= ratio) & (ratio <= 1.0 + self.up)
    }
}

impl From<Tolerance> for Tolerances {
    fn from(both: Tolerance) -> Self {
        Self { down: both.get(), up: both.get() }
    }
}

number!(
    /// The weight of the newest value in an exponentially weighted average. 1 keeps no memory.
    SmoothingFactor, "smoothingFactor", "a fraction in (0, 1]", percent: true,
    schema: { "type": "number", "exclusiveMinimum": 0, "maximum": 1 },
    |value| value > 0.0 && value <= 1.0
);

number!(
    /// The largest growth in one step, as a fraction of the current count; 0 never grows.
    StepUp, "maxScaleUp", "a fraction of at least 0", percent: true,
    schema: { "type": "number", "minimum": 0, "exclusiveMaximum": 10 },
    |value| value >= 0.0
);

number!(
    /// The largest reduction in one step, as a fraction of the current count; 0 never shrinks.
    StepDown, "maxScaleDown", "a fraction in [0, 1]", percent: true,
    schema: { "type": "number", "minimum": 0, "maximum": 1 },
    |value| (0.0..=1.0).contains(&value)
);

number!(
    /// A ratio or factor that is not negative.
    Fraction, "ratioFloor", "a number of at least 0", percent: false,
    schema: { "type": "number", "minimum": 0 },
    |value| value >= 0.0
);

number!(
    /// A metric's weight: not negative; 0 leaves the metric out.
    Weight, "weight", "a number of at least 0", percent: false,
    schema: { "type": "number", "minimum": 0 },
    |value| value >= 0.0
);

number!(
    /// A target: greater than 0, for a ratio divides by it.
    Positive, "target", "a number greater than 0", percent: false,
    schema: { "type": "number", "exclusiveMinimum": 0 },
    |value| value > 0.0
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_the_same_double_as_its_fraction() {
        for (text, want) in [("\"10%\"", 0.1), ("\"25%\"", 0.25), ("\"7%\"", 0.07), ("0.3", 0.3), ("1", 1.0)] {
            assert_eq!(serde_json::from_str::<StepDown>(text).unwrap().get(), want, "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_name_the_range() {
        let refused = [
            (serde_json::from_str::<StepUp>("50").map(StepUp::get), "write \"50%\""),
            (serde_json::from_str::<StepDown>("\"101%\"").map(StepDown::get), "[0, 1], got 1.01"),
            (serde_json::from_str::<SmoothingFactor>("0").map(SmoothingFactor::get), "(0, 1], got 0"),
            (serde_json::from_str::<Tolerance>("-0.1").map(Tolerance::get), "[0, 1], got -0.1"),
            (serde_json::from_str::<Weight>("\"5%\"").map(Weight::get), "not a percentage"),
            (serde_json::from_str::<StepUp>("\"half\"").map(StepUp::get), "such as \"25%\""),
            (serde_json::from_str::<StepUp>("\"NaN%\"").map(StepUp::get), "got NaN"),
        ];
        for (got, want) in refused {
            let message = got.expect_err(want).to_string();
            assert!(message.contains(want), "{message} should contain {want}");
        }
        assert!(Positive::new(f64::INFINITY).is_err());
        assert!(Positive::new(0.0).is_err());
    }

    #[test]
    fn tolerance_includes_its_edges() {
        let tolerance = Tolerances::from(Tolerance::default());
        for (ratio, inside) in [(0.9, true), (1.1, true), (0.899_999_9, false), (1.100_000_1, false)] {
            assert_eq!(tolerance.contains(ratio), inside, "{ratio}");
        }
    }
}
