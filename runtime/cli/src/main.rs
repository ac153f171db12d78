//! The `ringfence` command: runs a server, and helps those who write rules.
//!
//! Data goes to stdout, everything else to stderr. The exit code is 0 when
//! all is well, 1 when a rule or a test failed, 2 when the command was not
//! understood or could not do its work.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod build;
mod case;
mod child;
mod commands;
mod config;
mod console;
mod data;
mod diff;
mod error;
mod files;
mod host;
mod lab;
mod logging;
mod memory;

use child::ChildArgs;
use commands::{
    BuildArgs, DemoArgs, InspectArgs, NewArgs, RunArgs, ServeArgs, TestArgs, build_command, demo,
    inspect, new, run, serve, test,
};
use error::Verdict;

/// Runs the automation rules of many tenants, each in a sandbox with limits.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve(ServeArgs),
    /// Shows on this machine what a storm in three of eight tenants does to the others.
    Demo(DemoArgs),
    /// Makes the folder of a new rule.
    New(NewArgs),
    /// Builds rules into components.
    Build(BuildArgs),
    /// Runs rules' fixtures in the sandbox that also runs them in production.
    Test(TestArgs),
    /// Runs a component on one event and shows what came of it.
    Run(RunArgs),
    /// Shows what a component is and declares.
    Inspect(InspectArgs),
    /// A process that the others start; not for people.
    #[command(hide = true)]
    Child(ChildArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let verdict = match &cli.command {
        Command::Serve(args) => serve(args),
        Command::Demo(args) => demo(args),
        Command::New(args) => new(args),
        Command::Build(args) => build_command(args),
        Command::Test(args) => test(args),
        Command::Run(args) => run(args),
        Command::Inspect(args) => inspect(args),
        Command::Child(args) => child::run(args),
    };
    match verdict {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(1),
        Err(error) if error::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            console::explain(&error);
            ExitCode::from(2)
        }
    }
}
