//! The durable log, in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use ringfence_model::{CascadeId, Event, Json, Ledger, RuleName, TenantId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Sqlite;
use super::append::append;
use super::commit::{ASLEEP, Prepared, commit, decisions_from};
use super::fault::Work;
use super::ledgers::{Place, of_cascade, tenant_key};
use super::parked;
use super::prune::prune;
use super::unit::TenantKey;
use super::value::{EVENT_COLUMNS, EVENT_COLUMNS_COUNT, Int, event, json, name, number};
use super::waiting::Load;
use crate::{
    Append, Backlog, CommitOutcome, Feed, Log, Parked, Pending, Result, RunCommit, Seq, Sleepers,
    Sleeping, Woken,
};

/// What a row costs beside its texts, about, in bytes.
const ROW_BYTES: u64 = 256;

#[async_trait]
impl Log for Sqlite {
    fn attach(&self, feed: Feed) {
        if self.feed.set(feed).is_err() {
            tracing::error!("a second feed was attached to the store; the first stays");
        }
    }

    async fn append(&self, events: Vec<Event>) -> Result<Vec<Append>> {
        // Whoever appends for more than one tenant does so on the first one's turn.
        let Some(Event { tenant, .. }) = events.first() else {
            return Ok(Vec::new());
        };
        let bytes = events.iter().map(|event| event.size() + ROW_BYTES).sum();
        let load = Load::of_events(tenant, events.len(), bytes);
        let events: Vec<Arc<Event>> = events.into_iter().map(Arc::new).collect();
        self.writer
            .write_load("appending events", load, move |unit| append(unit, &events))
            .await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        self.readers.ask("reading what waits", backlog).await
    }

    async fn pending(
        &self,
        tenant: &TenantId,
        after: Seq,
        limit: u32,
        bytes: u64,
    ) -> Result<Vec<Pending>> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading waiting events", move |connection| {
                pending(connection, &tenant, after, limit, bytes)
            })
            .await
    }

    async fn parked(&self, after: Option<&Parked>, limit: u32) -> Result<Vec<Parked>> {
        let after = after.cloned();
        self.readers
            .ask("reading what waits for rules", move |connection| {
                parked::all(connection, after.as_ref(), limit)
            })
            .await
    }

    async fn keep(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        before_us: u64,
        now_us: u64,
    ) -> Result<()> {
        let (tenant, rule) = (tenant.clone(), rule.clone());
        self.writer
            .write("keeping sleeping events", 0, move |unit| {
                parked::keep(unit, &tenant, &rule, before_us, now_us)
            })
            .await
    }

    async fn sleeping(&self, which: &Sleepers, limit: u32) -> Result<Vec<Sleeping>> {
        let which = which.clone();
        self.readers
            .ask("reading sleeping events", move |connection| {
                parked::sleeping(connection, &which, limit)
            })
            .await
    }

    async fn wake(&self, tenant: &TenantId, rule: &RuleName, limit: u32) -> Result<Vec<Woken>> {
        let (tenant, rule) = (tenant.clone(), rule.clone());
        self.writer
            .write("waking events", 0, move |unit| {
                parked::wake(unit, &tenant, &rule, limit)
            })
            .await
    }

    async fn commit(&self, commits: Vec<RunCommit>) -> Result<Vec<CommitOutcome>> {
        // As with events.
        let Some(RunCommit { event, .. }) = commits.first() else {
            return Ok(Vec::new());
        };
        let tenant = event.tenant.clone();
        let follow_ups = commits.iter().map(|commit| commit.follow_ups.len()).sum();
        let prepared = commits
            .into_iter()
            .map(Prepared::new)
            .collect::<Result<Vec<_>>>()?;
        let bytes = prepared.iter().map(|one| one.size() + ROW_BYTES).sum();
        let load = Load::of_results(&tenant, (prepared.len(), follow_ups), bytes);
        self.writer
            .write_load("committing runs", load, move |unit| commit(unit, &prepared))
            .await
    }

    fn recall(&self, tenant: &TenantId, rule: &RuleName, key: &str) -> Result<Option<Json>> {
        let sql = "SELECT value FROM state \
                   WHERE tenant = (SELECT id FROM tenants WHERE name = ?) AND rule = ? AND key = ?";
        self.lookups.ask("recalling a value", |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let found = statement.query_row(params![tenant.as_str(), rule.as_str(), key], |row| {
                json(row, 0)
            });
            Ok(found.optional()?)
        })
    }

    async fn ledger(&self, tenant: &TenantId, cascade: CascadeId) -> Result<Ledger> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading a cascade's ledger", move |connection| {
                of_cascade(connection, &tenant, cascade)
            })
            .await
    }

    async fn prune(&self, before_us: u64, limit: u32) -> Result<u64> {
        self.writer
            .write("removing old events", 0, move |unit| {
                prune(unit, before_us, limit)
            })
            .await
    }

    async fn close(&self) {
        self.writer.close().await;
        self.lookups.close();
        self.readers.close();
        // The writer has ended: nothing of this store writes any more.
        self.lock.lock().take();
    }
}

fn backlog(connection: &Connection) -> Work<Vec<Backlog>> {
    let sql = "SELECT t.name, c.waiting, c.waiting_bytes FROM counts c \
               JOIN tenants t ON t.id = c.tenant \
               WHERE c.waiting > 0 AND t.name IS NOT NULL ORDER BY t.name";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Backlog {
            tenant: name(row, 0)?,
            events: number(row, 1)?,
            bytes: number(row, 2)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn pending(
    connection: &Connection,
    tenant: &TenantId,
    after: Seq,
    limit: u32,
    bytes: u64,
) -> Work<Vec<Pending>> {
    let Some(key) = tenant_key(connection, tenant)? else {
        return Ok(Vec::new());
    };
    // What is listed comes before what is not.
    let listed = format!(
        "SELECT {EVENT_COLUMNS}, w.decisions, w.parked FROM waiting w JOIN events e ON e.seq = w.seq \
         WHERE w.tenant = ? AND w.seq > ? AND w.seq <= (SELECT listed_event FROM positions) \
         AND w.parked IS NOT {ASLEEP} ORDER BY w.seq LIMIT ?"
    );
    let later = format!(
        "SELECT {EVENT_COLUMNS}, w.decisions, w.parked FROM events e NOT INDEXED \
         LEFT JOIN waiting w ON w.tenant = e.tenant AND w.seq = e.seq \
         WHERE e.tenant = ? AND e.seq > max(?, (SELECT listed_event FROM positions)) \
         AND NOT EXISTS (SELECT 1 FROM finished f WHERE f.seq = e.seq) \
         AND w.parked IS NOT {ASLEEP} ORDER BY e.seq LIMIT ?"
    );
    let (mut items, mut read) = (Vec::new(), 0);
    for sql in [listed, later] {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![key, Int(after), limit])?;
        while read < bytes
            && items.len() < limit as usize
            && let Some(row) = rows.next()?
        {
            let pending = pending_from(connection, tenant, key, row)?;
            read += pending.event.size();
            items.push(pending);
        }
    }
    Ok(items)
}

/// Reads what waits from a row of [`EVENT_COLUMNS`], `decisions` and
/// `parked`.
pub(super) fn pending_from(
    connection: &Connection,
    tenant: &TenantId,
    key: TenantKey,
    row: &Row<'_>,
) -> Work<Pending> {
    let (seq, event) = event(row, tenant)?;
    let decided: Option<String> = row.get(EVENT_COLUMNS_COUNT)?;
    Ok(Pending {
        seq,
        ledger: Place::of(connection, key, seq, &event)?.read(connection)?,
        event: Arc::new(event),
        decided: decisions_from(decided.as_deref().unwrap_or_default())?,
        slept: row.get::<_, Option<u8>>(EVENT_COLUMNS_COUNT + 1)?.is_some(),
    })
}
