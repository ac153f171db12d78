//! Checks an activation's configuration against its rule's JSON Schema.
//!
//! Both come from tenants. A small schema can ask for exponential work
//! (references that double, alternatives within alternatives), so its cost is
//! bounded before it is used, and references lead within the schema only.

use std::collections::HashMap;

use jsonschema::PatternOptions;
use ringfence_model::Json;
use serde_json::{Map, Value};

use crate::problem::{Flaw, Kind, Problem};

/// A configuration, in bytes.
pub(crate) const CONFIG_BYTES_MAX: u64 = 64 * 1024;

/// Evaluations of subschemas that one value of the configuration may cause.
const COST_MAX: u64 = 100_000;
/// The same, times the configuration's values.
const WORK_MAX: u64 = 20_000_000;
/// Compiled patterns of one schema, in bytes each.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// What a client is told of a configuration at most.
const FLAWS_MAX: usize = 10;

/// Schemas within schemas, references followed: validators recurse.
const DEPTH_MAX: u32 = 64;

/// How often a validator may visit what an in-place applicator holds: to
/// judge it, to explain it, and twice for `unevaluated*`.
const VISITS: u64 = 4;

/// Checks a configuration.
pub(crate) fn check(schema: &Json, config: &Json) -> Result<(), Problem> {
    let schema = schema.to_value();
    let cost = cost(&schema).map_err(unsupported)?;
    let config = config.to_value();
    let work = cost.saturating_mul(values(&config));
    if work > WORK_MAX {
        return Err(unsupported(format!(
            "checking this configuration could take {work} steps; at most {WORK_MAX} are allowed"
        )));
    }
    let validator = jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
        .build(&schema)
        .map_err(unsupported)?;
    if validator.is_valid(&config) {
        return Ok(());
    }
    let flaws: Vec<Flaw> = validator
        .iter_errors(&config)
        .take(FLAWS_MAX)
        .map(|error| Flaw {
            pointer: error.instance_path().to_string(),
            detail: error.to_string().chars().take(500).collect(),
        })
        .collect();
    let detail = match flaws.first() {
        Some(Flaw { pointer, detail }) if pointer.is_empty() => format!("`config`: {detail}."),
        Some(Flaw { pointer, detail }) => format!("`config`, at {pointer}: {detail}."),
        None => "`config` does not match the rule's schema.".into(),
    };
    let at = flaws.first().map(|flaw| flaw.pointer.replace('/', "."));
    Err(Problem::new(Kind::INVALID_CONFIG, detail)
        .at(format!("config{}", at.unwrap_or_default()))
        .errors(flaws)
        .hint("The version's manifest holds the schema, in `config_schema`."))
}

/// Whether a schema can be used, for a warning at upload.
pub(crate) fn usable(schema: &Json) -> Result<(), String> {
    cost(&schema.to_value()).map(|_| ())
}

fn unsupported(why: impl std::fmt::Display) -> Problem {
    Problem::new(
        Kind::UNSUPPORTED_SCHEMA,
        format!("The rule's configuration schema cannot be used: {why}."),
    )
    .hint("Simplify `config-schema` in the rule's manifest and upload the rule again.")
}

/// How many values a configuration holds.
fn values(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(values).sum::<u64>(),
        _ => 1,
    }
}

/// An upper bound on the subschemas evaluated for one value.
fn cost(schema: &Value) -> Result<u64, String> {
    let unevaluated = mentions_unevaluated(schema);
    let mut walk = Walk {
        root: schema,
        nested: if unevaluated { VISITS } else { 1 },
        known: HashMap::new(),
        depth: 0,
    };
    let cost = walk.schema(schema, true)?;
    if cost > COST_MAX {
        return Err(format!(
            "one value could cause {cost} evaluations of subschemas; at most {COST_MAX} are allowed"
        ));
    }
    Ok(cost)
}

fn mentions_unevaluated(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(mentions_unevaluated),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.starts_with("unevaluated") || mentions_unevaluated(value)),
        _ => false,
    }
}

struct Walk<'s> {
    root: &'s Value,
    /// Visits of what applies to parts of a value.
    nested: u64,
    /// Costs of what is referred to; none while being found out.
    known: HashMap<&'s str, Option<u64>>,
    depth: u32,
}

impl<'s> Walk<'s> {
    fn schema(&mut self, schema: &'s Value, is_root: bool) -> Result<u64, String> {
        let Value::Object(keywords) = schema else {
            return Ok(1);
        };
        if self.depth == DEPTH_MAX {
            return Err(format!("schemas are nested more than {DEPTH_MAX} deep"));
        }
        self.depth += 1;
        let cost = self.keywords(keywords, is_root);
        self.depth -= 1;
        cost
    }

    fn keywords(&mut self, keywords: &'s Map<String, Value>, is_root: bool) -> Result<u64, String> {
        let mut cost = 1_u64;
        for (keyword, value) in keywords {
            let (visits, below) = match keyword.as_str() {
                "$ref" => (VISITS, self.reference(value)?),
                "$dynamicRef" | "$recursiveRef" => {
                    return Err(format!("`{keyword}` is not supported"));
                }
                "$id" | "id" if !is_root && value.is_string() => {
                    return Err("`$id` is supported at the top only".into());
                }
                "const" | "enum" | "default" | "examples" | "$defs" | "definitions" => continue,
                "properties" | "patternProperties" => (self.nested, self.map(value)?),
                "items"
                | "prefixItems"
                | "additionalItems"
                | "additionalProperties"
                | "contains"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties" => (self.nested, self.one_or_many(value)?),
                "dependentSchemas" | "dependencies" => (VISITS, self.map(value)?),
                _ => (VISITS, self.one_or_many(value)?),
            };
            cost = cost.saturating_add(visits.saturating_mul(below));
        }
        Ok(cost)
    }

    fn map(&mut self, value: &'s Value) -> Result<u64, String> {
        let Value::Object(members) = value else {
            return Ok(0);
        };
        members.values().try_fold(0_u64, |sum, schema| {
            Ok(sum.saturating_add(self.one_or_many(schema)?))
        })
    }

    fn one_or_many(&mut self, value: &'s Value) -> Result<u64, String> {
        match value {
            Value::Array(schemas) => schemas.iter().try_fold(0_u64, |sum, schema| {
                Ok(sum.saturating_add(self.schema(schema, false)?))
            }),
            Value::Object(_) => self.schema(value, false),
            _ => Ok(0),
        }
    }

    fn reference(&mut self, value: &'s Value) -> Result<u64, String> {
        let Some(reference) = value.as_str() else {
            return Err("`$ref` is not a text".into());
        };
        let pointer = reference
            .strip_prefix('#')
            .filter(|pointer| pointer.starts_with('/') && !pointer.contains('%'));
        let Some(pointer) = pointer else {
            let given: String = reference.chars().take(80).collect();
            return Err(format!(
                "`$ref` may lead within the schema only, as in `#/$defs/name`; `{given}` does not"
            ));
        };
        match self.known.get(reference) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => return Err(format!("`{reference}` leads back to itself")),
            None => {}
        }
        let target = self
            .root
            .pointer(pointer)
            .ok_or_else(|| format!("`{reference}` leads nowhere"))?;
        self.known.insert(reference, None);
        let cost = self.schema(target, false)?;
        self.known.insert(reference, Some(cost));
        Ok(cost)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(schema: &Value, config: &Value) -> Result<(), (&'static str, Value)> {
        check(&Json::from(schema), &Json::from(config)).map_err(|problem| {
            (
                problem.code(),
                serde_json::to_value(problem.body()).unwrap(),
            )
        })
    }

    #[test]
    fn a_configuration_is_checked_and_flaws_are_placed() {
        let schema = json!({
            "$defs": {"team": {"type": "string", "pattern": "^[a-z]+$"}},
            "type": "object",
            "properties": {
                "teams": {"type": "array", "items": {"$ref": "#/$defs/team"}},
                "speed": {"anyOf": [{"const": "fast"}, {"type": "integer", "minimum": 1}]},
            },
            "required": ["teams"],
            "additionalProperties": false,
        });
        assert_eq!(
            checked(&schema, &json!({"teams": ["a"], "speed": 3})),
            Ok(())
        );
        for (config, at) in [
            (json!({}), "config"),
            (json!({"teams": ["a", "B"]}), "config.teams.1"),
            (json!({"teams": [], "speed": 0}), "config.speed"),
            (json!({"teams": [], "typo": 0}), "config"),
        ] {
            let (code, body) = checked(&schema, &config).unwrap_err();
            assert_eq!(
                (code, &body["at"]),
                ("invalid-config", &json!(at)),
                "{body}"
            );
        }
    }

    #[test]
    fn hostile_schemas_are_refused_before_they_are_used() {
        let doubling = |levels: usize| {
            let mut defs = serde_json::Map::new();
            for level in 0..levels {
                let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
                defs.insert(format!("d{level}"), json!({"allOf": [next, next]}));
            }
            defs.insert(format!("d{levels}"), json!({"type": "string"}));
            json!({"$defs": defs, "$ref": "#/$defs/d0"})
        };
        let mut nested = json!({"type": "string"});
        for _ in 0..30 {
            nested = json!({"anyOf": [nested]});
        }
        let mut chain = json!({"$ref": "#/$defs/d0", "$defs": {}});
        for link in 0..2_000 {
            chain["$defs"][format!("d{link}")] = json!({"$ref": format!("#/$defs/d{}", link + 1)});
        }
        for (schema, part) in [
            (chain, "deep"),
            (doubling(20), "evaluations"),
            (nested, "evaluations"),
            (json!({"$ref": "#"}), "within the schema"),
            (
                json!({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}),
                "itself",
            ),
            (
                json!({"$ref": "https://example.com/schema.json"}),
                "within the schema",
            ),
            (json!({"$ref": "file:///etc/passwd"}), "within the schema"),
            (json!({"$dynamicRef": "#x"}), "not supported"),
            (json!({"$ref": "#/$defs/none"}), "nowhere"),
            (json!({"pattern": "(a{1000}){1000}"}), "cannot be used"),
            (json!({"type": 7}), "cannot be used"),
            // A property may be called like a keyword that holds no schema.
            (
                json!({"properties": {"const": {"$ref": "#"}}}),
                "within the schema",
            ),
        ] {
            let (code, body) = checked(&schema, &json!("x")).unwrap_err();
            assert_eq!(code, "unsupported-schema");
            assert!(body["detail"].as_str().unwrap().contains(part), "{body}");
        }
    }

    #[test]
    fn work_is_bounded_by_schema_and_configuration_together() {
        let properties: serde_json::Map<_, _> = (0..2_000)
            .map(|index| (format!("p{index}"), json!({"type": "string"})))
            .collect();
        let schema = json!({"items": {"properties": properties}});
        assert_eq!(checked(&schema, &json!([{}])), Ok(()));
        let (code, _) = checked(&schema, &json!(vec![json!({}); 20_000])).unwrap_err();
        assert_eq!(code, "unsupported-schema");
    }
}
