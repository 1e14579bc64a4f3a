//! Time as data: algorithms compare instants they are given and never read a clock.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant in milliseconds since an epoch of the caller's choice.
///
/// A live loop uses the Unix epoch, a simulation its own start. Only differences matter to an
/// algorithm. Arithmetic saturates, so no timestamp can make a decision panic.
///
/// ```
/// use std::time::Duration;
/// use setpoint::Timestamp;
/// let start = Timestamp::from_millis(1_000);
/// assert_eq!((start + Duration::from_secs(2)).as_millis(), 3_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `millis` milliseconds after the epoch; negative is before it.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl Timestamp {
    /// So many milliseconds earlier. Saturates.
    #[inline]
    pub(crate) const fn minus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// So many milliseconds later. Saturates.
    #[inline]
    pub(crate) const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this is; zero if it isn't.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        if millis > 0 { Duration::from_millis(millis.unsigned_abs()) } else { Duration::ZERO }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({}ms)", self.0)
    }
}

/// In milliseconds. Saturates.
#[inline]
pub(crate) fn millis(duration: Duration) -> i64 {
    // Without the 128 bits of a duration's own milliseconds.
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1000).saturating_add(i64::from(duration.subsec_millis()))
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

/// A duration as documents write it: `15s`, `5m`, `1h30m`.
///
/// At most 400 days, in whole milliseconds; zero is allowed where the field says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(Duration);

impl Span {
    const MAX: Duration = Duration::from_secs(400 * 24 * 3600);

    /// Zero.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// So many seconds, at most 400 days.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        let secs = if secs > Self::MAX.as_secs() { Self::MAX.as_secs() } else { secs };
        Self(Duration::from_secs(secs))
    }

    /// The same as a [`Duration`].
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl TryFrom<Duration> for Span {
    type Error = String;

    fn try_from(duration: Duration) -> Result<Self, String> {
        if duration > Self::MAX {
            return Err(format!("a duration must be at most 400 days, got {duration:?}"));
        }
        if !duration.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(format!("a duration must be in whole milliseconds, got {duration:?}"));
        }
        Ok(Self(duration))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)
            .map_err(|error| de::Error::custom(format!("{error} (write a duration such as \"15s\")")))?;
        let duration = humantime::parse_duration(&text).map_err(|error| {
            de::Error::custom(format!("{text:?} is not a duration such as \"15s\" or \"5m\": {error}"))
        })?;
        Self::try_from(duration).map_err(de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a duration such as 15s, 5m or 1h30m; at most 400 days",
            "examples": ["15s", "5m"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_saturate_at_both_ends() {
        let day = Duration::from_secs(86_400);
        assert_eq!(Timestamp::from_millis(i64::MAX) + day, Timestamp::from_millis(i64::MAX));
        assert_eq!(Timestamp::from_millis(i64::MIN) - day, Timestamp::from_millis(i64::MIN));
        assert_eq!(Timestamp::default() + Duration::MAX, Timestamp::from_millis(i64::MAX));
    }

    #[test]
    fn spans_parse_or_say_what_they_want() {
        let cases = [
            ("\"15s\"", Ok(Span::from_secs(15))),
            ("\"1h30m\"", Ok(Span::from_secs(5400))),
            ("\"0s\"", Ok(Span::ZERO)),
            ("15", Err("write a duration such as \"15s\"")),
            ("\"15\"", Err("is not a duration")),
            ("\"-5s\"", Err("is not a duration")),
            ("\"1000000d\"", Err("at most 400 days")),
            ("\"10us\"", Err("whole milliseconds")),
        ];
        for (text, want) in cases {
            match (serde_json::from_str::<Span>(text), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
                (Err(got), Err(want)) => assert!(got.to_string().contains(want), "{text}: {got}"),
                (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
            }
        }
    }
}
