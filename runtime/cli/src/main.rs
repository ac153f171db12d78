//! The ringfence command. So far: `ringfence build`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

mod build;

#[allow(clippy::print_stderr, reason = "a command speaks")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks"
)]
fn run() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|command| command != "build") {
        bail!("usage: ringfence build [--out-dir DIR] PATH...");
    }
    let (mut out_dir, mut dirs) = (None, Vec::new());
    while let Some(argument) = arguments.next() {
        if argument == "--out-dir" {
            let dir = arguments.next().context("--out-dir needs a folder")?;
            out_dir = Some(PathBuf::from(dir));
        } else {
            dirs.push(PathBuf::from(argument));
        }
    }
    let built = build::build_all(&dirs, out_dir.as_deref(), &mut |line| eprintln!("{line}"))?;
    for rule in built {
        println!(
            "{}\t{}\t{} bytes",
            rule.name,
            rule.path.display(),
            rule.size
        );
    }
    Ok(())
}
