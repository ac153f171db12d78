//! JSON Schemas of configurations, written without a tree: a general library
//! for this would double the size of a rule.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

/// A type that a configuration is made of, and its JSON Schema (draft
/// 2020-12). Derive it beside `serde::Deserialize`:
///
/// ```
/// use ringfence::prelude::*;
///
/// /// Who gets what.
/// #[derive(Deserialize, Schema)]
/// #[serde(deny_unknown_fields)]
/// struct Config {
///     /// The team for the rest.
///     fallback: String,
///     #[serde(default)]
///     words: Vec<String>,
/// }
/// ```
///
/// The derive understands structs with named fields, enums of plain variants,
/// and serde's `rename`, `rename_all`, `default`, `skip` and
/// `deny_unknown_fields`; documentation becomes descriptions. For anything
/// else, implement the trait by hand. A type that contains itself cannot have
/// a schema here.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON Schema, which a rule's configuration needs",
    label = "add `#[derive(Schema)]`, or implement `ringfence::Schema`"
)]
pub trait Schema {
    /// Appends the schema, an object that may start with that description.
    ///
    /// `description` is a JSON string, or empty: the documentation of the
    /// field that has this type, which goes before that of the type.
    fn schema(out: &mut String, description: &str);
}

/// Begins a schema object: `{`, and the description if there is one.
pub fn open(out: &mut String, description: &str) {
    out.push('{');
    if !description.is_empty() {
        out.push_str("\"description\":");
        out.push_str(description);
        out.push(',');
    }
}

/// The schema as a document of its own.
pub fn document<T: Schema>() -> String {
    let mut out = String::from("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",");
    let start = out.len();
    T::schema(&mut out, "");
    // The object goes on where `$schema` ended.
    out.remove(start);
    out
}

macro_rules! simple {
    ($($keywords:literal: $($ty:ty),+;)*) => {
        $($(
            impl Schema for $ty {
                fn schema(out: &mut String, description: &str) {
                    open(out, description);
                    out.push_str(concat!($keywords, "}"));
                }
            }
        )+)*
    };
}

// Bounds of 64 bits are left out: many readers of schemas round them.
simple! {
    r#""type":"string""#: String, &str, Box<str>;
    r#""type":"string","minLength":1,"maxLength":1"#: char;
    r#""type":"boolean""#: bool;
    r#""type":"number""#: f32, f64;
    r#""type":"integer","minimum":0,"maximum":255"#: u8;
    r#""type":"integer","minimum":0,"maximum":65535"#: u16;
    r#""type":"integer","minimum":0,"maximum":4294967295"#: u32, usize;
    r#""type":"integer","minimum":0"#: u64;
    r#""type":"integer","minimum":-128,"maximum":127"#: i8;
    r#""type":"integer","minimum":-32768,"maximum":32767"#: i16;
    r#""type":"integer","minimum":-2147483648,"maximum":2147483647"#: i32, isize;
    r#""type":"integer""#: i64;
    r#""type":["null","boolean","number","string","array","object"]"#: Value;
}

impl<T: Schema> Schema for Option<T> {
    fn schema(out: &mut String, description: &str) {
        open(out, description);
        out.push_str("\"anyOf\":[");
        T::schema(out, "");
        out.push_str(",{\"type\":\"null\"}]}");
    }
}

impl<T: Schema> Schema for Box<T> {
    fn schema(out: &mut String, description: &str) {
        T::schema(out, description);
    }
}

/// `{"type": ..., KEYWORD: T}`.
fn containing<T: Schema>(out: &mut String, description: &str, keywords: &str) {
    open(out, description);
    out.push_str(keywords);
    T::schema(out, "");
    out.push('}');
}

macro_rules! lists {
    ($($ty:ident)+) => {
        $(impl<T: Schema> Schema for $ty<T> {
            fn schema(out: &mut String, description: &str) {
                containing::<T>(out, description, "\"type\":\"array\",\"items\":");
            }
        })+
    };
}

macro_rules! maps {
    ($($ty:ident)+) => {
        $(impl<T: Schema> Schema for $ty<String, T> {
            fn schema(out: &mut String, description: &str) {
                containing::<T>(out, description, "\"type\":\"object\",\"additionalProperties\":");
            }
        })+
    };
}

lists!(Vec BTreeSet HashSet);
maps!(BTreeMap HashMap);
