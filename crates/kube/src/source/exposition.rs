//! Prometheus' text format, and OpenMetrics', as far as samples go: what a pod serves under `/metrics`.

use std::collections::{BTreeMap, HashMap};

/// What a page says of some series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Page {
    /// The samples of series with the wanted names.
    pub(super) samples: Vec<Sample>,
}

/// One line: a series and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
    /// Whether it only ever grows, and what counts is how fast.
    pub(super) is_counter: bool,
}

/// What isn't in the format, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(super) struct ParseError {
    line: usize,
    problem: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Histogram,
    Summary,
    Other,
}

/// The samples of `page` whose names are `wanted`. A page that is in part something else isn't trusted at all.
pub(super) fn read(page: &str, wanted: impl Fn(&str) -> bool) -> Result<Page, ParseError> {
    let mut kinds: HashMap<&str, Kind> = HashMap::new();
    let mut found = Page::default();
    for (index, line) in page.lines().enumerate() {
        let at = |problem| ParseError { line: index + 1, problem };
        let line = line.trim_matches([' ', '\t']);
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split_whitespace();
            if words.next() == Some("TYPE") {
                let name = words.next().ok_or_else(|| at("a TYPE without a name"))?;
                kinds.insert(name, kind(words.next().ok_or_else(|| at("a TYPE without a type"))?));
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let (name, labels, value) = sample(line).map_err(at)?;
        if wanted(name) {
            let is_counter = is_counter(name, &labels, &kinds);
            found.samples.push(Sample { name: name.to_owned(), labels, value, is_counter });
        }
    }
    Ok(found)
}

fn kind(word: &str) -> Kind {
    match word {
        "counter" => Kind::Counter,
        "histogram" => Kind::Histogram,
        "summary" => Kind::Summary,
        _ => Kind::Other,
    }
}

/// As its type says; without one, as its name does.
fn is_counter(name: &str, labels: &BTreeMap<String, String>, kinds: &HashMap<&str, Kind>) -> bool {
    let of = |suffix: &str| name.strip_suffix(suffix).and_then(|family| kinds.get(family).copied());
    match kinds.get(name) {
        Some(Kind::Counter) => true,
        // Its quantiles are what they are; they have the family's own name.
        Some(Kind::Summary) => !labels.contains_key("quantile"),
        Some(Kind::Histogram | Kind::Other) => false,
        // OpenMetrics gives a counter's type under its name without `_total`.
        None => match (of("_total"), of("_bucket"), of("_count").or_else(|| of("_sum"))) {
            (Some(kind), _, _) => kind == Kind::Counter,
            (None, Some(kind), _) => kind == Kind::Histogram,
            (None, None, Some(kind)) => matches!(kind, Kind::Histogram | Kind::Summary),
            (None, None, None) => name.ends_with("_total"),
        },
    }
}

type Line<'a> = (&'a str, BTreeMap<String, String>, f64);

/// `name{label="value"} 1.5 1700000000000`, the time and an exemplar after it left out.
fn sample(line: &str) -> Result<Line<'_>, &'static str> {
    let (name, rest) = name(line).ok_or("no name of a series")?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (BTreeMap::new(), rest),
    };
    // OpenMetrics' exemplars follow a `#`.
    let rest = rest.split_once(" #").map_or(rest, |(before, _)| before);
    let mut words = rest.split_whitespace();
    let value = number(words.next().ok_or("no value")?).ok_or("a value that is no number")?;
    if words.next().is_some_and(|time| number(time).is_none()) {
        return Err("a time that is no number");
    }
    match words.next() {
        Some(_) => Err("more than a value and a time"),
        None => Ok((name, labels, value)),
    }
}

fn name(text: &str) -> Option<(&str, &str)> {
    let ends = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let (name, rest) = text.split_at(ends);
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some((name, rest))
}

/// What is inside of braces, and what follows them.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), &'static str> {
    const BLANK: [char; 2] = [' ', '\t'];
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches(BLANK);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (key, after) = name(rest).ok_or("no name of a label")?;
        let after = after.trim_start_matches(BLANK).strip_prefix('=').ok_or("a label without a value")?;
        let after = after.trim_start_matches(BLANK).strip_prefix('"').ok_or("a label's value without quotes")?;
        let (value, after) = quoted(after)?;
        if labels.insert(key.to_owned(), value).is_some() {
            return Err("a label that is there twice");
        }
        rest = after.trim_start_matches(BLANK);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err("labels without an end"),
        }
    }
}

/// Text up to the quote that ends it, and what follows.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                _ => return Err("an escape that there isn't"),
            },
            other => value.push(other),
        }
    }
    Err("a label's value without an end")
}

/// As Go reads it: also `NaN` and `+Inf`.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VLLM: &str = r#"# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m \"7B\"\\n"} 3.0
vllm:num_requests_waiting{engine="1",model_name="m",} 4e0 1700000000000
# TYPE vllm:request_success_total counter
vllm:request_success_total{finished_reason="stop"} 12.0
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{le="+Inf"} 5 # {trace_id="a"} 0.3
vllm:e2e_request_latency_seconds_count 5
# TYPE gc summary
gc{quantile="0.5"} NaN
gc_sum 7
# TYPE nv counter
nv_total 1
untyped_total	2
 spaced 	{ a = "b" , c="d" }   -Inf
# EOF
"#;

    #[test]
    fn samples_are_read_with_their_labels_and_kinds() {
        let page = read(VLLM, |_| true).expect("in the format");
        let told: Vec<(&str, f64, bool)> =
            page.samples.iter().map(|sample| (sample.name.as_str(), sample.value, sample.is_counter)).collect();
        let (nan, rest): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, value, _)| value.is_nan());
        assert_eq!(nan.iter().map(|(name, _, counter)| (*name, *counter)).collect::<Vec<_>>(), [("gc", false)]);
        assert_eq!(
            rest,
            [
                ("vllm:num_requests_waiting", 3.0, false),
                ("vllm:num_requests_waiting", 4.0, false),
                ("vllm:request_success_total", 12.0, true),
                ("vllm:e2e_request_latency_seconds_bucket", 5.0, true),
                ("vllm:e2e_request_latency_seconds_count", 5.0, true),
                ("gc_sum", 7.0, true),
                ("nv_total", 1.0, true),
                ("untyped_total", 2.0, true),
                ("spaced", f64::NEG_INFINITY, false),
            ]
        );
        assert_eq!(page.samples[0].labels["model_name"], "m \"7B\"\\n");
        assert_eq!(page.samples.last().expect("some").labels.len(), 2);
        let some = read(VLLM, |name| name == "gc_sum").expect("in the format");
        assert_eq!(some.samples.len(), 1, "only what is wanted");
    }

    #[test]
    fn what_is_something_else_says_where() {
        let cases = [
            ("a page", "up 1\n<html>", "line 2: no name of a series"),
            ("no value", "up", "line 1: no value"),
            ("a word", "up yes", "line 1: a value that is no number"),
            ("two times", "up 1 2 3", "line 1: more than a value and a time"),
            ("a word for a time", "up 1 now", "line 1: a time that is no number"),
            ("a digit", "1up 1", "line 1: no name of a series"),
            ("no quotes", "up{a=b} 1", "line 1: a label's value without quotes"),
            ("no value of a label", "up{a} 1", "line 1: a label without a value"),
            ("no end of a value", "up{a=\"b} 1", "line 1: a label's value without an end"),
            ("no end of labels", "up{a=\"b\" 1", "line 1: labels without an end"),
            ("twice", "up{a=\"b\",a=\"c\"} 1", "line 1: a label that is there twice"),
            ("an escape", "up{a=\"\\t\"} 1", "line 1: an escape that there isn't"),
            ("a nameless type", "# TYPE", "line 1: a TYPE without a name"),
            ("a type of nothing", "# TYPE up", "line 1: a TYPE without a type"),
        ];
        for (name, page, want) in cases {
            assert_eq!(read(page, |_| true).expect_err(name).to_string(), want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(page in r#"[a-z{}=",\\# \n0-9.+-]{0,200}|.{0,60}"#) {
            if let Ok(page) = read(&page, |_| true) {
                prop_assert!(page.samples.iter().all(|sample| !sample.name.is_empty()));
            }
        }

        #[test]
        fn what_is_written_is_read(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,20}",
            labels in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,8}", ".{0,20}", 0..4),
            value in any::<f64>(),
        ) {
            let escaped = |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let inside: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
            // A line is what ends with \n; what else ends lines elsewhere is for `lines` to keep.
            prop_assume!(labels.values().all(|value| !value.contains('\r')));
            let page = read(&format!("{name}{{{}}} {value}\n", inside.join(",")), |_| true).expect("in the format");
            let [sample] = &page.samples[..] else { panic!("one sample") };
            prop_assert_eq!(&sample.name, &name);
            prop_assert_eq!(&sample.labels, &labels);
            prop_assert!(sample.value.to_bits() == value.to_bits() || (sample.value.is_nan() && value.is_nan()));
        }
    }
}
