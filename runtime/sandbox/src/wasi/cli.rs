//! `wasi:cli`: a program without arguments, environment, input or terminal.

use wasmtime::component::Resource;

use super::interface::{Interface, charge_list, misuse, wasi};
use super::output::Output;
use super::streams::Input;

struct TerminalInput;
struct TerminalOutput;

pub(super) fn environment(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("get-environment", |caller, ()| {
        charge_list(caller, 0)?;
        Ok((Vec::<(String, String)>::new(),))
    })?;
    interface.func("get-arguments", |caller, ()| {
        charge_list(caller, 0)?;
        Ok((Vec::<String>::new(),))
    })?;
    interface.func("initial-cwd", |_, ()| Ok((None::<String>,)))
}

/// A rule has nothing to end but its run, and a run without a result is a
/// stop.
pub(super) fn exit(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    fn ended<T>(status: &str) -> wasmtime::Result<T> {
        Err(misuse(format!(
            "it called `exit` with status {status} instead of returning"
        )))
    }
    interface.func("exit", |_, (status,): (Result<(), ()>,)| {
        ended::<()>(if status.is_ok() { "0" } else { "1" })
    })?;
    interface.func("exit-with-code", |_, (status,): (u8,)| {
        ended::<()>(&status.to_string())
    })
}

pub(super) fn stdin(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("get-stdin", |caller, ()| {
        Ok((wasi(caller).table.push(Input::Empty)?,))
    })
}

pub(super) fn stdout(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("get-stdout", |caller, ()| {
        Ok((wasi(caller).table.push(Output::Stdout)?,))
    })
}

pub(super) fn stderr(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("get-stderr", |caller, ()| {
        Ok((wasi(caller).table.push(Output::Stderr)?,))
    })
}

pub(super) fn terminal_input(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.empty_resource::<TerminalInput>("terminal-input")
}

pub(super) fn terminal_output(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.empty_resource::<TerminalOutput>("terminal-output")
}

pub(super) fn terminal_stdin(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("get-terminal-stdin", |_, ()| {
        Ok((None::<Resource<TerminalInput>>,))
    })
}

pub(super) fn terminal_stdout(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    no_terminal_output(interface, "get-terminal-stdout")
}

pub(super) fn terminal_stderr(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    no_terminal_output(interface, "get-terminal-stderr")
}

fn no_terminal_output(interface: &mut Interface<'_>, name: &str) -> wasmtime::Result<()> {
    interface.func(name, |_, ()| Ok((None::<Resource<TerminalOutput>>,)))
}
