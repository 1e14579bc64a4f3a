//! What a policy says about failures.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess};
use serde::{Deserialize, Serialize, Serializer};

use crate::config::ConfigError;
use crate::policy::AlgorithmSpec;
use crate::time::Span;

/// What answers when the algorithm fails: `hold`, `{ lastGood: { for: 5m } }`, `{ replicas: 6 }`, or
/// `{ algorithm: { name: … } }`.
///
/// It answers in place of the algorithm and its stages; only bounds still apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FailureSpec {
    /// Keep the current count.
    #[default]
    Hold,
    /// What the algorithm said last, for some time.
    LastGood(LastGoodSpec),
    /// A static count.
    Replicas(u32),
    /// Another algorithm. When that fails too, hold.
    Algorithm(AlgorithmSpec),
}

/// The last good answer, and what comes after it.
///
/// An answer is a need after all stages, a hold, or hands off; not having enough data is none. It counts until it is
/// `for` old, by the time of the observations; one that a clock which went back has in the future doesn't count.
///
/// ```
/// use setpoint::{FailureSpec, FallbackSpec, LastGoodSpec, Span};
/// let written = serde_json::json!({ "lastGood": { "for": "5m", "then": { "replicas": 6 } } });
/// let last_good = LastGoodSpec::new(Span::from_secs(300)).then(FallbackSpec::Replicas(6));
/// assert_eq!(serde_json::from_value::<FailureSpec>(written)?, FailureSpec::LastGood(last_good));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct LastGoodSpec {
    /// How long it counts, from when it was given: longer than the policy's `interval`, for it is as old as that when
    /// the next look fails.
    pub r#for: Span,
    /// What answers when it is older than that, or there is none. Default: hold.
    #[serde(default)]
    pub then: FallbackSpec,
}

/// What answers without a memory: `hold`, `{ replicas: 6 }`, or `{ algorithm: { name: … } }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FallbackSpec {
    /// Keep the current count.
    #[default]
    Hold,
    /// A static count.
    Replicas(u32),
    /// Another algorithm. When that fails too, hold.
    Algorithm(AlgorithmSpec),
}

/// When an algorithm that goes on failing is left alone, and for how long: `{ consecutiveFailures: 3, initialBackoff:
/// 30s, maxBackoff: 10m }`, all three by default, or `never`.
///
/// A quarantine begins with the failure that makes the row full. Until it ends the algorithm isn't called, and the
/// fallback answers at once. Then one call decides: an answer ends the row, a failure doubles the backoff, up to the
/// largest. See [`FailureKind::is_fault`](crate::FailureKind::is_fault) for what counts as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuarantineSpec {
    /// After so many failures, for so long.
    After(Backoff),
    /// It is called every time, whatever it does.
    Never,
}

/// How many failures it takes, and how long a quarantine is.
///
/// ```
/// use setpoint::{Backoff, Span};
/// let backoff = Backoff { max_backoff: Span::from_secs(60), ..Backoff::default() };
/// let lengths = [2, 3, 4, 5, 6].map(|failures| backoff.after(failures).map(|length| length.as_secs()));
/// assert_eq!(lengths, [None, Some(30), Some(60), Some(60), Some(60)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Backoff {
    /// How many failures in a row it takes: at least 1. Default 3.
    pub consecutive_failures: u32,
    /// How long the first quarantine is: above zero. Default 30s.
    pub initial_backoff: Span,
    /// How long one can become: at least the initial backoff. Default 10m.
    pub max_backoff: Span,
}

impl LastGoodSpec {
    /// The last good answer for so long, and then hold.
    #[must_use]
    pub fn new(r#for: Span) -> Self {
        Self { r#for, then: FallbackSpec::Hold }
    }

    /// The same with `then` after it.
    #[must_use]
    pub fn then(mut self, then: FallbackSpec) -> Self {
        self.then = then;
        self
    }
}

impl FailureSpec {
    /// Its algorithm, if it has one, and where that stands.
    #[must_use]
    pub fn algorithm(&self) -> Option<(&'static str, &AlgorithmSpec)> {
        match self {
            Self::Algorithm(algorithm) => Some(("algorithm", algorithm)),
            Self::LastGood(LastGoodSpec { then: FallbackSpec::Algorithm(algorithm), .. }) => {
                Some((ALGORITHM_AFTER_LAST_GOOD, algorithm))
            }
            Self::Hold | Self::LastGood(_) | Self::Replicas(_) => None,
        }
    }

    /// The same to change, as for a plugin that becomes a name.
    #[must_use]
    pub fn algorithm_mut(&mut self) -> Option<(&'static str, &mut AlgorithmSpec)> {
        match self {
            Self::Algorithm(algorithm) => Some(("algorithm", algorithm)),
            Self::LastGood(LastGoodSpec { then: FallbackSpec::Algorithm(algorithm), .. }) => {
                Some((ALGORITHM_AFTER_LAST_GOOD, algorithm))
            }
            Self::Hold | Self::LastGood(_) | Self::Replicas(_) => None,
        }
    }

    /// Its static count, if it has one, and where that stands.
    #[must_use]
    pub fn replicas(&self) -> Option<(&'static str, u32)> {
        match *self {
            Self::Replicas(replicas) => Some(("replicas", replicas)),
            Self::LastGood(LastGoodSpec { then: FallbackSpec::Replicas(replicas), .. }) => {
                Some(("lastGood.then.replicas", replicas))
            }
            Self::Hold | Self::LastGood(_) | Self::Algorithm(_) => None,
        }
    }

    pub(crate) fn check(&self, interval: Span) -> Result<(), ConfigError> {
        if let Self::LastGood(LastGoodSpec { r#for, .. }) = self
            && *r#for <= interval
        {
            let message = format!(
                "must be longer than the interval of {interval}, for the last good answer is as old as that when the next look fails; got {for}"
            );
            return Err(ConfigError::new("lastGood.for", message));
        }
        self.algorithm().map_or(Ok(()), |(field, algorithm)| algorithm.check().map_err(|error| error.under(field)))
    }
}

const ALGORITHM_AFTER_LAST_GOOD: &str = "lastGood.then.algorithm";

impl Default for Backoff {
    fn default() -> Self {
        Self { consecutive_failures: 3, initial_backoff: Span::from_secs(30), max_backoff: Span::from_secs(600) }
    }
}

impl Backoff {
    /// How long the quarantine after so many failures in a row is; none while there are too few.
    #[must_use]
    pub fn after(&self, failures: u32) -> Option<Duration> {
        let doublings = failures.checked_sub(self.consecutive_failures)?;
        let [initial, max] = [self.initial_backoff, self.max_backoff].map(|span| span.as_duration().as_millis());
        // Below 2^36 milliseconds each: nothing overflows before the largest is reached.
        Some(Duration::from_millis(u64::try_from((initial << doublings.min(64)).min(max)).unwrap_or(u64::MAX)))
    }
}

impl Default for QuarantineSpec {
    fn default() -> Self {
        Self::After(Backoff::default())
    }
}

impl QuarantineSpec {
    /// How long the quarantine after so many failures in a row is; none while there are too few.
    pub(crate) fn after(&self, failures: u32) -> Option<Duration> {
        match self {
            Self::After(backoff) => backoff.after(failures),
            Self::Never => None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self::After(Backoff { consecutive_failures, initial_backoff, max_backoff }) = *self else {
            return Ok(());
        };
        if consecutive_failures == 0 {
            let message = "must be at least 1; to leave an algorithm alone before it fails, name another one";
            return Err(ConfigError::new("consecutiveFailures", message));
        }
        if initial_backoff == Span::ZERO {
            return Err(ConfigError::new(
                "initialBackoff",
                "must be above zero; for no quarantine at all, write `quarantine: never`",
            ));
        }
        if max_backoff < initial_backoff {
            let message = format!("must be at least the initialBackoff of {initial_backoff}, got {max_backoff}");
            return Err(ConfigError::new("maxBackoff", message));
        }
        Ok(())
    }
}

const NEVER: &str = "never";

impl<'de> Deserialize<'de> for QuarantineSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = QuarantineSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "`never`, or a map as in `{ consecutiveFailures: 3, initialBackoff: 30s, maxBackoff: 10m }`",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<QuarantineSpec, E> {
                if text == NEVER { Ok(QuarantineSpec::Never) } else { Err(E::unknown_variant(text, &[NEVER])) }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<QuarantineSpec, A::Error> {
                Backoff::deserialize(MapAccessDeserializer::new(map)).map(QuarantineSpec::After)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for QuarantineSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::After(backoff) => backoff.serialize(serializer),
            Self::Never => serializer.serialize_str(NEVER),
        }
    }
}

impl JsonSchema for QuarantineSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "QuarantineSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let backoff = generator.subschema_for::<Backoff>();
        json_schema!({
            "description": "when an algorithm that goes on failing is left alone, and for how long; or `never`",
            "oneOf": [{ "const": NEVER }, backoff],
        })
    }
}
