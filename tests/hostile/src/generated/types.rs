//! Types within types, and names that are sent back.

use super::{attack, each, idle, leb128, refused, rule, section};
use crate::text::upload;
use crate::{Attack, End};
use ringfence_model::StopCode;

pub(super) fn attacks() -> Vec<Attack> {
    let mut attacks = nested();
    attacks.extend(long());
    attacks
}

fn nested() -> Vec<Attack> {
    // What opens an instance type, and a component type, of one type.
    let (instances, components) = ([0x42, 1, 1], [0x41, 1, 1]);
    let complex = || refused("too-complex");
    vec![
        attack(
            "types/deep-instances",
            "Declares instance types within each other, a million deep, to overflow the stack of who reads them.",
            complex(),
            declaring(&instances, 1_000_000),
        ),
        attack(
            "types/deep-components",
            "Declares component types within each other, 5,000 deep, to overflow the stack of who reads them.",
            complex(),
            declaring(&components, 5_000),
        ),
        attack(
            "types/deep-embedded",
            "Embeds a WIT type of instance types within each other, 80,000 deep.",
            complex(),
            embedding(&declaring(&instances, 80_000)),
        ),
        attack(
            "types/circle-of-packages",
            "Embeds a WIT type whose packages depend on each other in a circle, by one letter changed.",
            refused("wrong-type"),
            circle(),
        ),
        attack(
            "types/chain-of-instances",
            "Has each instance type hold the last, 300 times, which wasmparser asserts not to happen.",
            refused("invalid-wasm"),
            chain(300),
        ),
        attack(
            "types/deep-list",
            "Has a list of lists of lists, 200 deep.",
            refused("invalid-wasm"),
            component("(type $t0 (list u8))", 200, |n| {
                format!("(type $t{} (list $t{n}))", n + 1)
            }),
        ),
        attack(
            "types/exponential",
            "Has a tuple of ten tuples of ten tuples, for a size without end.",
            refused("invalid-wasm"),
            component("(type $t0 (tuple u8 u8))", 30, |n| {
                format!(
                    "(type $t{} (tuple {}))",
                    n + 1,
                    format!("$t{n} ").repeat(10)
                )
            }),
        ),
        attack(
            "types/chain-in-types",
            "Declares 60,000 types of the component model.",
            refused("too-complex"),
            component("", 60_000, |_| "(type (list u8))".into()),
        ),
    ]
}

fn long() -> Vec<Attack> {
    let name = |n: u8| char::from(b'a' + n).to_string().repeat(90_000);
    let imports = each(8, |n| {
        format!("(import \"{}\" \"x\" (func))", name(n as u8))
    });
    let host = format!(
        "(import \"ringfence:rule/host@0.1.0\" \"{}\" (func))",
        name(0)
    );
    let importing = |imports: &str| {
        let source = format!(
            "(module\n{imports}\n;; include: rule\n\
             (func (export \"handle\") (param i32) (result i32) (i32.const 160)))"
        );
        upload("long imports", &source, true)
    };
    vec![
        attack(
            "names/long-imports",
            "Imports by names of 90,000 bytes, to have them sent back in the refusal.",
            refused("unknown-imports"),
            importing(&imports),
        ),
        attack(
            "names/long-function",
            "Imports a function of the host that there is not, by a name of 90,000 bytes.",
            refused("wrong-type"),
            importing(&host),
        ),
        attack(
            "names/long",
            "Has a function whose name takes 90,000 bytes, and traps in it.",
            End::Handle(StopCode::Trap),
            rule(
                &format!("(func $long (@name \"{}\") (unreachable))", name(0)),
                "(call $long) (unreachable)",
            ),
        ),
        attack(
            "names/same",
            "Names one function 100,000 times.",
            End::Harmless,
            naming(100_000),
        ),
    ]
}

/// A component whose only section declares types within each other.
fn declaring(open: &[u8], depth: usize) -> Vec<u8> {
    let mut types = vec![1];
    types.extend(open.repeat(depth));
    types.extend([0x42, 0]);
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    section(&mut component, 7, &types);
    component
}

/// The world then needs the package `gule` for its host, which needs the
/// world's own for its types.
fn circle() -> Vec<u8> {
    let mut module = idle("");
    let name = b"ringfence:rule/host";
    let at = module.windows(name.len()).rposition(|bytes| bytes == name);
    let at = at.expect("the world names its host") + b"ringfence:".len();
    module[at] = b'g';
    module
}

/// A module with this for its WIT type.
fn embedding(component: &[u8]) -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 0, &[b"\x0ecomponent-type", component].concat());
    module
}

fn component(first: &str, count: usize, next: impl Fn(usize) -> String) -> Vec<u8> {
    let source = format!("(component\n{first}\n{})", each(count, next));
    upload("a generated component", &source, false)
}

fn chain(length: usize) -> Vec<u8> {
    component("(type $t0 (instance (export \"a\" (func))))", length, |n| {
        format!(
            "(type $t{} (instance (alias outer 1 $t{n} (type $x)) (export \"a\" (instance (type $x)))))",
            n + 1
        )
    })
}

/// A rule with a section of names, which holds so many for its first function.
fn naming(times: usize) -> Vec<u8> {
    let mut names = Vec::new();
    leb128(&mut names, times);
    names.extend(b"\0\x01f".repeat(times));
    let mut content = b"\x04name".to_vec();
    section(&mut content, 1, &names);
    let mut module = idle("");
    section(&mut module, 0, &content);
    module
}
