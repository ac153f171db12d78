//! Anomalies: kept from their beginning, and bounded.

use ringfence_model::{Anomaly, AnomalyEdge, AnomalyEnd, EventRate, Reproduction, TenantId};

use super::make::{rule, tenant, tenant_id};
use super::{Place, ok};
use crate::{ANOMALIES_MAX, AnomalyRecord, Store, StoreError};

fn growth(since_us: u64) -> Anomaly {
    let found = Reproduction {
        number: 1.984,
        at_least: 1.47,
        peak: 2.0,
        threshold: 1.0,
        executions: 64,
        cycle: vec![AnomalyEdge {
            rule: rule("r"),
            event_type: "é".into(),
            causes: rule("s"),
            number: 1.984,
        }],
    };
    Anomaly::of_reproduction(since_us, found)
}

fn storm(since_us: u64) -> Anomaly {
    let found = EventRate {
        per_second: 120.5,
        peak: 120.5,
        baseline: 2.25,
        factor: 10.0,
    };
    Anomaly::of_event_rate(since_us, found)
}

fn ended(record: &AnomalyRecord, until_us: u64) -> AnomalyRecord {
    let mut record = record.clone();
    record.anomaly.until_us = Some(until_us);
    record.anomaly.ended = Some(AnomalyEnd::Calm);
    record
}

async fn list(store: &dyn Store, tenant: &TenantId) -> Vec<AnomalyRecord> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = ok(store.anomalies(tenant, before, 2).await);
        assert!(page.items.len() <= 2);
        all.extend(page.items);
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

pub(super) async fn they_begin_end_and_are_listed(place: &dyn Place) {
    let store = place.open().await;
    let (t, u) = (tenant_id("t"), tenant_id("u"));
    let refused = store.begin_anomaly(&t, growth(1)).await;
    assert!(matches!(refused, Err(StoreError::NoTenant)), "{refused:?}");
    for name in ["t", "u"] {
        ok(store.put_tenant(tenant(name)).await);
    }
    let mut kept = Vec::new();
    for anomaly in [growth(10), storm(20), growth(30)] {
        let seq = ok(store.begin_anomaly(&t, anomaly.clone()).await);
        kept.push(AnomalyRecord { seq, anomaly });
    }
    let other = ok(store.begin_anomaly(&u, storm(15)).await);
    kept[1] = ended(&kept[1], 25);
    assert!(ok(store.end_anomaly(&t, kept[1].clone()).await));
    assert!(
        !ok(store.end_anomaly(&u, ended(&kept[0], 99)).await),
        "another tenant's"
    );
    drop(store);
    let store = place.open().await;
    let newest_first: Vec<_> = kept.iter().rev().cloned().collect();
    assert_eq!(list(&*store, &t).await, newest_first);
    let ongoing = ok(store.ongoing_anomalies(10).await);
    let ongoing: Vec<_> = ongoing.iter().map(|(id, one)| (id, one.seq)).collect();
    assert_eq!(ongoing, [(&t, kept[0].seq), (&t, kept[2].seq), (&u, other)]);
    assert_eq!(ok(store.ongoing_anomalies(1).await).len(), 1);
    ok(store.delete_tenant(&t).await);
    assert!(list(&*store, &t).await.is_empty());
    assert_eq!(ok(store.ongoing_anomalies(10).await).len(), 1);
    assert!(!ok(store.end_anomaly(&t, ended(&kept[0], 99)).await));
}

pub(super) async fn they_are_bounded_and_pruned(place: &dyn Place) {
    let store = place.open().await;
    let (t, u) = (tenant_id("t"), tenant_id("u"));
    for name in ["t", "u"] {
        ok(store.put_tenant(tenant(name)).await);
    }
    let mut records = Vec::new();
    for since_us in 1..=4 {
        let anomaly = storm(since_us);
        let seq = ok(store.begin_anomaly(&u, anomaly.clone()).await);
        records.push(AnomalyRecord { seq, anomaly });
    }
    // The second goes on.
    for (at, until_us) in [(0, 10), (2, 20), (3, 30)] {
        ok(store.end_anomaly(&u, ended(&records[at], until_us)).await);
    }
    let left = |list: Vec<AnomalyRecord>| -> Vec<u64> {
        list.iter().map(|record| record.anomaly.since_us).collect()
    };
    assert_eq!(ok(store.prune_anomalies(20, 100).await), 1);
    assert_eq!(left(list(&*store, &u).await), [4, 3, 2]);
    assert_eq!(
        ok(store.prune_anomalies(99, 2).await),
        1,
        "of the oldest two"
    );
    assert_eq!(ok(store.prune_anomalies(99, 2).await), 1);
    assert_eq!(left(list(&*store, &u).await), [2]);
    let many = u64::from(ANOMALIES_MAX) + 3;
    for since_us in 1..=many {
        ok(store.begin_anomaly(&t, storm(since_us)).await);
    }
    let kept = left(list(&*store, &t).await);
    assert_eq!(kept.len(), ANOMALIES_MAX as usize);
    assert_eq!((kept.first(), kept.last()), (Some(&many), Some(&4)));
    assert_eq!(left(list(&*store, &u).await), [2], "another tenant's stays");
}
