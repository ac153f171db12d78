//! One text for JSON that means the same: without blanks, members in the order
//! of their names, and without what does not count.
//!
//! Strings and numbers stay as they were written: two spellings of one value
//! (`1.0` and `1`) count as different, because a rule sees the text and may
//! tell them apart. So what is called equal is.

use std::borrow::Cow;

use ringfence_model::Json;

/// The text of this JSON without what these JSON pointers (RFC 6901) name.
pub(crate) fn canonical(json: &Json, ignore: &[String]) -> Vec<u8> {
    let ignored: Vec<Vec<String>> = ignore.iter().map(|pointer| tokens(pointer)).collect();
    let ignored: Vec<&[String]> = ignored.iter().map(Vec::as_slice).collect();
    let mut reader = Reader {
        text: json.as_str(),
        at: 0,
    };
    let mut out = Vec::with_capacity(json.as_str().len());
    reader.value(&ignored, &mut out);
    out
}

fn tokens(pointer: &str) -> Vec<String> {
    let tokens = pointer.split('/').skip(1);
    tokens
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// Reads text that is known to be JSON.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or_default()
    }

    /// A string with its quotes, or anything else that has no parts.
    fn scalar(&mut self) -> &'a str {
        let (bytes, begin) = (self.text.as_bytes(), self.at);
        if bytes.get(begin) == Some(&b'"') {
            self.at += 1;
            let rest = |at: usize| bytes.get(at..).unwrap_or_default();
            let special = |byte: &u8| matches!(byte, b'"' | b'\\');
            while let Some(next) = rest(self.at).iter().position(special) {
                self.at += next;
                if bytes.get(self.at) == Some(&b'"') {
                    break;
                }
                self.at += 2;
            }
            self.at = (self.at + 1).min(bytes.len());
        } else {
            let ends =
                |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
            let rest = bytes.get(begin..).unwrap_or_default();
            self.at = begin + rest.iter().position(ends).unwrap_or(rest.len());
        }
        self.text.get(begin..self.at).unwrap_or_default()
    }

    fn value(&mut self, ignored: &[&[String]], out: &mut Vec<u8>) {
        match self.peek() {
            b'{' => self.object(ignored, out),
            b'[' => self.array(ignored, out),
            _ => out.extend_from_slice(self.scalar().as_bytes()),
        }
    }

    fn array(&mut self, ignored: &[&[String]], out: &mut Vec<u8>) {
        self.at += 1;
        out.push(b'[');
        let (mut index, mut place) = (0usize, String::new());
        while !matches!(self.peek(), b']' | 0) {
            if !ignored.is_empty() {
                place = index.to_string();
            }
            self.part(&place, ignored, out);
            // Ignored or not, it has a place: others do not move into it.
            out.push(b',');
            index += 1;
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        out.push(b']');
    }

    fn object(&mut self, ignored: &[&[String]], out: &mut Vec<u8>) {
        self.at += 1;
        out.push(b'{');
        let begin = out.len();
        let mut members: Vec<(&'a str, usize, usize)> = Vec::new();
        while self.peek() == b'"' {
            let name = self.scalar();
            if self.peek() == b':' {
                self.at += 1;
            }
            let from = out.len();
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            if self.part(name, ignored, out) {
                out.push(b',');
                members.push((name, from, out.len()));
            } else {
                out.truncate(from);
            }
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        if !members.is_sorted_by(|one, other| one.0 <= other.0) {
            // Stable: of members with one name the order may count.
            members.sort_by_key(|(name, ..)| *name);
            let end = out.len();
            for (_, from, to) in members {
                out.extend_from_within(from..to);
            }
            out.drain(begin..end);
        }
        out.push(b'}');
    }

    /// A member or an element; false if it does not count.
    fn part(&mut self, name: &str, ignored: &[&[String]], out: &mut Vec<u8>) -> bool {
        if ignored.is_empty() {
            self.value(ignored, out);
            return true;
        }
        let name = &*decoded(name);
        let within = ignored
            .iter()
            .filter_map(|pointer| pointer.split_first())
            .filter(|(first, _)| *first == name);
        let within: Vec<&[String]> = within.map(|(_, rest)| rest).collect();
        let from = out.len();
        self.value(&within, out);
        let is_ignored = within.iter().any(|rest| rest.is_empty());
        if is_ignored {
            out.truncate(from);
        }
        !is_ignored
    }
}

/// A member's name without quotes and escapes.
fn decoded(name: &str) -> Cow<'_, str> {
    let inner = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    let inner = inner.unwrap_or(name);
    if !name.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let text = Json::trusted(name).to_value();
    let text = text.as_str().map(str::to_owned);
    text.map_or(Cow::Borrowed(inner), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(json: &str, ignore: &[&str]) -> String {
        let ignore: Vec<String> = ignore.iter().map(|p| (*p).to_owned()).collect();
        String::from_utf8(canonical(&Json::parse(json).unwrap(), &ignore)).unwrap()
    }

    #[test]
    fn what_means_the_same_is_the_same_and_nothing_else() {
        for (one, other, ignore, same) in [
            (r#"{"a": 1, "b":[ ]}"#, r#"{"b":[],"a":1}"#, &[][..], true),
            (r#"{"a":1}"#, r#"{"a":1.0}"#, &[], false),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#, &[], false),
            ("18446744073709551616", "18446744073709551617", &[], false),
            (r#"[1,2]"#, r#"[2,1]"#, &[], false),
            (r#"["a,b"]"#, r#"["a","b"]"#, &[], false),
            (
                r#"{"a":1,"t":5}"#,
                r#"{"t":{"x":[6]},"a":1}"#,
                &["/t"],
                true,
            ),
            (r#"{"a":1,"t":5}"#, r#"{"a":1}"#, &["/t"], true),
            (r#"{"x":{"t":5}}"#, r#"{"x":{"t":6}}"#, &["/x/t"], true),
            (r#"{"x":{"t":5}}"#, r#"{"x":{"t":6}}"#, &["/t"], false),
            (r#"{"a/b":5}"#, r#"{"a/b":6}"#, &["/a~1b"], true),
            (r#"{"\u0061":5}"#, r#"{"\u0061":6}"#, &["/a"], true),
            (r#"[1,5]"#, r#"[1,6]"#, &["/1"], true),
            (r#"[5,1]"#, r#"[1]"#, &["/0"], false),
            (r#"{"t":"\"}"}"#, r#"{"t":"\"]"}"#, &[], false),
            ("5", "6", &["/t"], false),
        ] {
            assert_eq!(
                text(one, ignore) == text(other, ignore),
                same,
                "{one} {other}"
            );
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<i64>().prop_map(|n| n.to_string()),
            "[a-c\"\\\\é ]{0,4}"
                .prop_map(|text| Json::from(&text.as_str().into()).as_str().to_owned()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let members = prop::collection::btree_map("[a-c]", inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4)
                    .prop_map(|items| format!("[{}]", items.join(" , "))),
                members.prop_map(|members| {
                    let members = members.iter().rev();
                    let members: Vec<_> = members.map(|(k, v)| format!("\"{k}\" : {v}")).collect();
                    format!("{{ {} }}", members.join(","))
                }),
            ]
        })
    }

    proptest! {
        /// Equal as trees and equal as canonical text are the same, where
        /// numbers are written in one way.
        #[test]
        fn it_agrees_with_trees(one in json(), other in json()) {
            let tree = |text: &str| Json::parse(text).unwrap().to_value();
            let is_same = tree(&one) == tree(&other);
            prop_assert_eq!(text(&one, &[]) == text(&other, &[]), is_same);
            prop_assert_eq!(text(&one, &[]), text(&tree(&one).to_string(), &[]));
        }
    }
}
