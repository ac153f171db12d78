//! `wasi:io/poll`.

use wasmtime::component::Resource;

use super::Wasi;
use super::interface::{Interface, charge_list, misuse, wasi};

/// What looking at one pollable of a list costs, in bytes handed over.
const POLLABLE_BYTES: usize = 64;

/// `poll.pollable`: a moment of the monotonic clock. Everything else that can
/// be waited for is ready from the beginning.
pub(super) struct Pollable {
    /// In nanoseconds.
    pub(super) when: u64,
}

impl Pollable {
    /// Of what is always ready.
    pub(super) const READY: Self = Self { when: 0 };
}

pub(super) fn poll(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.resource::<Pollable>("pollable")?;
    interface.func(
        "[method]pollable.ready",
        |caller, (pollable,): (Resource<Pollable>,)| {
            let wasi = wasi(caller);
            Ok((wasi.table.get(&pollable)?.when <= wasi.waited_ns,))
        },
    )?;
    interface.func(
        "[method]pollable.block",
        |caller, (pollable,): (Resource<Pollable>,)| {
            wait(wasi(caller), &[pollable])?;
            Ok(())
        },
    )?;
    interface.func("poll", |caller, (list,): (Vec<Resource<Pollable>>,)| {
        charge_list(caller, list.len() * POLLABLE_BYTES)?;
        if list.is_empty() {
            return Err(misuse("`poll` was given nothing to wait for"));
        }
        Ok((wait(wasi(caller), &list)?,))
    })
}

/// Lets the time of the first of these come, and says which it has come for.
fn wait(wasi: &mut Wasi, pollables: &[Resource<Pollable>]) -> wasmtime::Result<Vec<u32>> {
    let mut whens = Vec::with_capacity(pollables.len());
    for pollable in pollables {
        whens.push(wasi.table.get(pollable)?.when);
    }
    let first = whens.iter().min().copied().unwrap_or(0);
    wasi.waited_ns = wasi.waited_ns.max(first);
    let ready = (0..)
        .zip(&whens)
        .filter(|(_, when)| **when <= wasi.waited_ns);
    Ok(ready.map(|(index, _)| index).collect())
}
