//! No run sees a byte, a global, a table's element or a handle of another's,
//! whoever had its place before.
//!
//! Every guest here is a witness and a culprit: it looks at all that it is
//! given, and stops if it finds anything; then it soils all that it can reach,
//! in one of several ways, for the next one to find.

use std::thread;

use ringfence_hostile::{Stage, upload};
use ringfence_model::{Ancestry, Event, EventId, Json, Limits, Lineage, StopCode, TenantId};
use ringfence_sandbox::Prepared;

/// Each has two memories: more than the pool has places for, so that guests
/// take each other's.
const GUESTS: usize = 80;

/// Ways to soil memory, by what it takes to undo them; see `witness.wat`.
const WAYS: usize = 5;

/// Pages that a guest's memories may have together when they have grown: as
/// many as the limit has, less what tables and the reserve for growth take.
const PAGES_MAX: usize = 460;

#[test]
fn no_run_sees_anything_of_another() {
    let stage = Stage::new(2);
    let upload = |number| stage.upload(&guest(number), &limits()).unwrap();
    let guests: Vec<_> = (0..GUESTS).map(upload).collect();
    // The threads go through the guests in opposite orders.
    let forth: Vec<_> = guests.iter().collect();
    let back: Vec<_> = guests.iter().rev().collect();
    thread::scope(|scope| {
        for (tenant, order) in [("alice", forth), ("mallory", back)] {
            let stage = &stage;
            scope.spawn(move || {
                let tenant = tenant.parse().unwrap();
                for way in 0..WAYS {
                    for guest in &order {
                        // Twice in a row: the second run has the first's place.
                        run(stage, &tenant, guest, way);
                        run(stage, &tenant, guest, way);
                    }
                }
            });
        }
    });
}

/// The witnesses see what is there to be seen.
#[test]
fn what_is_soiled_is_found() {
    let stage = Stage::new(1);
    let tenant: TenantId = "mallory".parse().unwrap();
    let witness = stage.upload(&guest(2), &limits()).unwrap();
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
        ancestry: Ancestry::default(),
    }
}

/// A guest unlike the others: small or large, growing or not.
fn guest(number: usize) -> Vec<u8> {
    // Pages of both memories, and by how many each grows.
    let (pages, other, growth) = match number % 8 {
        0 | 1 => (4, 1, 0),
        2 | 3 => (6, 2, 2),
        4 | 5 => (40, 8, 30),
        6 => (4, 4, (PAGES_MAX - 8) / 2),
        _ => (PAGES_MAX - 100, 100, 0),
    };
    // The image's last eight letters, which are looked at as one number.
    let image = format!("{number:06}");
    let word = format!("e {image}").into_bytes();
    let word = i64::from_le_bytes(word.try_into().unwrap());
    let end = |pages: usize| (pages * 65_536) as i64;
    let mut source = include_str!("witness.wat").replace("{IMAGE}", &image);
    for (name, value) in [
        ("PAGES", pages as i64),
        ("OTHER", other as i64),
        ("GROWTH", growth as i64),
        ("END", end(pages)),
        ("OTHER-END", end(other)),
        ("LAST", end(pages) - 1),
        ("OTHER-LAST", end(other) - 1),
        ("WORD", word),
    ] {
        source = source.replace(&format!("{{{name}}}"), &value.to_string());
    }
    upload("witness.wat", &source, false)
}
