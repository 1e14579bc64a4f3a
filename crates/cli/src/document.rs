//! YAML and JSON files as JSON values that remember where each field stands.
//!
//! Documents are hostile until read: aliases (which can grow a line into gigabytes), tags, repeated keys, deep
//! nesting and large files are refused with a message.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::{Map, Number, Value};
use setpoint::ConfigError;

use crate::error::BadInput;

const LARGEST: u64 = 1 << 20;
const DEEPEST: usize = 64;

/// A document: its values, and where they stand.
#[derive(Debug)]
pub(crate) struct Document {
    file: String,
    value: Value,
    places: BTreeMap<String, Place>,
}

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self { line: span.start.line(), column: span.start.col() + 1 }
    }
}

impl Document {
    /// Reads the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, BadInput> {
        let file = File::open(path).map_err(|error| BadInput::file(path, "read", &error))?;
        Self::take(path, file)
    }

    /// Reads the file at `path`, or standard input where that is `-`.
    pub(crate) fn open_or_stdin(path: &Path) -> Result<Self, BadInput> {
        if path == Path::new("-") {
            Self::take(Path::new("standard input"), std::io::stdin().lock())
        } else {
            Self::open(path)
        }
    }

    fn take(path: &Path, input: impl Read) -> Result<Self, BadInput> {
        let failed = |error| BadInput::file(path, "read", &error);
        let mut bytes = Vec::new();
        input.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > LARGEST {
            return Err(BadInput::at(path.display(), "larger than 1 MiB, which no such document is"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            BadInput::at(format_args!("{}:{line}", path.display()), "not UTF-8 text")
        })?;
        Self::read(&path.display().to_string(), &text)
    }

    /// Reads `text`; errors name `file`.
    pub(crate) fn read(file: &str, text: &str) -> Result<Self, BadInput> {
        // A byte order mark, as some editors leave it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader { events: Parser::new_from_str(text), places: BTreeMap::new() };
        match reader.document() {
            Ok(value) => Ok(Self { file: file.to_owned(), value, places: reader.places }),
            Err((place, problem)) => Err(BadInput::at(format_args!("{file}:{}:{}", place.line, place.column), problem)),
        }
    }

    /// What it is called in errors.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The whole document.
    pub(crate) const fn value(&self) -> &Value {
        &self.value
    }

    /// An error about a field, with its place in the file.
    pub(crate) fn error(&self, error: &ConfigError) -> BadInput {
        let place = self.place(&error.path);
        BadInput::at(format_args!("{}:{}:{}", self.file, place.line, place.column), error)
    }

    /// Line and column of the field at `path`, or of the nearest thing that holds it.
    pub(crate) fn position(&self, path: &str) -> (usize, usize) {
        let Place { line, column } = self.place(path);
        (line, column)
    }

    /// The place of the field at `path`, or of the nearest thing that holds it.
    fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return *place;
            }
            path = match path.rfind(['.', '[']) {
                Some(end) => &path[..end],
                None => return self.places.get("").copied().unwrap_or(Place { line: 1, column: 1 }),
            };
        }
    }
}

type Problem = (Place, String);

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    places: BTreeMap<String, Place>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Problem> {
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, span.into())),
            Some(Err(error)) => Err(scan_problem(&error)),
            None => Err((Place { line: 1, column: 1 }, "the document ends too early".to_owned())),
        }
    }

    fn document(&mut self) -> Result<Value, Problem> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd, place) => return Err((place, "the document is empty".to_owned())),
                (event, place) => {
                    self.places.insert(String::new(), place);
                    let value = self.value(event, place, "", 0)?;
                    return self.end().map(|()| value);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Problem> {
        loop {
            match self.next()? {
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => return Ok(()),
                (_, place) => return Err((place, "a file holds one document, and here a second begins".to_owned())),
            }
        }
    }

    fn value(&mut self, event: Event<'a>, place: Place, path: &str, depth: usize) -> Result<Value, Problem> {
        if depth > DEEPEST {
            return Err((place, format!("nested more than {DEEPEST} deep")));
        }
        match event {
            Event::Scalar(text, style, 0, None) => scalar(&text, style).map_err(|problem| (place, problem)),
            Event::SequenceStart(0, None) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                        (event, place) => {
                            let path = format!("{path}[{}]", items.len());
                            self.places.insert(path.clone(), place);
                            items.push(self.value(event, place, &path, depth + 1)?);
                        }
                    }
                }
            }
            Event::MappingStart(0, None) => self.mapping(path, depth),
            Event::Alias(_) => Err((place, "aliases (*name) are not supported: write the value out".to_owned())),
            Event::Scalar(_, _, 1.., _) | Event::SequenceStart(1.., _) | Event::MappingStart(1.., _) => {
                Err((place, "anchors (&name) are not supported: write the value out".to_owned()))
            }
            _ => Err((place, "tags (!name) are not supported".to_owned())),
        }
    }

    fn mapping(&mut self, path: &str, depth: usize) -> Result<Value, Problem> {
        let mut fields = Map::new();
        loop {
            let (key, place) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Object(fields)),
                (Event::Scalar(key, ..), place) => (key.into_owned(), place),
                (_, place) => return Err((place, "a field's name must be plain text".to_owned())),
            };
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.places.insert(path.clone(), place);
            let (event, at) = self.next()?;
            let value = self.value(event, at, &path, depth + 1)?;
            if fields.insert(key, value).is_some() {
                return Err((place, format!("{path}: the field is given twice")));
            }
        }
    }
}

fn scan_problem(error: &ScanError) -> Problem {
    let marker = error.marker();
    (Place { line: marker.line(), column: marker.col() + 1 }, error.info().to_owned())
}

/// The core schema of YAML 1.2, without what JSON can't hold.
fn scalar(text: &str, style: ScalarStyle) -> Result<Value, String> {
    if style != ScalarStyle::Plain {
        return Ok(Value::String(text.to_owned()));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        text => match number(text)? {
            Some(number) => Value::Number(number),
            None => Value::String(text.to_owned()),
        },
    })
}

fn number(text: &str) -> Result<Option<Number>, String> {
    let digits = text.trim_start_matches(['+', '-']);
    if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&digits) {
        return Err(format!("{text} is not a number that anything here could be"));
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || text.len() - digits.len() > 1 {
        return Ok(None);
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Some(whole.into()));
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Ok(Some(whole.into()));
    }
    match text.parse::<f64>() {
        // Beyond the largest double, as 1e999 is.
        Ok(number) => Number::from_f64(number).map(Some).ok_or_else(|| format!("{text} is too large a number")),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_and_json_become_the_same_value() {
        let yaml = "a: 1\nb: [x, 'y', 0.5, -3, 1e3]\nc: { d: true, e: null, f: 50%, g: 15s }\n";
        let json = r#"{"a": 1, "b": ["x", "y", 0.5, -3, 1e3], "c": {"d": true, "e": null, "f": "50%", "g": "15s"}}"#;
        let want = json!({
            "a": 1, "b": ["x", "y", 0.5, -3, 1000.0], "c": { "d": true, "e": null, "f": "50%", "g": "15s" },
        });
        for text in [yaml, json] {
            assert_eq!(Document::read("f", text).expect("a good document").value(), &want);
        }
    }

    #[test]
    fn what_can_t_be_used_is_refused_at_its_place() {
        let nested = "[".repeat(100) + &"]".repeat(100);
        let cases = [
            ("twice", "a: 1\nb: 2\na: 3\n", "f:3:1: a: the field is given twice"),
            ("alias", "a: &x [1]\nb: *x\n", "f:1:"),
            ("tag", "a: !!python/object x\n", "tags (!name)"),
            ("nan", "a:\n  b: .nan\n", "f:2:6: .nan is not a number"),
            ("too large", "a: 1e999\n", "too large a number"),
            ("deep", &nested, "nested more than 64 deep"),
            ("two documents", "a: 1\n---\nb: 2\n", "a second begins"),
            ("empty", "# nothing\n", "the document is empty"),
            ("not YAML", "a: [1, 2\nb: 3\n", "f:2:"),
            ("a mapping as a key", "? {a: 1}\n: 2\n", "plain text"),
        ];
        for (name, text, want) in cases {
            let error = Document::read("f", text).expect_err(name).to_string();
            assert!(error.contains(want), "{name}: {error}");
        }
    }

    #[test]
    fn errors_are_placed_at_the_field_or_what_holds_it() {
        let document =
            Document::read("f", "spec:\n  metrics:\n    - name: a\n    - { name: b, x: 1 }\n").expect("good");
        let cases = [
            ("spec.metrics[1].x", (4, 18)),
            ("spec.metrics[1].missing.deep", (4, 7)),
            ("spec.metrics[9]", (2, 3)),
            ("elsewhere", (1, 1)),
            ("", (1, 1)),
        ];
        for (path, (line, column)) in cases {
            assert_eq!(document.place(path), Place { line, column }, "{path}");
        }
    }
}
