//! One line of observations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer as _, MapAccess, Visitor};
use setpoint::{
    Action, InstanceState, Metric, Observation, Phase, Quantity, Readiness, Reading, Sample, Timestamp, read_config,
};

use crate::measured::Measured;

/// What was observed: `{"now_ms": 0, "current": 4, "ready": 4, "readings": {…}}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Observed {
    now_ms: i64,
    current: u32,
    ready: Option<u32>,
    existing: Option<u32>,
    instances: Option<Vec<Instance>>,
    last_action: Option<LastAction>,
    readings: Once<Written>,
}

/// One instance. What says nothing of itself runs and is ready, and has been for long.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    name: String,
    #[serde(default)]
    phase: WrittenPhase,
    #[serde(default)]
    ready: Ready,
    ready_since_ms: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    started_ms: Option<Option<i64>>,
    #[serde(default)]
    terminating: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum WrittenPhase {
    Pending,
    #[default]
    Running,
    Succeeded,
    Failed,
    Unknown,
}

/// `true`, `false`, `null` for nothing said yet, or `"unknown"`.
#[derive(Clone, Copy, Debug)]
struct Ready(Readiness);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastAction {
    at_ms: i64,
    from: u32,
    to: u32,
    #[serde(default = "yes")]
    applied: bool,
}

/// Things by name, each given once.
#[derive(Debug)]
struct Once<T>(BTreeMap<String, T>);

/// A reading as it is written: a number, why there is none, or the values it is made of.
#[derive(Debug)]
enum Written {
    Value(f64),
    Missing(String),
    Stale(String),
    Invalid(String),
    Series(Vec<Quantity>),
    Samples { samples: Once<WrittenSample>, requests: Option<Requests> },
}

/// A sample: an amount, or one with its time.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a sample is an amount such as \"250m\", or {\"value\": …, \"at_ms\": …, \"window_ms\": …}"
)]
enum WrittenSample {
    Amount(Quantity),
    Timed(TimedSample),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimedSample {
    value: Quantity,
    at_ms: Option<i64>,
    #[serde(default)]
    window_ms: u64,
}

/// What instances request: each the same, or by name.
#[derive(Debug)]
enum Requests {
    Each(Quantity),
    ByName(Once<Quantity>),
}

/// Long before any time that an observation tells of, with room for arithmetic.
const LONG_AGO: Timestamp = Timestamp::from_millis(i64::MIN / 4);

fn yes() -> bool {
    true
}

/// Tells `null` from a field that isn't there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Observed {
    /// From one line of JSON. The error names the field and the column.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        // Straight from the text: on the way through a value a repeated field would be lost.
        let mut json = serde_json::Deserializer::from_str(line);
        let observed: Result<Self, String> = read_config(&mut json).map_err(|error| error.to_string());
        let whole = observed.and_then(|observed| json.end().map(|()| observed).map_err(|error| error.to_string()));
        // The line is ours to number.
        let observed = whole.map_err(|error| error.replace(" at line 1 column ", " at column "))?;
        observed.check()?;
        Ok(observed)
    }

    fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for (index, instance) in self.instances.iter().flatten().enumerate() {
            if !names.insert(&instance.name) {
                return Err(format!("instances[{index}].name: there is another instance called {:?}", instance.name));
            }
        }
        for (name, written) in &self.readings.0 {
            let Written::Samples { requests, .. } = written else { continue };
            if self.instances.is_none() {
                return Err(format!("readings.{name}: samples need `instances`, the list of those that there are"));
            }
            // A sample can be of one that is gone since. What nobody requests is a slip.
            if let Some(Requests::ByName(by_name)) = requests
                && let Some(unknown) = by_name.0.keys().find(|instance| !names.contains(instance))
            {
                return Err(format!("readings.{name}.requests.{unknown}: there is no instance called {unknown:?}"));
            }
        }
        Ok(())
    }

    /// What was measured of each metric, in their order. A metric without a reading is missing.
    pub(super) fn measured(&self, metrics: &[Metric]) -> Vec<Measured> {
        let absent = || Measured::Missing("not among the readings of this observation".to_owned());
        metrics.iter().map(|metric| self.readings.0.get(&metric.name).map_or_else(absent, |it| self.own(it))).collect()
    }

    fn own(&self, written: &Written) -> Measured {
        match written {
            Written::Value(value) => Measured::Value(*value),
            Written::Missing(why) => Measured::Missing(why.clone()),
            Written::Stale(why) => Measured::Stale(why.clone()),
            Written::Invalid(why) => Measured::Invalid(why.clone()),
            Written::Series(series) => Measured::Series(series.iter().map(|value| value.milli()).collect()),
            Written::Samples { samples, requests } => {
                let instances = self.instances.as_deref().unwrap_or_default();
                let sample = |written: &WrittenSample| match written {
                    WrittenSample::Amount(value) => self.sample(*value, None, 0),
                    WrittenSample::Timed(TimedSample { value, at_ms, window_ms }) => {
                        self.sample(*value, *at_ms, *window_ms)
                    }
                };
                let known: BTreeSet<&str> = instances.iter().map(|instance| instance.name.as_str()).collect();
                let request = |instance: &Instance| match requests.as_ref()? {
                    Requests::Each(amount) => Some(amount.milli()),
                    Requests::ByName(by_name) => by_name.0.get(&instance.name).map(|amount| amount.milli()),
                };
                // One that isn't known fails the metric, as HPA has it: then none of them is told.
                let requests: Option<Vec<i64>> = instances.iter().map(request).collect();
                Measured::Instances {
                    of_instances: instances.iter().map(|instance| samples.0.get(&instance.name).map(sample)).collect(),
                    requests: requests.unwrap_or_default(),
                    of_others: samples
                        .0
                        .iter()
                        .filter(|(name, _)| !known.contains(name.as_str()))
                        .map(|(_, it)| sample(it).value)
                        .collect(),
                }
            }
        }
    }

    fn sample(&self, value: Quantity, at_ms: Option<i64>, window_ms: u64) -> Sample {
        let at = Timestamp::from_millis(at_ms.unwrap_or(self.now_ms));
        Sample { value: value.milli(), at, window: Duration::from_millis(window_ms) }
    }

    /// The instances, where they are told.
    pub(super) fn instances(&self) -> Option<Vec<InstanceState>> {
        self.instances.as_ref().map(|all| all.iter().map(Instance::state).collect())
    }

    /// The observation itself, with the readings in the policy's order.
    pub(super) fn look<'a>(
        &self,
        readings: &'a [Reading<'a>],
        instances: Option<&'a [InstanceState]>,
    ) -> Observation<'a> {
        let count = |instances: &[InstanceState]| u32::try_from(instances.len()).unwrap_or(u32::MAX);
        let serving = |instances: &[InstanceState]| {
            let serving = instances.iter().filter(|instance| instance.serves());
            u32::try_from(serving.count()).unwrap_or(u32::MAX)
        };
        let mut look = Observation::new(Timestamp::from_millis(self.now_ms), self.current, readings)
            .with_ready(self.ready.or(instances.map(serving)).unwrap_or(self.current))
            .with_existing(self.existing.or(instances.map(count)).unwrap_or(self.current));
        if let Some(instances) = instances {
            look = look.with_instances(instances);
        }
        let action = self.last_action.as_ref().map(|&LastAction { at_ms, from, to, applied }| Action {
            at: Timestamp::from_millis(at_ms),
            from,
            to,
            applied,
        });
        look.with_last_action(action)
    }
}

impl Instance {
    fn state(&self) -> InstanceState {
        let phase = match self.phase {
            WrittenPhase::Pending => Phase::Pending,
            WrittenPhase::Running => Phase::Running,
            WrittenPhase::Succeeded => Phase::Succeeded,
            WrittenPhase::Failed => Phase::Failed,
            WrittenPhase::Unknown => Phase::Unknown,
        };
        let started = match self.started_ms {
            None => Some(LONG_AGO),
            Some(told) => told.map(Timestamp::from_millis),
        };
        let since = self.ready_since_ms.map(Timestamp::from_millis).or(started).unwrap_or(LONG_AGO);
        InstanceState::new(phase, self.ready.0, since).with_started(started).with_terminating(self.terminating)
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self(Readiness::Ready)
    }
}

impl<'de> Deserialize<'de> for Ready {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Ready;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, null or \"unknown\"")
            }

            fn visit_bool<E: de::Error>(self, ready: bool) -> Result<Ready, E> {
                Ok(Ready(if ready { Readiness::Ready } else { Readiness::NotReady }))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Ready, E> {
                Ok(Ready(Readiness::Unreported))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Ready, E> {
                match word {
                    "unknown" => Ok(Ready(Readiness::Unknown)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
        }
        deserializer.deserialize_any(Word)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Once<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ByName<T> {
            type Value = Once<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("values by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once<T>, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if all.contains_key(&name) {
                        return Err(de::Error::custom(format!("`{name}` is given twice")));
                    }
                    all.insert(name, map.next_value()?);
                }
                Ok(Once(all))
            }
        }
        deserializer.deserialize_map(ByName(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountOrMore;
        impl<'de> Visitor<'de> for AmountOrMore {
            type Value = Requests;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount that each requests, such as \"500m\", or amounts by instance name")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Requests, E> {
                Quantity::deserialize(text.into_deserializer()).map(Requests::Each)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Requests, E> {
                Quantity::deserialize(number.into_deserializer()).map(Requests::Each)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Requests, E> {
                Quantity::deserialize(number.into_deserializer()).map(Requests::Each)
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Requests, E> {
                Quantity::deserialize(number.into_deserializer()).map(Requests::Each)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Requests, A::Error> {
                Once::deserialize(MapAccessDeserializer::new(map)).map(Requests::ByName)
            }
        }
        deserializer.deserialize_any(AmountOrMore)
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrMore;
        impl<'de> Visitor<'de> for NumberOrMore {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or why there is none as {\"missing\": \"…\"}, {\"stale\": \"…\"} or {\"invalid\": \"…\"}")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Written, E> {
                Ok(Written::Value(value))
            }

            #[expect(clippy::cast_precision_loss, reason = "readings are doubles, as JSON's numbers are")]
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Written, E> {
                self.visit_f64(value as f64)
            }

            #[expect(clippy::cast_precision_loss, reason = "as for visit_u64")]
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Written, E> {
                self.visit_f64(value as f64)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
                let known = ["missing", "stale", "invalid", "series", "samples"];
                let state: String = map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let written = match state.as_str() {
                    "missing" => Written::Missing(map.next_value().and_then(|why| cause(&state, why))?),
                    "stale" => Written::Stale(map.next_value().and_then(|why| cause(&state, why))?),
                    "invalid" => Written::Invalid(map.next_value().and_then(|why| cause(&state, why))?),
                    "series" => Written::Series(map.next_value()?),
                    // They belong together, in any order.
                    "samples" | "requests" => return samples(&state, map),
                    other => {
                        let known = setpoint::near_miss(other, &known);
                        return Err(de::Error::custom(format!("unknown state `{other}`; {known}")));
                    }
                };
                match map.next_key::<String>()? {
                    None => Ok(written),
                    Some(_) => Err(de::Error::custom("a reading has one state")),
                }
            }
        }
        deserializer.deserialize_any(NumberOrMore)
    }
}

/// Why there is no value, for the person who reads the decision.
fn cause<E: de::Error>(state: &str, why: String) -> Result<String, E> {
    if why.trim().is_empty() {
        return Err(E::custom(format!("say why there is no value, as in {{\"{state}\": \"scrape failed\"}}")));
    }
    Ok(why)
}

fn samples<'de, A: MapAccess<'de>>(first: &str, mut map: A) -> Result<Written, A::Error> {
    let (mut samples, mut requests) = (None, None);
    let mut key = Some(first.to_owned());
    while let Some(name) = key {
        match name.as_str() {
            "samples" if samples.is_none() => samples = Some(map.next_value()?),
            "requests" if requests.is_none() => requests = Some(map.next_value()?),
            other => {
                let message = format!("`{other}` beside samples; known: `samples`, `requests`, each once");
                return Err(de::Error::custom(message));
            }
        }
        key = map.next_key()?;
    }
    let samples = samples.ok_or_else(|| de::Error::missing_field("samples"))?;
    Ok(Written::Samples { samples, requests })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured;

    #[test]
    fn readings_come_in_the_order_of_the_metrics() {
        let line = r#"{"now_ms": -5, "current": 4, "readings": {"b": {"stale": "old"}, "a": 1, "x": 2.5}}"#;
        let observed = Observed::parse(line).expect("a good line");
        let target = setpoint::Target::value(1.0).expect("in range");
        let metrics = ["a", "b", "c"].map(|name| Metric::new(name, target));
        let measured = observed.measured(&metrics);
        let samples = measured::samples(&measured);
        let readings = measured::readings(&measured, &samples);
        let absent = Reading::Missing("not among the readings of this observation");
        assert_eq!(readings, [Reading::Value(1.0), Reading::Stale("old"), absent]);
        let look = observed.look(&readings, None);
        assert_eq!((look.now.as_millis(), look.current, look.ready, look.existing), (-5, 4, 4, 4));
    }

    #[test]
    fn instances_bring_samples_in_their_order() {
        let line = r#"{"now_ms": 60000, "current": 2, "instances": [
            {"name": "a", "ready": false, "ready_since_ms": 5000, "started_ms": 1000},
            {"name": "b"}, {"name": "c", "phase": "Pending", "ready": null, "started_ms": null, "terminating": true}],
            "last_action": {"at_ms": 45000, "from": 3, "to": 2},
            "readings": {"cpu": {"requests": "1", "samples": {"gone": "2", "b": 0.25, "a": {"value": "100m", "at_ms": 50000, "window_ms": 30000}}},
                         "rate": {"series": ["1500m", 2]}}}"#
            .replace('\n', " ");
        let observed = Observed::parse(&line).expect("a good line");
        let target = setpoint::Target::value(1.0).expect("in range");
        let sample = |value, at: i64, window| {
            let at = Timestamp::from_millis(at);
            Some(Sample { value, at, window: Duration::from_millis(window) })
        };
        assert_eq!(
            observed.measured(&["cpu", "rate"].map(|name| Metric::new(name, target))),
            [
                Measured::Instances {
                    of_instances: vec![sample(100, 50_000, 30_000), sample(250, 60_000, 0), None],
                    requests: vec![1000; 3],
                    of_others: vec![2000],
                },
                Measured::Series(vec![1500, 2000]),
            ]
        );
        let instances = observed.instances().expect("they are told");
        let at = Timestamp::from_millis;
        assert_eq!(
            instances,
            [
                InstanceState::new(Phase::Running, Readiness::NotReady, at(5000)).with_started(Some(at(1000))),
                InstanceState::new(Phase::Running, Readiness::Ready, LONG_AGO).with_started(Some(LONG_AGO)),
                InstanceState::new(Phase::Pending, Readiness::Unreported, LONG_AGO).with_terminating(true),
            ]
        );
        let look = observed.look(&[], Some(&instances));
        assert_eq!((look.ready, look.existing), (1, 3));
        assert_eq!(look.last_action, Some(Action { at: at(45_000), from: 3, to: 2, applied: true }));
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
                r#"{"now_ms": 0, "current": 1, "readings": {"a": {"stale": "old", "missing": "gone"}}}"#,
                "one state",
            ),
            ("twice", r#"{"now_ms": 0, "current": 1, "readings": {"a": 1, "a": 2}}"#, "`a` is given twice"),
            (
                "a state without a cause",
                r#"{"now_ms": 0, "current": 1, "readings": {"a": {"missing": ""}}}"#,
                "readings.a: say why there is no value, as in {\"missing\": \"scrape failed\"}",
            ),
            (
                "a sample twice",
                r#"{"now_ms": 0, "current": 1, "instances": [{"name": "p"}], "readings": {"a": {"samples": {"p": 1, "p": 2}}}}"#,
                "readings.a.samples: `p` is given twice",
            ),
            (
                "a request twice",
                r#"{"now_ms": 0, "current": 1, "instances": [{"name": "p"}], "readings": {"a": {"samples": {"p": 1}, "requests": {"p": 1, "p": 2}}}}"#,
                "readings.a.requests: `p` is given twice",
            ),
            (
                "a request of nobody",
                r#"{"now_ms": 0, "current": 1, "instances": [{"name": "p"}], "readings": {"a": {"samples": {"p": 1}, "requests": {"p": 1, "q": 2}}}}"#,
                "readings.a.requests.q: there is no instance called \"q\"",
            ),
            (
                "requests that are no amount",
                r#"{"now_ms": 0, "current": 1, "instances": [], "readings": {"a": {"samples": {}, "requests": true}}}"#,
                "readings.a.requests: invalid type: boolean `true`, expected an amount that each requests",
            ),
            ("negative", r#"{"now_ms": 0, "current": -1, "readings": {}}"#, "current: invalid value: integer `-1`"),
            ("misspelt", r#"{"now_ms": 0, "curent": 1, "readings": {}}"#, "did you mean `current`?"),
            ("absent", r#"{"now_ms": 0, "current": 1}"#, "missing field `readings`"),
            ("two objects", r#"{"now_ms": 0, "current": 1, "readings": {}} {}"#, "trailing characters"),
            (
                "samples of nobody",
                r#"{"now_ms": 0, "current": 1, "readings": {"a": {"samples": {"p": 1}}}}"#,
                "readings.a: samples need `instances`",
            ),
            (
                "no samples",
                r#"{"now_ms": 0, "current": 1, "instances": [], "readings": {"a": {"requests": 1}}}"#,
                "missing field `samples`",
            ),
            (
                "a sample that is no quantity",
                r#"{"now_ms": 0, "current": 1, "instances": [], "readings": {"a": {"samples": {"p": "10%"}}}}"#,
                "readings.a",
            ),
            (
                "an instance twice",
                r#"{"now_ms": 0, "current": 1, "instances": [{"name": "p"}, {"name": "p"}], "readings": {}}"#,
                "instances[1].name: there is another instance called \"p\"",
            ),
            (
                "readiness",
                r#"{"now_ms": 0, "current": 1, "instances": [{"name": "p", "ready": "yes"}], "readings": {}}"#,
                "instances[0].ready: invalid value: string \"yes\", expected true, false, null or \"unknown\"",
            ),
        ];
        for (name, line, want) in cases {
            let error = Observed::parse(line).expect_err(name);
            assert!(error.contains(want), "{name}: {error}");
        }
    }
}
