//! The function that `memory.grow` becomes.

use wasm_encoder::{BlockType, Function, HeapType, Instruction, ValType};
use wasmtime::OperatorCost;

/// What wasmtime charges for entering a function, besides its operators.
const ENTRY_FUEL: u64 = 1;

// The function's locals: its parameter and result is a number of pages.
const PAGES: u32 = 0;
/// Pages of the reserve that are left.
const LEFT: u32 = 1;
/// Counts pages that are charged for.
const COUNT: u32 = 2;

/// Adds an operator, and what it costs.
macro_rules! op {
    ($body:expr, $name:ident $(($($argument:expr),*))?) => {{
        $body.fuel += u64::from($body.cost.$name);
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
    /// The function, at these prices. Where the reserve is enough, it costs
    /// what `memory.grow` would have cost, if that is no less than what it
    /// does: what is missing is filled up with instructions that generate no
    /// code. All of it is charged before the host is asked, as it was.
    pub(super) fn body(&self, cost: &OperatorCost) -> Function {
        let mut body = Body {
            function: Function::new([(2, ValType::I32)]),
            cost,
            fuel: u64::from(cost.Call) + ENTRY_FUEL,
        };
        self.compare(&mut body);
        self.within(&mut body);
        self.across(&mut body);
        self.beyond(&mut body);
        body.function
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
        // What is returned.
        op!(body, GlobalGet(self.used));
        op!(body, GlobalGet(self.used));
        op!(body, LocalGet(PAGES));
        op!(body, I32Add);
        op!(body, GlobalSet(self.used));
        body.charge_for(PAGES);
        let cost = body.cost;
        let rest = [
            cost.RefNull,
            cost.LocalGet,
            cost.TableGrow,
            cost.Drop,
            cost.Return,
        ];
        let rest: u64 = rest.into_iter().map(u64::from).sum();
        body.fill_up(u64::from(cost.MemoryGrow).saturating_sub(rest));
        op!(body, RefNull(HeapType::FUNC));
        op!(body, LocalGet(PAGES));
        op!(body, TableGrow(self.shadow));
        // It ends the run where the host denies it, and cannot fail else.
        op!(body, Drop);
        op!(body, Return);
        op!(body, End);
    }

    /// Grows for real by what the reserve lacks. Before, tells the host that
    /// what is left of the reserve goes with it, by asking for one element
    /// too many. If the whole is too much for the memory's maximum, this is
    /// left to `beyond`.
    fn across(&self, body: &mut Body<'_>) {
        op!(body, LocalGet(LEFT));
        op!(body, If(BlockType::Empty));
        op!(body, I32Const(self.maximum_pages as i32));
        op!(body, GlobalGet(self.used));
        op!(body, I32Sub);
        op!(body, LocalGet(PAGES));
        op!(body, I32GeU);
        op!(body, If(BlockType::Empty));
        body.charge_for(LEFT);
        op!(body, RefNull(HeapType::FUNC));
        op!(body, LocalGet(LEFT));
        op!(body, I32Const(1));
        op!(body, I32Add);
        op!(body, TableGrow(self.shadow));
        op!(body, Drop);
        op!(body, LocalGet(PAGES));
        op!(body, LocalGet(LEFT));
        op!(body, I32Sub);
        op!(body, MemoryGrow(self.memory));
        op!(body, I32Const(-1));
        op!(body, I32Eq);
        op!(body, If(BlockType::Empty));
        op!(body, I32Const(-1));
        op!(body, Return);
        op!(body, End);
        op!(body, GlobalGet(self.used));
        op!(body, MemorySize(self.memory));
        op!(body, GlobalSet(self.used));
        op!(body, Return);
        op!(body, End);
        op!(body, End);
    }

    /// Grows for real: nothing is left of the reserve, or the memory cannot
    /// grow so far. The latter fails here as it would have.
    fn beyond(&self, body: &mut Body<'_>) {
        op!(body, LocalGet(PAGES));
        op!(body, MemoryGrow(self.memory));
        op!(body, LocalTee(COUNT));
        op!(body, I32Const(-1));
        op!(body, I32Eq);
        op!(body, If(BlockType::Empty));
        op!(body, I32Const(-1));
        op!(body, Return);
        op!(body, End);
        op!(body, MemorySize(self.memory));
        op!(body, GlobalSet(self.used));
        op!(body, LocalGet(COUNT));
        op!(body, End);
    }
}

/// A function's body in the making.
struct Body<'a> {
    function: Function,
    cost: &'a OperatorCost,
    /// What it costs up to here.
    fuel: u64,
}

impl Body<'_> {
    /// Charges for so many pages what `memory.grow` would, less what growing
    /// the shadow will.
    fn charge_for(&mut self, pages: u32) {
        let price = self.cost.variable.memory_grow_per_page;
        let price = price.saturating_sub(self.cost.variable.table_grow_per_element);
        op!(self, LocalGet(pages));
        op!(self, LocalTee(COUNT));
        op!(self, If(BlockType::Empty));
        op!(self, Loop(BlockType::Empty));
        let before = self.fuel;
        op!(self, LocalGet(COUNT));
        op!(self, I32Const(1));
        op!(self, I32Sub);
        op!(self, LocalTee(COUNT));
        let rest = u64::from(self.cost.BrIf);
        self.fill_up((before + u64::from(price)).saturating_sub(rest));
        op!(self, BrIf(0));
        // What the loop costs depends on the pages, not on the path.
        self.fuel = before;
        op!(self, End);
        op!(self, End);
    }

    /// Adds instructions that do nothing, up to this much fuel.
    fn fill_up(&mut self, fuel: u64) {
        let price = u64::from(self.cost.I32Const) + u64::from(self.cost.Drop);
        while price > 0 && self.fuel + price <= fuel {
            op!(self, I32Const(0));
            op!(self, Drop);
        }
    }
}
