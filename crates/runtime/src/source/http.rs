//! A number in the JSON that an address answers with.

use serde_json::Value;
use setpoint::{BoxFuture, HttpQuery, Metric, MetricSource};

use super::fetch::Fetch;
use super::once::read_each;
use super::{Measured, Question, Source};

/// Reads metrics with an `http` source: a GET, JSON, and in it a number, or a number as text. Each address is asked once a
/// tick. What doesn't answer is missing, what isn't a number invalid.
#[derive(Clone, Debug)]
pub struct HttpJson {
    fetch: Fetch,
}

impl HttpJson {
    /// Asks through `fetch`.
    #[must_use]
    pub const fn new(fetch: Fetch) -> Self {
        Self { fetch }
    }

    async fn ask(&self, url: &str) -> Result<Value, String> {
        let body = self.fetch.get(url).await?;
        serde_json::from_slice(&body).map_err(|error| format!("the answer is not JSON: {error}"))
    }
}

fn query(metric: &Metric) -> Option<&HttpQuery> {
    match &metric.source {
        Some(MetricSource::Http(query)) => Some(query),
        _ => None,
    }
}

impl Source for HttpJson {
    fn name(&self) -> &'static str {
        "http"
    }

    fn answers(&self, metric: &Metric) -> bool {
        query(metric).is_some()
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(async move {
            let key = |asked: &Question| match query(&asked.metric) {
                Some(query) => Ok(query.url.clone()),
                None => Err(Measured::Missing("it has no address".to_owned())),
            };
            let ask = |url: String| async move { self.ask(&url).await };
            let judge = |asked: &Question, document: &Value| {
                number_at(document, query(&asked.metric).map_or("", |query| &query.pointer))
            };
            read_each(questions, key, |url| server_of(url).to_owned(), ask, judge).await
        })
    }
}

/// `http://queue:8080` of `http://queue:8080/depth`.
fn server_of(url: &str) -> &str {
    let begins = url.find("://").map_or(0, |colon| colon + 3);
    let ends = url[begins..].find(['/', '?', '#']).map_or(url.len(), |length| begins + length);
    &url[..ends]
}

/// The number in `document` that a JSON Pointer leads to.
pub(super) fn number_at(document: &Value, pointer: &str) -> Measured {
    let Some(found) = document.pointer(pointer) else {
        return Measured::Missing(format!("the answer has nothing at {pointer:?}"));
    };
    let number = match found {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null => return Measured::Missing(format!("the answer has null at {pointer:?}")),
        _ => None,
    };
    match number.filter(|number| number.is_finite()) {
        Some(number) => Measured::Value(number),
        None => Measured::Invalid(format!("the answer has {found:.60} at {pointer:?}, which is no number")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_leads_to_a_number_or_the_reading_says_what_is_there() {
        let document =
            json!({ "queue": { "depth": 12, "text": " 7.5 ", "none": null, "list": [1, 2], "word": "many" } });
        let cases = [
            ("a number", "/queue/depth", "value", ""),
            ("a number as text", "/queue/text", "value", ""),
            ("of a list", "/queue/list/1", "value", ""),
            ("null is no zero", "/queue/none", "missing", "null"),
            ("nothing", "/queue/length", "missing", "nothing at"),
            ("a word", "/queue/word", "invalid", "no number"),
            ("all of it", "", "invalid", "no number"),
        ];
        for (name, pointer, state, text) in cases {
            let measured = number_at(&document, pointer);
            let (found, why) = measured.state();
            assert!(found == state && why.contains(text), "{name}: {measured:?}");
        }
        assert_eq!(number_at(&json!(3), ""), Measured::Value(3.0));
        assert_eq!(number_at(&json!("NaN"), "").state().0, "invalid");
    }
}
