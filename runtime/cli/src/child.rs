//! `ringfence child`: what the binary is when it was started by itself.

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::error::Verdict;

/// Which child to be.
#[derive(Debug, Args)]
pub(crate) struct ChildArgs {
    kind: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Compile,
    Run,
}

/// Confines itself and does its work.
pub(crate) fn run(args: &ChildArgs) -> Result<Verdict> {
    match args.kind {
        Kind::Compile => ringfence_processes::compile_main(),
        Kind::Run => ringfence_processes::run_main(),
    }
    .context("the child cannot do its work")?;
    Ok(Verdict::Fine)
}
