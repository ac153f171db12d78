//! No run sees a byte, a global, a table's element or a handle of another's,
//! whoever had its place before.
//!
//! Every guest here is a witness and a culprit: it looks at all that it is
//! given, and stops if it finds anything; then it soils all that it can reach,
//! in one of several ways, for the next one to find.

use std::thread;

use ringfence_hostile::{Stage, upload};
use ringfence_model::{Event, EventId, Json, Limits, Lineage, StopCode, TenantId};
use ringfence_sandbox::Prepared;

/// More than the pool has places for, so that they take each other's.
const GUESTS: usize = 80;

/// Ways to soil memory, by what it takes to undo them; see `witness.wat`.
const WAYS: usize = 5;

/// Pages that the two memories of a guest may have together, with their
/// growth; in all 8 below the limit, which a table and the shim need.
const PAGES_MAX: usize = 500;

#[test]
fn no_run_sees_anything_of_another() {
    let stage = Stage::new(2);
    let guests: Vec<_> = (0..GUESTS)
        .map(|number| stage.upload(&guest(number), &limits()).unwrap())
        .collect();
    let tenants = ["alice", "mallory"].map(|name| name.parse::<TenantId>().unwrap());
    thread::scope(|scope| {
        for (number, tenant) in tenants.iter().enumerate() {
            let (stage, guests) = (&stage, &guests);
            scope.spawn(move || {
                for way in 0..WAYS {
                    for turn in 0..GUESTS {
                        // The threads go through the guests in opposite
                        // orders, and each guest runs twice in a row.
                        let at = if number == 0 { turn } else { GUESTS - 1 - turn };
                        for _ in 0..2 {
                            run(stage, tenant, &guests[at], way);
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn a_witness_sees_what_is_there() {
    let stage = Stage::new(1);
    let tenant: TenantId = "mallory".parse().unwrap();
    let witness = stage.upload(&guest(3), &limits()).unwrap();
    // Soils in one of the ways, and then looks, in one run.
    for (what, seen) in [
        (5, "dirty-memory"),
        (6, "dirty-other"),
        (7, "dirty-table"),
        (8, "dirty-global"),
        (9, "dirty-handle"),
    ] {
        let report = stage.run(&tenant, &witness, &event(&tenant, what), &limits());
        let stop = report.outcome.unwrap_err();
        assert_eq!(stop.code, StopCode::Trap, "{seen}: {stop:?}");
        assert_eq!(stop.backtrace[0].function, seen, "{stop:?}");
    }
}

fn run(stage: &Stage, tenant: &TenantId, guest: &Prepared, way: usize) {
    let report = stage.run(tenant, guest, &event(tenant, way), &limits());
    assert_eq!(report.outcome.as_deref(), Ok(&[][..]), "way {way}");
}

fn limits() -> Limits {
    Limits {
        fuel: 1_000_000_000,
        deadline_ms: 30_000,
        ..Limits::default()
    }
}

/// An event whose data is the way to soil.
fn event(tenant: &TenantId, way: usize) -> Event {
    let id = EventId::root(tenant, "/isolation", "e1");
    Event {
        id,
        tenant: tenant.clone(),
        ce_id: "e1".into(),
        source: "/isolation".into(),
        ty: "test.in".into(),
        subject: None,
        time: "2026-01-01T00:00:00Z".into(),
        data: Json::parse(&way.to_string()).unwrap(),
        accepted_us: 0,
        lineage: Lineage::root(id),
    }
}

/// A guest unlike the others: small and large, growing or not.
fn guest(number: usize) -> Vec<u8> {
    let (pages, other, growth) = match number % 5 {
        0 => (4, 1, 0),
        1 => (6, 2, 2),
        2 => (40, 8, 30),
        3 => (4, 4, (PAGES_MAX - 8) / 2),
        _ => (PAGES_MAX - 100, 100, 0),
    };
    // Eight letters, which look at the image's end as one number.
    let image = format!("{number:06}");
    let word: [u8; 8] = format!("e {image}").into_bytes().try_into().unwrap();
    let word = i64::from_le_bytes(word);
    let mut source = include_str!("witness.wat").to_owned();
    for (name, value) in [
        ("PAGES", pages as i64),
        ("OTHER", other as i64),
        ("GROWTH", growth as i64),
        ("END", pages as i64 * 65_536),
        ("OTHER-END", other as i64 * 65_536),
        ("LAST", pages as i64 * 65_536 - 1),
        ("OTHER-LAST", other as i64 * 65_536 - 1),
        ("WORD", word),
    ] {
        source = source.replace(&format!("{{{name}}}"), &value.to_string());
    }
    let source = source.replace("{IMAGE}", &image);
    upload("witness.wat", &source, false)
}
