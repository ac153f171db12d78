//! The tree of a cascade: from an execution up, and from the root down.

use std::collections::HashMap;

use ringfence_model::{
    CascadeId, Event, EventId, Execution, ExecutionId, Lineage, RunSummary, Stop, TenantId, Usage,
    VersionId,
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;

use super::TENANT;
use super::executions::find;
use crate::sqlite::fault::{Work, decode};
use crate::sqlite::ledgers::tenant_key;
use crate::sqlite::prune::places;
use crate::sqlite::value::{EVENT_COLUMNS, event, name};

/// An execution and those that led to it, each with its event, the nearest
/// first.
pub(super) fn ancestors(
    connection: &Connection,
    tenant: &TenantId,
    from: ExecutionId,
    limit: u32,
) -> Work<Vec<(Execution, Event)>> {
    let Some(key) = tenant_key(connection, tenant)? else {
        return Ok(Vec::new());
    };
    let sql = format!("SELECT {EVENT_COLUMNS} FROM events e WHERE e.tenant = ? AND e.id = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let (mut found, mut next) = (Vec::new(), Some(from));
    while let Some(id) = next.take() {
        if found.len() >= limit as usize {
            break;
        }
        let Some(execution) = find::<Execution>(connection, key, id)? else {
            break;
        };
        let place = params![key, execution.event.as_bytes()];
        let row = statement
            .query_row(place, |row| event(row, tenant))
            .optional()?;
        let Some((_, event)) = row else {
            break;
        };
        next = event.lineage.parent;
        found.push((execution, event));
    }
    Ok(found)
}

/// What is read of a record.
#[derive(Deserialize)]
struct Record {
    id: ExecutionId,
    event: EventId,
    version: VersionId,
    lineage: Lineage,
    usage: Usage,
    #[serde(default)]
    stop: Option<Stop>,
}

/// The executions of a cascade in the order of their events, and whether
/// there are more.
pub(super) fn runs(
    connection: &Connection,
    tenant: &TenantId,
    root: CascadeId,
    limit: u32,
) -> Work<(Vec<RunSummary>, bool)> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut runs: Vec<RunSummary> = Vec::new();
    let mut set_off: HashMap<ExecutionId, u64> = HashMap::new();
    let mut truncated = false;
    for condition in [
        "e.id = ?2 AND e.cascade IS NULL",
        "e.cascade = ?2 ORDER BY e.seq",
    ] {
        let sql = format!(
            "SELECT e.type, e.subject, coalesce(f.runs, w.runs), e.parent FROM events e \
             LEFT JOIN finished f ON f.seq = e.seq \
             LEFT JOIN waiting w ON w.tenant = e.tenant AND w.seq = e.seq \
             WHERE e.tenant = {TENANT} AND {condition}"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![tenant.as_str(), root.as_bytes()])?;
        while !truncated && let Some(row) = rows.next()? {
            if let Some(parent) = row.get::<_, Option<[u8; 16]>>(3)? {
                *set_off.entry(ExecutionId::from_bytes(parent)).or_default() += 1;
            }
            let of_event: Option<Vec<u8>> = row.get(2)?;
            for seq in places(of_event.as_deref()) {
                if runs.len() >= limit {
                    truncated = true;
                    break;
                }
                let mut run = run(connection, seq)?;
                (run.event_type, run.subject) = (row.get(0)?, row.get(1)?);
                runs.push(run);
            }
        }
    }
    for run in &mut runs {
        run.events = set_off.get(&run.id).copied().unwrap_or_default();
    }
    Ok((runs, truncated))
}

fn run(connection: &Connection, seq: i64) -> Work<RunSummary> {
    let sql = "SELECT rule, record FROM executions WHERE seq = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let (rule, text) = statement.query_row([seq], |row| {
        let text: String = row.get(1)?;
        Ok((name(row, 0)?, text))
    })?;
    let record: Record = decode("execution", &text)?;
    Ok(RunSummary {
        id: record.id,
        event: record.event,
        parent: record.lineage.parent,
        depth: record.lineage.depth,
        event_type: String::new(),
        subject: None,
        rule,
        version: record.version,
        fuel: record.usage.fuel,
        events: 0,
        stop: record.stop.map(|stop| stop.code),
    })
}
