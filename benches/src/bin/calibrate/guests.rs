//! The guests.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use crate::template::rule;

/// What is expected of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As people write: held to the factor.
    Honest,
    /// Made to take as much time for its fuel as can be had.
    Made,
}

/// A rule, and what it is run on.
pub(crate) struct Guest {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
    /// The event's type.
    pub(crate) event: &'static str,
    /// The event's data, JSON.
    pub(crate) data: String,
    /// The configuration, JSON.
    pub(crate) config: String,
}

macro_rules! texts {
    ($kind:ident: $($name:literal = $file:literal),* $(,)?) => {
        [$((Kind::$kind, $name, include_str!(concat!("../../../guests/", $file)))),*]
    };
}

/// All of them, and the names of those that are not built.
///
/// # Errors
/// When one that is always there cannot be made.
pub(crate) fn all(folder: &Path) -> anyhow::Result<(Vec<Guest>, Vec<&'static str>)> {
    let mut guests = Vec::new();
    for (kind, name, text) in honest().into_iter().chain(made()) {
        let bytes = rule(text).with_context(|| name)?;
        guests.push(Guest {
            name,
            kind,
            bytes,
            event: "bench.run",
            data: "{}".into(),
            config: "{}".into(),
        });
    }
    for guest in &mut guests {
        if guest.name == "input" {
            guest.data = json!({"text": "x".repeat(250_000)}).to_string();
        }
    }
    let mut missing = Vec::new();
    for (name, file, event, data) in built() {
        let path = folder.join(format!("{file}.wasm"));
        match std::fs::read(&path) {
            Ok(bytes) => guests.push(Guest {
                name,
                kind: Kind::Honest,
                bytes,
                event,
                data: data.to_string(),
                config: "{}".into(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing.push(name),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok((guests, missing))
}

fn honest() -> Vec<(Kind, &'static str, &'static str)> {
    texts!(Honest:
        "integers" = "integers.wat",
        "floats" = "floats.wat",
        "divisions" = "divisions.wat",
        "calls" = "calls.wat",
        "interpreter" = "interpreter.wat",
        "sorting" = "sorting.wat",
        "bytes" = "bytes.wat",
        "scattered memory" = "scattered.wat",
        "memory.fill" = "fills.wat",
        "memory.copy" = "copies.wat",
        "growth" = "growth.wat",
        "sparse growth" = "sparse-growth.wat",
        "tables" = "tables.wat",
        "vectors" = "vectors.wat",
        "host calls" = "host.wat",
        "input" = "input.wat",
        "output" = "output.wat",
    )
    .into()
}

fn made() -> Vec<(Kind, &'static str, &'static str)> {
    texts!(Made:
        "dense growth" = "made/dense-growth.wat",
        "touched pages" = "made/touches.wat",
        "far pointers" = "made/chase.wat",
        "ref.func" = "made/references.wat",
        "growth by nothing" = "made/no-growth.wat",
        "growth that fails" = "made/failing-growth.wat",
        "square roots" = "made/divisions.wat",
        "wild branches" = "made/guesses.wat",
        "empty fills" = "made/small-fills.wat",
    )
    .into()
}

/// Rules built from other languages: name, file, event type, data.
fn built() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let labels: Vec<_> = (0..300)
        .map(|n| {
            json!({
                "id": n, "name": format!("label {n}"), "color": "d73a4a", "default": n % 2 == 0,
                "url": format!("https://api.github.com/repos/a/b/labels/{n}"), "score": f64::from(n) / 7.0,
            })
        })
        .collect();
    let issue = |body: String, labels: &[Value]| {
        json!({
            "action": "opened",
            "issue": {"number": 17, "title": "Something odd", "body": body, "labels": labels},
            "repository": {"full_name": "a/b"},
        })
    };
    let words = |bytes: usize| "lorem ipsum dolor sit amet ".repeat(bytes / 27);
    let tags: Vec<_> = (0..400)
        .map(|n| format!("tag-{}", n * 7919 % 10_007))
        .collect();
    let customer = json!({"id": "u-1", "tags": &tags[..50]});
    vec![
        (
            "JSON (Rust)",
            "label-issue",
            "com.github.issues",
            issue(words(2_000), &labels),
        ),
        (
            "text (Rust)",
            "label-issue",
            "com.github.issues",
            issue(words(40_000), &[]),
        ),
        (
            "comparing (Rust)",
            "tag-sync",
            "conversation.created",
            json!({"tags": tags, "customer": customer}),
        ),
        (
            "JavaScript (QuickJS)",
            "js-survey",
            "conversation.closed",
            json!({"contact": "c-1", "closed_by": "a-1", "notes": words(20_000)}),
        ),
        (
            "Python (CPython)",
            "python-office-hours",
            "conversation.created",
            json!({"contact": "c-1", "channel": "email", "tags": &tags[..50]}),
        ),
    ]
}
