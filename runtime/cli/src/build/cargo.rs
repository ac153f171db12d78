//! Compiling rules with Cargo: one call per workspace.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::folder::RuleFolder;
use super::toolchain::{TARGET, Toolchain};

/// Names the folder for Cargo's output, instead of the workspace's `target`.
const TARGET_DIR_VARIABLE: &str = "RINGFENCE_GUEST_TARGET_DIR";

/// The profile of rules: small, fast, and the same whatever profiles their
/// workspace has. What is linked: see `linking`.
const PROFILE: [&str; 6] = [
    "profile.rule.inherits='release'",
    "profile.rule.opt-level=2",
    "profile.rule.lto='fat'",
    "profile.rule.codegen-units=1",
    "profile.rule.panic='abort'",
    "profile.rule.strip='debuginfo'",
];

/// Each rule's core module, in the order given.
pub(super) fn compile(
    toolchain: &Toolchain,
    rules: &[&RuleFolder],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<PathBuf>> {
    let mut workspaces = BTreeMap::<PathBuf, Vec<(usize, PathBuf)>>::new();
    for (index, rule) in rules.iter().enumerate() {
        let (workspace, manifest) = locate(toolchain, &rule.dir)?;
        workspaces
            .entry(workspace)
            .or_default()
            .push((index, manifest));
    }
    let mut modules = vec![PathBuf::new(); rules.len()];
    for (workspace, members) in workspaces {
        let manifests: Vec<&Path> = members.iter().map(|(_, path)| path.as_path()).collect();
        let compiled = compile_workspace(toolchain, &workspace, &manifests, progress)?;
        for ((index, _), module) in members.iter().zip(compiled) {
            modules[*index] = module;
        }
    }
    Ok(modules)
}

/// The workspace of a rule's crate, and the crate's own Cargo.toml.
fn locate(toolchain: &Toolchain, dir: &Path) -> Result<(PathBuf, PathBuf)> {
    let manifest = dir.join("Cargo.toml");
    let manifest = manifest.canonicalize().with_context(|| {
        format!(
            "cannot find {}, which a Rust rule needs",
            manifest.display()
        )
    })?;
    let mut locate = toolchain.cargo();
    locate
        .args([
            "locate-project",
            "--workspace",
            "--message-format=plain",
            "--manifest-path",
        ])
        .arg(&manifest);
    let output = locate.output().context("cannot run cargo")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("cargo refuses {}: {}", manifest.display(), said.trim());
    }
    let workspace = String::from_utf8(output.stdout).context("cargo's answer is not UTF-8")?;
    Ok((PathBuf::from(workspace.trim_end()), manifest))
}

fn compile_workspace(
    toolchain: &Toolchain,
    workspace: &Path,
    manifests: &[&Path],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<PathBuf>> {
    let ids = package_ids(toolchain, workspace, manifests)?;
    let mut build = toolchain.cargo();
    build.args([
        "build",
        "--lib",
        "--profile=rule",
        "--message-format=json-render-diagnostics",
    ]);
    build
        .args(toolchain.arguments())
        .arg("--manifest-path")
        .arg(workspace);
    for line in PROFILE {
        build.arg("--config").arg(line);
    }
    build.arg("--config").arg(linking());
    build.arg("--target-dir").arg(target_dir(workspace));
    for id in &ids {
        build.arg("--package").arg(id);
    }
    let modules = run(build, progress)?;
    let module = |id: &String| {
        modules.get(id).cloned().with_context(|| {
            format!("{id} gave no WebAssembly module: Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`")
        })
    };
    ids.iter().map(module).collect()
}

/// The stack lies first, so that overflowing it traps instead of overwriting
/// data, and is small: what lies between is part of each instance's image.
/// 64 KiB hold serde_json's deepest parse (128 levels) with room to spare.
fn linking() -> String {
    format!(
        "target.{TARGET}.rustflags=['-Clink-arg=-zstack-size=65536','-Clink-arg=--stack-first']"
    )
}

fn target_dir(workspace: &Path) -> PathBuf {
    let default = || workspace.with_file_name("target").into_os_string();
    let given = std::env::var_os(TARGET_DIR_VARIABLE).filter(|dir: &OsString| !dir.is_empty());
    given.unwrap_or_else(default).into()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    manifest_path: PathBuf,
}

/// Cargo's names of the packages with these manifests.
fn package_ids(
    toolchain: &Toolchain,
    workspace: &Path,
    manifests: &[&Path],
) -> Result<Vec<String>> {
    let mut command = toolchain.cargo();
    command
        .args([
            "metadata",
            "--no-deps",
            "--format-version=1",
            "--manifest-path",
        ])
        .arg(workspace);
    let output = command.output().context("cannot run cargo")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("cargo refuses {}: {}", workspace.display(), said.trim());
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo's metadata are not readable")?;
    let id = |manifest: &&Path| {
        let package = metadata
            .packages
            .iter()
            .find(|package| package.manifest_path == **manifest);
        package.map(|package| package.id.clone()).with_context(|| {
            format!(
                "{} is not a package of {}",
                manifest.display(),
                workspace.display()
            )
        })
    };
    manifests.iter().map(id).collect()
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Runs Cargo and gives the modules that it made, by package.
fn run(mut command: Command, progress: &mut dyn FnMut(&str)) -> Result<BTreeMap<String, PathBuf>> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run cargo")?;
    let answers = child.stdout.take().context("cargo's output is piped")?;
    // Both pipes are read at the same time: a full one would block Cargo.
    let answers = std::thread::spawn(move || read_modules(answers));
    relay(&mut child, progress)?;
    let status = child.wait().context("cannot wait for cargo")?;
    let modules = answers
        .join()
        .map_err(|_| anyhow::anyhow!("reading cargo's output panicked"))??;
    if !status.success() {
        bail!("the rule does not compile: cargo ended with {status}");
    }
    Ok(modules)
}

fn relay(child: &mut Child, progress: &mut dyn FnMut(&str)) -> Result<()> {
    let errors = child.stderr.take().context("cargo's errors are piped")?;
    for line in BufReader::new(errors).split(b'\n') {
        let line = line.context("cannot read what cargo says")?;
        progress(&String::from_utf8_lossy(&line));
    }
    Ok(())
}

fn read_modules(answers: impl Read) -> Result<BTreeMap<String, PathBuf>> {
    let mut modules = BTreeMap::new();
    for line in BufReader::new(answers).lines() {
        let line = line.context("cannot read cargo's answer")?;
        let message: Message =
            serde_json::from_str(&line).context("cargo's answer is not readable")?;
        if message.reason != "compiler-artifact" {
            continue;
        }
        let wasm = |path: &&PathBuf| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        };
        if let (Some(id), Some(path)) = (message.package_id, message.filenames.iter().find(wasm)) {
            modules.insert(id, path.clone());
        }
    }
    Ok(modules)
}
