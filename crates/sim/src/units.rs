//! Bounded quantities a scenario is made of: a value that exists is in range.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Microseconds from the start of a run: the only clock inside a simulation.
pub(crate) type Micros = u64;

/// One second.
pub(crate) const SECOND: Micros = 1_000_000;

/// The longest span a scenario may name: 400 days.
pub(crate) const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// The most replicas a simulated service runs; a count above it is taken as this.
pub const MAX_REPLICAS: u32 = 10_000;

/// The most requests one load may hold.
pub const MAX_REQUESTS: u64 = 50_000_000;

/// A quantity outside the range it must be in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct RangeError {
    /// What would have been right, with unit and range.
    pub expected: &'static str,
    /// What was there.
    pub found: String,
}

macro_rules! span {
    ($(#[$doc:meta])* $vis:vis $name:ident, $least:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        $vis struct $name(Duration);

        impl $name {
            /// The span as a standard duration.
            $vis const fn duration(self) -> Duration {
                self.0
            }

            /// Whole microseconds, rounded down: 400 days of them fit an `i64`, too.
            pub(crate) const fn micros(self) -> Micros {
                self.0.as_secs() * SECOND + self.0.subsec_micros() as u64
            }
        }

        impl TryFrom<Duration> for $name {
            type Error = RangeError;

            fn try_from(duration: Duration) -> Result<Self, RangeError> {
                if ($least..=LONGEST).contains(&duration) {
                    Ok(Self(duration))
                } else {
                    let found = humantime::format_duration(duration).to_string();
                    Err(RangeError { expected: $expected, found })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = RangeError;

            fn try_from(text: String) -> Result<Self, RangeError> {
                match humantime::parse_duration(&text) {
                    Ok(duration) => Self::try_from(duration)
                        .map_err(|error| RangeError { found: format!("{text:?}"), ..error }),
                    Err(_) => Err(RangeError { expected: $expected, found: format!("{text:?}") }),
                }
            }
        }

        impl From<$name> for String {
            fn from(span: $name) -> Self {
                span.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                humantime::format_duration(self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $expected })
            }
        }
    };
}

span! {
    /// A span of time that may be zero: `"0s"`, `"0.2ms"`, `"1h 30m"`, at most 400 days.
    pub(crate) Span, Duration::ZERO, "a duration such as \"15s\" or \"1h 30m\", at most 400 days"
}

span! {
    /// A span of time that is not zero: from 1 ms to 400 days.
    pub Period, Duration::from_millis(1), "a duration such as \"15s\" or \"1h 30m\", from 1ms to 400 days"
}

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident: $raw:ident = $kind:literal, $least:expr, $most:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub(crate) struct $name($raw);

        impl $name {
            /// The plain number.
            pub(crate) const fn get(self) -> $raw {
                self.0
            }
        }

        #[allow(clippy::cast_lossless, reason = "one text for f64, u32 and u64")]
        impl TryFrom<f64> for $name {
            type Error = RangeError;

            fn try_from(number: f64) -> Result<Self, RangeError> {
                // In range first: the conversion to an integer is then exact or seen to differ.
                let inside = ($least as f64..=$most as f64).contains(&number);
                let value = number as $raw;
                if inside && value as f64 == number {
                    Ok(Self(value))
                } else {
                    Err(RangeError { expected: $expected, found: number.to_string() })
                }
            }
        }

        #[allow(clippy::cast_lossless, reason = "one text for f64, u32 and u64")]
        impl From<$name> for f64 {
            fn from(value: $name) -> Self {
                value.0 as f64
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": $kind, "minimum": $least, "maximum": $most, "description": $expected
                })
            }
        }
    };
}

bounded! {
    /// Requests per second, 0 to 1,000,000.
    Rate: f64 = "number", 0.0, 1_000_000.0, "a number of requests/s from 0 to 1000000"
}
bounded! {
    /// A share of one, 0 to 1.
    Fraction: f64 = "number", 0.0, 1.0, "a fraction from 0 to 1"
}
bounded! {
    /// Standard deviation over mean, 0.01 to 10.
    Variation: f64 = "number", 0.01, 10.0, "a coefficient of variation from 0.01 to 10"
}
bounded! {
    /// Requests one replica serves at once, 1 to 1,000.
    Concurrency: u32 = "integer", 1, 1_000, "a whole number of requests from 1 to 1000"
}
bounded! {
    /// Requests that may wait, 0 to 10,000,000.
    QueueLimit: u32 = "integer", 0, 10_000_000, "a whole number of requests from 0 to 10000000"
}
bounded! {
    /// A number of replicas, 0 to 10,000 ([`MAX_REPLICAS`]).
    ReplicaCount: u32 = "integer", 0, MAX_REPLICAS, "a whole number of replicas from 0 to 10000"
}
bounded! {
    /// A seed, 0 to 2^53: what every JSON reader keeps exact.
    Seed: u64 = "integer", 0_u64, 9_007_199_254_740_992_u64, "a whole number from 0 to 9007199254740992"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_bounded() {
        let cases = [
            ("plain", "15s", Some(15_000_000)),
            ("compound", "1h 30m", Some(5_400_000_000)),
            ("a fraction of a millisecond", "0.2ms", Some(200)),
            ("longest", "400days", Some(400 * 86_400 * SECOND)),
            ("too long", "401days", None),
            ("zero is no period", "0s", None),
            ("below a millisecond is no period", "999us", None),
            ("negative", "-5s", None),
            ("no unit", "5", None),
            ("no number", "abc", None),
            ("empty", "", None),
            ("overflow", "99999999999999999999y", None),
        ];
        for (name, text, want) in cases {
            let span = Span::try_from(text.to_owned()).ok().map(Span::micros);
            let period = Period::try_from(text.to_owned()).ok().map(Period::micros);
            if name.contains("no period") || name.contains("fraction") {
                assert!(span.is_some() && period.is_none(), "{name}");
            } else {
                assert_eq!((span, period), (want, want), "{name}");
            }
        }
    }

    #[test]
    fn numbers_are_bounded() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e7] {
            assert!(Rate::try_from(bad).is_err(), "rate {bad}");
        }
        for bad in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1.5, 1_001.0] {
            assert!(Concurrency::try_from(bad).is_err(), "concurrency {bad}");
        }
        assert_eq!(Rate::try_from(0.0).unwrap().get(), 0.0);
        assert_eq!(Concurrency::try_from(8.0).unwrap().get(), 8);
        assert_eq!(
            Rate::try_from(-1.0).unwrap_err().to_string(),
            "expected a number of requests/s from 0 to 1000000, found -1"
        );
    }

    #[test]
    fn a_span_survives_its_text() {
        for text in ["15s", "1h 30m", "200us", "400days"] {
            let span = Span::try_from(text.to_owned()).unwrap();
            assert_eq!(Span::try_from(span.to_string()).unwrap(), span, "{text}");
        }
    }
}
