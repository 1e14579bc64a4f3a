//! One line of observations.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use setpoint::{Metric, Observation, Reading, Timestamp, read_config};

/// What was observed: `{"now_ms": 0, "current": 4, "ready": 4, "readings": {…}}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Observed {
    now_ms: i64,
    current: u32,
    ready: Option<u32>,
    readings: Readings,
}

/// Readings by name, each given once.
#[derive(Debug)]
struct Readings(BTreeMap<String, Measured>);

/// A reading as it is written: a number, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Measured {
    Value(f64),
    Missing(String),
    Stale(String),
    Invalid(String),
}

impl Observed {
    /// From one line of JSON. The error names the field and the column.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        // Straight from the text: on the way through a value a repeated field would be lost.
        let mut json = serde_json::Deserializer::from_str(line);
        let observed = read_config(&mut json).map_err(|error| error.to_string());
        let whole = observed.and_then(|observed| json.end().map(|()| observed).map_err(|error| error.to_string()));
        // The line is ours to number.
        whole.map_err(|error| error.replace(" at line 1 column ", " at column "))
    }

    /// What was measured of each metric, in their order. A metric without a reading is missing.
    pub(super) fn measured(&self, metrics: &[Metric]) -> Vec<Reading<'_>> {
        let absent = Reading::Missing("not among the readings of this observation");
        let reading = |metric: &Metric| self.readings.0.get(&metric.name).map_or(absent, Measured::reading);
        metrics.iter().map(reading).collect()
    }

    /// The observation itself, with the readings in the policy's order.
    pub(super) fn look<'a>(&self, readings: &'a [Reading<'a>]) -> Observation<'a> {
        Observation::new(Timestamp::from_millis(self.now_ms), self.current, readings)
            .with_ready(self.ready.unwrap_or(self.current))
    }
}

impl Measured {
    fn reading(&self) -> Reading<'_> {
        match self {
            Self::Value(value) => Reading::Value(*value),
            Self::Missing(why) => Reading::Missing(why),
            Self::Stale(why) => Reading::Stale(why),
            Self::Invalid(why) => Reading::Invalid(why),
        }
    }
}

impl<'de> Deserialize<'de> for Readings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;
        impl<'de> Visitor<'de> for ByName {
            type Value = Readings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("readings by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Readings, A::Error> {
                let mut readings = BTreeMap::new();
                while let Some((name, measured)) = map.next_entry::<String, Measured>()? {
                    if readings.contains_key(&name) {
                        return Err(de::Error::custom(format!("the reading `{name}` is given twice")));
                    }
                    readings.insert(name, measured);
                }
                Ok(Readings(readings))
            }
        }
        deserializer.deserialize_map(ByName)
    }
}

impl<'de> Deserialize<'de> for Measured {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrState;
        impl<'de> Visitor<'de> for NumberOrState {
            type Value = Measured;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or why there is none as {\"missing\": \"…\"}, {\"stale\": \"…\"} or {\"invalid\": \"…\"}")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Measured, E> {
                Ok(Measured::Value(value))
            }

            #[expect(clippy::cast_precision_loss, reason = "readings are doubles, as JSON's numbers are")]
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Measured, E> {
                self.visit_f64(value as f64)
            }

            #[expect(clippy::cast_precision_loss, reason = "as for visit_u64")]
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Measured, E> {
                self.visit_f64(value as f64)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Measured, A::Error> {
                let states = ["missing", "stale", "invalid"];
                let state: String = map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let measured = match state.as_str() {
                    "missing" => Measured::Missing(map.next_value()?),
                    "stale" => Measured::Stale(map.next_value()?),
                    "invalid" => Measured::Invalid(map.next_value()?),
                    other => {
                        let known = setpoint::near_miss(other, &states);
                        return Err(de::Error::custom(format!("unknown state `{other}`; {known}")));
                    }
                };
                match map.next_key::<String>()? {
                    None => Ok(measured),
                    Some(_) => Err(de::Error::custom("a reading has one state")),
                }
            }
        }
        deserializer.deserialize_any(NumberOrState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_come_in_the_order_of_the_metrics() {
        let line = r#"{"now_ms": -5, "current": 4, "readings": {"b": {"stale": "old"}, "a": 1, "x": 2.5}}"#;
        let observed = Observed::parse(line).expect("a good line");
        let target = setpoint::Target::value(1.0).expect("in range");
        let metrics = ["a", "b", "c"].map(|name| Metric::new(name, target));
        let readings = observed.measured(&metrics);
        let absent = Reading::Missing("not among the readings of this observation");
        assert_eq!(readings, [Reading::Value(1.0), Reading::Stale("old"), absent]);
        let look = observed.look(&readings);
        assert_eq!((look.now.as_millis(), look.current, look.ready), (-5, 4, 4));
    }

    #[test]
    fn bad_lines_say_what_and_where() {
        let cases = [
            ("not JSON", "now", "expected ident at column 2"),
            ("NaN", r#"{"now_ms": 0, "current": 1, "readings": {"a": NaN}}"#, "expected value at column 47"),
            (
                "NaN in quotes",
                r#"{"now_ms": 0, "current": 1, "readings": {"a": "NaN"}}"#,
                "readings.a: invalid type: string",
            ),
            ("too large", r#"{"now_ms": 0, "current": 1, "readings": {"a": 1e999}}"#, "number out of range"),
            (
                "null",
                r#"{"now_ms": 0, "current": 1, "readings": {"a": null}}"#,
                "invalid type: null, expected a number",
            ),
            ("state", r#"{"now_ms": 0, "current": 1, "readings": {"a": {"mising": ""}}}"#, "did you mean `missing`?"),
            (
                "two states",
                r#"{"now_ms": 0, "current": 1, "readings": {"a": {"stale": "", "missing": ""}}}"#,
                "one state",
            ),
            ("twice", r#"{"now_ms": 0, "current": 1, "readings": {"a": 1, "a": 2}}"#, "`a` is given twice"),
            ("negative", r#"{"now_ms": 0, "current": -1, "readings": {}}"#, "current: invalid value: integer `-1`"),
            ("misspelt", r#"{"now_ms": 0, "curent": 1, "readings": {}}"#, "did you mean `current`?"),
            ("absent", r#"{"now_ms": 0, "current": 1}"#, "missing field `readings`"),
            ("two objects", r#"{"now_ms": 0, "current": 1, "readings": {}} {}"#, "trailing characters"),
        ];
        for (name, line, want) in cases {
            let error = Observed::parse(line).expect_err(name);
            assert!(error.contains(want), "{name}: {error}");
        }
    }
}
