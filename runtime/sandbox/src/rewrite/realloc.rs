//! The function that a `realloc` is called through, by which texts are charged
//! for that the host copies between nested components.
//!
//! It burns fuel for the bytes that are asked for, in a loop, because the meter
//! takes no more than a constant at a time, and then calls the function. What a
//! text takes to be checked, written in another encoding and copied is never
//! more than in proportion to that: memory is asked for before, as much as the
//! text takes at most. Whatever else is handed over between components is
//! copied by code that the meter counts.

use wasm_encoder::{BlockType, Function, Instruction, ValType};
use wasmtime::OperatorCost;

/// What each byte costs that is asked for.
const FUEL_PER_BYTE: u64 = 2;
/// Bytes that are charged for at once, begun counting as whole; a power of 2.
const BYTES_AT_ONCE: u32 = 64;

/// How many parameters it has.
const PARAMETERS: u32 = 4;
/// The last of them, the new size.
const BYTES: u32 = 3;
/// A local that counts what is left to charge for.
const LEFT: u32 = PARAMETERS;

/// `(func (param i32 i32 i32 i32) (result i32))`.
pub(super) const TYPE: [u8; 8] = [0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f];

/// The function, in front of the one of that index, at these prices.
pub(super) fn body(function: u32, cost: &OperatorCost) -> Function {
    use Instruction::*;
    let mut body = Function::new([(1, ValType::I32)]);
    let mut add = |instruction| {
        body.instruction(&instruction);
    };
    add(LocalGet(BYTES));
    add(I32Const(BYTES_AT_ONCE.trailing_zeros() as i32));
    add(I32ShrU);
    add(LocalSet(LEFT));
    add(Loop(BlockType::Empty));
    // They cost fuel and generate no code.
    let price = u64::from(cost.I32Const) + u64::from(cost.Drop);
    let fuel = FUEL_PER_BYTE * u64::from(BYTES_AT_ONCE);
    for _ in 0..fuel.checked_div(price).unwrap_or(0) {
        add(I32Const(0));
        add(Drop);
    }
    add(LocalGet(LEFT));
    add(I32Const(1));
    add(I32Sub);
    add(LocalTee(LEFT));
    add(I32Const(-1));
    add(I32Ne);
    add(BrIf(0));
    add(End);
    for parameter in 0..PARAMETERS {
        add(LocalGet(parameter));
    }
    add(Call(function));
    add(End);
    body
}
