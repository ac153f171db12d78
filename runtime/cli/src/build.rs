//! `ringfence build`: from a rule's folder to its component.
//!
//! Cargo compiles the crate to a core module, which is then stripped of debug
//! information (function names stay: backtraces show them) and wrapped into
//! the component that the SDK described in it. Rules of one workspace are
//! compiled by one call of Cargo, so that what they share is compiled once.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

mod cargo;
mod component;
mod folder;
mod toolchain;

pub(crate) use folder::RuleFolder;
use toolchain::Toolchain;

/// Lines of Cargo's output that an error repeats.
const REPEATED_LINES: usize = 200;

/// A rule that was built.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// The rule's name, from its `rule.toml`.
    pub(crate) name: String,
    /// The component.
    pub(crate) path: PathBuf,
    /// The component's size in bytes.
    pub(crate) size: u64,
}

/// Builds one rule into `out`, by default `target/NAME.wasm` in its folder.
/// Prints nothing; an error repeats what Cargo said.
pub(crate) fn build(rule_dir: &Path, out: Option<&Path>) -> Result<Built> {
    let rule = RuleFolder::open(rule_dir)?;
    let path = match out {
        Some(out) => out.to_owned(),
        None => rule_dir.join("target").join(format!("{}.wasm", rule.name)),
    };
    let mut said = VecDeque::new();
    let mut keep = |line: &str| {
        said.push_back(line.to_owned());
        if said.len() > REPEATED_LINES {
            said.pop_front();
        }
    };
    match build_rules(&[(rule, path)], &mut keep) {
        Ok(mut built) => built.pop().context("one rule gives one component"),
        Err(error) => {
            let said = said.make_contiguous().join("\n");
            Err(error.context(format!("cannot build {}:\n{said}", rule_dir.display())))
        }
    }
}

/// Builds the rules of these folders into `out_dir/NAME.wasm`; without an
/// `out_dir`, each into its own folder's `target/NAME.wasm`. Cargo's output
/// goes to `progress`, line by line.
pub(crate) fn build_all(
    rule_dirs: &[PathBuf],
    out_dir: Option<&Path>,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Built>> {
    let mut rules = Vec::new();
    for dir in rule_dirs {
        let rule = RuleFolder::open(dir)?;
        let file = format!("{}.wasm", rule.name);
        let path = match out_dir {
            Some(out_dir) => out_dir.join(file),
            None => dir.join("target").join(file),
        };
        ensure!(
            rules.iter().all(|(_, earlier)| *earlier != path),
            "{}: another folder's rule is also called `{}`; both would become {}",
            dir.display(),
            rule.name,
            path.display()
        );
        rules.push((rule, path));
    }
    build_rules(&rules, progress)
}

fn build_rules(
    rules: &[(RuleFolder, PathBuf)],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Built>> {
    if rules.is_empty() {
        bail!("no rule to build; give the folder of one, which holds a `rule.toml`");
    }
    let toolchain = Toolchain::find()?;
    progress(&format!("building for WebAssembly with {toolchain}"));
    let folders: Vec<&RuleFolder> = rules.iter().map(|(rule, _)| rule).collect();
    let modules = cargo::compile(&toolchain, &folders, progress)?;
    let mut built = Vec::new();
    for ((rule, path), module) in rules.iter().zip(modules) {
        let bytes = component::from_module(&module)
            .with_context(|| format!("{}: the compiled rule is not usable", rule.dir.display()))?;
        write(path, &bytes)?;
        built.push(Built {
            name: rule.name.to_string(),
            path: path.clone(),
            size: bytes.len() as u64,
        });
    }
    Ok(built)
}

/// Puts the bytes in place as a whole, so that nobody reads half a component.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let failed = || format!("cannot write {}", path.display());
    std::fs::create_dir_all(dir).with_context(failed)?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)
        .with_context(failed)?;
    std::io::Write::write_all(&mut file, bytes).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}
