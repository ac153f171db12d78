//! What is rewritten, and what is left alone.

use super::{component, rewritten};
use crate::rewrite::{SHADOW_ELEMENTS, rewrite};

const GROWS: &str = "(func (export \"grow\") (result i32) (memory.grow (i32.const 1)))";

#[test]
fn a_component_has_one_reserve_or_none() {
    let grows = |fields: &str| format!("(module {fields} {GROWS})");
    let imitating = format!("(memory 1) (table 0 {SHADOW_ELEMENTS} funcref)");
    let near = format!("(memory 1) (table 0 {} funcref)", SHADOW_ELEMENTS - 1);
    let reads = r#"(module (import "m" "m" (memory 1))
        (func (result i32) (i32.load (i32.const 0))))"#;
    let measures = r#"(module (import "m" "m" (memory 1)) (func (result i32) memory.size))"#;
    let grows_anothers = grows(r#"(import "m" "m" (memory 1))"#);
    let plain = grows("(memory 1)");
    let cases: Vec<(&str, Vec<String>, u8)> = vec![
        ("one memory", vec![plain.clone()], 16),
        ("an empty memory", vec![grows("(memory 0)")], 16),
        ("a maximum", vec![grows("(memory 1 4)")], 3),
        ("a maximum beyond it", vec![grows("(memory 1 17)")], 16),
        ("a fixed size", vec![grows("(memory 4 4)")], 0),
        ("nearly all", vec![grows("(memory 65530)")], 6),
        ("two memories", vec![grows("(memory 1) (memory 1 3)")], 2),
        (
            "two modules",
            vec![plain.clone(), grows("(memory 7 12)")],
            5,
        ),
        ("no growth", vec!["(module (memory 1))".into()], 0),
        ("no memory", vec!["(module)".into()], 0),
        ("an imitation", vec![grows(&imitating)], 0),
        ("nearly one", vec![grows(&near)], 16),
        (
            "rare, as it says",
            vec![grows(r#"(@custom "ringfence:growth" "rare") (memory 1)"#)],
            0,
        ),
        (
            "says something else",
            vec![grows(r#"(@custom "ringfence:growth" "often") (memory 1)"#)],
            16,
        ),
        ("read by another", vec![plain.clone(), reads.into()], 16),
        (
            "measured by another",
            vec![plain.clone(), measures.into()],
            0,
        ),
        ("grown by another", vec![plain, grows_anothers], 0),
    ];
    for (name, modules, expected) in cases {
        let modules: Vec<_> = modules.iter().map(|m| wat::parse_str(m).unwrap()).collect();
        let modules: Vec<_> = modules.iter().map(Vec::as_slice).collect();
        let (reserve, after) = rewritten(&modules);
        assert_eq!(reserve, expected, "{name}");
        if reserve == 0 {
            assert_eq!(after, modules, "{name}: left alone");
        }
    }
}

#[test]
fn modules_in_inner_components_are_rewritten_too() {
    let wat = format!(
        "(component (core module (memory 1)) (component (component (core module (memory 1) {GROWS}))))"
    );
    let before = wat::parse_str(&wat).unwrap();
    let after = rewrite(&before, true).unwrap();
    assert_eq!(after.layout.reserve_pages, 16);
    wasmparser::validate(&after.bytes).unwrap();
    let memories = |bytes: &[u8]| -> Vec<u64> {
        let payloads = wasmparser::Parser::new(0).parse_all(bytes);
        payloads
            .filter_map(|payload| match payload.unwrap() {
                wasmparser::Payload::MemorySection(section) => Some(section),
                _ => None,
            })
            .flat_map(|section| section.into_iter().map(|memory| memory.unwrap().initial))
            .collect()
    };
    assert_eq!(memories(&before), [1, 1]);
    assert_eq!(memories(&after.bytes), [17, 17]);
}

#[test]
fn what_is_not_concerned_stays_byte_for_byte() {
    let wat = r#"(module
        (memory (export "m") 1)
        (func $f (export "f") (result i32) (i32.load (i32.const 4)))
        (func (result i32) memory.size (drop) (memory.grow (i32.const 1)))
        (@custom "producers" "x") (@custom "metadata.code.branch_hint" "x")
        (data (i32.const 8) "abc"))"#;
    let before = wat::parse_str(wat).unwrap();
    let (_, after) = rewritten(&[&before]);
    let sections = |bytes: &[u8]| -> Vec<(u8, Vec<u8>)> {
        let payloads = wasmparser::Parser::new(0).parse_all(bytes);
        let section = |payload: wasmparser::Payload<'_>| payload.as_section();
        payloads
            .filter_map(|payload| section(payload.unwrap()))
            .map(|(id, range)| (id, bytes[range].to_vec()))
            .collect()
    };
    let (before, after) = (sections(&before), sections(&after[0]));
    // Types, functions, memories and code are changed; tables and globals are
    // new.
    let kept = |sections: &[(u8, Vec<u8>)]| -> Vec<_> {
        let concerned = [1, 3, 4, 5, 6, 10];
        let kept = sections.iter().filter(|(id, _)| !concerned.contains(id));
        kept.cloned().collect::<Vec<_>>()
    };
    let (mut expected, found) = (kept(&before), kept(&after));
    expected.retain(|(_, content)| !content.windows(8).any(|part| part == b"metadata"));
    // At the end, the added function's name.
    assert_eq!(found[..found.len() - 1], expected);
    assert!(component(&[]).len() < after.len() * 100);
}
