//! Telling what came of fixtures.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::json;

use super::find::RuleUnderTest;
use super::outcome::{Outcome, Summary};
use crate::console::{self, BAD, FAINT, GOOD, Grouped, NOTE, STRONG};

/// One rule's fixtures, for people.
pub(super) fn text(rule: &RuleUnderTest, outcomes: &[Outcome]) -> Result<()> {
    if !outcomes.is_empty() {
        console::print(format_args!("{STRONG}{}{STRONG:#}", rule.folder.name))?;
    }
    for outcome in outcomes {
        let verdict = match (outcome.passed(), outcome.updated) {
            (true, true) => format!("{GOOD}new {GOOD:#}"),
            (true, false) => format!("{GOOD}ok  {GOOD:#}"),
            (false, _) => format!("{BAD}FAIL{BAD:#}"),
        };
        let used = outcome.usage.map_or(String::new(), |usage| {
            format!(" {FAINT}({} fuel){FAINT:#}", Grouped(usage.fuel))
        });
        console::print(format_args!("  {verdict}  {}{used}", outcome.name))?;
        if !outcome.passed() {
            console::print(format_args!("        in {}", outcome.file.display()))?;
        }
        for problem in &outcome.problems {
            console::print(format_args!("        {problem}"))?;
        }
        for warning in outcome.warnings() {
            console::print(format_args!("        {NOTE}note:{NOTE:#} {warning}"))?;
        }
    }
    Ok(())
}

/// The last line, for people.
pub(super) fn text_end(summary: &Summary) -> Result<()> {
    let (passed, failed) = (summary.passed(), summary.failed());
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let filtered = summary.filtered_out;
    console::print(format_args!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {filtered} filtered out"
    ))
}

/// All of it, for programs.
pub(super) fn json(summary: &Summary) -> Result<()> {
    console::print_json(&json!({
        "passed": summary.passed(),
        "failed": summary.failed(),
        "filtered_out": summary.filtered_out,
        "tests": summary.outcomes,
    }))
}

/// All of it, for CI systems.
pub(super) fn junit(summary: &Summary) -> Result<()> {
    console::print(junit_text(summary).trim_end())
}

fn junit_text(summary: &Summary) -> String {
    let (tests, failures) = (summary.outcomes.len(), summary.failed());
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a `String` does not fail.
    let _ = writeln!(
        out,
        "<testsuites tests=\"{tests}\" failures=\"{failures}\">"
    );
    for outcomes in summary.outcomes.chunk_by(|a, b| a.rule == b.rule) {
        put_suite(&mut out, outcomes);
    }
    out.push_str("</testsuites>\n");
    out
}

fn put_suite(out: &mut String, outcomes: &[Outcome]) {
    let rule = outcomes.first().map_or("", |outcome| outcome.rule.as_str());
    let failures = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\">",
        escape(rule),
        outcomes.len()
    );
    for outcome in outcomes {
        let seconds = outcome.usage.map_or(0, |usage| usage.wall_us) as f64 / 1e6;
        let _ = write!(
            out,
            "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" time=\"{seconds:.6}\"",
            escape(rule),
            escape(&outcome.name),
            escape(&outcome.file.to_string_lossy())
        );
        if outcome.passed() {
            out.push_str("/>\n");
            continue;
        }
        let first = outcome.problems.first().map_or("", String::as_str);
        let _ = writeln!(
            out,
            ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
            escape(first),
            escape(&outcome.problems.join("\n"))
        );
    }
    out.push_str("  </testsuite>\n");
}

/// For XML 1.0, which cannot hold most control characters at all.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            control if control.is_control() => out.push('\u{fffd}'),
            plain => out.push(plain),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_is_well_formed_whatever_rules_say() {
        let mut failed = Outcome::of(&"a".parse().unwrap(), "a/fixtures/x.json".as_ref());
        failed.name = "<b> & \"c\"\u{1}".to_owned();
        failed.problems = vec!["/x: expected 1, got <2>".to_owned(), "more".to_owned()];
        let mut passed = Outcome::of(&"b".parse().unwrap(), "b/fixtures/y.json".as_ref());
        passed.name = "fine".to_owned();
        let mut summary = Summary::default();
        summary.add(vec![failed, passed]);
        insta::assert_snapshot!(junit_text(&summary), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites tests="2" failures="1">
          <testsuite name="a" tests="1" failures="1">
            <testcase classname="a" name="&lt;b&gt; &amp; &quot;c&quot;�" file="a/fixtures/x.json" time="0.000000">
              <failure message="/x: expected 1, got &lt;2&gt;">/x: expected 1, got &lt;2&gt;
        more</failure>
            </testcase>
          </testsuite>
          <testsuite name="b" tests="1" failures="0">
            <testcase classname="b" name="fine" file="b/fixtures/y.json" time="0.000000"/>
          </testsuite>
        </testsuites>
        "#);
    }
}
