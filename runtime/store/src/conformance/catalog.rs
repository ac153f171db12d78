//! Tenants, tokens, versions and activations.

use std::sync::Arc;

use ringfence_model::{
    Activation, Digest, LimitOverrides, Limits, Paused, PausedBy, Tenant, VersionId,
};

use super::make::{activation, new_version, rule, tenant, tenant_id, token};
use super::{Place, ok, some};
use crate::{PutVersion, RuleInForce, Store, StoreError};

async fn reopen(place: &dyn Place, store: Arc<dyn Store>) -> Arc<dyn Store> {
    drop(store);
    place.open().await
}

pub(super) async fn tenants(place: &dyn Place) {
    let store = place.open().await;
    let id = tenant_id("t");
    assert_eq!(ok(store.tenant(&id).await), None);
    assert!(ok(store.put_tenant(tenant("t")).await), "it is new");
    let changed = Tenant {
        plan: "large".into(),
        limits: LimitOverrides::default(),
        created_us: 99,
        ..tenant("t")
    };
    assert!(
        !ok(store.put_tenant(changed.clone()).await),
        "it is not new"
    );
    for name in ["b", "a", "z"] {
        ok(store.put_tenant(tenant(name)).await);
    }
    let store = reopen(place, store).await;
    let kept = some(ok(store.tenant(&id).await));
    assert_eq!((kept.plan.as_str(), kept.created_us), ("large", 7));
    let names = |tenants: Vec<Tenant>| {
        let names: Vec<String> = tenants.iter().map(|tenant| tenant.id.to_string()).collect();
        names.join(" ")
    };
    assert_eq!(names(ok(store.tenants(None, 3).await)), "a b t");
    assert_eq!(names(ok(store.tenants(Some(&id), 3).await)), "z");
    assert!(!ok(store.delete_tenant(&tenant_id("nobody")).await));
}

pub(super) async fn tokens(place: &dyn Place) {
    let store = place.open().await;
    let refused = store.put_token(token("t", "secret")).await;
    assert!(matches!(refused, Err(StoreError::NoTenant)), "{refused:?}");
    ok(store.put_tenant(tenant("t")).await);
    ok(store.put_token(token("t", "secret")).await);
    let store = reopen(place, store).await;
    let found = ok(store.token(&Digest::of(b"secret")).await);
    assert_eq!(found, Some(token("t", "secret")));
    assert_eq!(ok(store.token(&Digest::of(b"other")).await), None);
}

pub(super) async fn versions(place: &dyn Place) {
    let store = place.open().await;
    let (id, limits) = (tenant_id("t"), Limits::default());
    let refused = store
        .put_version(&id, new_version("r", b"one"), &limits)
        .await;
    assert!(matches!(refused, Err(StoreError::NoTenant)), "{refused:?}");
    ok(store.put_tenant(tenant("t")).await);
    for component in [b"one", b"two"] {
        let put = store.put_version(&id, new_version("r", component), &limits);
        assert_eq!(ok(put.await), PutVersion::Created);
    }
    let put = store.put_version(&id, new_version("a", b"one"), &limits);
    assert_eq!(ok(put.await), PutVersion::Created, "of another rule");
    let store = reopen(place, store).await;
    let mut again = new_version("r", b"one");
    again.record.uploaded_us = 99;
    let put = ok(store.put_version(&id, again, &limits).await);
    let first = new_version("r", b"one").record;
    assert_eq!(put, PutVersion::Existed(Box::new(first.clone())));
    let (one, none) = (VersionId::of(b"one"), VersionId::of(b"none"));
    let newest_first = vec![new_version("r", b"two").record, first.clone()];
    assert_eq!(ok(store.versions(&id, &rule("r")).await), newest_first);
    assert_eq!(ok(store.version(&id, &rule("r"), one).await), Some(first));
    assert_eq!(ok(store.version(&id, &rule("x"), one).await), None);
    assert_eq!(ok(store.rules(&id).await), [rule("a"), rule("r")]);
    assert_eq!(ok(store.component(one).await).as_deref(), Some(&b"one"[..]));
    assert_eq!(ok(store.component(none).await), None);
}

pub(super) async fn version_limits(place: &dyn Place) {
    let store = place.open().await;
    ok(store.put_tenant(tenant("t")).await);
    let limits = Limits {
        rules: 2,
        versions: 2,
        ..Limits::default()
    };
    let cases: &[(&str, &'static [u8], Option<&str>)] = &[
        ("a", b"1", None),
        ("a", b"2", None),
        ("a", b"3", Some("versions")),
        ("b", b"3", None),
        ("c", b"3", Some("rules")),
        // What is there already needs no room.
        ("a", b"2", None),
        ("b", b"4", None),
    ];
    for (name, component, full) in cases {
        let id = tenant_id("t");
        let put = store.put_version(&id, new_version(name, component), &limits);
        match (put.await, full) {
            (Ok(_), None) => {}
            (Err(StoreError::Full { limit, max: 2 }), Some(expected)) if limit == *expected => {}
            (result, _) => panic!("{name} {component:?}: {result:?}"),
        }
    }
    // What was refused left nothing.
    assert_eq!(ok(store.rules(&tenant_id("t")).await).len(), 2);
}

pub(super) async fn rules_in_force(place: &dyn Place) {
    let store = place.open().await;
    let mut expected = Vec::new();
    for (name, rules) in [
        ("t", &["b", "a"][..]),
        ("s", &["z"]),
        ("r", &[]),
        ("u", &["a"]),
    ] {
        let id = tenant_id(name);
        ok(store.put_tenant(tenant(name)).await);
        for name in rules {
            let new = new_version(name, b"one");
            let (version, manifest) = (new.record.version, new.record.manifest.clone());
            ok(store.put_version(&id, new, &Limits::default()).await);
            let activation = activation(name, version);
            ok(store.put_activation(&id, activation.clone()).await);
            let tenant = id.clone();
            expected.push(RuleInForce {
                tenant,
                activation,
                manifest,
            });
        }
    }
    ok(store.delete_tenant(&tenant_id("u")).await);
    expected.retain(|one| one.tenant != tenant_id("u"));
    expected.sort_by_key(|one| (one.tenant.clone(), one.activation.rule.clone()));
    let store = reopen(place, store).await;
    assert_eq!(ok(store.rules_in_force(None, 10).await), expected);
    // Page by page, of whatever size.
    for limit in 1..4 {
        let mut read: Vec<RuleInForce> = Vec::new();
        loop {
            let last = read
                .last()
                .map(|last| (&last.tenant, &last.activation.rule));
            let page = ok(store.rules_in_force(last, limit).await);
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            read.extend(page);
        }
        assert_eq!(read, expected, "in pages of {limit}");
    }
    // Without its version, nobody knows what it is.
    let orphan = activation("x", VersionId::of(b"none"));
    ok(store.put_activation(&tenant_id("r"), orphan).await);
    let damaged = store.rules_in_force(None, 10).await;
    assert!(
        matches!(damaged, Err(StoreError::Damaged { .. })),
        "{damaged:?}"
    );
}

pub(super) async fn activations(place: &dyn Place) {
    let store = place.open().await;
    let (id, version) = (tenant_id("t"), VersionId::of(b"v"));
    let refused = store.put_activation(&id, activation("r", version)).await;
    assert!(matches!(refused, Err(StoreError::NoTenant)), "{refused:?}");
    ok(store.put_tenant(tenant("t")).await);
    let mut changed = activation("r", version);
    for name in ["r", "a"] {
        ok(store.put_activation(&id, activation(name, version)).await);
    }
    changed.percent = 100;
    ok(store.put_activation(&id, changed.clone()).await);
    let store = reopen(place, store).await;
    let expected = [activation("a", version), changed];
    assert_eq!(ok(store.activations(&id).await), expected);
    assert!(ok(store.delete_activation(&id, &rule("r")).await));
    assert!(!ok(store.delete_activation(&id, &rule("r")).await));
    assert_eq!(ok(store.activations(&id).await), expected[..1]);
}

pub(super) async fn pauses(place: &dyn Place) {
    let store = place.open().await;
    let id = tenant_id("t");
    assert_eq!(ok(store.host_pause().await), None);
    let of = |since_us, by| Some(Paused { since_us, by });
    let (one, other) = (of(5, PausedBy::Operator), of(6, PausedBy::Tenant));
    ok(store.put_host_pause(one).await);
    ok(store.put_host_pause(other).await);
    let paused = Tenant {
        paused: one,
        ..tenant("t")
    };
    ok(store.put_tenant(paused).await);
    let paused = Activation {
        paused: other,
        ..activation("r", VersionId::of(b"c"))
    };
    ok(store.put_activation(&id, paused).await);
    let store = reopen(place, store).await;
    assert_eq!(ok(store.host_pause().await), other);
    assert_eq!(some(ok(store.tenant(&id).await)).paused, one);
    let activations = ok(store.activations(&id).await);
    assert_eq!(activations[0].paused, other);
    ok(store.put_host_pause(None).await);
    let store = reopen(place, store).await;
    assert_eq!(ok(store.host_pause().await), None);
}
