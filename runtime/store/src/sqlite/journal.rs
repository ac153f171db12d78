//! Questions about what was done, in SQLite.

mod anomalies;
mod executions;
mod lineages;
mod lists;
mod page;
mod tree;

use async_trait::async_trait;
use ringfence_model::{
    Anomaly, CascadeId, Event, EventId, Execution, ExecutionId, Lineage, RunSummary, TenantId,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Sqlite;
use super::commit::decisions_from;
use super::fault::{Work, decode};
use super::ledgers::of_cascade;
use super::parked::rules_of;
use super::value::{EVENT_COLUMNS, EVENT_COLUMNS_COUNT, Int, event, number};
use crate::{
    AnomalyRecord, CascadeRecord, Counts, DeadLetter, DeadLetterFilter, EventRecord, EventState,
    ExecutionFilter, Journal, Outgoing, Page, Parent, Result,
};
use page::PAGE_BYTES_MAX;

/// A tenant's key, from its name as the first parameter.
const TENANT: &str = "(SELECT id FROM tenants WHERE name = ?1)";

/// About what an anomaly's record takes.
const ANOMALY_BYTES: u64 = 2_048;

/// Actions removed in one transaction.
const ACKNOWLEDGE_ROWS: u32 = 4096;

#[async_trait]
impl Journal for Sqlite {
    async fn execution(&self, tenant: &TenantId, id: ExecutionId) -> Result<Option<Execution>> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading an execution", move |connection| {
                executions::one(connection, &tenant, id)
            })
            .await
    }

    async fn parent(&self, tenant: &TenantId, id: ExecutionId) -> Result<Option<Parent>> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading an event's parent", move |connection| {
                lineages::parent(connection, &tenant, id)
            })
            .await
    }

    async fn lineages(&self, tenant: &TenantId, ids: Vec<EventId>) -> Result<Vec<Option<Lineage>>> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading events' places", move |connection| {
                lineages::of_events(connection, &tenant, &ids)
            })
            .await
    }

    async fn executions(
        &self,
        tenant: &TenantId,
        filter: &ExecutionFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<Execution>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.readers
            .ask("reading executions", move |connection| {
                executions::page(connection, &tenant, &filter, before, limit)
            })
            .await
    }

    async fn event(&self, tenant: &TenantId, id: EventId) -> Result<Option<EventRecord>> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading an event", move |connection| {
                event_record(connection, &tenant, id)
            })
            .await
    }

    async fn cascade(
        &self,
        tenant: &TenantId,
        root: CascadeId,
        limit: u32,
    ) -> Result<Option<CascadeRecord>> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading a cascade", move |connection| {
                cascade(connection, &tenant, root, limit)
            })
            .await
    }

    async fn ancestors(
        &self,
        tenant: &TenantId,
        execution: ExecutionId,
        limit: u32,
    ) -> Result<Vec<(Execution, Event)>> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading what led to an execution", move |connection| {
                tree::ancestors(connection, &tenant, execution, limit)
            })
            .await
    }

    async fn cascade_runs(
        &self,
        tenant: &TenantId,
        root: CascadeId,
        limit: u32,
    ) -> Result<(Vec<RunSummary>, bool)> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading a cascade's executions", move |connection| {
                tree::runs(connection, &tenant, root, limit)
            })
            .await
    }

    async fn dead_letters(
        &self,
        tenant: &TenantId,
        filter: &DeadLetterFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<DeadLetter>> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        self.readers
            .ask("reading dead letters", move |connection| {
                lists::dead_letters(connection, &tenant, &filter, before, limit)
            })
            .await
    }

    async fn outgoing(&self, tenant: &TenantId, after: u64, limit: u32) -> Result<Page<Outgoing>> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading the outbox", move |connection| {
                lists::outgoing(connection, &tenant, after, limit)
            })
            .await
    }

    async fn acknowledge(&self, tenant: &TenantId, up_to: u64) -> Result<u64> {
        let (mut up_to, mut total) = (up_to, 0);
        loop {
            let tenant = tenant.clone();
            let step = self.writer.write("emptying the outbox", 0, move |unit| {
                // What arrives after the first step was not meant.
                let bound = up_to.min(unit.positions.outgoing);
                let Some(key) = unit.tenant(&tenant)? else {
                    return Ok((bound, 0));
                };
                let removed =
                    lists::remove_outgoing(unit.connection, key, bound, ACKNOWLEDGE_ROWS)?;
                unit.removes |= removed > 0;
                Ok((bound, removed))
            });
            let (bound, removed) = step.await?;
            up_to = bound;
            total += removed;
            if removed < u64::from(ACKNOWLEDGE_ROWS) {
                return Ok(total);
            }
        }
    }

    async fn counts(&self, tenant: &TenantId) -> Result<Counts> {
        let tenant = tenant.clone();
        self.readers
            .ask("counting events", move |connection| {
                let sql = format!(
                    "SELECT waiting, done, dead_lettered FROM counts WHERE tenant = {TENANT}"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                let found = statement.query_row([tenant.as_str()], |row| {
                    Ok(Counts {
                        waiting: number(row, 0)?,
                        done: number(row, 1)?,
                        dead_lettered: number(row, 2)?,
                    })
                });
                Ok(found.optional()?.unwrap_or_default())
            })
            .await
    }

    async fn begin_anomaly(&self, tenant: &TenantId, anomaly: Anomaly) -> Result<u64> {
        let tenant = tenant.clone();
        self.writer
            .write("keeping an anomaly", ANOMALY_BYTES, move |unit| {
                anomalies::begin(unit, &tenant, &anomaly)
            })
            .await
    }

    async fn end_anomaly(&self, tenant: &TenantId, record: AnomalyRecord) -> Result<bool> {
        let tenant = tenant.clone();
        self.writer
            .write("ending an anomaly", ANOMALY_BYTES, move |unit| {
                anomalies::end(unit, &tenant, &record)
            })
            .await
    }

    async fn anomalies(
        &self,
        tenant: &TenantId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<AnomalyRecord>> {
        let tenant = tenant.clone();
        self.readers
            .ask("reading anomalies", move |connection| {
                anomalies::list(connection, &tenant, before, limit)
            })
            .await
    }

    async fn ongoing_anomalies(&self, limit: u32) -> Result<Vec<(TenantId, AnomalyRecord)>> {
        self.readers
            .ask("reading ongoing anomalies", move |connection| {
                anomalies::ongoing(connection, limit)
            })
            .await
    }

    async fn prune_anomalies(&self, before_us: u64, limit: u32) -> Result<u64> {
        self.writer
            .write("removing anomalies", 0, move |unit| {
                anomalies::prune(unit, before_us, limit)
            })
            .await
    }
}

/// Events with where they stand, for [`record`].
fn records_sql(condition: &str) -> String {
    format!(
        "SELECT {EVENT_COLUMNS}, f.done_us, f.dead, f.stop, coalesce(f.decisions, w.decisions), \
         e.tenant FROM events e LEFT JOIN finished f ON f.seq = e.seq \
         LEFT JOIN waiting w ON w.tenant = e.tenant AND w.seq = e.seq \
         WHERE e.tenant = {TENANT} AND {condition}"
    )
}

fn record(connection: &Connection, row: &Row<'_>, tenant: &TenantId) -> Work<EventRecord> {
    let (seq, event) = event(row, tenant)?;
    let done_us: Option<Int> = row.get(EVENT_COLUMNS_COUNT)?;
    let dead: Option<bool> = row.get(EVENT_COLUMNS_COUNT + 1)?;
    let stop: Option<String> = row.get(EVENT_COLUMNS_COUNT + 2)?;
    let decisions: Option<String> = row.get(EVENT_COLUMNS_COUNT + 3)?;
    let state = match dead {
        None => EventState::Waiting,
        Some(false) => EventState::Done,
        Some(true) => EventState::DeadLettered,
    };
    let parked = match state {
        EventState::Waiting => rules_of(connection, row.get(EVENT_COLUMNS_COUNT + 4)?, seq)?,
        EventState::Done | EventState::DeadLettered => Vec::new(),
    };
    Ok(EventRecord {
        seq,
        event,
        state,
        done_us: done_us.map(|int| int.0),
        decisions: decisions_from(decisions.as_deref().unwrap_or_default())?,
        stop: stop.map(|text| decode("stop", &text)).transpose()?,
        parked,
    })
}

fn event_record(
    connection: &Connection,
    tenant: &TenantId,
    id: EventId,
) -> Work<Option<EventRecord>> {
    let mut statement = connection.prepare_cached(&records_sql("e.id = ?2"))?;
    let mut rows = statement.query(params![tenant.as_str(), id.as_bytes()])?;
    let row = rows.next()?;
    row.map(|row| record(connection, row, tenant)).transpose()
}

fn cascade(
    connection: &Connection,
    tenant: &TenantId,
    root: CascadeId,
    limit: u32,
) -> Work<Option<CascadeRecord>> {
    let Some(first) = event_record(connection, tenant, root)? else {
        return Ok(None);
    };
    if first.event.lineage.cascade != root {
        return Ok(None);
    }
    let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
    let sql = records_sql("e.cascade = ?2 ORDER BY e.seq");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![tenant.as_str(), root.as_bytes()])?;
    let mut bytes = first.event.size();
    let (mut events, mut truncated) = (vec![first], false);
    while let Some(row) = rows.next()? {
        if events.len() >= limit || bytes >= PAGE_BYTES_MAX {
            truncated = true;
            break;
        }
        let next = record(connection, row, tenant)?;
        bytes += next.event.size();
        events.push(next);
    }
    Ok(Some(CascadeRecord {
        root,
        ledger: of_cascade(connection, tenant, root)?,
        events,
        truncated,
    }))
}
