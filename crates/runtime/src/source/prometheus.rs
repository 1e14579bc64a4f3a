//! Prometheus: instant queries, and what they would have answered before.

mod past;

use serde::Deserialize;
use serde::de::IgnoredAny;
use setpoint::{BoxFuture, Metric, MetricSource, PrometheusQuery};

use super::fetch::Fetch;
use super::once::once_each;
use super::{Measured, Question, Source};

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
///
/// Each query is asked once a tick, however many workloads have it. How old a sample may be is the server's
/// `--query.lookback-delta`, 5 minutes unless that says otherwise.
#[derive(Clone, Debug)]
pub struct Prometheus {
    fetch: Fetch,
    server: Option<String>,
}

impl Prometheus {
    /// Asks `server`, as `http://prometheus:9090`, where a query doesn't name one; without it, those queries are missing.
    #[must_use]
    pub fn new(fetch: Fetch, server: Option<String>) -> Self {
        Self { fetch, server }
    }

    async fn ask(&self, server: &str, query: &str) -> Measured {
        let url = format!("{}/api/v1/query", server.trim_end_matches('/'));
        match self.fetch.post(&url, &[("query", query)]).await {
            Ok(body) => read(&body),
            Err(problem) => Measured::Missing(format!("Prometheus: {problem}")),
        }
    }
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
            let key = |question: &Question| {
                let PrometheusQuery { query, server } = query(&question.metric)?;
                Some((server.clone().or_else(|| self.server.clone())?, query.clone()))
            };
            let asked = questions.iter().filter_map(key).collect();
            let ask = |(server, query): (String, String)| async move { self.ask(&server, &query).await };
            let answers = once_each(asked, ask).await;
            let nowhere =
                || Measured::Missing("no Prometheus server is known here, and the metric names none".to_owned());
            questions
                .iter()
                .map(|asked| key(asked).and_then(|key| answers.get(&key).cloned()).unwrap_or_else(nowhere))
                .collect()
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
struct Sample(IgnoredAny, String);

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

fn read(body: &[u8]) -> Measured {
    let answer: Answer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(error) => return Measured::Missing(format!("Prometheus: this is no answer to a query: {error}")),
    };
    let sample = match answer.data {
        Data::Scalar(sample) => sample,
        Data::Vector(mut vector) => match (vector.pop(), vector.len()) {
            (None, _) => return Measured::Missing(NOTHING.to_owned()),
            (Some(series), 0) => series.value,
            (Some(_), others) => return several(others + 1),
        },
        Data::Matrix(_) => return Measured::Invalid("the query gives a range of samples, not one".to_owned()),
        Data::String(_) => return Measured::Invalid("the query gives a string".to_owned()),
    };
    let Sample(_, text) = sample;
    number(&text)
}

const NOTHING: &str = "Prometheus has no such series";

fn several(series: usize) -> Measured {
    Measured::Invalid(format!("the query gives {series} series: say what is to be made of them, as sum(…)"))
}

/// A sample's value, as the table has it.
fn number(text: &str) -> Measured {
    match text.parse::<f64>() {
        Ok(value) if value.is_nan() => Measured::Missing("the query gives NaN: nothing was measured".to_owned()),
        Ok(value) if value.is_infinite() => Measured::Invalid(format!("the query gives {text}")),
        Ok(value) => Measured::Value(value),
        Err(_) => Measured::Invalid(format!("the query gives {text:.40}, which is no number")),
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
            let measured = read(body.as_bytes());
            let (found, why) = measured.state();
            assert!(found == state && why.contains(text), "{name}: {measured:?}");
        }
        assert_eq!(read(one("1e3").as_bytes()), Measured::Value(1000.0));
    }
}
