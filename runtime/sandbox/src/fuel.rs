//! The prices that wasmtime does not know, in fuel. They are provisional
//! until they are calibrated against CPU time over very different guests.

use wasmtime::{OperatorCost, StoreContextMut, Trap};

/// What calling a host function costs. One call across the boundary and back
/// takes about as long as 100 to 200 wasm instructions.
pub const HOST_CALL_FUEL: u64 = 200;

/// What each byte costs that a host function reads from or hands to a rule.
pub const HOST_CALL_FUEL_PER_BYTE: u64 = 1;

/// CPU time that one fuel stands for, in nanoseconds, where a run's CPU time
/// is what it is charged by: wasmtime loses the fuel counter on some traps
/// (work, then an inline division by zero, reports nothing used). Provisional:
/// guests built from Rust took 0.07 ns (an empty loop), 0.1 ns (arithmetic),
/// 0.5 ns (serializing) and 1 ns (touching fresh pages) for one fuel, so this
/// never charges more than the counter would have for the same time.
pub const NS_PER_FUEL: u64 = 1;

/// What each 64 KiB page of `memory.grow` costs: as much as a table entry
/// holds, for growing takes the host microseconds.
const MEMORY_GROW_FUEL_PER_PAGE: u8 = 255;

/// What `table.grow` costs, besides its elements. Less than `memory.grow`:
/// rewritten growth (`rewrite`) is made of it and some instructions, and costs
/// as much as before.
const TABLE_GROW_FUEL: u8 = 200;

/// Wasmtime's costs (1 for an instruction that generates code, 1 for each
/// byte or element of a bulk operation), with growth priced.
pub(crate) fn operator_cost() -> OperatorCost {
    let mut cost = OperatorCost::new();
    cost.MemoryGrow = MEMORY_GROW_FUEL_PER_PAGE;
    cost.TableGrow = TABLE_GROW_FUEL;
    cost.variable.memory_grow_per_page = MEMORY_GROW_FUEL_PER_PAGE;
    cost
}

/// Charges a host call that handles so many bytes.
///
/// # Errors
/// When there is not enough fuel left, which is then used up.
pub(crate) fn charge_call<T>(
    store: &mut StoreContextMut<'_, T>,
    bytes: usize,
) -> wasmtime::Result<()> {
    charge(
        store,
        HOST_CALL_FUEL + bytes as u64 * HOST_CALL_FUEL_PER_BYTE,
    )
}

/// Charges for bytes handed over in a call that is already charged.
///
/// # Errors
/// As [`charge_call`].
pub(crate) fn charge_bytes<T>(
    store: &mut StoreContextMut<'_, T>,
    bytes: usize,
) -> wasmtime::Result<()> {
    charge(store, bytes as u64 * HOST_CALL_FUEL_PER_BYTE)
}

fn charge<T>(store: &mut StoreContextMut<'_, T>, fuel: u64) -> wasmtime::Result<()> {
    let left = store.get_fuel()?.checked_sub(fuel);
    store.set_fuel(left.unwrap_or(0))?;
    match left {
        Some(_) => Ok(()),
        None => Err(Trap::OutOfFuel.into()),
    }
}
