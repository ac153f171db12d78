//! What waits in memory has a bound over all tenants.

use ringfence_engine::{EngineConfig, NewActivation};
use ringfence_model::{Json, LimitOverrides, Limits, Mode, RuleName, TenantId};
use ringfence_store::NewVersion;

use crate::host::{Host, LOOK, config};

const TENANTS: usize = 12;
const EVENTS: usize = 120;
const SUBJECTS: usize = 3;
/// What a tenant may hold in any case.
const LEAST: u64 = 16 * 1024;

fn small(windows_bytes: u64) -> EngineConfig {
    EngineConfig {
        windows_bytes,
        ..config(1_000)
    }
}

/// The host as each of its tenants sees it.
fn tenants(host: &Host) -> Vec<Host> {
    let tenant = |at| Host {
        engine: host.engine.clone(),
        tenant: format!("t{at}").parse().unwrap(),
    };
    (0..TENANTS).map(tenant).collect()
}

/// Puts a rule that is in force for the first tenant in force for another,
/// without compiling it again.
async fn activate_as(first: &Host, tenant: &TenantId, rule: &RuleName) {
    let store = first.engine.store();
    let record = store.versions(&first.tenant, rule).await.unwrap().remove(0);
    let version = record.version;
    let component = store.component(version).await.unwrap().unwrap();
    let new = NewVersion { record, component };
    store
        .put_version(tenant, new, &Limits::default())
        .await
        .unwrap();
    let new = NewActivation {
        version,
        config: Json::empty_object(),
        mode: Mode::Enforce,
        percent: 100,
        limits: LimitOverrides::default(),
        loops: None,
    };
    first.engine.activate(tenant, rule, new).await.unwrap();
}

/// Backlogs of all tenants, larger by far than the memory for them: it is not
/// exceeded, everything is done, and the state that each rule remembers shows
/// that nothing was done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_backlogs_stay_within_the_bound_and_all_are_done() {
    const BYTES: u64 = 128 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), small(BYTES)).await;
    let rule: RuleName = "three-strikes".parse().unwrap();
    let hosts = tenants(&host);
    for one in &hosts {
        one.put_tenant(LimitOverrides::default()).await;
    }
    hosts[0].activate("three-strikes").await;
    for one in &hosts[1..] {
        activate_as(&hosts[0], &one.tenant, &rule).await;
    }
    host.stop().await;

    // Again, with everything there from the beginning; then while it comes in.
    let host = Host::start(folder.path(), small(BYTES)).await;
    let hosts = tenants(&host);
    let text = "x".repeat(4_000);
    for from in (0..EVENTS).step_by(20) {
        for one in &hosts {
            let events = (from..from + 20).map(|id| {
                let data = format!(r#"{{"from": "eve", "spam": true, "text": "{text}"}}"#);
                let subject = format!("m-{}", id % SUBJECTS);
                one.event(&format!("m{id}"), "message.received", Some(&subject), &data)
            });
            one.accept(events.collect()).await;
        }
    }
    host.stop().await;
    let host = Host::start(folder.path(), small(BYTES)).await;
    let mut largest = 0;
    while host.engine.stats().waiting > 0 {
        largest = largest.max(host.engine.stats().waiting_memory);
        tokio::time::sleep(LOOK).await;
    }
    assert!(largest <= BYTES + TENANTS as u64 * LEAST, "{largest}");
    for one in tenants(&host) {
        let counts = one.finished().await;
        assert_eq!((counts.done, counts.dead_lettered), (EVENTS as u64, 0));
        assert_eq!(one.actions().await.len(), EVENTS / 3);
    }
    assert_eq!(host.engine.stats().waiting_memory, 0);
    host.stop().await;
}
