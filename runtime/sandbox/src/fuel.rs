//! What a run's work costs. Wasm instructions are counted by the engine, at
//! the prices in `operators`; everything that the host does for a run is
//! priced here. `docs/metering.md` says how the prices were found, and
//! `benches` checks them.

mod operators;

use ringfence_model::FUEL_PER_MICROSECOND;
use wasmtime::{StoreContextMut, Trap};

pub(crate) use operators::operator_cost;

use crate::state::RunState;

/// What the engine counts in: 8 picoseconds, so that a byte of a bulk
/// operation, which takes no longer, has a price of its own.
pub(crate) const UNITS_PER_FUEL: u64 = 32;

/// What crossing from wasm into the host and back costs: a host function, and
/// what the engine does for an instruction in a function of its own, such as
/// growing. Measured: 30 to 45 ns.
pub const HOST_CALL_FUEL: u64 = 160;

/// What each byte costs that a host function reads from a rule or hands to
/// it, and each byte of the event and the configuration that it is shown:
/// copied, checked to be UTF-8, and written to memory that may be fresh.
/// Measured: up to 0.3 ns.
pub const HOST_CALL_FUEL_PER_BYTE: u64 = 1;

/// What asking for a remembered value costs the first time, when it is looked
/// up in the store. Measured: 2.4 to 7 us.
pub const RECALL_FUEL: u64 = 16_000;

/// What each value that was asked for costs when another is: whether it is
/// the same one is seen by comparing.
pub(crate) const RECALLED_FUEL: u64 = 8;

/// What the next random number costs: one turn of BLAKE3.
pub(crate) const RANDOM_FUEL: u64 = 320;

/// What each effect costs, and each other text of a result that is taken out
/// of the guest, however short.
pub const LIFT_FUEL: u64 = 400;

/// What each byte of a result costs: copied out, checked to be UTF-8 and JSON,
/// and kept. Measured: up to 2 ns.
pub const LIFT_FUEL_PER_BYTE: u64 = 8;

/// What growing a memory or a table costs besides its pages: the host changes
/// its memory map. Measured: 0.3 to 0.7 us.
pub const GROWTH_FUEL: u64 = 1_600;

/// What each 64 KiB of memory and tables costs: its first touch is sixteen
/// page faults, each of which takes the host from 0.25 us, on hardware of its
/// own, to 1.3 us, on a virtual machine. Not more, so that the standard plan's
/// memory can be had for its fuel.
pub const PAGE_FUEL: u64 = 16_000;

/// What making an instance costs, and undoing it. Measured: 3 to 5 us.
pub(crate) const INSTANCE_FUEL: u64 = 16_000;

/// What each import costs that is linked for it. Measured: 0.2 to 0.6 us.
pub(crate) const LINK_FUEL: u64 = 1_600;

/// Memory that costs nothing beyond what a run costs anyway: a stack of 1 MiB,
/// as toolchains declare it and hardly touch it, and what stays resident
/// between two runs.
pub const FREE_BYTES: u64 = (1024 + 256) * 1024;

/// What a component begins with beyond [`FREE_BYTES`] costs this part of the
/// price: a toolchain laid out its data so, and a run touches some of it.
const BEGINNING_PART: u64 = 2;

const PAGE_BYTES: u64 = 64 * 1024;

/// A run's fuel as the engine counts it. One more than there is: the engine
/// stops a run that has none left, and a run may use all that it has.
pub(crate) fn tank(fuel: u64) -> u64 {
    units(fuel).saturating_add(1)
}

/// What was used of a [`tank`], in fuel, begun ones whole.
pub(crate) fn used(fuel: u64, left: u64) -> u64 {
    tank(fuel).saturating_sub(left).div_ceil(UNITS_PER_FUEL)
}

/// The fuel that a time of CPU stands for.
pub(crate) fn of_cpu(time: std::time::Duration) -> u64 {
    let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    ns.saturating_mul(FUEL_PER_MICROSECOND) / 1_000
}

fn units(fuel: u64) -> u64 {
    fuel.saturating_mul(UNITS_PER_FUEL)
}

/// What a run owes for what the engine's counter cannot be charged with at
/// once, because the guest's code has it in a register. It is settled at the
/// next host function, and at the end.
#[derive(Debug, Default)]
pub(crate) struct Debt {
    fuel: u64,
    /// What memories and tables take, in bytes.
    bytes: u64,
}

impl Debt {
    /// What is owed, in fuel.
    pub(crate) fn fuel(&self) -> u64 {
        self.fuel
    }

    /// Owes for crossing into the host.
    pub(crate) fn cross(&mut self) {
        self.owe(HOST_CALL_FUEL);
    }

    /// Owes for an instance that is made, and what is linked for it.
    pub(crate) fn link(&mut self, links: u32) {
        self.owe(INSTANCE_FUEL + u64::from(links) * LINK_FUEL);
    }

    /// Owes for a memory or table that begins with so many bytes.
    pub(crate) fn begins(&mut self, bytes: u64) {
        let price = self.price(bytes);
        self.owe(price / BEGINNING_PART);
    }

    /// Owes for one that grew by so many.
    pub(crate) fn grew(&mut self, bytes: u64) {
        let price = self.price(bytes);
        self.owe(price.saturating_add(GROWTH_FUEL));
    }

    /// Owes less, for what the engine has counted that only we make the guest
    /// do.
    pub(crate) fn refund(&mut self, fuel: u64) {
        self.fuel = self.fuel.saturating_sub(fuel);
    }

    fn price(&mut self, bytes: u64) -> u64 {
        let free = FREE_BYTES.saturating_sub(self.bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        bytes.saturating_sub(free).saturating_mul(PAGE_FUEL) / PAGE_BYTES
    }

    fn owe(&mut self, fuel: u64) {
        self.fuel = self.fuel.saturating_add(fuel);
    }
}

/// Ends a run that owes more than it has left, without settling yet.
///
/// # Errors
/// When it does.
pub(crate) fn check_debt(store: &StoreContextMut<'_, RunState>) -> wasmtime::Result<()> {
    match store.get_fuel()? > units(store.data().debt.fuel) {
        true => Ok(()),
        false => Err(Trap::OutOfFuel.into()),
    }
}

/// Charges for what the host does for a run, and settles what it owes.
///
/// # Errors
/// When there is not enough fuel left, which is then used up.
pub(crate) fn charge(store: &mut StoreContextMut<'_, RunState>, fuel: u64) -> wasmtime::Result<()> {
    let owed = std::mem::take(&mut store.data_mut().debt.fuel);
    let price = units(fuel.saturating_add(owed));
    let left = store.get_fuel()?.saturating_sub(price);
    store.set_fuel(left)?;
    match left {
        0 => Err(Trap::OutOfFuel.into()),
        _ => Ok(()),
    }
}

/// Charges for bytes handed over in either direction.
///
/// # Errors
/// As [`charge`].
pub(crate) fn charge_bytes(
    store: &mut StoreContextMut<'_, RunState>,
    bytes: usize,
) -> wasmtime::Result<()> {
    charge(
        store,
        (bytes as u64).saturating_mul(HOST_CALL_FUEL_PER_BYTE),
    )
}

/// Charges for a result that was taken out of the guest.
///
/// # Errors
/// As [`charge`].
pub(crate) fn charge_lift(
    store: &mut StoreContextMut<'_, RunState>,
    parts: usize,
    bytes: u64,
) -> wasmtime::Result<()> {
    let parts = (parts as u64).saturating_mul(LIFT_FUEL);
    charge(
        store,
        bytes
            .saturating_mul(LIFT_FUEL_PER_BYTE)
            .saturating_add(parts),
    )
}
