//! The function that `memory.grow` becomes.

use wasm_encoder::{BlockType, Function, HeapType, Instruction, ValType};
use wasmtime::OperatorCost;

use crate::fuel::UNITS_PER_FUEL;

/// What wasmtime charges for entering a function, besides its operators, in
/// its units.
const ENTRY_UNITS: u64 = 1;

/// What the function's instructions cost more than `memory.grow`. No way
/// through it takes more.
pub(crate) const EXTRA_FUEL: u64 = 16;

// The function's locals: its parameter and result is a number of pages.
const PAGES: u32 = 0;
/// Pages of the reserve that are left.
const LEFT: u32 = 1;

/// Adds an operator, and what it costs.
macro_rules! op {
    ($body:expr, $name:ident $(($($argument:expr),*))?) => {{
        $body.units += u64::from($body.cost.$name);
        $body.function.instruction(&Instruction::$name $(($($argument),*))?);
    }};
}

/// Grows one memory.
pub(super) struct Growth {
    /// The memory.
    pub(super) memory: u32,
    /// The global that counts its pages in use.
    pub(super) used: u32,
    /// The table that tells the host.
    pub(super) shadow: u32,
    /// The most pages that the memory can have, declared or not.
    pub(super) maximum_pages: u32,
}

impl Growth {
    /// The function, at these prices. Whichever way it goes, but for one, its
    /// instructions cost [`EXTRA_FUEL`] more than `memory.grow`: what is missing
    /// is filled up with some that generate no code. The host, which is asked
    /// on each of the ways, takes it off again.
    pub(super) fn body(&self, cost: &OperatorCost) -> Function {
        let mut body = Body {
            function: Function::new([(1, ValType::I32)]),
            cost,
            units: u64::from(cost.Call) + ENTRY_UNITS,
        };
        self.by_nothing(&mut body);
        self.compare(&mut body);
        self.within(&mut body);
        self.across(&mut body);
        self.beyond(&mut body);
        body.function
    }

    /// Growing by nothing is not told to the run's limiter, so nothing can be
    /// taken off: the host is asked for as much as `memory.grow` costs.
    fn by_nothing(&self, body: &mut Body<'_>) {
        op!(body, LocalGet(PAGES));
        op!(body, I32Eqz);
        op!(body, If(BlockType::Empty));
        let before = body.units;
        op!(body, RefNull(HeapType::FUNC));
        op!(body, LocalGet(PAGES));
        op!(body, TableGrow(self.shadow));
        op!(body, Drop);
        op!(body, GlobalGet(self.used));
        let all = u64::from(body.cost.MemoryGrow);
        let filler = all.checked_sub(body.units + u64::from(body.cost.Return));
        body.fill_up_to(filler.expect("this way is the shortest, as the tests show"));
        op!(body, Return);
        op!(body, End);
        body.units = before;
    }

    /// Whether the reserve is enough.
    fn compare(&self, body: &mut Body<'_>) {
        op!(body, MemorySize(self.memory));
        op!(body, GlobalGet(self.used));
        op!(body, I32Sub);
        op!(body, LocalTee(LEFT));
        op!(body, LocalGet(PAGES));
        op!(body, I32GeU);
    }

    /// Moves the counter, and asks the host.
    fn within(&self, body: &mut Body<'_>) {
        op!(body, If(BlockType::Empty));
        let before = body.units;
        // What is returned.
        op!(body, GlobalGet(self.used));
        op!(body, GlobalGet(self.used));
        op!(body, LocalGet(PAGES));
        op!(body, I32Add);
        op!(body, GlobalSet(self.used));
        op!(body, RefNull(HeapType::FUNC));
        op!(body, LocalGet(PAGES));
        let ahead = [body.cost.TableGrow, body.cost.Drop, body.cost.Return];
        body.fill_up(&ahead);
        op!(body, TableGrow(self.shadow));
        // It ends the run where the host denies it, and cannot fail else.
        op!(body, Drop);
        op!(body, Return);
        op!(body, End);
        body.units = before;
    }

    /// Grows for real by what the reserve lacks. Before, tells the host that
    /// what is left of the reserve goes with it, by asking for one element
    /// too many; but not if the whole is too much for the memory's maximum.
    fn across(&self, body: &mut Body<'_>) {
        op!(body, LocalGet(LEFT));
        op!(body, If(BlockType::Empty));
        let none_left = body.units;
        op!(body, I32Const(self.maximum_pages as i32));
        op!(body, GlobalGet(self.used));
        op!(body, I32Sub);
        op!(body, LocalGet(PAGES));
        op!(body, I32GeU);
        op!(body, If(BlockType::Empty));
        let too_many = body.units;
        op!(body, RefNull(HeapType::FUNC));
        op!(body, LocalGet(LEFT));
        op!(body, I32Const(1));
        op!(body, I32Add);
        op!(body, TableGrow(self.shadow));
        op!(body, Drop);
        op!(body, LocalGet(PAGES));
        op!(body, LocalGet(LEFT));
        op!(body, I32Sub);
        self.grow(body);
        op!(body, Else);
        // Fails, as it would have.
        body.units = too_many;
        op!(body, LocalGet(PAGES));
        self.grow(body);
        op!(body, End);
        op!(body, End);
        body.units = none_left;
    }

    /// Grows for real, for nothing is left of the reserve.
    fn beyond(&self, body: &mut Body<'_>) {
        op!(body, LocalGet(PAGES));
        self.grow(body);
        op!(body, End);
    }

    /// Grows for real by the number on the stack, and returns.
    fn grow(&self, body: &mut Body<'_>) {
        let cost = body.cost;
        let failing = [
            cost.MemoryGrow,
            cost.I32Const,
            cost.I32Eq,
            cost.If,
            cost.I32Const,
            cost.Return,
        ];
        let growing = [
            cost.MemoryGrow,
            cost.I32Const,
            cost.I32Eq,
            cost.If,
            cost.GlobalGet,
            cost.MemorySize,
            cost.GlobalSet,
            cost.Return,
        ];
        body.fill_up(&growing);
        op!(body, MemoryGrow(self.memory));
        op!(body, I32Const(-1));
        op!(body, I32Eq);
        op!(body, If(BlockType::Empty));
        let before = body.units;
        op!(body, I32Const(-1));
        // A failure costs what a success does.
        body.fill_up_to(sum(&growing) - sum(&failing));
        op!(body, Return);
        op!(body, End);
        body.units = before;
        op!(body, GlobalGet(self.used));
        op!(body, MemorySize(self.memory));
        op!(body, GlobalSet(self.used));
        op!(body, Return);
    }
}

fn sum(prices: &[u8]) -> u64 {
    prices.iter().copied().map(u64::from).sum()
}

/// A function's body in the making.
struct Body<'a> {
    function: Function,
    cost: &'a OperatorCost,
    /// What it costs up to here, in the engine's units.
    units: u64,
}

impl Body<'_> {
    /// Adds instructions that do nothing, so that with those ahead the way
    /// costs what all ways do.
    fn fill_up(&mut self, ahead: &[u8]) {
        let all = u64::from(self.cost.MemoryGrow) + EXTRA_FUEL * UNITS_PER_FUEL;
        let filler = all.checked_sub(self.units + sum(ahead));
        self.fill_up_to(filler.expect("all ways are shorter, as the tests show"));
    }

    /// Adds instructions that do nothing and cost so many units.
    fn fill_up_to(&mut self, units: u64) {
        let end = self.units + units;
        let (large, small) = (self.cost.I32Const, self.cost.LocalGet);
        while self.units + u64::from(large) <= end {
            op!(self, I32Const(0));
            op!(self, Drop);
        }
        while self.units + u64::from(small) <= end {
            op!(self, LocalGet(PAGES));
            op!(self, Drop);
        }
    }
}
