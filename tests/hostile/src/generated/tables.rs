//! Much of everything, and what is damaged.

use super::{attack, each, idle, refused};
use crate::text::upload;
use crate::{Attack, End};

pub(super) fn attacks() -> Vec<Attack> {
    let complex = || refused("too-complex");
    let mut attacks = vec![
        attack(
            "much/functions",
            "Has 100,001 functions.",
            complex(),
            idle(&"(func)".repeat(100_001)),
        ),
        attack(
            "much/types",
            "Has 50,001 types.",
            complex(),
            idle(&"(type (func))".repeat(50_001)),
        ),
        attack(
            "much/globals",
            "Has 50,001 globals.",
            complex(),
            idle(&"(global i32 (i32.const 0))".repeat(50_001)),
        ),
        attack(
            "much/imports",
            "Imports the clock 5,001 times.",
            complex(),
            importing(5_001),
        ),
        attack(
            "much/exports",
            "Exports its memory under 100,001 names.",
            complex(),
            idle(&each(100_001, |n| {
                format!("(export \"m{n}\" (memory $memory))")
            })),
        ),
        attack(
            "much/segments",
            "Has 90,000 data segments of one byte, each copied when it is instantiated.",
            End::Harmless,
            idle(&"(data (i32.const 4096) \"x\")".repeat(90_000)),
        ),
        attack(
            "much/element-segments",
            "Has 39,000 element segments of one element.",
            End::Harmless,
            idle(&format!(
                "(table 10 10 funcref) {}",
                "(elem (i32.const 3) $handle)".repeat(39_000)
            )),
        ),
        attack(
            "much/elements",
            "Has a passive segment of a million elements, to be written out one by one at each start.",
            complex(),
            idle(&format!(
                "(table 20000 20000 funcref) (elem func {})",
                "$handle ".repeat(1_000_000)
            )),
        ),
        attack(
            "much/passive-elements",
            "Has a passive segment of as many elements as it may, written out one by one at each start.",
            End::Harmless,
            idle(&format!("(elem func {})", "$handle ".repeat(1_000))),
        ),
        attack(
            "much/active-elements",
            "Has 40,001 elements for tables.",
            complex(),
            idle(&format!(
                "(table 20000 20000 funcref) {0} {0} {1}",
                format!("(elem (i32.const 0) {})", "$handle ".repeat(20_000)),
                "(elem (i32.const 0) $handle)"
            )),
        ),
        attack(
            "much/data",
            "Fills megabytes of its memory from its image, in each run anew.",
            End::Harmless,
            idle(&format!(
                "(memory $other 60) (data (memory $other) (i32.const 0) \"{}\")",
                "x".repeat(3_800_000)
            )),
        ),
        attack(
            "much/sparse-data",
            "Has a byte of data in each page of two memories of 15 MiB.",
            End::Harmless,
            idle(&format!(
                "(memory $other 240) {}",
                each(3_800, |n| format!(
                    "(data (memory $other) (i32.const {}) \"x\")",
                    n * 4096
                ))
            )),
        ),
        attack(
            "component/thousand-functions",
            "Links two nested components by a thousand functions, each of which is set up in each run.",
            refused("too-complex"),
            linked(500),
        ),
        attack(
            "component/thousand-instances",
            "Instantiates an empty module a thousand times.",
            refused("too-complex"),
            instances(990),
        ),
    ];
    attacks.extend(damaged());
    attacks
}

fn importing(count: usize) -> Vec<u8> {
    let import = "(import \"ringfence:rule/host@0.1.0\" \"now\" (func (result i64)))";
    let source = format!(
        "(module {}\n;; include: rule\n\
         (func (export \"handle\") (param i32) (result i32) (i32.const 160)))",
        import.repeat(count)
    );
    upload("many imports", &source, true)
}

fn instances(count: usize) -> Vec<u8> {
    let source = format!(
        "(component\n;; include: types\n(core module $empty)\n{}\n\
         (core module $module\n;; include: component-rule\n\
         (func (export \"handle\") (param i32) (result i32) (i32.const 160)))\n\
         (core instance $rule (instantiate $module))\n;; include: lift\n)",
        "(core instance (instantiate $empty))".repeat(count)
    );
    upload("many instances", &source, false)
}

/// Of so many functions, each lifted in one component and lowered in another.
fn linked(count: usize) -> Vec<u8> {
    let source = format!(
        r#"(component
             (component $giver
               (core module $m (func (export "f")))
               (core instance $c (instantiate $m)) {lifted})
             (instance $giver (instantiate $giver))
             (component $taker {imported}
               ;; include: types
               {lowered}
               (core module $module
                 ;; include: component-rule
                 (func (export "handle") (param i32) (result i32) (i32.const 160)))
               (core instance $rule (instantiate $module))
               ;; include: lift
             )
             (instance $inner (instantiate $taker {given}))
             ;; include: reexport
           )"#,
        lifted = each(count, |n| format!(
            "(func (export \"f{n}\") (canon lift (core func $c \"f\")))"
        )),
        imported = each(count, |n| format!("(import \"f{n}\" (func $f{n}))")),
        lowered = each(count, |n| format!("(core func (canon lower (func $f{n})))")),
        given = each(count, |n| format!("(with \"f{n}\" (func $giver \"f{n}\"))")),
    );
    upload("many functions", &source, false)
}

fn damaged() -> Vec<Attack> {
    let whole = idle("");
    let invalid = || refused("invalid-wasm");
    let cut = whole[..whole.len() / 2].to_vec();
    let twice = [&whole[..], &whole[..]].concat();
    let mut zeros = whole.clone();
    zeros.resize(whole.len() + 3_000_000, 0);
    vec![
        attack("malformed/cut-off", "Ends in its middle.", invalid(), cut),
        attack("malformed/twice", "Is a rule twice over.", invalid(), twice),
        attack(
            "malformed/zeros",
            "Goes on after its end with three megabytes of empty sections.",
            invalid(),
            zeros,
        ),
    ]
}
