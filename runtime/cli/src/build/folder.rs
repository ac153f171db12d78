//! A rule's folder and its `rule.toml`.
//!
//! ```toml
//! # What the rule is called: 1 to 63 characters of a-z, 0-9 and `-`.
//! name = "assign-by-skill"
//! # What it is written in. So far: "rust".
//! language = "rust"
//!
//! # The configuration to use where none is given: in tests, in `run`, in the
//! # demonstration.
//! [config]
//! fallback = "triage"
//!
//! # Limits for tests, lowered as an activation would lower them.
//! [limits]
//! fuel = 1_000_000
//! ```
//! `docs/rule-folder.md` describes the whole folder.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ringfence_model::{LimitOverrides, RuleName};
use serde::Deserialize;

/// The largest `rule.toml`, in bytes.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// A rule's folder, as its `rule.toml` describes it.
#[derive(Debug, Clone)]
pub(crate) struct RuleFolder {
    /// Where it is.
    pub(crate) dir: PathBuf,
    /// What the rule is called.
    pub(crate) name: RuleName,
    /// The configuration to use where none is given, an object.
    pub(crate) config: serde_json::Value,
    /// Limits for tests.
    pub(crate) limits: LimitOverrides,
}

/// What a rule is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Language {
    /// Rust, with the SDK in `sdk/rust`.
    Rust,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: RuleName,
    language: Language,
    #[serde(default)]
    config: toml::Table,
    #[serde(default)]
    limits: LimitOverrides,
}

impl RuleFolder {
    /// Reads the folder's `rule.toml`.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("rule.toml");
        let text = read_bounded(&path).with_context(|| {
            format!(
                "cannot read {}; a rule's folder holds a `rule.toml` with at least \
                 `name = \"...\"` and `language = \"rust\"`",
                path.display()
            )
        })?;
        Self::parse(dir, &text).with_context(|| format!("{} is not usable", path.display()))
    }

    fn parse(dir: &Path, text: &str) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        file.limits.check()?;
        // So far there is one way to build a rule.
        let Language::Rust = file.language;
        Ok(Self {
            dir: dir.to_owned(),
            name: file.name,
            config: serde_json::Value::Object(to_json(file.config, "config")?),
            limits: file.limits,
        })
    }
}

fn read_bounded(path: &Path) -> Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MANIFEST_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MANIFEST_BYTES_MAX {
        bail!("it has more than {MANIFEST_BYTES_MAX} bytes");
    }
    Ok(text)
}

type Object = serde_json::Map<String, serde_json::Value>;

fn to_json(table: toml::Table, place: &str) -> Result<Object> {
    let entry = |(key, value): (String, toml::Value)| {
        let place = format!("{place}.{key}");
        Ok((key, value_to_json(value, &place)?))
    };
    table.into_iter().map(entry).collect()
}

/// TOML knows dates and numbers that JSON does not.
fn value_to_json(value: toml::Value, place: &str) -> Result<serde_json::Value> {
    use serde_json::Value;
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Float(number) => match serde_json::Number::from_f64(number) {
            Some(number) => Value::Number(number),
            None => bail!("`{place}` is {number}, which JSON cannot hold"),
        },
        toml::Value::Datetime(_) => {
            bail!("`{place}` is a date, which JSON does not know; write it as a string")
        }
        toml::Value::Array(values) => Value::Array(
            values
                .into_iter()
                .map(|value| value_to_json(value, place))
                .collect::<Result<_>>()?,
        ),
        toml::Value::Table(table) => Value::Object(to_json(table, place)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "name = \"a\"\nlanguage = \"rust\"\n";

    #[test]
    fn configuration_and_limits_are_read() {
        let text = format!(
            "{LEAST}[config]\nteams = [{{ name = \"x\", size = 2 }}]\n[limits]\nfuel = 5_000\n"
        );
        let rule = RuleFolder::parse(Path::new("a"), &text).unwrap();
        assert_eq!(
            rule.config,
            serde_json::json!({"teams": [{"name": "x", "size": 2}]})
        );
        assert_eq!(rule.limits.fuel, Some(5_000));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            (String::new(), "name"),
            (
                "name = \"A b\"\nlanguage = \"rust\"".to_owned(),
                "a rule's name",
            ),
            ("name = \"a\"\nlanguage = \"cobol\"".to_owned(), "cobol"),
            (format!("{LEAST}nmae = 1"), "nmae"),
            (format!("{LEAST}[limits]\nfeul = 1"), "feul"),
            (format!("{LEAST}[limits]\nfuel = 1"), "`fuel` may be"),
            (format!("{LEAST}[config]\nday = 2026-01-01"), "config.day"),
            (format!("{LEAST}[config.a]\nb = nan"), "config.a.b"),
        ] {
            let error = RuleFolder::parse(Path::new("a"), &text).unwrap_err();
            let said = format!("{error:#}");
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn the_examples_are_rules() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-examples");
        let mut count = 0;
        for entry in std::fs::read_dir(examples).unwrap() {
            let dir = entry.unwrap().path();
            if !dir.join("src").is_dir() {
                continue;
            }
            let rule = RuleFolder::open(&dir).unwrap();
            assert_eq!(dir.file_name().unwrap(), rule.name.as_str());
            assert!(
                dir.join("fixtures").read_dir().unwrap().count() > 0,
                "{}",
                rule.name
            );
            count += 1;
        }
        assert!(count >= 16, "{count}");
    }

    #[test]
    fn a_huge_file_is_refused_unread() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("rule.toml"), vec![b'#'; 70_000]).unwrap();
        let error = RuleFolder::open(dir.path()).unwrap_err();
        assert!(format!("{error:#}").contains("more than 65536 bytes"));
    }
}
