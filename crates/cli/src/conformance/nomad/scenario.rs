//! One line of a file of Nomad vectors: a strategy or a policy, what it was given, and what it did.
//!
//! Times are milliseconds since the handler was started, doubles the hexadecimal of their bits.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Scenario {
    pub(super) id: String,
    #[serde(rename = "family")]
    _family: IgnoredAny,
    pub(super) note: Option<String>,
    strategy: Option<String>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    policy: Option<Policy>,
    last_event_ms: Option<i64>,
    steps: Vec<Step>,
}

/// What a scenario is about, with its steps.
pub(super) enum Subject<'a> {
    Strategy { name: &'a str, config: &'a BTreeMap<String, String>, steps: Vec<Run<'a>> },
    Policy { policy: &'a Policy, last_event: Option<i64>, steps: Vec<Tick<'a>> },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) min: i64,
    pub(super) max: i64,
    #[serde(rename = "evalMs")]
    _eval: IgnoredAny,
    pub(super) cooldown_ms: u64,
    pub(super) cooldown_up_ms: u64,
    pub(super) on_check_error: Option<WrittenOnError>,
    #[serde(default)]
    pub(super) dry_run: bool,
    pub(super) checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Check {
    pub(super) name: String,
    #[serde(default)]
    pub(super) group: String,
    pub(super) query: Option<String>,
    pub(super) on_error: Option<WrittenOnError>,
    pub(super) strategy: String,
    #[serde(default)]
    pub(super) config: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenOnError {
    Ignore,
    Fail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Step {
    t: Option<i64>,
    count: Option<i64>,
    points: Option<Vec<Point>>,
    metrics: Option<BTreeMap<String, Vec<Point>>>,
    #[serde(default)]
    not_ready: bool,
    #[serde(default)]
    gone: bool,
    scale_err: Option<ScaleError>,
    scale_ms: Option<i64>,
    expect: Expected,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Point {
    pub(super) t: i64,
    #[serde(deserialize_with = "bits")]
    v: u64,
}

impl Point {
    pub(super) fn value(self) -> f64 {
        f64::from_bits(self.v)
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScaleError {
    Noop,
    Fail,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    #[serde(default)]
    nil: bool,
    err: Option<String>,
    pub(super) dir: Option<String>,
    pub(super) count: Option<i64>,
    pub(super) reason: Option<String>,
    outcome: Option<Outcome>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) enum Outcome {
    Scale,
    Cooldown,
    Busy,
    None,
    NotReady,
    Error,
}

/// One run of a strategy.
pub(super) struct Run<'a> {
    pub(super) count: i64,
    pub(super) points: Vec<Point>,
    pub(super) expect: Voted<'a>,
}

/// What a strategy answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Voted<'a> {
    Nil,
    Error(&'a str),
    Vote { dir: &'a str, count: Option<i64>, reason: &'a str },
}

/// One tick of a handler.
pub(super) struct Tick<'a> {
    pub(super) t: i64,
    pub(super) target: Seen,
    /// By query, in the order of time.
    pub(super) metrics: BTreeMap<&'a str, Vec<Point>>,
    pub(super) scale_err: Option<ScaleError>,
    pub(super) scale_ms: i64,
    pub(super) outcome: Outcome,
    pub(super) expect: &'a Expected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Gone,
    NotReady,
    Ready(i64),
}

impl Scenario {
    /// What it is about, or what makes no sense of it.
    pub(super) fn subject(&self) -> Result<Subject<'_>, String> {
        match (&self.strategy, &self.policy) {
            (Some(name), None) if self.last_event_ms.is_none() => {
                Ok(Subject::Strategy { name, config: &self.config, steps: each(&self.steps, Step::run)? })
            }
            (None, Some(policy)) if self.config.is_empty() => {
                Ok(Subject::Policy { policy, last_event: self.last_event_ms, steps: each(&self.steps, Step::tick)? })
            }
            _ => Err("a scenario is of a strategy, with its config, or of a policy".to_owned()),
        }
    }
}

fn each<'a, T>(steps: &'a [Step], read: fn(&'a Step) -> Result<T, &'static str>) -> Result<Vec<T>, String> {
    let one = |(index, step)| read(step).map_err(|error| format!("step {index}: {error}"));
    steps.iter().enumerate().map(one).collect()
}

impl Step {
    fn run(&self) -> Result<Run<'_>, &'static str> {
        let tick = self.t.is_some() || self.metrics.is_some() || self.not_ready || self.gone;
        if tick || self.scale_err.is_some() || self.scale_ms.is_some() || self.expect.outcome.is_some() {
            return Err("a run of a strategy has only a count, points and what is expected");
        }
        let Expected { nil, err, dir, count, reason, .. } = &self.expect;
        let expect = match (nil, err, dir) {
            (true, None, None) if count.is_none() && reason.is_none() => Voted::Nil,
            (false, Some(error), None) if count.is_none() && reason.is_none() => Voted::Error(error),
            (false, None, Some(dir)) => {
                Voted::Vote { dir, count: *count, reason: reason.as_deref().unwrap_or_default() }
            }
            _ => return Err("a strategy has nothing to say, fails, or votes"),
        };
        let points = self.points.clone().unwrap_or_default();
        Ok(Run { count: self.count.ok_or("a run needs a count")?, points, expect })
    }

    fn tick(&self) -> Result<Tick<'_>, &'static str> {
        if self.points.is_some() || self.expect.nil || self.expect.err.is_some() {
            return Err("a tick has metrics, and ends in an outcome");
        }
        let target = match (self.gone, self.not_ready) {
            (true, _) => Seen::Gone,
            (false, true) => Seen::NotReady,
            (false, false) => Seen::Ready(self.count.ok_or("a tick needs a count")?),
        };
        let by_time = |points: &[Point]| {
            let mut points = points.to_vec();
            points.sort_by_key(|point| point.t);
            points
        };
        let metrics = self.metrics.iter().flatten().map(|(query, points)| (query.as_str(), by_time(points))).collect();
        Ok(Tick {
            t: self.t.ok_or("a tick needs a time")?,
            target,
            metrics,
            scale_err: self.scale_err,
            scale_ms: self.scale_ms.unwrap_or(0),
            outcome: self.expect.outcome.ok_or("a tick ends in an outcome")?,
            expect: &self.expect,
        })
    }
}

/// `"0x4024000000000000"`: ten.
fn bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 16);
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| D::Error::custom(format!("{text:?} is not the 16 digits of a double's bits")))
}
