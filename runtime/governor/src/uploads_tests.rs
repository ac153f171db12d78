use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const BOUNDS: UploadBounds = UploadBounds {
    at_once: 2,
    places: 16,
    bytes: 1_000,
};

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn enter(uploads: &mut Uploads, name: &str) -> UploadId {
    let id = uploads.enter(&tenant(name), 1).unwrap();
    uploads.line_up(id, 1);
    id
}

#[test]
fn tenants_take_turns_however_much_one_sends() {
    let mut uploads = Uploads::new(UploadBounds {
        at_once: 1,
        ..BOUNDS
    });
    let flood: Vec<UploadId> = (0..4).map(|_| enter(&mut uploads, "flood")).collect();
    let calm = enter(&mut uploads, "calm");
    let mut order = Vec::new();
    while let Some(id) = uploads.next() {
        order.push(id);
        uploads.leave(id);
    }
    assert_eq!(order, [flood[0], calm, flood[1], flood[2], flood[3]]);
}

#[test]
fn a_tenant_has_one_at_a_time_and_does_not_hold_up_others() {
    let mut uploads = Uploads::new(BOUNDS);
    let first = enter(&mut uploads, "flood");
    let second = enter(&mut uploads, "flood");
    assert_eq!(uploads.next(), Some(first));
    assert_eq!(uploads.next(), None);
    let calm = enter(&mut uploads, "calm");
    assert_eq!(uploads.next(), Some(calm));
    enter(&mut uploads, "third");
    assert_eq!(uploads.next(), None, "two at once");
    uploads.leave(first);
    assert_eq!(uploads.next(), Some(second));
}

#[test]
fn who_goes_away_leaves_the_line() {
    let mut uploads = Uploads::new(BOUNDS);
    let arriving = uploads.enter(&tenant("a"), 1).unwrap();
    let waiting = enter(&mut uploads, "a");
    let last = enter(&mut uploads, "a");
    uploads.leave(waiting);
    uploads.leave(arriving);
    uploads.line_up(arriving, 1);
    assert_eq!(uploads.next(), Some(last));
    uploads.leave(last);
    uploads.leave(last);
    assert_eq!(uploads.next(), None);
    assert!(uploads.entries.is_empty() && uploads.lines.is_empty() && uploads.turns.is_empty());
    assert_eq!((uploads.bytes, uploads.compiling), (0, 0));
}

#[test]
fn what_waits_is_bounded_for_each_and_for_all() {
    let mut uploads = Uploads::new(BOUNDS);
    for _ in 0..4 {
        uploads.enter(&tenant("a"), 10).unwrap();
    }
    let refused = |uploads: &mut Uploads, name: &str, bytes| {
        let Crowded {
            what,
            of_tenant,
            limit,
            ..
        } = uploads.enter(&tenant(name), bytes).unwrap_err();
        (what, of_tenant, limit)
    };
    assert_eq!(refused(&mut uploads, "a", 1), ("uploads", true, 4));
    uploads.enter(&tenant("b"), 300).unwrap();
    assert_eq!(
        refused(&mut uploads, "b", 1),
        ("bytes of uploads", true, 250)
    );
    assert_eq!(
        refused(&mut uploads, "c", 700),
        ("bytes of uploads", false, 1_000)
    );
    for name in ["c", "d"] {
        for _ in 0..4 {
            uploads.enter(&tenant(name), 1).unwrap();
        }
    }
    for _ in 0..3 {
        uploads.enter(&tenant("e"), 1).unwrap();
    }
    assert_eq!(refused(&mut uploads, "f", 1), ("uploads", false, 16));
    // Whatever its size, one alone is taken.
    let mut uploads = Uploads::new(BOUNDS);
    uploads.enter(&tenant("a"), 5_000).unwrap();
    assert_eq!(
        refused(&mut uploads, "b", 1),
        ("bytes of uploads", false, 1_000)
    );
}

proptest! {
    /// Whatever comes and goes: bounds hold, nobody who may go waits, within a
    /// tenant the order is kept, and between two of one tenant every other
    /// that could has had a turn.
    #[test]
    fn turns_are_fair_and_bounds_hold(
        at_once in 1u64..4,
        steps in prop::collection::vec((0u8..4, 0usize..4, any::<usize>()), 1..300),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut uploads = Uploads::new(UploadBounds { at_once, ..BOUNDS });
        // By place in line; who is compiled; how often each was passed over.
        let mut waiting: Vec<(usize, UploadId)> = Vec::new();
        let mut compiling: Vec<(usize, UploadId)> = Vec::new();
        let mut passed: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for (kind, owner, which) in steps {
            match kind {
                0 | 1 => if let Ok(id) = uploads.enter(&tenant(names[owner]), 10) {
                    uploads.line_up(id, 1);
                    waiting.push((owner, id));
                },
                2 if !compiling.is_empty() => {
                    let (_, id) = compiling.swap_remove(which % compiling.len());
                    uploads.leave(id);
                }
                3 if !waiting.is_empty() => {
                    let (owner, id) = waiting.remove(which % waiting.len());
                    uploads.leave(id);
                    // Who comes back begins at the end.
                    if waiting.iter().all(|(other, _)| *other != owner) {
                        passed.retain(|(other, _), _| *other != owner);
                    }
                }
                _ => {}
            }
            while let Some(id) = uploads.next() {
                let at = waiting.iter().position(|(_, other)| *other == id).unwrap();
                let (owner, _) = waiting[at];
                prop_assert!(waiting[..at].iter().all(|(other, _)| *other != owner), "out of order");
                let busy = |owner: usize, compiling: &[(usize, UploadId)]| compiling.iter().any(|(other, _)| *other == owner);
                prop_assert!(!busy(owner, &compiling), "two of one tenant");
                for other in 0..names.len() {
                    let could = waiting.iter().any(|(of, _)| *of == other) && !busy(other, &compiling);
                    let count = passed.entry((other, owner)).or_default();
                    *count = if could && other != owner { *count + 1 } else { 0 };
                    prop_assert!(*count <= 1, "{other} was passed over twice by {owner}");
                }
                passed.iter_mut().filter(|((other, _), _)| *other == owner).for_each(|(_, count)| *count = 0);
                waiting.remove(at);
                compiling.push((owner, id));
            }
            prop_assert!(compiling.len() as u64 <= at_once);
            let free = waiting.iter().any(|(owner, _)| compiling.iter().all(|(other, _)| other != owner));
            prop_assert!(!free || compiling.len() as u64 == at_once, "somebody waits for nothing");
        }
    }
}
