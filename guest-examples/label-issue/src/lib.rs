//! Labels GitHub issues by what their text says. The data are the body of
//! GitHub's `issues` webhook as it comes; bodies of other webhooks are left
//! alone.

use ringfence::prelude::*;
use ringfence::serde_json::{self, value::RawValue};
use serde::de::IgnoredAny;

/// What of a webhook's body matters. Other webhooks' bodies have other
/// fields, or these with other meanings, so each may be missing.
#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(default)]
    action: Option<String>,
    /// Read only when it is wanted.
    #[serde(default, borrow)]
    issue: Option<&'a RawValue>,
    /// Present when the event is about a comment of the issue.
    #[serde(default)]
    comment: Option<IgnoredAny>,
    #[serde(default)]
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    full_name: String,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    title: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

/// A label, and the beginnings of words that tell it.
const LABELS: [(&str, &[&str]); 4] = [
    (
        "bug",
        &[
            "bug",
            "crash",
            "broken",
            "regression",
            "error",
            "fail",
            "spelling",
            "typo",
        ],
    ),
    ("documentation", &["docs", "document", "readme", "tutorial"]),
    ("enhancement", &["feature", "enhance", "support", "improve"]),
    ("question", &["question", "how", "why"]),
];

/// Labels new and edited GitHub issues by the words in their text.
#[rule(
    on("com.github.issues", ignore = "/issue/updated_at"),
    acts = "issue.label"
)]
fn label(webhook: Webhook, ctx: &mut Context) -> Result<()> {
    let wanted = matches!(
        webhook.action.as_deref(),
        Some("opened" | "edited" | "reopened")
    );
    let (true, None, Some(issue)) = (wanted, webhook.comment, webhook.issue) else {
        ctx.debug("not an issue that was opened, edited or reopened");
        return Ok(());
    };
    let issue = serde_json::from_str::<Issue>(issue.get())
        .map_err(|error| Error::invalid_event(format!("issue: {error}")))?;
    let repository = webhook
        .repository
        .map_or(String::new(), |repository| repository.full_name);
    let labels = missing_labels(&issue);
    if labels.is_empty() {
        return Ok(());
    }
    ctx.act(
        "issue.label",
        &json!({"repository": repository, "number": issue.number, "add": labels}),
    )
}

fn missing_labels(issue: &Issue) -> Vec<&'static str> {
    let body = issue.body.as_deref().unwrap_or("");
    let text = format!("{} {body}", issue.title).to_ascii_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let told = |beginnings: &[&str]| {
        words.iter().any(|word| {
            beginnings
                .iter()
                .any(|beginning| word.starts_with(beginning))
        })
    };
    LABELS
        .iter()
        .filter(|(_, beginnings)| told(beginnings))
        .map(|(label, _)| *label)
        .filter(|label| issue.labels.iter().all(|present| present.name != *label))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::label>("fixtures");
    }
}
