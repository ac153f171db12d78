//! Stand-ins for WASI 0.2, so that components of toolchains that cannot do
//! without it run: the clocks show the event's time, randomness is the
//! event's, what is printed goes to the log, and of the world outside there
//! is nothing but, where the operator gives one, a folder of the tenant's
//! data to read. `docs/wasi.md` says what each interface answers.
//!
//! Whatever is answered follows from the event (and from the data folder), so
//! that a run can be repeated; nothing waits; nothing starts a thread. Each
//! call costs fuel. What a run makes the host keep is in its [`Wasi`], which
//! a run that uses none of this never has.

mod cli;
mod clocks;
mod filesystem;
mod folder;
mod interface;
mod output;
mod poll;
mod random;
mod sockets;
mod streams;

use std::collections::HashMap;
use std::sync::Arc;

use wasmtime::component::{Linker, ResourceTable};

use self::interface::Interface;
use self::output::Lines;
use crate::log::LogBuffer;
use crate::state::RunState;

pub(crate) use self::folder::TenantData;

/// The version that is linked. Wasmtime takes it for every 0.2 version, so
/// this is the newest whose functions are all here.
const VERSION: &str = "0.2.12";

type Define = fn(&mut Interface<'_>) -> wasmtime::Result<()>;

/// What there is, without `wasi:` and the version.
const INTERFACES: [(&str, Define); 27] = [
    ("cli/environment", cli::environment),
    ("cli/exit", cli::exit),
    ("cli/stderr", cli::stderr),
    ("cli/stdin", cli::stdin),
    ("cli/stdout", cli::stdout),
    ("cli/terminal-input", cli::terminal_input),
    ("cli/terminal-output", cli::terminal_output),
    ("cli/terminal-stderr", cli::terminal_stderr),
    ("cli/terminal-stdin", cli::terminal_stdin),
    ("cli/terminal-stdout", cli::terminal_stdout),
    ("clocks/monotonic-clock", clocks::monotonic),
    ("clocks/wall-clock", clocks::wall),
    ("filesystem/preopens", filesystem::preopens),
    ("filesystem/types", filesystem::types),
    ("io/error", streams::error),
    ("io/poll", poll::poll),
    ("io/streams", streams::streams),
    ("random/insecure", random::insecure),
    ("random/insecure-seed", random::insecure_seed),
    ("random/random", random::random),
    ("sockets/instance-network", sockets::instance_network),
    ("sockets/ip-name-lookup", sockets::ip_name_lookup),
    ("sockets/network", sockets::network),
    ("sockets/tcp", sockets::tcp),
    ("sockets/tcp-create-socket", sockets::tcp_create_socket),
    ("sockets/udp", sockets::udp),
    ("sockets/udp-create-socket", sockets::udp_create_socket),
];

/// Whether an import of this name is one that there is a stand-in for.
pub(crate) fn provides(import: &str) -> bool {
    let named = import.strip_prefix("wasi:");
    let Some((interface, version)) = named.and_then(|named| named.split_once('@')) else {
        return false;
    };
    let patch = version.strip_prefix("0.2.").unwrap_or_default();
    let released = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    released && INTERFACES.iter().any(|(known, _)| *known == interface)
}

/// Links the stand-ins.
///
/// # Errors
/// None that depend on a guest.
pub(crate) fn link(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    for (name, define) in INTERFACES {
        let instance = linker.instance(&format!("wasi:{name}@{VERSION}"))?;
        define(&mut Interface(instance))?;
    }
    Ok(())
}

/// What the stand-ins keep for one run.
#[derive(Default)]
pub(crate) struct Wasi {
    /// Streams, pollables, descriptors. Each has a handle in the guest, so
    /// wasmtime's bound on handles is its bound.
    table: ResourceTable,
    /// What the run has waited for, in nanoseconds.
    waited_ns: u64,
    stdout: Lines,
    stderr: Lines,
    /// One for each file and folder that is open, and one more.
    open: Arc<()>,
    /// Numbers for the files that the run has asked the identity of.
    identities: HashMap<folder::Identity, u64>,
}

impl Wasi {
    /// Writes the lines that were begun.
    pub(crate) fn end(&mut self, log: &mut LogBuffer) {
        self.stdout.end(output::STDOUT_LEVEL, log);
        self.stderr.end(output::STDERR_LEVEL, log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_versions_of_what_is_here_are_provided() {
        for (import, provided) in [
            ("wasi:cli/stdout@0.2.0", true),
            ("wasi:io/streams@0.2.12", true),
            ("wasi:io/streams@0.2.99", true),
            ("wasi:sockets/tcp@0.2.3", true),
            ("wasi:cli/stdout@0.2.0-rc-2023-11-10", false),
            ("wasi:cli/stdout@0.2.", false),
            ("wasi:cli/stdout@0.3.0", false),
            ("wasi:cli/stdout", false),
            ("wasi:cli/run@0.2.0", false),
            ("wasi:http/types@0.2.0", false),
            ("wasi_snapshot_preview1", false),
            ("cli/stdout@0.2.0", false),
        ] {
            assert_eq!(provides(import), provided, "{import}");
        }
    }
}
