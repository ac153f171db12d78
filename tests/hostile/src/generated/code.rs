//! Code that is slow to compile, or that one function is made of.

use super::{attack, each, idle, refused, rule};
use crate::{Attack, End};
use ringfence_model::StopCode;

pub(super) fn attacks() -> Vec<Attack> {
    let mut attacks = bounded();
    attacks.extend(slow());
    attacks.extend(endless());
    attacks
}

/// Within all bounds, and such that the compiler takes minutes or gigabytes.
fn endless() -> Vec<Attack> {
    let slow = |name: &str, deed: &str, fields: String| {
        let mut attack = attack(name, deed, refused("compile-limit"), idle(&fields));
        attack.limits.compile_ms = 1_000;
        attack
    };
    let mut hungry = attack(
        "compile/hungry",
        "Passes 1,000 results through 20,000 calls, for the compiler to take gigabytes.",
        refused("compile-limit"),
        idle(&many_results(20_000)),
    );
    hungry.limits.compile_memory_bytes = 128 << 20;
    vec![
        hungry,
        slow(
            "compile/deep-blocks",
            "Nests 200,000 blocks.",
            format!(
                "(func {} {})",
                "block ".repeat(200_000),
                "end ".repeat(200_000)
            ),
        ),
        slow(
            "compile/deep-loops",
            "Nests 5,000 loops that all may go on.",
            format!(
                "(func (param i32) {} {})",
                "loop ".repeat(5_000),
                "(br_if 0 (local.get 0)) end ".repeat(5_000)
            ),
        ),
        slow(
            "compile/deep-ifs",
            "Nests 50,000 choices that all change one local.",
            format!(
                "(func (param i32) {} {})",
                "local.get 0 if (local.set 0 (i32.add (local.get 0) (i32.const 1))) "
                    .repeat(50_000),
                "else (local.set 0 (i32.const 7)) end ".repeat(50_000)
            ),
        ),
        slow(
            "compile/jump-tables",
            "Has 40 functions of 60 jump tables of 2,000 places each.",
            each(40, |_| {
                let table = format!("(block (br_table {} (local.get 0)))", "0 1 ".repeat(1_000));
                format!("(func (param i32) {})", table.repeat(60))
            }),
        ),
    ]
}

/// Beyond a bound.
fn bounded() -> Vec<Attack> {
    let complex = || refused("too-complex");
    vec![
        attack(
            "compile/huge-function",
            "Has a function of more than a megabyte.",
            complex(),
            idle(&format!("(func {})", "(nop)".repeat((1 << 20) + 1))),
        ),
        attack(
            "compile/locals",
            "Has a function of 10,001 locals.",
            complex(),
            idle(&format!("(func (local {}))", "i64 ".repeat(10_001))),
        ),
        attack(
            "compile/params",
            "Has a function of 1,001 parameters.",
            refused("invalid-wasm"),
            idle(&format!("(func (param {}))", "i64 ".repeat(1_001))),
        ),
    ]
}

/// Within all bounds, and made to be slow.
fn slow() -> Vec<Attack> {
    let harmless =
        |name: &str, deed: &str, fields: String| attack(name, deed, End::Harmless, idle(&fields));
    vec![
        attack(
            "compile/straight-line",
            "Has a function of a megabyte without a branch, and runs it in a loop.",
            End::Handle(StopCode::OutOfFuel),
            rule(
                &format!(
                    "(func $long (param i64) (result i64) (local.get 0) {})",
                    "(i64.mul (i64.const 3)) (i64.add (local.get 0))".repeat(140_000)
                ),
                "(loop $again (drop (call $long (i64.const 5))) (br $again)) (unreachable)",
            ),
        ),
        attack(
            "compile/huge-jump-table",
            "Jumps through a table of 60,000 places.",
            End::Handle(StopCode::OutOfFuel),
            rule(
                &format!(
                    "(func $jump (param i32) (block $a (block $b (block $c (br_table {} (local.get 0))) (return)) (return)))",
                    "$a $b $c ".repeat(20_000)
                ),
                "(local i32) (loop $again (call $jump (local.get 1))
                   (local.set 1 (i32.add (local.get 1) (i32.const 7777))) (br $again)) (unreachable)",
            ),
        ),
        harmless(
            "compile/locals-by-blocks",
            "Changes each of 200 locals in each of 200 blocks, which all meet.",
            locals_by_blocks(200, 200),
        ),
        harmless(
            "compile/deep-expression",
            "Adds 100,000 numbers that are all held at once.",
            format!(
                "(func (param i32) (result i32) {} {})",
                "(local.get 0) (i32.load (local.get 0)) i32.add ".repeat(100_000).replace("i32.add", ""),
                "i32.add ".repeat(199_999)
            ),
        ),
        harmless(
            "compile/many-results",
            "Passes 1,000 results through 40 calls.",
            many_results(40),
        ),
        harmless(
            "compile/many-functions",
            "Has 10,000 functions of nothing.",
            "(func)".repeat(10_000),
        ),
        harmless(
            "compile/many-entangled",
            "Has 30 functions, each of 100 locals changed in 40 blocks that jump to each other.",
            each(30, |_| locals_by_blocks(100, 40)),
        ),
        harmless(
            "compile/wide-vectors",
            "Has a function of vector instructions that become many each.",
            format!(
                "(func (param v128) (result v128) (local.get 0) {})",
                "(i8x16.shr_s (i32.const 3)) (i64x2.mul (local.get 0)) (i8x16.popcnt) (f64x2.nearest) ".repeat(20_000)
            ),
        ),
    ]
}

/// A function in which every local differs by where one comes from.
fn locals_by_blocks(locals: usize, blocks: usize) -> String {
    let open = "(block ".repeat(blocks);
    let body = each(blocks, |block| {
        let set = each(locals, |local| {
            let at = local + 1;
            format!("(local.set {at} (i64.add (local.get {at}) (i64.const {block})))")
        });
        format!("(br_if {} (local.get 0)) {set})", blocks - 1 - block)
    });
    let sum = each(locals, |local| {
        format!("(i64.xor (local.get {}))", local + 1)
    });
    format!(
        "(func (param i32) (result i64) (local {}) {open} {body} (i64.const 0) {sum})",
        "i64 ".repeat(locals)
    )
}

fn many_results(calls: usize) -> String {
    let results = "i64 ".repeat(1_000);
    format!(
        "(type $many (func (param {results}) (result {results})))
         (func $same (type $many) {})
         (func (type $many) {} {})",
        each(1_000, |n| format!("(local.get {n})")),
        each(1_000, |n| format!("(local.get {n})")),
        "call $same ".repeat(calls)
    )
}
