//! From the JSON Schema of a Rust type to a structural schema, which is all that Kubernetes takes.

use serde_json::{Map, Value, json};

/// `schema`, as schemars makes it, in the subset that apiextensions.k8s.io/v1 calls structural:
///
/// - references are written out; what refers to itself, and what can be text or an object, is taken as it comes, for the
///   controller to judge;
/// - a choice of constants is an `enum`, a choice of objects an object with one of their fields;
/// - `null` is left out: a field that isn't there is left out too;
/// - unknown fields aren't allowed or forbidden: the API server drops them, and `kubectl` refuses them.
pub(crate) fn structural(schema: &Value) -> Value {
    let none = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&none);
    Writer { definitions, inside: Vec::new() }.write(schema)
}

struct Writer<'a> {
    definitions: &'a Map<String, Value>,
    /// The definitions that are being written out.
    inside: Vec<&'a str>,
}

/// Whatever it is.
fn anything(description: Option<&Value>) -> Value {
    let mut any = json!({ "x-kubernetes-preserve-unknown-fields": true });
    if let Some(description) = description {
        any["description"] = description.clone();
    }
    any
}

impl<'a> Writer<'a> {
    fn write(&mut self, schema: &'a Value) -> Value {
        let Some(fields) = schema.as_object() else { return anything(None) };
        let description = fields.get("description");
        let mut written = if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            self.refer(reference, description)
        } else if let Some(choices) = ["oneOf", "anyOf"].iter().find_map(|word| fields.get(*word)?.as_array()) {
            self.choose(choices, description)
        } else {
            self.plain(fields)
        };
        // What is said of the field is nearer than what is said of its type.
        if let Some(description) = description {
            written["description"] = description.clone();
        }
        if let Some(default) = fields.get("default").filter(|default| !default.is_null()) {
            written["default"] = default.clone();
        }
        written
    }

    fn refer(&mut self, reference: &'a str, description: Option<&Value>) -> Value {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        match self.definitions.get(name) {
            Some(definition) if !self.inside.contains(&name) => {
                self.inside.push(name);
                let written = self.write(definition);
                self.inside.pop();
                written
            }
            _ => anything(description),
        }
    }

    fn choose(&mut self, choices: &'a [Value], description: Option<&Value>) -> Value {
        let choices: Vec<&Value> = choices.iter().filter(|choice| choice.get("type") != Some(&json!("null"))).collect();
        if let [only] = choices[..] {
            return self.write(only);
        }
        let constants = |choice: &&Value| match (choice.get("const"), choice.get("enum").and_then(Value::as_array)) {
            (Some(constant), _) => Some(vec![constant.clone()]),
            (None, Some(several)) => Some(several.clone()),
            (None, None) => None,
        };
        let all: Option<Vec<Vec<Value>>> = choices.iter().map(constants).collect();
        if let Some(all) = all {
            return json!({ "type": "string", "enum": all.concat() });
        }
        let mut properties = Map::new();
        for choice in choices {
            let Some(own) = choice.get("properties").and_then(Value::as_object) else { return anything(description) };
            for (name, property) in own {
                let mut property = self.write(property);
                if property.get("description").is_none()
                    && let Some(said) = choice.get("description")
                {
                    property["description"] = said.clone();
                }
                properties.insert(name.clone(), property);
            }
        }
        json!({ "type": "object", "properties": properties, "minProperties": 1, "maxProperties": 1 })
    }

    fn plain(&mut self, fields: &'a Map<String, Value>) -> Value {
        let kind = match fields.get("type") {
            Some(Value::String(kind)) => Some(kind.as_str()),
            Some(Value::Array(kinds)) => {
                let mut kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
                match (kinds.next(), kinds.next()) {
                    (only, None) => only,
                    // A number or text, as amounts are.
                    _ => return anything(fields.get("description")),
                }
            }
            _ => None,
        };
        let Some(kind) = kind else { return anything(fields.get("description")) };
        let mut written = Map::from_iter([("type".to_owned(), kind.into())]);
        for word in
            ["enum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]
        {
            if let Some(value) = fields.get(word) {
                written.insert(word.to_owned(), value.clone());
            }
        }
        for (limit, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
            if let Some(value) = fields.get(limit) {
                written.insert(limit.to_owned(), value.clone());
            }
            // A number there, and in Kubernetes a flag beside the number.
            if let Some(value) = fields.get(exclusive) {
                written.insert(limit.to_owned(), value.clone());
                written.insert(exclusive.to_owned(), true.into());
            }
        }
        match kind {
            "object" => self.object(fields, &mut written),
            "array" => {
                let items = fields.get("items").map_or_else(|| anything(None), |items| self.write(items));
                written.insert("items".to_owned(), items);
            }
            "integer" => {
                written.insert("format".to_owned(), "int64".into());
            }
            _ => {}
        }
        Value::Object(written)
    }

    fn object(&mut self, fields: &'a Map<String, Value>, written: &mut Map<String, Value>) {
        if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
            let properties: Map<String, Value> =
                properties.iter().map(|(name, property)| (name.clone(), self.write(property))).collect();
            written.insert("properties".to_owned(), properties.into());
            if let Some(required) = fields.get("required") {
                written.insert("required".to_owned(), required.clone());
            }
        } else if let Some(values) = fields.get("additionalProperties").filter(|values| values.is_object()) {
            let values = self.write(values);
            written.insert("additionalProperties".to_owned(), values);
        } else {
            written.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_structural_one() {
        let cases = [
            ("text or nothing", json!({ "type": ["string", "null"] }), json!({ "type": "string" })),
            (
                "constants",
                json!({ "oneOf": [{ "type": "string", "const": "a" }, { "type": "string", "enum": ["b", "c"] }] }),
                json!({ "type": "string", "enum": ["a", "b", "c"] }),
            ),
            (
                "one of several fields",
                json!({ "oneOf": [
                    { "type": "object", "description": "A.", "properties": { "a": { "type": "number" } } },
                    { "type": "object", "properties": { "b": { "type": "integer", "format": "uint32", "minimum": 0 } } },
                ] }),
                json!({ "type": "object", "minProperties": 1, "maxProperties": 1, "properties": {
                    "a": { "type": "number", "description": "A." },
                    "b": { "type": "integer", "format": "int64", "minimum": 0 },
                } }),
            ),
            (
                "text or an object",
                json!({ "description": "D.", "oneOf": [{ "const": "a" }, { "type": "object", "properties": {} }] }),
                json!({ "description": "D.", "x-kubernetes-preserve-unknown-fields": true }),
            ),
            ("anything", json!(true), json!({ "x-kubernetes-preserve-unknown-fields": true })),
            (
                "above",
                json!({ "type": "number", "exclusiveMinimum": 0 }),
                json!({ "type": "number", "minimum": 0, "exclusiveMinimum": true }),
            ),
            (
                "a map",
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            ),
            (
                "a list of itself",
                json!({ "$ref": "#/$defs/A", "$defs": { "A": { "type": "array", "items": { "$ref": "#/$defs/A" } } } }),
                json!({ "type": "array", "items": { "x-kubernetes-preserve-unknown-fields": true } }),
            ),
        ];
        for (name, schema, want) in cases {
            assert_eq!(structural(&schema), want, "{name}");
        }
    }
}
