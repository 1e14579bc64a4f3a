//! JSON values as YAML, with comments above the fields they are about.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Comments by the path of their field.
pub(crate) type Comments = BTreeMap<String, Vec<String>>;

/// Lines of comments are broken here.
const WIDTH: usize = 110;

/// The order in which a person wants to read fields. Others come after, by name.
const ORDER: [&str; 33] = [
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "spec",
    "type",
    "targetRef",
    "minReplicas",
    "maxReplicas",
    "interval",
    "resource",
    "container",
    "target",
    "source",
    "query",
    "server",
    "metrics",
    "algorithm",
    "config",
    "of",
    "stages",
    "behavior",
    "scaleUp",
    "scaleDown",
    "afterUp",
    "afterDown",
    "stabilizationWindowSeconds",
    "selectPolicy",
    "policies",
    "value",
];

/// `value` as a document under the lines of `head`.
pub(crate) fn write(value: &Value, head: &[String], comments: &Comments) -> String {
    let mut writer = Writer { out: String::new(), comments };
    for line in head {
        writer.comment(line, 0);
    }
    writer.block(value, "", 0);
    writer.out
}

/// `path`, or what is nearest around it and there; none for a path that is empty.
pub(crate) fn nearest(value: &Value, path: &str) -> Option<String> {
    let mut path = path;
    while !path.is_empty() {
        let pointer: String = path.replace(['.', '['], "/").replace(']', "");
        if value.pointer(&format!("/{pointer}")).is_some() {
            return Some(path.to_owned());
        }
        path = &path[..path.rfind(['.', '['])?];
    }
    None
}

struct Writer<'a> {
    out: String,
    comments: &'a Comments,
}

impl Writer<'_> {
    fn comment(&mut self, text: &str, indent: usize) {
        let mut line = format!("{:indent$}#", "");
        // A list's items are indented where they go on.
        let more = if text.starts_with("- ") { "#  " } else { "#" };
        for word in text.split_whitespace() {
            if line.len() + 1 + word.len() > WIDTH && line.trim_start().len() > more.len() {
                self.out += &line;
                self.out.push('\n');
                line = format!("{:indent$}{more}", "");
            }
            line.push(' ');
            line += word;
        }
        self.out += &line;
        self.out.push('\n');
    }

    fn comments_of(&mut self, path: &str, indent: usize) {
        for text in self.comments.get(path).into_iter().flatten() {
            self.comment(text, indent);
        }
    }

    fn block(&mut self, value: &Value, path: &str, indent: usize) {
        match value {
            Value::Object(fields) if !fields.is_empty() => self.fields(fields, path, indent, false),
            Value::Array(items) if !items.is_empty() => self.items(items, path, indent),
            scalar => {
                self.out += &self::scalar(scalar);
                self.out.push('\n');
            }
        }
    }

    /// `inline`: the first field stands after a dash that is already there, below its comments.
    fn fields(&mut self, fields: &Map<String, Value>, path: &str, indent: usize, inline: bool) {
        for (index, name) in in_order(fields).into_iter().enumerate() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if !(inline && index == 0) {
                self.comments_of(&path, indent);
                self.out += &" ".repeat(indent);
            }
            self.out += &text(name);
            self.out.push(':');
            self.value(&fields[name], &path, indent);
        }
    }

    fn value(&mut self, value: &Value, path: &str, indent: usize) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                self.out.push('\n');
                self.fields(fields, path, indent + 2, false);
            }
            Value::Array(items) if !items.is_empty() => {
                self.out.push('\n');
                self.items(items, path, indent + 2);
            }
            scalar => {
                self.out.push(' ');
                self.out += &self::scalar(scalar);
                self.out.push('\n');
            }
        }
    }

    fn items(&mut self, items: &[Value], path: &str, indent: usize) {
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            self.comments_of(&path, indent);
            // The first field stands on the dash's line: what is said about it, too, goes before that.
            if let Some(first) = item.as_object().and_then(|fields| in_order(fields).first().copied()) {
                self.comments_of(&format!("{path}.{first}"), indent);
            }
            self.out += &" ".repeat(indent);
            self.out.push('-');
            match item {
                Value::Object(fields) if !fields.is_empty() => {
                    self.out.push(' ');
                    self.fields(fields, &path, indent + 2, true);
                }
                other => self.value(other, &path, indent),
            }
        }
    }
}

/// The names of `fields` as a person wants to read them.
fn in_order(fields: &Map<String, Value>) -> Vec<&String> {
    let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort_by_key(|name| (rank(name), name.as_str()));
    names
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => self::text(text),
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => format!("{}", float as i64),
            _ => number.to_string(),
        },
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::Null | Value::Bool(_) => value.to_string(),
    }
}

/// Plain where YAML reads it back as the same text, else quoted as JSON, which is YAML.
fn text(text: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "~"];
    let is_start = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_');
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "-_./()+* =^".contains(c);
    let plain = text.starts_with(is_start)
        && text.chars().all(is_inside)
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    // A duration or a percentage begins with a digit, and is no number.
    let amount = text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ')
        && text.ends_with(|c: char| "smhd".contains(c))
        && !text.starts_with("0x");
    if plain || amount { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::Document;

    #[test]
    fn what_is_written_is_read_back_as_the_same_value() {
        let value = json!({
            "text": ["plain", "two words", "", "true", "No", "1.5", "15s", "1h 30m", "50%", "0x10", "1e3", "-", "- a", "a: b",
                "a #b", "#", "a\nb", "\"q\"", "{x}", "[x]", "*a", "&a", "!t", "rate(x[5m]) by (le)", "ü", " pad", "pad ", "@", "|", "0"],
            "numbers": [0, -1, 1.5, 500, 1e300, 9007199254740993_u64],
            "nested": [[1, [2]], {}, [], { "a": { "b": [{ "c": null, "d": true }] } }, [{ "e": 1 }]],
            "empty": {},
            "odd name: yes": 1,
            "": 2,
        });
        let written = write(&value, &["A head.".to_owned()], &Comments::new());
        assert_eq!(Document::read("f", &written).expect(&written).value(), &value, "{written}");
        assert_eq!(write(&json!({ "whole": 500.0 }), &[], &Comments::new()), "whole: 500\n");
    }

    #[test]
    fn comments_stand_above_their_field_or_what_holds_it() {
        let value = json!({ "spec": { "minReplicas": 1, "stages": [{ "cooled": { "afterUp": "5m" } }], "metrics": [{ "name": "a", "target": 1 }] } });
        let mut comments = Comments::new();
        for path in ["spec.minReplicas", "spec.stages[0].cooled.afterUp", "spec.metrics[0].target.value", "spec.none"] {
            let place = nearest(&value, path).expect("something holds it");
            comments.entry(place).or_default().push(format!("about {path}"));
        }
        assert_eq!(nearest(&value, ""), None);
        assert_eq!(
            write(&value, &[], &comments),
            "\
# about spec.none
spec:
  # about spec.minReplicas
  minReplicas: 1
  metrics:
    - name: a
      # about spec.metrics[0].target.value
      target: 1
  stages:
    - cooled:
        # about spec.stages[0].cooled.afterUp
        afterUp: 5m
"
        );
    }
}
