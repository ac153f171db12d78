//! JSON text that was checked once and is then passed on untouched.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct JsonError(String);

/// How deep arrays and objects may nest: what `serde_json` parses into a
/// tree, and most parsers of guests with it.
const DEPTH_MAX: usize = 127;

/// UTF-8 JSON text, known to be well-formed and nested at most 127 deep.
/// Serializes as the value that it holds, not as a
/// string. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

impl Json {
    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let raw: &RawValue =
            serde_json::from_str(text).map_err(|error| JsonError(error.to_string()))?;
        check_depth(raw.get())?;
        Ok(Self(raw.get().into()))
    }

    /// Takes a text that this process, or the store, has checked before.
    pub fn trusted(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The value `null`.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// The value `{}`.
    pub fn empty_object() -> Self {
        Self("{}".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The text's length in bytes.
    pub fn size(&self) -> u64 {
        self.0.len() as u64
    }

    /// What a member of this object holds, if that is a string.
    pub fn text_of(&self, member: &str) -> Option<String> {
        let value = self.to_value();
        value.get(member)?.as_str().map(str::to_owned)
    }

    /// The text as a tree.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or(serde_json::Value::Null)
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

impl TryFrom<Box<RawValue>> for Json {
    type Error = JsonError;

    fn try_from(raw: Box<RawValue>) -> Result<Self, JsonError> {
        check_depth(raw.get())?;
        Ok(Self(Box::<str>::from(raw).into()))
    }
}

impl TryFrom<&RawValue> for Json {
    type Error = JsonError;

    fn try_from(raw: &RawValue) -> Result<Self, JsonError> {
        check_depth(raw.get())?;
        Ok(Self(raw.get().into()))
    }
}

/// Of well-formed text. `RawValue` itself accepts any depth.
fn check_depth(text: &str) -> Result<(), JsonError> {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(JsonError(format!("nested more than {DEPTH_MAX} deep")));
                }
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    Ok(())
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Box::<RawValue>::deserialize(deserializer)?)
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_passes_untouched() {
        let text = r#"{"b": 1.0, "a": [1e2, "é"]}"#;
        let json = Json::parse(text).unwrap();
        assert_eq!(json.as_str(), text);
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Json::parse(&nested(127)).is_ok());
        assert!(Json::parse(&nested(128)).is_err());
        assert!(serde_json::from_str::<Json>(&nested(128)).is_err());
        assert!(Json::parse(&format!(r#""{}\"[""#, "[{".repeat(200))).is_ok());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "nul", "1 2", "{\"a\":}", deep.as_str()] {
            assert!(Json::parse(text).is_err(), "{text:.20}");
        }
    }
}
