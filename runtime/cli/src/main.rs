//! The ringfence command.

use std::process::ExitCode;

use clap::Parser;

mod build;
mod config;
mod data;
mod host;
mod serve;

/// Runs automation rules, each in a sandbox with hard limits.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, arg_required_else_help = true)]
enum Command {
    /// Run a server.
    Serve(serve::Serve),
    /// Build rules into components.
    Build(build::Build),
}

fn main() -> ExitCode {
    // Usage errors end here, with 2.
    let done = match Command::parse() {
        Command::Serve(serve) => serve.run(),
        Command::Build(build) => build.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(2)
        }
    }
}

#[allow(clippy::print_stderr)] // where a command says what went wrong
fn report(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
