//! Who is turned away while everybody waits, and that it ends.

use ringfence_engine::{
    Engine, EngineConfig, EngineError, Level, OverloadConfig, TenantChange, TurnedAway,
};
use ringfence_model::{LimitOverrides, TenantId};

use crate::host::{Host, LOOK, config};

async fn until(engine: &Engine, level: Level) {
    while engine.pressure().level != level {
        tokio::time::sleep(LOOK).await;
    }
}

/// One worker, whose runs are as long as one tenant makes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_above_its_share_is_turned_away_and_the_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let impatient = EngineConfig {
        workers: 1,
        overload: OverloadConfig {
            // A run is much longer, and a look at the host comes more often.
            target_us: 1_000,
            interval_us: 600_000,
            ..OverloadConfig::default()
        },
        ..config(1_000)
    };
    let mut host = Host::start(folder.path(), impatient).await;
    let wild = host.tenant.clone();
    host.put_tenant(LimitOverrides {
        fuel: Some(10_000_000_000),
        cascade_fuel: Some(100_000_000_000),
        deadline_ms: Some(30_000),
        ..LimitOverrides::default()
    })
    .await;
    host.activate("infinite-loop").await;
    let calm: TenantId = "calm".parse().unwrap();
    host.engine
        .put_tenant(&calm, TenantChange::default())
        .await
        .unwrap();
    host.tenant = calm.clone();
    let nothing = |host: &Host, id: &str| host.event(id, "nobody.wants", None, "{}");
    host.accept(vec![nothing(&host, "c0")]).await;
    host.finished().await;
    assert_eq!(host.engine.pressure().level, Level::Fine);

    host.tenant = wild.clone();
    let loops = |host: &Host, from: usize| -> Vec<_> {
        (from..from + 20)
            .map(|id| host.event(&format!("w{id}"), "conversation.created", None, "{}"))
            .collect()
    };
    host.accept(loops(&host, 0)).await;
    until(&host.engine, Level::Behind).await;
    let refused = host.engine.accept(&wild, loops(&host, 20)).await;
    let Err(EngineError::TurnedAway(away)) = refused else {
        panic!("{refused:?}");
    };
    let TurnedAway {
        level,
        demand_percent,
        share_percent,
        ..
    } = away;
    assert_eq!(level, Level::Behind);
    assert!(demand_percent > share_percent, "{away:?}");
    assert!(host.engine.may_accept(&wild, None).is_err());
    assert!(host.engine.admits_work(&wild).is_err());
    // It is late, not short of memory.
    host.engine.upload_place(&wild, 1).unwrap();
    assert_eq!(host.counts().await.waiting, 20);

    host.tenant = calm;
    host.accept(vec![nothing(&host, "c1")]).await;
    // The reason goes away, and so does the state.
    host.engine.delete_tenant(&wild).await.unwrap();
    until(&host.engine, Level::Fine).await;
    host.finished().await;
    host.stop().await;
}
