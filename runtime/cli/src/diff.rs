//! What differs between two JSON values, for people. Numbers are equal by
//! their value (`1` is `1.0`), members of objects in any order.

use serde_json::{Number, Value};

/// Differences that are listed; what is more is counted.
const LISTED: usize = 20;
/// What is shown of one value, in characters.
const SHOWN: usize = 300;

/// What differs, one line each; none if nothing does.
pub(crate) fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", Some(expected), Some(got), &mut found);
    if found.len() > LISTED {
        let more = found.len() - LISTED;
        found.truncate(LISTED);
        found.push(format!("and {more} differences more"));
    }
    found
}

fn compare(at: &str, expected: Option<&Value>, got: Option<&Value>, found: &mut Vec<String>) {
    match (expected, got) {
        (Some(Value::Object(expected)), Some(Value::Object(got))) => {
            let added = got.keys().filter(|key| !expected.contains_key(*key));
            for key in expected.keys().chain(added) {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                compare(&at, expected.get(key), got.get(key), found);
            }
        }
        (Some(Value::Array(expected)), Some(Value::Array(got))) => {
            for index in 0..expected.len().max(got.len()) {
                let at = format!("{at}/{index}");
                compare(&at, expected.get(index), got.get(index), found);
            }
        }
        (Some(Value::Number(a)), Some(Value::Number(b))) if same_number(a, b) => {}
        (expected, got) if expected == got => {}
        (expected, got) => {
            let at = if at.is_empty() { "/" } else { at };
            found.push(format!(
                "{at}: expected {}, got {}",
                show(expected),
                show(got)
            ));
        }
    }
}

/// Two integers are compared exactly; floating-point numbers cannot tell all
/// of them apart.
fn same_number(a: &Number, b: &Number) -> bool {
    if a.is_f64() || b.is_f64() {
        a.as_f64() == b.as_f64()
    } else {
        a == b
    }
}

fn show(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_listed() {
        for (expected, got, lines) in [
            (
                json!({"a": 1, "b": [1.0]}),
                json!({"b": [1], "a": 1}),
                vec![],
            ),
            (
                json!({"a": {"x/y": 1}}),
                json!({"a": {"x/y": 2}}),
                vec!["/a/x~1y: expected 1, got 2"],
            ),
            (
                json!([{"a": 1}]),
                json!([{"a": 1}, {"b": null}]),
                vec![r#"/1: expected nothing, got {"b":null}"#],
            ),
            (
                json!({"a": null}),
                json!({}),
                vec!["/a: expected null, got nothing"],
            ),
            (
                json!("a"),
                json!(["a"]),
                vec![r#"/: expected "a", got ["a"]"#],
            ),
            // Beyond what floating-point numbers hold exactly.
            (
                json!(u64::MAX),
                json!(u64::MAX - 1),
                vec!["/: expected 18446744073709551615, got 18446744073709551614"],
            ),
        ] {
            assert_eq!(differences(&expected, &got), lines);
        }
    }

    #[test]
    fn long_lists_and_values_are_cut() {
        let long = json!(vec![0; 100]);
        let lines = differences(&long, &json!(vec![1; 100]));
        assert_eq!(lines.len(), LISTED + 1);
        assert_eq!(lines[LISTED], "and 80 differences more");
        let lines = differences(&json!("é".repeat(1000)), &json!(1));
        assert!(lines[0].contains("… (2002 bytes)"), "{lines:?}");
    }
}
