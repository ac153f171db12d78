//! The OpenAPI document, as the judge of what the server answers.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

/// The document, and which routes tests have had answered.
pub(crate) struct Document {
    pub(crate) value: Value,
    /// The schemas, strict: members that they do not name are not allowed.
    strict: Value,
}

impl Document {
    pub(crate) fn new(value: Value) -> Self {
        let mut strict = value.clone();
        let mut mixed = BTreeSet::new();
        mixins(&value, &mut mixed);
        for (name, schema) in strict["components"]["schemas"].as_object_mut().unwrap() {
            let reference = format!("#/components/schemas/{name}");
            restrict(schema, mixed.contains(&reference));
        }
        Self { value, strict }
    }

    /// The operation that answers a path, with its pattern.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let path = path.split('?').next().unwrap();
        let matches = |pattern: &str| {
            let (given, wanted): (Vec<&str>, Vec<&str>) =
                (path.split('/').collect(), pattern.split('/').collect());
            given.len() == wanted.len()
                && given
                    .iter()
                    .zip(wanted)
                    .all(|(given, wanted)| wanted.starts_with('{') || *given == wanted)
        };
        let paths = self.value["paths"].as_object().unwrap();
        // A pattern without parameters goes before one with.
        let mut found: Vec<_> = paths
            .iter()
            .filter(|(pattern, _)| matches(pattern))
            .collect();
        found.sort_by_key(|(pattern, _)| pattern.matches('{').count());
        let (pattern, item) = found.into_iter().next()?;
        let operation = item.get(method.to_ascii_lowercase())?;
        Some((pattern, operation))
    }

    /// Fails if an answer is not one that the document describes.
    #[track_caller]
    pub(crate) fn check(
        &self,
        method: &str,
        path: &str,
        status: u16,
        headers: &HeaderMap,
        body: &Value,
    ) {
        let problem = json!({"$ref": "#/components/schemas/Problem"});
        let Some((pattern, operation)) = self.operation(method, path) else {
            assert!(
                status >= 400,
                "{method} {path} is answered and not documented"
            );
            return self.hold(&problem, body, path);
        };
        let responses = &operation["responses"];
        let described = responses.get(status.to_string());
        let response = described.unwrap_or_else(|| {
            assert!(
                status >= 400,
                "{method} {pattern}: {status} is not documented"
            );
            &responses["default"]
        });
        let content = match response.get("content") {
            None => {
                assert_eq!(
                    *body,
                    Value::Null,
                    "{method} {pattern}: {status} has a body"
                );
                return;
            }
            Some(content) => content.as_object().unwrap(),
        };
        let kind = headers["content-type"].to_str().unwrap();
        let media = content.get(kind);
        let media = media.unwrap_or_else(|| panic!("{method} {pattern}: {status} is {kind}"));
        self.hold(
            &media["schema"],
            body,
            &format!("{method} {pattern} {status}"),
        );
    }

    #[track_caller]
    fn hold(&self, schema: &Value, body: &Value, what: &str) {
        let mut schema = schema.clone();
        schema["components"] = self.strict["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let flaws: Vec<String> = validator
            .iter_errors(body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(flaws.is_empty(), "{what}: {flaws:#?}\n{body:#}");
    }

    /// All operations, by method and pattern.
    pub(crate) fn operations(&self) -> BTreeMap<(String, String), &Value> {
        let paths = self.value["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(pattern, item)| {
            let operations = item.as_object().unwrap().iter();
            operations.map(move |(method, operation)| {
                ((method.to_ascii_uppercase(), pattern.clone()), operation)
            })
        });
        all.collect()
    }
}

/// Schemas that are referred to from within an `allOf`.
fn mixins(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for part in members
                .get("allOf")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
                    found.insert(reference.to_owned());
                }
            }
            members.values().for_each(|value| mixins(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| mixins(value, found)),
        _ => {}
    }
}

/// Allows only members that are named, where any are.
fn restrict(schema: &mut Value, is_part: bool) {
    let Value::Object(members) = schema else {
        return;
    };
    if members.contains_key("allOf") && !is_part {
        members.insert("unevaluatedProperties".into(), json!(false));
    } else if members.contains_key("properties") && !is_part {
        members.insert("additionalProperties".into(), json!(false));
    }
    let each = |value: &mut Value, is_part| {
        for schema in value.as_array_mut().into_iter().flatten() {
            restrict(schema, is_part);
        }
    };
    for (keyword, value) in members.iter_mut() {
        match keyword.as_str() {
            "allOf" => each(value, true),
            "oneOf" | "anyOf" => each(value, is_part),
            "items" => restrict(value, false),
            "properties" => {
                let properties: &mut Map<String, Value> = value.as_object_mut().unwrap();
                properties
                    .values_mut()
                    .for_each(|schema| restrict(schema, false));
            }
            _ => {}
        }
    }
}
