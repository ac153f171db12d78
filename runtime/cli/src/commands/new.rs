//! `ringfence new`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use ringfence_model::RuleName;

use crate::console;
use crate::error::{Hint as _, Verdict};

/// The files of a new rule. `{{name}}` and `{{sdk}}` are filled in.
const TEMPLATE: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        include_str!("../../template/Cargo.toml.template"),
    ),
    ("rule.toml", include_str!("../../template/rule.toml")),
    (".gitignore", include_str!("../../template/gitignore")),
    ("src/lib.rs", include_str!("../../template/src/lib.rs")),
    (
        "fixtures/urgent.json",
        include_str!("../../template/fixtures/urgent.json"),
    ),
    (
        "fixtures/normal.json",
        include_str!("../../template/fixtures/normal.json"),
    ),
];

/// Where the SDK was when this program was built.
const BUILT_WITH_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/rust");

/// Makes the folder of a new rule, which builds and passes its tests.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Where: a path whose last part is the rule's name.
    #[arg(value_name = "NAME")]
    path: PathBuf,
    /// What it is written in.
    #[arg(long, value_enum, default_value = "rust")]
    lang: Lang,
    /// The SDK's folder [default: the one near NAME, or the one this program was built with]
    #[arg(long, value_name = "DIR", env = "RINGFENCE_SDK")]
    sdk: Option<PathBuf>,
}

/// What a rule is written in.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Lang {
    /// Rust.
    Rust,
}

pub(crate) fn new(args: &NewArgs) -> Result<Verdict> {
    let Lang::Rust = args.lang;
    let name = args.path.file_name().and_then(|name| name.to_str());
    let name: RuleName = name
        .with_context(|| format!("{} does not end in a name", args.path.display()))?
        .parse()?;
    ensure!(
        name.as_str()
            .starts_with(|first: char| first.is_ascii_lowercase()),
        "`{name}`: Cargo wants a letter as the first character of a crate's name"
    );
    let sdk = sdk(args)?;
    let sdk = sdk.to_str().context("the path of the SDK is not UTF-8")?;
    write(&args.path, name.as_str(), sdk)?;
    console::say(format_args!(
        "made {0}; now: ringfence test {0}",
        args.path.display()
    ));
    Ok(Verdict::Fine)
}

/// The SDK, wherever it may be on this machine.
fn sdk(args: &NewArgs) -> Result<PathBuf> {
    if let Some(given) = &args.sdk {
        ensure!(is_sdk(given), "{} is not the SDK's folder", given.display());
        return given.canonicalize().context("cannot find the SDK");
    }
    let start = std::path::absolute(&args.path).context("cannot tell where this is")?;
    let near = start.ancestors().map(|folder| folder.join("sdk/rust"));
    let built_with = PathBuf::from(BUILT_WITH_SDK);
    let found = near.chain([built_with]).find(|folder| is_sdk(folder));
    let found = found
        .context("the Ringfence SDK for Rust is not near")
        .hint("Name its folder, `sdk/rust` in Ringfence's repository: `--sdk DIR`.")?;
    found.canonicalize().context("cannot find the SDK")
}

fn is_sdk(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"));
    manifest.is_ok_and(|text| text.lines().any(|line| line == "name = \"ringfence\""))
}

fn write(folder: &Path, name: &str, sdk: &str) -> Result<()> {
    let failed = || format!("cannot make {}", folder.display());
    fs::create_dir(folder)
        .with_context(failed)
        .hint("Nothing that is there is overwritten; give another name.")?;
    // A JSON string is a TOML string too.
    let quoted_sdk = serde_json::to_string(sdk)?;
    for (path, text) in TEMPLATE {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(failed)?;
        }
        let text = text
            .replace("{{name}}", name)
            .replace("{{sdk}}", &quoted_sdk);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_rule_is_whole_and_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let args = NewArgs {
            path: dir.path().join("my-rule"),
            lang: Lang::Rust,
            sdk: None,
        };
        assert_eq!(new(&args).unwrap(), Verdict::Fine);
        for (path, _) in TEMPLATE {
            let text = fs::read_to_string(args.path.join(path)).unwrap();
            assert!(!text.contains("{{"), "{path}: {text}");
        }
        let manifest = fs::read_to_string(args.path.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let sdk = manifest["dependencies"]["ringfence"]["path"]
            .as_str()
            .unwrap();
        assert!(is_sdk(Path::new(sdk)), "{sdk}");
        assert!(format!("{:#}", new(&args).unwrap_err()).contains("cannot make"));
    }

    #[test]
    fn names_and_sdks_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        for (name, sdk, part) in [
            ("My_Rule", None, "is not a rule's name"),
            ("7up", None, "wants a letter"),
            ("a", Some(dir.path().to_owned()), "not the SDK's folder"),
        ] {
            let args = NewArgs {
                path: dir.path().join(name),
                lang: Lang::Rust,
                sdk,
            };
            let said = format!("{:#}", new(&args).unwrap_err());
            assert!(said.contains(part), "{name}: {said}");
            assert!(!args.path.exists());
        }
    }
}
