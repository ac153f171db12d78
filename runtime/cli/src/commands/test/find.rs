//! Which rules, which components, which fixtures.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::build::{RuleFolder, build_all};
use crate::console;
use crate::error::Hint as _;

/// Fixtures of one rule.
const FIXTURES_MAX: usize = 10_000;

/// A rule and its component.
pub(super) struct RuleUnderTest {
    pub(super) folder: RuleFolder,
    pub(super) component: PathBuf,
}

/// The rules at a path, by name, each with its component, which is built
/// where none is given.
pub(super) fn rules(path: &Path, component: Option<&Path>) -> Result<Vec<RuleUnderTest>> {
    let dirs = rule_dirs(path)?;
    let folders: Vec<RuleFolder> = dirs
        .iter()
        .map(|dir| RuleFolder::open(dir))
        .collect::<Result<_>>()?;
    let components: Vec<PathBuf> = match component {
        None => build_all(&dirs, None, &mut |line| console::say(line))?
            .into_iter()
            .map(|built| built.path)
            .collect(),
        Some(dir) if dir.is_dir() => folders
            .iter()
            .map(|folder| dir.join(format!("{}.wasm", folder.name)))
            .collect(),
        Some(file) => {
            ensure!(
                folders.len() == 1,
                "`--component` names one file, and there are {} rules in {}",
                folders.len(),
                path.display()
            );
            vec![file.to_owned()]
        }
    };
    let rules = folders.into_iter().zip(components);
    Ok(rules
        .map(|(folder, component)| RuleUnderTest { folder, component })
        .collect())
}

fn rule_dirs(path: &Path) -> Result<Vec<PathBuf>> {
    if path.join("rule.toml").is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut dirs = Vec::new();
    for dir in list(path)? {
        if dir.join("rule.toml").is_file() {
            dirs.push(dir);
        }
    }
    if dirs.is_empty() {
        return Err(anyhow::anyhow!("{} holds no rule", path.display())).hint(
            "A rule's folder has a `rule.toml`; give one, or a folder of them. `ringfence new NAME` makes one.",
        );
    }
    Ok(dirs)
}

/// A rule's fixtures, by name.
pub(super) fn fixtures(dir: &Path) -> Result<Vec<PathBuf>> {
    let dir = dir.join("fixtures");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = list(&dir)?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "json")
    });
    if files.len() > FIXTURES_MAX {
        bail!("{} holds more than {FIXTURES_MAX} fixtures", dir.display());
    }
    Ok(files)
}

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = || format!("cannot list {}", dir.display());
    let entries = std::fs::read_dir(dir).with_context(failed)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(failed)?;
    paths.sort();
    Ok(paths)
}
