//! Edges of the reserve, of the limit and of the declared maximum.

use wasmtime::Val;

use super::{PAGE, Twins};

/// What a growth answers: the size before it, or -1, or that it is stopped
/// with so many pages wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Grown {
    From(i32),
    No,
    Stopped(u64),
}

use Grown::{From, No, Stopped};

struct Case {
    name: &'static str,
    memory: &'static str,
    /// In pages.
    limit: u64,
    growths: &'static [(u32, Grown)],
}

const CASES: &[Case] = &[
    Case {
        name: "within",
        memory: "1",
        limit: 100,
        growths: &[(1, From(1)), (0, From(2)), (15, From(2)), (0, From(17))],
    },
    Case {
        name: "beyond",
        memory: "1",
        limit: 100,
        growths: &[(16, From(1)), (1, From(17)), (0, From(18)), (5, From(18))],
    },
    Case {
        name: "across",
        memory: "1",
        limit: 100,
        growths: &[(3, From(1)), (14, From(4)), (1, From(18)), (0, From(19))],
    },
    Case {
        name: "the limit at the reserve's end",
        memory: "1",
        limit: 17,
        growths: &[(16, From(1)), (1, Stopped(18))],
    },
    Case {
        name: "one page over, at once",
        memory: "1",
        limit: 17,
        growths: &[(17, Stopped(18))],
    },
    Case {
        name: "one page over, across",
        memory: "1",
        limit: 17,
        growths: &[(9, From(1)), (8, Stopped(18))],
    },
    Case {
        name: "up to the limit, across",
        memory: "1",
        limit: 20,
        growths: &[(9, From(1)), (10, From(10)), (1, Stopped(21))],
    },
    Case {
        name: "a limit within the reserve",
        memory: "1",
        limit: 3,
        growths: &[(2, From(1)), (1, Stopped(4))],
    },
    Case {
        name: "a limit within the reserve, across",
        memory: "1",
        limit: 3,
        growths: &[(2, From(1)), (15, Stopped(18))],
    },
    Case {
        name: "a limit of what is declared",
        memory: "4",
        limit: 4,
        growths: &[(0, From(4)), (1, Stopped(5))],
    },
    Case {
        name: "far beyond the limit",
        memory: "2",
        limit: 64,
        growths: &[(60_000, Stopped(60_002))],
    },
    Case {
        name: "more than there can be",
        memory: "2",
        limit: 64,
        growths: &[(65_534, Stopped(65_536))],
    },
    Case {
        name: "one more than there can be",
        memory: "2",
        limit: 64,
        growths: &[(65_535, Stopped(65_537))],
    },
    Case {
        name: "huge",
        memory: "2",
        limit: 64,
        growths: &[(u32::MAX, Stopped(u32::MAX as u64 + 2))],
    },
    Case {
        name: "a maximum within the reserve",
        memory: "1 3",
        limit: 64,
        growths: &[
            (3, No),
            (1, From(1)),
            (2, No),
            (1, From(2)),
            (1, No),
            (0, From(3)),
        ],
    },
    Case {
        name: "a maximum at the reserve's end",
        memory: "1 17",
        limit: 64,
        growths: &[(17, No), (16, From(1)), (1, No)],
    },
    Case {
        name: "a maximum beyond the reserve",
        memory: "1 20",
        limit: 64,
        growths: &[(20, No), (2, From(1)), (18, No), (17, From(3)), (1, No)],
    },
    Case {
        name: "huge, with a maximum",
        memory: "1 20",
        limit: 64,
        growths: &[(u32::MAX, No), (65_535, No), (19, From(1)), (u32::MAX, No)],
    },
    Case {
        name: "a maximum that the limit does not allow",
        memory: "1 70",
        limit: 64,
        growths: &[(70, Stopped(71))],
    },
    Case {
        name: "a maximum of the limit",
        memory: "1 64",
        limit: 64,
        growths: &[(64, Stopped(65))],
    },
    Case {
        name: "nothing at first",
        memory: "0",
        limit: 64,
        growths: &[(0, From(0)), (1, From(0)), (16, From(1)), (1, From(17))],
    },
];

#[test]
fn growth_is_answered_charged_and_stopped_as_before() {
    for case in CASES {
        let module = format!(
            r#"(module
              (memory (export "memory") {})
              (func (export "size") (result i32) memory.size)
              (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#,
            case.memory
        );
        let module = wat::parse_str(module).unwrap();
        let (mut twins, made) = Twins::new(&module, case.limit * PAGE);
        assert_eq!(made.result, Ok(vec![]), "{}", case.name);
        assert!(twins.reserve > 0, "{}: not rewritten", case.name);
        let initial = made.held / PAGE;
        let mut size = initial;
        for &(pages, expected) in case.growths {
            let step = twins.call("grow", &[Val::I32(pages as i32)]);
            let name = format!("{}: grow by {pages}", case.name);
            let result = match expected {
                From(size) => Ok(vec![format!("I32({size})")]),
                No => Ok(vec!["I32(-1)".into()]),
                Stopped(wanted) => Err(format!(
                    "out of memory: {} of {}",
                    wanted * PAGE,
                    case.limit * PAGE
                )),
            };
            assert_eq!(step.result, result, "{name}");
            if matches!(expected, Stopped(_)) {
                break;
            }
            if let From(before) = expected {
                size = before as u64 + u64::from(pages);
            }
            assert_eq!(step.held, size * PAGE, "{name}");
            let step = twins.call("size", &[]);
            assert_eq!(step.result, Ok(vec![format!("I32({size})")]), "{name}");
        }
        twins.check_memories();
    }
}

#[test]
fn what_is_declared_beyond_the_limit_is_stopped_as_it_is_made() {
    let module = r#"(module (memory 5) (func (result i32) (memory.grow (i32.const 1))))"#;
    let module = wat::parse_str(module).unwrap();
    let (twins, made) = Twins::new(&module, 4 * PAGE);
    assert_eq!(twins.reserve, 16);
    let message = format!("out of memory: {} of {}", 5 * PAGE, 4 * PAGE);
    assert_eq!(made.result, Err(message));
    assert_eq!(made.held, 0);
}

/// Everything that a module can have, so that each index space has others.
const RICH: &str = r#"(module
    (type (func (param i64) (result i64)))
    (memory $a (export "a") 1 5)
    (memory $b (export "b") 2)
    (table $t (export "t") 2 10 funcref)
    (global $g (mut i32) (i32.const 7))
    (elem (table $t) (i32.const 0) func $first $second)
    (data (memory $a) (i32.const 65530) "abcdef")
    (data $late "0123456789")
    (start $begin)
    (func $first (result i32) (i32.const 41))
    (func $second (result i32) (global.get $g))
    (func $begin (drop (memory.grow $b (i32.const 2))))
    (func (export "grow-a") (param i32) (result i32) (memory.grow $a (local.get 0)))
    (func (export "grow-b") (param i32) (result i32) (memory.grow $b (local.get 0)))
    (func (export "sizes") (result i32 i32) (memory.size $a) (memory.size $b))
    (func (export "table") (param i32) (result i32)
      (table.grow $t (ref.null func) (local.get 0)))
    (func (export "indirect") (param i32) (result i32)
      (call_indirect $t (result i32) (local.get 0)))
    (func (export "fill") (param i32 i32 i32)
      (memory.fill $a (local.get 0) (local.get 1) (local.get 2)))
    (func (export "init") (param i32)
      (memory.init $b $late (local.get 0) (i32.const 2) (i32.const 5)))
    (func (export "copy") (param i32 i32 i32)
      (memory.copy $a $b (local.get 0) (local.get 1) (local.get 2))))"#;

#[test]
fn all_that_a_module_has_goes_on_working() {
    let module = wat::parse_str(RICH).unwrap();
    let (mut twins, made) = Twins::new(&module, 100 * PAGE);
    // Two elements, and the pages that the start function took.
    assert_eq!(made.held, (1 + 4) * PAGE + 2 * 8);
    assert_eq!(twins.reserve, 4);
    let page = PAGE as i32;
    let script: &[(&str, &[i32])] = &[
        ("sizes", &[]),
        ("indirect", &[0]),
        ("indirect", &[1]),
        ("table", &[3]),
        ("table", &[6]),
        ("grow-b", &[2]),
        ("grow-a", &[4]),
        ("grow-a", &[1]),
        ("grow-b", &[3]),
        ("sizes", &[]),
        ("fill", &[page - 3, 9, 4 * page]),
        ("init", &[8 * page + 7]),
        ("copy", &[3, 8 * page + 5, 100]),
        ("table", &[5]),
        ("indirect", &[1]),
        ("indirect", &[4]),
    ];
    for &(name, arguments) in script {
        let arguments: Vec<_> = arguments.iter().map(|&value| Val::I32(value)).collect();
        twins.call(name, &arguments);
    }
    twins.check_memories();
}
