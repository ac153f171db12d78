//! `ringfence build`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::build::build_all;
use crate::console::{self, Size};
use crate::error::Verdict;

/// Builds rules into components and prints each one's name, path and size.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Folders of rules.
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Where the components go, as NAME.wasm [default: `target` in each rule's folder]
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
}

pub(crate) fn build_command(args: &BuildArgs) -> Result<Verdict> {
    let built = build_all(&args.paths, args.out_dir.as_deref(), &mut |line| {
        console::say(line);
    })?;
    let width = built.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    for rule in built {
        let (name, path, size) = (rule.name, rule.path, Size(rule.size));
        console::print(format_args!("{name:width$}  {}  {size}", path.display()))?;
    }
    Ok(Verdict::Fine)
}
