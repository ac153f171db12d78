//! Sequences of growths, stores and loads at random.

use proptest::prelude::*;
use wasmtime::Val;

use super::{PAGE, Twins};

#[derive(Debug, Clone)]
enum Do {
    Grow(u32),
    Size,
    /// At this part of what is in use, in thousandths.
    Store(u32, i32),
    Load(u32),
    /// So many bytes behind all that there can be before the next growth.
    LoadBehind(u32),
}

fn growth() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => 0u32..6,
        4 => 6u32..24,
        1 => 24u32..200,
        1 => 65_500u32..65_560,
        1 => any::<u32>(),
    ]
}

fn action() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => growth().prop_map(Do::Grow),
        1 => Just(Do::Size),
        2 => (0u32..1000, any::<i32>()).prop_map(|(at, value)| Do::Store(at, value)),
        1 => (0u32..1000).prop_map(Do::Load),
        1 => (0u32..65_536).prop_map(Do::LoadBehind),
    ]
}

fn memory() -> impl Strategy<Value = (u32, Option<u32>)> {
    (0u32..20, prop::option::weighted(0.5, 0u32..60))
        .prop_map(|(initial, more)| (initial, more.map(|more| initial + more)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_script_goes_as_before(
        (initial, maximum) in memory(),
        limit in 0u64..80,
        odd in 0u64..PAGE,
        script in prop::collection::vec(action(), 1..30),
    ) {
        let maximum_text = maximum.map(|maximum| maximum.to_string()).unwrap_or_default();
        let module = wat::parse_str(format!(
            r#"(module
              (memory (export "memory") {initial} {maximum_text})
              (func (export "size") (result i32) memory.size)
              (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
              (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
              (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1))))"#
        ))
        .unwrap();
        let (mut twins, made) = Twins::new(&module, limit * PAGE + odd);
        if made.result.is_ok() {
            run(&mut twins, u64::from(initial), &script);
            twins.check_memories();
        }
    }
}

fn run(twins: &mut Twins, initial: u64, script: &[Do]) {
    let mut pages = initial;
    let reserved = initial + u64::from(twins.reserve);
    for action in script {
        let at = |part: &u32| (pages * PAGE).saturating_sub(4) * u64::from(*part) / 1000;
        let i32 = |value: u64| Val::I32(value as u32 as i32);
        let step = match action {
            Do::Size => twins.call("size", &[]),
            Do::Store(..) | Do::Load(_) if pages == 0 => continue,
            Do::Store(part, value) => {
                let arguments = [i32(at(part)), Val::I32(*value)];
                twins.call("store", &arguments)
            }
            Do::Load(part) => twins.call("load", &[i32(at(part))]),
            Do::LoadBehind(by) => {
                let at = pages.max(reserved) * PAGE + u64::from(*by);
                twins.call("load", &[i32(at)])
            }
            Do::Grow(more) => {
                let step = twins.call("grow", &[Val::I32(*more as i32)]);
                if matches!(&step.result, Ok(results) if results[0] != "I32(-1)") {
                    pages += u64::from(*more);
                }
                step
            }
        };
        let trapped = step.result.is_err();
        if trapped && !matches!(action, Do::LoadBehind(_)) {
            return;
        }
        assert_eq!(step.held, pages * PAGE, "{action:?}");
    }
}
