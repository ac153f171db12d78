//! `wasi:random`: the numbers of `host.random`, byte by byte. Whoever knows
//! an event's id and the rule's name can work them out, so they are no source
//! of secrets, whatever the interface is called.

use super::interface::{Caller, Interface, charge_list, misuse};

/// Bytes that one call may ask for; as many as the Web Cryptography API
/// gives.
const BYTES_MAX: u64 = 65_536;

pub(super) fn random(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("get-random-bytes", |caller, (len,): (u64,)| {
        Ok((bytes(caller, len)?,))
    })?;
    interface.func("get-random-u64", |caller, ()| Ok((number(caller),)))
}

pub(super) fn insecure(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("get-insecure-random-bytes", |caller, (len,): (u64,)| {
        Ok((bytes(caller, len)?,))
    })?;
    interface.func("get-insecure-random-u64", |caller, ()| {
        Ok((number(caller),))
    })
}

pub(super) fn insecure_seed(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("insecure-seed", |caller, ()| {
        Ok(((number(caller), number(caller)),))
    })
}

fn bytes(caller: &mut Caller<'_>, len: u64) -> wasmtime::Result<Vec<u8>> {
    if len > BYTES_MAX {
        return Err(misuse(format!(
            "it asked for {len} random bytes at once; at most {BYTES_MAX} are given"
        )));
    }
    let mut bytes = vec![0; len as usize];
    charge_list(caller, bytes.len())?;
    caller.data_mut().fill_random(&mut bytes);
    Ok(bytes)
}

fn number(caller: &mut Caller<'_>) -> u64 {
    let mut bytes = [0; 8];
    caller.data_mut().fill_random(&mut bytes);
    u64::from_le_bytes(bytes)
}
