//! Prometheus: instant queries, and what they would have answered before.

mod past;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use setpoint::{BoxFuture, Metric, MetricSource, PrometheusQuery, Span, Timestamp};

use super::fetch::Fetch;
use super::once::{NO_TURN, once_each};
use super::{Measured, Question, Source};
use crate::clock::{Clock, SystemClock};

pub use self::past::{Grid, PastError};

/// Reads metrics with a `prometheus` source by instant queries.
///
/// | the server answers with | the reading is |
/// |---|---|
/// | a scalar, or a vector of one sample | its value |
/// | an empty vector, or NaN | missing: nothing was measured |
/// | a vector of several samples | invalid: which one is meant, or what is to be made of them, is for the query to say |
/// | an infinity, a range vector, a string | invalid |
/// | an error, too much, or nothing in time | missing, with the cause |
/// | what held more than [`MAX_AGE`](Self::MAX_AGE) ago, as a cache in between may | stale, with its age |
/// | a sample that is older than the metric's `maxAge` | stale, with its age |
///
/// Each query is asked once a tick, however many workloads have it. An answer tells when it was computed, and not when its
/// sample was taken, which can be the server's `--query.lookback-delta` before, 5 minutes unless that says otherwise. For a
/// metric with `maxAge` the query's `timestamp(…)` is asked too, which tells it of a series as it was scraped; of what is
/// computed, as a sum, it tells the time of the computation: there, let the query say it, as in `sum(rate(…[1m]))`.
#[derive(Clone)]
pub struct Prometheus {
    fetch: Fetch,
    server: Option<PrometheusServer>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The server that is asked where a metric names none, and how it is spoken to. Others get none of its secrets.
#[derive(Clone, Debug)]
pub struct PrometheusServer {
    address: String,
    fetch: Option<Fetch>,
    token_file: Option<PathBuf>,
}

impl PrometheusServer {
    /// The server at `address`, as `http://prometheus:9090`.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), fetch: None, token_file: None }
    }

    /// Asks it through `fetch`, as one that [trusts](Fetch::trusting) its authority. Default: as the others.
    #[must_use]
    pub fn with_fetch(mut self, fetch: Fetch) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// Gives it the bearer token in `file`, read anew for each tick, for tokens are replaced while one runs. Default: none.
    #[must_use]
    pub fn with_token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.token_file = Some(file.into());
        self
    }

    async fn token(&self) -> Token {
        let Some(file) = self.token_file.clone() else { return Ok(None) };
        let name = file.display().to_string();
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
        let token = match read {
            Ok(Ok(token)) => token.trim().to_owned(),
            Ok(Err(error)) => return Err(format!("the token file {name}: {error}")),
            Err(error) => return Err(format!("the token file {name}: {error}")),
        };
        if token.is_empty() { Err(format!("the token file {name} is empty")) } else { Ok(Some(token)) }
    }
}

/// The known server's token, if it has one; or why that can't be had.
type Token = Result<Option<String>, String>;

/// What is asked of whom: a server, and a query.
type Key = (String, String);

impl Prometheus {
    /// How old an answer may be.
    pub const MAX_AGE: Duration = Duration::from_secs(300);

    /// Asks `server` where a query doesn't name one; without it, those queries are missing.
    #[must_use]
    pub fn new(fetch: Fetch, server: Option<PrometheusServer>) -> Self {
        Self { fetch, server, clock: Arc::new(SystemClock) }
    }

    /// Tells the age of answers by `clock`. Default: the machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    async fn ask(&self, (address, query): Key, token: &Token) -> Answered {
        match self.post(&address, "query", token, &[("query", &query)]).await {
            Ok(body) => read(&body, &query),
            Err(problem) => Err(Measured::Missing(format!("Prometheus: {problem}"))),
        }
    }

    /// What `address` answers in one of its ways.
    async fn post(&self, address: &str, way: &str, token: &Token, form: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        let known = self.server.as_ref().filter(|server| server.address == address);
        let fetch = known.and_then(|server| server.fetch.as_ref()).unwrap_or(&self.fetch);
        let token = match (known, token) {
            (None, _) => None,
            (Some(_), Ok(token)) => token.as_deref(),
            (Some(_), Err(problem)) => return Err(problem.clone()),
        };
        let url = format!("{}/api/v1/{way}", address.trim_end_matches('/'));
        fetch.post(&url, token, form).await
    }

    async fn token(&self) -> Token {
        match &self.server {
            Some(server) => server.token().await,
            None => Ok(None),
        }
    }

    fn address<'a>(&'a self, query: &'a PrometheusQuery) -> Option<&'a str> {
        query.server.as_deref().or_else(|| Some(self.server.as_ref()?.address.as_str()))
    }
}

/// What a query gave, or the reading that there is in its place.
type Answered = Result<Point, Measured>;

/// A value, and when it was computed, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at: f64,
    value: f64,
}

/// The query for when the sample of `query` was taken.
fn timestamp_of(query: &str) -> String {
    // On a line of its own, for a query can end with a comment.
    format!("timestamp({query}\n)")
}

/// `answered` at `now`, unless it is too old. `taken` is what was answered to when its sample was taken, of those that have
/// a greatest age.
fn judged(answered: &Answered, now: Timestamp, taken: Option<(Duration, Option<&Answered>)>) -> Measured {
    let point = match answered {
        Ok(point) => point,
        Err(reading) => return reading.clone(),
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
    let since_computed = age(now.as_millis() as f64 / 1000.0 - point.at);
    let most = taken.map_or(Prometheus::MAX_AGE, |(most, _)| most.max(Prometheus::MAX_AGE));
    if since_computed > most {
        return Measured::Stale(format!("the answer is {} old, more than {}", told(since_computed), told(most)));
    }
    match taken {
        None => Measured::Value(point.value),
        Some((_, None)) => Measured::Missing(NO_TURN.to_owned()),
        Some((_, Some(Err(reading)))) => {
            Measured::Missing(format!("how old the sample is can't be told: {}", reading.state().1))
        }
        Some((most, Some(Ok(taken)))) => {
            let old = age(taken.at - taken.value);
            if old > most {
                return Measured::Stale(format!("the sample is {} old, more than {}", told(old), told(most)));
            }
            Measured::Value(point.value)
        }
    }
}

/// What lies ahead, as another machine's clock may have it, has no age.
fn age(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// In whole seconds.
fn told(duration: Duration) -> Span {
    Span::from_secs(duration.as_secs())
}

fn query(metric: &Metric) -> Option<&PrometheusQuery> {
    match &metric.source {
        Some(MetricSource::Prometheus(query)) => Some(query),
        _ => None,
    }
}

impl Source for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn answers(&self, metric: &Metric) -> bool {
        query(metric).is_some()
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(async move {
            let mut asked: Vec<Key> = Vec::new();
            for query in questions.iter().filter_map(|asked| query(&asked.metric)) {
                let Some(address) = self.address(query) else { continue };
                asked.push((address.to_owned(), query.query.clone()));
                if query.max_age.is_some() {
                    asked.push((address.to_owned(), timestamp_of(&query.query)));
                }
            }
            let token = self.token().await;
            let until = Question::earliest(questions);
            let token = &token;
            let ask = |key| async move { self.ask(key, token).await };
            let answers = once_each(asked, until, |(address, _)| address.clone(), ask).await;
            let now = self.clock.now();
            let reading = |asked: &Question| {
                let Some(query) = query(&asked.metric) else {
                    return Measured::Missing("it has no query".to_owned());
                };
                let Some(address) = self.address(query) else {
                    let text = "no Prometheus server is known here, and the metric names none";
                    return Measured::Missing(text.to_owned());
                };
                let answer = |query: &str| answers.get(&(address.to_owned(), query.to_owned()));
                let Some(answered) = answer(&query.query) else { return Measured::Missing(NO_TURN.to_owned()) };
                let taken = query.max_age.map(|most| (most.as_duration(), answer(&timestamp_of(&query.query))));
                judged(answered, now, taken)
            };
            questions.iter().map(reading).collect()
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", tag = "resultType", content = "result")]
enum Data {
    Scalar(Sample),
    Vector(Vec<Series>),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    value: Sample,
}

/// A time, and a number as text: JSON has no NaN.
#[derive(Deserialize)]
struct Sample(f64, String);

#[derive(Deserialize)]
struct Answer {
    data: Data,
    /// That it isn't whole, as when a remote store didn't answer.
    #[serde(default)]
    warnings: Vec<String>,
    /// That the query may not mean what was meant.
    #[serde(default)]
    infos: Vec<String>,
}

fn read(body: &[u8], query: &str) -> Answered {
    let answer: Answer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(error) => return Err(Measured::Missing(format!("Prometheus: this is no answer to a query: {error}"))),
    };
    for warning in &answer.warnings {
        tracing::warn!(query, warning, "Prometheus warns of its answer");
    }
    for info in &answer.infos {
        tracing::debug!(query, info, "Prometheus has a hint about the query");
    }
    point(answer.data)
}

fn point(data: Data) -> Answered {
    let sample = match data {
        Data::Scalar(sample) => sample,
        Data::Vector(mut vector) => match (vector.pop(), vector.len()) {
            (None, _) => return Err(Measured::Missing(NOTHING.to_owned())),
            (Some(series), 0) => series.value,
            (Some(_), others) => return Err(several(others + 1)),
        },
        Data::Matrix(_) => return Err(Measured::Invalid("the query gives a range of samples, not one".to_owned())),
        Data::String(_) => return Err(Measured::Invalid("the query gives a string".to_owned())),
    };
    let Sample(at, text) = sample;
    number(&text).map(|value| Point { at, value })
}

const NOTHING: &str = "Prometheus has no such series";

fn several(series: usize) -> Measured {
    Measured::Invalid(format!("the query gives {series} series: say what is to be made of them, as sum(…)"))
}

/// A sample's value, as the table has it.
fn number(text: &str) -> Result<f64, Measured> {
    match text.parse::<f64>() {
        Ok(value) if value.is_nan() => Err(Measured::Missing("the query gives NaN: nothing was measured".to_owned())),
        Ok(value) if value.is_infinite() => Err(Measured::Invalid(format!("the query gives {text}"))),
        Ok(value) => Ok(value),
        Err(_) => Err(Measured::Invalid(format!("the query gives {text:.40}, which is no number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_readings_as_the_table_says() {
        let vector =
            |samples: &str| format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{samples}]}}}}"#);
        let one = |value: &str| vector(&format!(r#"{{"metric":{{}},"value":[1.5,"{value}"]}}"#));
        let other = |kind: &str, result: &str| format!(r#"{{"data":{{"resultType":"{kind}","result":{result}}}}}"#);
        let cases = [
            ("one sample", one("3.5"), "value", ""),
            ("a zero is a value", one("0"), "value", ""),
            ("an exponent", one("1e3"), "value", ""),
            ("a scalar", other("scalar", r#"[1, "7"]"#), "value", ""),
            ("nothing", vector(""), "missing", "no such series"),
            ("NaN", one("NaN"), "missing", "nothing was measured"),
            ("infinity", one("+Inf"), "invalid", "+Inf"),
            ("two samples", vector(r#"{"value":[1,"1"]},{"value":[1,"2"]}"#), "invalid", "2 series"),
            ("a range", other("matrix", "[]"), "invalid", "a range"),
            ("a string", other("string", r#"[1, "a"]"#), "invalid", "a string"),
            ("no number", one("seven"), "invalid", "no number"),
            ("another type", other("tensor", "[]"), "missing", "no answer to a query"),
            ("a page", "<html>".to_owned(), "missing", "no answer to a query"),
            ("an error that says it went well", r#"{"status":"error"}"#.to_owned(), "missing", "no answer to a query"),
        ];
        for (name, body, state, text) in cases {
            let measured =
                read(body.as_bytes(), "up").map_or_else(|reading| reading, |point| Measured::Value(point.value));
            let (found, why) = measured.state();
            assert!(found == state && why.contains(text), "{name}: {measured:?}");
        }
        assert_eq!(read(one("1e3").as_bytes(), "up"), Ok(Point { at: 1.5, value: 1000.0 }));
    }

    #[test]
    fn what_is_too_old_is_stale_and_says_how_old() {
        let now = Timestamp::from_millis(1_000_000_000);
        // Computed, and taken, so many seconds ago.
        let computed = |ago: f64| Ok(Point { at: 1_000_000.0 - ago, value: 7.0 });
        let taken = |ago: f64| Ok(Point { at: 1_000_000.0, value: 1_000_000.0 - ago });
        let minute = Duration::from_secs(60);
        let missing = |text: &str| Err(Measured::Missing(text.to_owned()));
        let cases = [
            ("just now", computed(0.1), None, "value", ""),
            ("a clock that is ahead", computed(-90.0), None, "value", ""),
            ("a cache that is allowed", computed(299.0), None, "value", ""),
            ("an old cache", computed(301.0), None, "stale", "the answer is 5m 1s old, more than 5m"),
            ("from the beginning of time", computed(1e30), None, "stale", "more than 5m"),
            ("young enough", computed(0.0), Some(Some(taken(59.0))), "value", ""),
            ("too old", computed(0.0), Some(Some(taken(200.0))), "stale", "the sample is 3m 20s old, more than 1m"),
            ("of unknown age", computed(0.0), Some(Some(missing("it is down"))), "missing", "told: it is down"),
            ("of an age nobody told in time", computed(0.0), Some(None), "missing", "look's time"),
            ("nothing of any age", missing("no such series"), Some(Some(taken(0.0))), "missing", "no such series"),
        ];
        for (name, answered, taken, state, text) in cases {
            let taken = taken.as_ref().map(|taken| (minute, taken.as_ref()));
            let measured = judged(&answered, now, taken);
            let (found, why) = measured.state();
            assert!(found == state && why.contains(text), "{name}: {measured:?}");
        }
    }
}
