//! Writing what is expected into a fixture, and leaving the rest of the file
//! as its author wrote it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::value::RawValue;

use super::expect::Expect;

const INDENT: &str = "  ";

/// The fixture with another `expect`.
pub(super) fn with_expect(text: &str, expect: &Expect) -> Result<String> {
    // By way of a value, because checked JSON is written as it was given.
    let expect = serde_json::to_value(expect).context("`expect` cannot be written")?;
    let expect = format!("{expect:#}");
    let expect = expect.replace('\n', &format!("\n{INDENT}"));
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
    if let Some(old) = members.get("expect") {
        // A borrowed `RawValue` is a part of the text.
        let start = old.get().as_ptr() as usize - text.as_ptr() as usize;
        let end = start + old.get().len();
        return Ok(format!("{}{expect}{}", &text[..start], &text[end..]));
    }
    let end = text.rfind('}').context("a fixture is a JSON object")?;
    let before = text[..end].trim_end();
    let comma = if members.is_empty() { "" } else { "," };
    let after = &text[end..];
    Ok(format!(
        "{before}{comma}\n{INDENT}\"expect\": {expect}\n{after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_expected_changes() {
        let stop = Expect::parse(r#"{"stop": "trap"}"#).unwrap();
        for (before, after) in [
            (
                "{\"name\":  \"a\", \"expect\": {\"effects\": []}, \"now_ms\": 1e3}\n",
                "{\"name\":  \"a\", \"expect\": {\n    \"stop\": \"trap\"\n  }, \"now_ms\": 1e3}\n",
            ),
            (
                "{\n  \"name\": \"}\"\n}\n",
                "{\n  \"name\": \"}\",\n  \"expect\": {\n    \"stop\": \"trap\"\n  }\n}\n",
            ),
        ] {
            assert_eq!(with_expect(before, &stop).unwrap(), after);
        }
    }
}
