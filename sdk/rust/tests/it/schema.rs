//! Configurations' schemas.

use std::collections::BTreeMap;

use ringfence::prelude::*;
use ringfence::{Rule, serde_json};

/// All of it, with "quotes".
#[derive(Deserialize, Schema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "only its schema is looked at")]
struct Config {
    /// The team
    /// for the rest.
    fall_back: String,
    r#type: Option<u8>,
    #[serde(default)]
    grace_ms: u64,
    #[serde(rename = "LEVEL")]
    level: Level,
    #[serde(skip)]
    hidden: bool,
    /// Each with its share.
    teams: BTreeMap<String, Vec<Team>>,
    rest: Value,
}

/// A team.
#[derive(Deserialize, Schema)]
#[serde(default)]
#[derive(Default)]
#[allow(dead_code, reason = "only its schema is looked at")]
struct Team {
    share: f64,
}

#[derive(Deserialize, Schema)]
#[serde(rename_all = "kebab-case")]
#[allow(dead_code, reason = "only its schema is looked at")]
enum Level {
    Low,
    VeryHigh,
}

#[rule(on = "a")]
fn configured(_data: Value, _config: Config, _ctx: &mut Context) {}

#[rule(on = "a")]
fn plain(_ctx: &mut Context) {}

#[test]
fn a_schema_says_what_serde_reads() {
    assert_eq!(plain::config_schema(), None);
    let schema = configured::config_schema().unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let team = json!({
        "description": "A team.",
        "type": "object",
        "properties": {"share": {"type": "number"}},
    });
    let expected = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "All of it, with \"quotes\".",
        "type": "object",
        "properties": {
            "fallBack": {"description": "The team for the rest.", "type": "string"},
            "type": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, {"type": "null"}]},
            "graceMs": {"type": "integer", "minimum": 0},
            "LEVEL": {"enum": ["low", "very-high"]},
            "teams": {
                "description": "Each with its share.",
                "type": "object",
                "additionalProperties": {"type": "array", "items": team},
            },
            "rest": {"type": ["null", "boolean", "number", "string", "array", "object"]},
        },
        "required": ["fallBack", "LEVEL", "teams", "rest"],
        "additionalProperties": false,
    });
    assert_eq!(schema, expected);
}

#[test]
fn serde_accepts_what_the_schema_requires_only() {
    let least = json!({"fallBack": "a", "LEVEL": "very-high", "teams": {"x": [{}]}, "rest": null});
    assert!(serde_json::from_value::<Config>(least.clone()).is_ok());
    for key in ["fallBack", "LEVEL", "teams", "rest"] {
        let mut less = least.clone();
        less.as_object_mut().unwrap().remove(key);
        assert!(serde_json::from_value::<Config>(less).is_err(), "{key}");
    }
}
