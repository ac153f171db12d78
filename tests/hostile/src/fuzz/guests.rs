//! Guests made for fuzzing.

use arbitrary::Unstructured;
use wasm_smith::Config;

use crate::generated::section;
use crate::upload;

/// Where the echo's bytes lie in its memory.
const BASE: u32 = 131_072;

/// What the host needs of a rule's module.
const EXPORTS: &str = r#"
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "handle") (param i32) (result i32) unreachable)"#;

/// Returns what its event's data say in hexadecimal digits. The first two
/// bytes are where in them the result begins.
pub(super) fn echo() -> Vec<u8> {
    let source = format!(
        r#"(module
  ;; include: rule
  (func $digit (param $at i32) (result i32)
    (local.set $at (i32.load8_u (local.get $at)))
    (select
      (i32.sub (local.get $at) (i32.const 87))
      (i32.sub (local.get $at) (i32.const 48))
      (i32.gt_u (local.get $at) (i32.const 57))))
  (func (export "handle") (param $args i32) (result i32)
    (local $from i32) (local $end i32) (local $to i32)
    ;; Without the quotes around it.
    (local.set $from (i32.add (i32.load offset=44 (local.get $args)) (i32.const 1)))
    (local.set $end (i32.sub
      (i32.add (local.get $from) (i32.load offset=48 (local.get $args))) (i32.const 2)))
    (local.set $to (i32.const {BASE}))
    (loop $next
      (if (i32.lt_u (local.get $from) (local.get $end)) (then
        (i32.store8 (local.get $to) (i32.or
          (i32.shl (call $digit (local.get $from)) (i32.const 4))
          (call $digit (i32.add (local.get $from) (i32.const 1)))))
        (local.set $from (i32.add (local.get $from) (i32.const 2)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $next))))
    (i32.add (i32.const {BASE}) (i32.load16_u (i32.const {BASE})))))"#
    );
    upload("the echo", &source, true)
}

/// Results as the echo is given them: some that are effects, or nearly.
pub(super) fn results() -> Vec<Vec<u8>> {
    // The result's address, two bytes that say nothing, the result.
    let words = |words: &[u32]| {
        let head = [4, 0, 0, 0].into_iter();
        let words = words.iter().flat_map(|word| word.to_le_bytes());
        head.chain(words).collect::<Vec<u8>>()
    };
    // Behind the head and the result.
    let list = BASE + 20;
    // The manifest's texts are at hand: `test.out`, `note.*`, `test.*`.
    let effect = |kind: u32, rest: &[u32]| {
        let mut effect = vec![0, list, 1, 0, kind];
        effect.extend(rest);
        effect.resize(12, 0);
        effect
    };
    // A payload: the two letters `{}`, behind the effect.
    let payload = |mut effect: Vec<u32>| {
        effect.push(u32::from_le_bytes(*b"{}  "));
        words(&effect)
    };
    let data = list + 32;
    vec![
        words(&[0, 0, 0]),
        payload(effect(0, &[24, 8, 0, 0, 0, data, 2])),
        payload(effect(0, &[24, 8, 1, 16, 6, data, 2])),
        payload(effect(1, &[32, 5, data, 2])),
        payload(effect(1, &[16, 6, data, 2])),
        payload(effect(2, &[16, 4, 1, data, 2])),
        words(&effect(2, &[16, 4, 0])),
        words(&effect(7, &[])),
        words(&[1, 0, 16, 6]),
        words(&[1, 2, BASE, 16]),
        words(&[0, list, 0xffff_ffff]),
        words(&[2, list, 1]),
        vec![0xff, 0xff],
        Vec::new(),
    ]
}

/// A component whose `handle`, memory and `cabi_realloc` are those of a module
/// made of these bytes, and whose `describe` is an honest one.
///
/// # Errors
/// When there are too few bytes for a module.
pub(super) fn around(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let exports = upload("the exports", &format!("(module {EXPORTS})"), false);
    let config = Config {
        exports: Some(exports.clone()),
        // What this host's engine has.
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        threads_enabled: false,
        // Without `externref`, which wasm-smith has only together with these.
        reference_types_enabled: false,
        // Within what a component may have, beside the honest module's.
        max_imports: 0,
        max_memories: 1,
        max_tables: 1,
        max_table_elements: 10_000,
        max_memory32_bytes: 1 << 22,
        ..Config::default()
    };
    let module = wasm_smith::Module::new(config, bytes)?.to_bytes();
    Ok(splice(&exports, &module))
}

/// With a module in the place of the made one that has only its exports.
fn template() -> Vec<u8> {
    let source = format!(
        r#"(component
  ;; include: types
  (core module $honest
    ;; include: component-rule
  )
  (core module {EXPORTS})
  (core instance $honest (instantiate $honest))
  (core instance $rule (instantiate 1))
  (alias core export $honest "memory" (core memory $honest-memory))
  (alias core export $rule "memory" (core memory $memory))
  (func $describe (result $manifest)
    (canon lift (core func $honest "describe") (memory $honest-memory)))
  (export "describe" (func $describe))
  (func $handle
    (param "event" $event) (param "invocation" $invocation)
    (result (result (list $effect) (error $failure)))
    (canon lift (core func $rule "handle") (memory $memory)
      (realloc (core func $rule "cabi_realloc"))))
  (export "handle" (func $handle)))"#
    );
    upload("the template", &source, false)
}

/// Puts the made module into the place of the one that has only its exports.
fn splice(exports: &[u8], module: &[u8]) -> Vec<u8> {
    let template = template();
    let in_component = |module: &[u8]| {
        let mut bytes = Vec::new();
        section(&mut bytes, 1, module);
        bytes
    };
    let place = in_component(exports);
    let at = template
        .windows(place.len())
        .position(|bytes| bytes == place)
        .expect("the template holds the module");
    let (head, tail) = (&template[..at], &template[at + place.len()..]);
    [head, &in_component(module), tail].concat()
}
