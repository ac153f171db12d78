//! Where events stand in their cascades.

use ringfence_model::{Ancestry, EventId, ExecutionId, Lineage, RuleName, TenantId};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;

use super::executions::find;
use crate::Parent;
use crate::sqlite::fault::Work;
use crate::sqlite::ledgers::tenant_key;
use crate::sqlite::value::lineage;

/// What of an execution's record is wanted.
#[derive(Deserialize)]
struct Run {
    rule: RuleName,
    event: EventId,
    lineage: Lineage,
    started_us: u64,
    #[serde(default)]
    fingerprint: u32,
}

pub(super) fn parent(
    connection: &Connection,
    tenant: &TenantId,
    id: ExecutionId,
) -> Work<Option<Parent>> {
    let Some(key) = tenant_key(connection, tenant)? else {
        return Ok(None);
    };
    let Some(run) = find::<Run>(connection, key, id)? else {
        return Ok(None);
    };
    let sql = "SELECT ancestry FROM events WHERE tenant = ? AND id = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![key, run.event.as_bytes()], |row| {
        Ok(row.get_ref(0)?.as_blob_or_null()?.map(Ancestry::from_bytes))
    });
    let before = found.optional()?.flatten().unwrap_or_default();
    Ok(Some(Parent {
        rule: run.rule,
        lineage: run.lineage,
        ancestry: before.with(run.fingerprint),
        started_us: run.started_us,
    }))
}

pub(super) fn of_events(
    connection: &Connection,
    tenant: &TenantId,
    ids: &[EventId],
) -> Work<Vec<Option<Lineage>>> {
    let Some(key) = tenant_key(connection, tenant)? else {
        return Ok(vec![None; ids.len()]);
    };
    let sql = "SELECT id, cascade, depth, parent, origin FROM events WHERE tenant = ? AND id = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut lineages = Vec::with_capacity(ids.len());
    for id in ids {
        let found = statement.query_row(params![key, id.as_bytes()], |row| {
            lineage(row, [0, 1, 2, 3, 4])
        });
        lineages.push(found.optional()?);
    }
    Ok(lineages)
}
