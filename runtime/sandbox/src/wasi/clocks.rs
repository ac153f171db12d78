//! `wasi:clocks`. Time stands still while a rule works, and jumps when it
//! waits: a rule that sleeps for an hour goes on at once, an hour later by
//! both clocks. So nothing waits for real, and loops that wait for a moment
//! end.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::interface::{Caller, Interface, wasi};
use super::poll::Pollable;

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// `wall-clock.datetime`.
#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(record)]
pub(super) struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// Begins at 0 with the run. That says nothing about when the run is, so it
/// does not mark the run as time-dependent.
pub(super) fn monotonic(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("now", |caller, ()| Ok((wasi(caller).waited_ns,)))?;
    interface.func("resolution", |_, ()| Ok((1_u64,)))?;
    interface.func("subscribe-instant", |caller, (when,): (u64,)| {
        Ok((wasi(caller).table.push(Pollable { when })?,))
    })?;
    interface.func("subscribe-duration", |caller, (duration,): (u64,)| {
        let wasi = wasi(caller);
        let when = wasi.waited_ns.saturating_add(duration);
        Ok((wasi.table.push(Pollable { when })?,))
    })
}

pub(super) fn wall(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("now", |caller, ()| Ok((now(caller),)))?;
    interface.func("resolution", |_, ()| {
        let (seconds, nanoseconds) = (0, NS_PER_MS as u32);
        Ok((Datetime {
            seconds,
            nanoseconds,
        },))
    })
}

/// In whole milliseconds at first, like `host.now`, because that is what a
/// run's journal entry keeps.
fn now(caller: &mut Caller<'_>) -> Datetime {
    let waited_ns = wasi(caller).waited_ns;
    let state = caller.data_mut();
    state.asked_now = true;
    let ns = state.now_ms % 1000 * NS_PER_MS + waited_ns % NS_PER_S;
    Datetime {
        seconds: state.now_ms / 1000 + waited_ns / NS_PER_S + ns / NS_PER_S,
        nanoseconds: (ns % NS_PER_S) as u32,
    }
}
