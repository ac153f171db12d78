//! Lists and their filters, and removing what is old.

use ringfence_model::{EventId, Ledger, Meter, Status, StopCode};

use super::make::{
    act, commit, event, execution, follow_up, not_last, rule, tenant, tenant_id, with_effects,
    with_events,
};
use super::{Place, ok, open_with_feed};
use crate::{Append, Completion, Counts, DeadLetterFilter, ExecutionFilter, Page, Result};

/// Reads a list to its end, in pages of at most two.
async fn all<T, F>(mut page: impl FnMut(Option<u64>) -> F) -> Vec<T>
where
    F: Future<Output = Result<Page<T>>>,
{
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let page = ok(page(cursor).await);
        assert!(page.items.len() <= 2, "at most as many as asked for");
        items.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return items;
        }
    }
}

/// Filters, and which of the executions of [`executions_are_found`] pass.
fn execution_filters(second: EventId) -> Vec<(ExecutionFilter, Vec<usize>)> {
    let filter = ExecutionFilter::default();
    vec![
        (filter.clone(), vec![5, 4, 3, 2, 1, 0]),
        (
            ExecutionFilter {
                rule: Some(rule("r")),
                ..filter.clone()
            },
            vec![4, 2, 0],
        ),
        (
            ExecutionFilter {
                rule: Some(rule("x")),
                ..filter.clone()
            },
            vec![],
        ),
        (
            ExecutionFilter {
                status: Some(Status::Stopped),
                ..filter.clone()
            },
            vec![4, 2],
        ),
        (
            ExecutionFilter {
                status: Some(Status::Ok),
                ..filter.clone()
            },
            vec![5, 3, 1, 0],
        ),
        (
            ExecutionFilter {
                stop: Some(StopCode::Trap),
                ..filter.clone()
            },
            vec![2],
        ),
        (
            ExecutionFilter {
                near_limit: true,
                ..filter.clone()
            },
            vec![3, 1],
        ),
        (
            ExecutionFilter {
                near_limit: true,
                rule: Some(rule("r")),
                ..filter.clone()
            },
            vec![],
        ),
        (
            ExecutionFilter {
                near_limit: true,
                since_us: Some(20),
                ..filter.clone()
            },
            vec![3],
        ),
        (
            ExecutionFilter {
                stop: Some(StopCode::Trap),
                rule: Some(rule("s")),
                ..filter.clone()
            },
            vec![],
        ),
        (
            ExecutionFilter {
                event: Some(second),
                ..filter.clone()
            },
            vec![3, 2],
        ),
        (
            ExecutionFilter {
                event: Some(event("t", "x").id),
                ..filter.clone()
            },
            vec![],
        ),
        (
            ExecutionFilter {
                since_us: Some(20),
                ..filter.clone()
            },
            vec![5, 4, 3, 2],
        ),
    ]
}

pub(super) async fn executions_are_found(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b", "c"]).await;
    let id = tenant_id("t");
    let mut runs = Vec::new();
    for (index, stop) in [None, Some(StopCode::Trap), Some(StopCode::OutOfFuel)]
        .iter()
        .enumerate()
    {
        for name in ["r", "s"] {
            let one = &accepted[index];
            let stop = if name == "r" { *stop } else { None };
            let mut run = execution(&one.event, name, stop);
            run.started_us = 10 * (index as u64 + 1);
            if name == "s" && index < 2 {
                run.near_limits = vec![Meter::Fuel, Meter::LogBytes];
            }
            runs.push(run.clone());
            ok(store.commit(vec![not_last(commit(one, run))]).await);
        }
    }
    let filter = ExecutionFilter::default();
    let cases = execution_filters(runs[2].event);
    for (filter, expected) in &cases {
        let found = all(|before| store.executions(&id, filter, before, 2)).await;
        let expected: Vec<_> = expected
            .iter()
            .map(|index: &usize| runs[*index].clone())
            .collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let page = ok(store.executions(&id, &filter, None, 6).await);
    assert_eq!(
        (page.items.len(), page.next),
        (6, None),
        "no page after the last"
    );
    let other = tenant_id("u");
    let others = store.executions(&other, &filter, None, 10);
    assert!(ok(others.await).items.is_empty());
}

pub(super) async fn dead_letters_are_found(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a", "b", "c"]).await;
    let id = tenant_id("t");
    for (index, code) in [StopCode::Trap, StopCode::OutOfFuel, StopCode::Trap]
        .iter()
        .enumerate()
    {
        let name = if index == 0 { "r" } else { "s" };
        let run = execution(&accepted[index].event, name, Some(*code));
        let mut done = commit(&accepted[index], run);
        let done_us = 10 * (index as u64 + 1);
        done.completion = Some(Completion { done_us });
        ok(store.commit(vec![done]).await);
    }
    let filter = DeadLetterFilter::default();
    let cases = [
        (filter.clone(), vec![2, 1, 0]),
        (
            DeadLetterFilter {
                reason: Some(StopCode::Trap),
                ..filter.clone()
            },
            vec![2, 0],
        ),
        (
            DeadLetterFilter {
                rule: Some(rule("s")),
                ..filter.clone()
            },
            vec![2, 1],
        ),
        (
            DeadLetterFilter {
                since_us: Some(20),
                ..filter.clone()
            },
            vec![2, 1],
        ),
        (
            DeadLetterFilter {
                reason: Some(StopCode::Deadline),
                ..filter.clone()
            },
            vec![],
        ),
    ];
    for (filter, expected) in &cases {
        let found = all(|before| store.dead_letters(&id, filter, before, 2)).await;
        let found: Vec<_> = found.iter().map(|letter| letter.event).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|index: &usize| accepted[*index].event.id)
            .collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let newest = &ok(store.dead_letters(&id, &filter, None, 1).await).items[0];
    let run = execution(&accepted[2].event, "s", Some(StopCode::Trap));
    assert_eq!(
        (newest.execution, newest.version),
        (Some(run.id), Some(run.version))
    );
    assert_eq!(
        (&newest.rule, Some(&newest.stop)),
        (&Some(rule("s")), run.stop.as_ref())
    );
    assert_eq!(newest.since_us, 30);
}

pub(super) async fn the_outbox_is_read_and_emptied(place: &dyn Place) {
    let (store, accepted) = with_events(place, &["a"]).await;
    let id = tenant_id("t");
    let run = execution(&accepted[0].event, "r", None);
    let effects = (0..5).map(|index| act(&format!("n{index}"), "1")).collect();
    let waiting = not_last(with_effects(commit(&accepted[0], run), effects));
    ok(store.commit(vec![waiting]).await);
    let read = all(|after| store.outgoing(&id, after.unwrap_or(0), 2)).await;
    let names: Vec<_> = read.iter().map(|one| one.action.name.clone()).collect();
    assert_eq!(names, ["n0", "n1", "n2", "n3", "n4"], "oldest first");
    assert_eq!(
        read[0].since_us, 2_000,
        "the run's time, as the event is not finished"
    );
    assert_eq!(ok(store.acknowledge(&id, read[1].seq).await), 2);
    assert_eq!(ok(store.acknowledge(&id, read[1].seq).await), 0);
    assert_eq!(ok(store.acknowledge(&tenant_id("u"), u64::MAX).await), 0);
    drop(store);
    let store = place.open().await;
    let left = ok(store.outgoing(&id, 0, 10).await).items;
    assert_eq!(left, read[2..]);
    assert_eq!(ok(store.acknowledge(&id, u64::MAX).await), 3);
    assert!(ok(store.outgoing(&id, 0, 10).await).items.is_empty());
}

pub(super) async fn pruning_keeps_what_is_young_or_waits(place: &dyn Place) {
    let (store, fed) = open_with_feed(place).await;
    let id = tenant_id("t");
    ok(store.put_tenant(tenant("t")).await);
    let names = ["old", "older", "young", "waits"];
    ok(store
        .append(names.iter().map(|name| event("t", name)).collect())
        .await);
    let accepted = fed.lock().clone();
    for (one, done_us, stop) in [
        (&accepted[0], 20, None),
        (&accepted[1], 10, Some(StopCode::Trap)),
        (&accepted[2], 30, Some(StopCode::Trap)),
    ] {
        let run = execution(&one.event, "r", stop);
        let mut done = with_effects(commit(one, run), vec![act("x", "1")]);
        done.completion = Some(Completion { done_us });
        done.draw.executions = 1;
        if one.seq == accepted[0].seq {
            done.follow_ups = vec![follow_up(&one.event, 0, None)];
        }
        ok(store.commit(vec![done]).await);
    }
    for (limit, expected) in [(1, 1), (5, 1), (5, 0)] {
        assert_eq!(ok(store.prune(30, limit).await), expected);
    }
    drop(store);
    let store = place.open().await;
    let expected = Counts {
        waiting: 2,
        done: 0,
        dead_lettered: 1,
    };
    assert_eq!(ok(store.counts(&id).await), expected);
    let runs = ok(store
        .executions(&id, &ExecutionFilter::default(), None, 10)
        .await)
    .items;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].event, accepted[2].event.id);
    let filter = DeadLetterFilter::default();
    let letters = ok(store.dead_letters(&id, &filter, None, 10).await);
    assert_eq!(letters.items.len(), 1);
    assert_eq!(
        ok(store.outgoing(&id, 0, 10).await).items.len(),
        3,
        "nothing asked for is lost"
    );
    // The cascade of `older` is over; that of `old` goes on.
    let ledger = store.ledger(&id, accepted[1].event.id);
    assert_eq!(ok(ledger.await), Ledger::default());
    assert_eq!(
        ok(store.ledger(&id, accepted[0].event.id).await).executions,
        1
    );
    let again = vec![event("t", "older"), event("t", "young")];
    assert_eq!(
        ok(store.append(again).await),
        [Append::Accepted, Append::Duplicate]
    );
}
