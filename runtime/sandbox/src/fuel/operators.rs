//! What each wasm instruction costs.

use wasmtime::OperatorCost;

// In the engine's units, of 8 ps. What of an instruction's price is time that
// it takes, and what is time that others wait for it, differs from guest to
// guest; these lie between the two. `docs/metering.md` has the measurements.

/// No code comes of it.
const NOTHING: u8 = 0;
/// What is in a register, or becomes part of another instruction.
const REGISTER: u8 = 1;
const CONSTANT: u8 = 2;
const SET: u8 = 3;
const INTEGER: u8 = 9;
const MULTIPLY: u8 = 28;
/// 3 ns in truth, and a few instructions where the divisor is a constant.
const DIVIDE: u8 = 200;
const SELECT: u8 = 18;
const LOAD: u8 = 30;
const STORE: u8 = 20;
const GLOBAL: u8 = 14;
const JUMP: u8 = 10;
/// It may be all that a loop consists of, in each turn of which the engine looks
/// at fuel and deadline: 0.5 ns.
const TURN: u8 = 48;
const BRANCH: u8 = 18;
const BRANCH_BY_TABLE: u8 = 90;
const CALL: u8 = 160;
const CALL_BY_TABLE: u8 = u8::MAX;
/// With the engine's making every NaN the same, a result is ready after 4 ns;
/// several at once take less.
const FLOAT: u8 = 170;
/// 6 to 8 ns in truth, when others wait for it.
const FLOAT_DIVIDE: u8 = u8::MAX;
const FLOAT_CONVERT: u8 = 100;
/// An access to a table, or to the size of something.
const TABLE: u8 = 110;
const SIZE: u8 = 30;
const VECTOR: u8 = 30;
const VECTOR_MULTIPLY: u8 = 110;
const VECTOR_MEMORY: u8 = 40;
const VECTOR_LANE: u8 = 60;
const VECTOR_SHUFFLE: u8 = 50;
/// What the engine has a function for. Its bytes and elements are counted
/// besides, and those that grow something cost more than an instruction can;
/// see [`super::Debt`].
const FUNCTION: u8 = u8::MAX;

/// What an instruction costs, by its name in `wasmparser`.
fn price(name: &str) -> u8 {
    match name {
        "Unreachable" | "Nop" | "Block" | "Loop" | "Else" | "End" | "Drop" => NOTHING,
        "LocalGet" => REGISTER,
        "I32Const" | "I64Const" | "F32Const" | "F64Const" | "V128Const" | "RefNull" => CONSTANT,
        "LocalSet" | "LocalTee" => SET,
        // Where growth is rewritten, a size is a global.
        "GlobalGet" | "GlobalSet" | "MemorySize" => GLOBAL,
        "Br" => TURN,
        "Return" => JUMP,
        "If" | "BrIf" => BRANCH,
        "BrTable" => BRANCH_BY_TABLE,
        "Select" | "TypedSelect" => SELECT,
        "Call" | "ReturnCall" => CALL,
        "CallIndirect" | "ReturnCallIndirect" => CALL_BY_TABLE,
        "TableGet" | "TableSet" | "RefIsNull" => TABLE,
        "TableSize" => SIZE,
        "I32Mul" | "I64Mul" => MULTIPLY,
        _ if is_vector(name) => vector(name),
        _ if name.starts_with("I32") || name.starts_with("I64") => integer(name),
        _ if name.starts_with("F32") || name.starts_with("F64") => float(name),
        // Beside its elements, and what a crossing and growth cost.
        "TableGrow" => SIZE,
        // Bulk operations, `ref.func`, and what is switched off.
        _ => FUNCTION,
    }
}

fn integer(name: &str) -> u8 {
    let has = |part| name.contains(part);
    match name {
        _ if has("Load") => LOAD,
        _ if has("Store") => STORE,
        _ if has("Div") || has("Rem") => DIVIDE,
        _ if has("TruncF") || has("TruncSat") || has("Reinterpret") => FLOAT_CONVERT,
        _ => INTEGER,
    }
}

fn float(name: &str) -> u8 {
    let has = |part| name.contains(part);
    match name {
        _ if has("Load") => LOAD,
        _ if has("Store") => STORE,
        _ if has("Div") || has("Sqrt") => FLOAT_DIVIDE,
        _ if has("Convert") || has("Reinterpret") || has("Demote") || has("Promote") => {
            FLOAT_CONVERT
        }
        _ => FLOAT,
    }
}

fn is_vector(name: &str) -> bool {
    let shapes = ["V128", "I8x16", "I16x8", "I32x4", "I64x2", "F32x4", "F64x2"];
    shapes.iter().any(|shape| name.starts_with(shape))
}

fn vector(name: &str) -> u8 {
    let has = |part| name.contains(part);
    match name {
        _ if has("Load") || has("Store") => VECTOR_MEMORY,
        _ if has("Shuffle") || has("Swizzle") => VECTOR_SHUFFLE,
        _ if has("Lane") || has("Splat") || has("Bitmask") || has("True") || has("Sh") => {
            VECTOR_LANE
        }
        _ if has("Div") || has("Sqrt") => FLOAT_DIVIDE,
        _ if name.starts_with('F') || has("Mul") || has("Dot") || has("Trunc") => VECTOR_MULTIPLY,
        _ => VECTOR,
    }
}

macro_rules! prices {
    ($( @$proposal:ident $name:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*) )*) => {
        /// The engine's table.
        pub(crate) fn operator_cost() -> OperatorCost {
            let mut cost = OperatorCost::new();
            $( cost.$name = price(stringify!($name)); )*
            let each = &mut cost.variable;
            each.memory_fill_per_byte = 1;
            each.memory_copy_per_byte = 1;
            each.memory_init_per_byte = 1;
            // By `Debt`, which is exact.
            each.memory_grow_per_page = 0;
            each.table_fill_per_element = 34;
            each.table_copy_per_element = 82;
            each.table_init_per_element = 48;
            // One fuel, which is taken off again where we grow a table.
            each.table_grow_per_element = 32;
            cost
        }
    };
}
wasmparser::for_each_operator!(prices);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_go_on_costs_something() {
        let cost = operator_cost();
        let all = [
            cost.Br,
            cost.BrIf,
            cost.BrTable,
            cost.Call,
            cost.CallIndirect,
            cost.ReturnCall,
            cost.ReturnCallIndirect,
        ];
        assert!(all.iter().all(|price| *price > 0), "{all:?}");
    }

    #[test]
    fn what_generates_code_is_not_free() {
        for (name, expected) in [
            ("I32Add", INTEGER),
            ("I64RemS", DIVIDE),
            ("I32TruncSatF64U", FLOAT_CONVERT),
            ("I64Load8U", LOAD),
            ("F64Store", STORE),
            ("F32Sqrt", FLOAT_DIVIDE),
            ("F64ConvertI32S", FLOAT_CONVERT),
            ("F64Add", FLOAT),
            ("V128Load8Splat", VECTOR_MEMORY),
            ("I8x16Shuffle", VECTOR_SHUFFLE),
            ("I32x4DotI16x8S", VECTOR_MULTIPLY),
            ("F64x2Div", FLOAT_DIVIDE),
            ("I16x8AddSatU", VECTOR),
            ("MemoryCopy", FUNCTION),
            ("RefFunc", FUNCTION),
        ] {
            assert_eq!(price(name), expected, "{name}");
        }
    }
}
