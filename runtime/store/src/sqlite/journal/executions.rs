//! Executions: one, and lists of them.

use ringfence_model::{EventId, Execution, ExecutionId, Status, TenantId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::TENANT;
use super::page::page as read_page;
use crate::sqlite::fault::{Work, decode};
use crate::sqlite::ledgers::tenant_key;
use crate::sqlite::prune::places;
use crate::sqlite::unit::TenantKey;
use crate::sqlite::value::{Int, number};
use crate::{ExecutionFilter, Page};

pub(super) fn one(
    connection: &Connection,
    tenant: &TenantId,
    id: ExecutionId,
) -> Work<Option<Execution>> {
    match tenant_key(connection, tenant)? {
        Some(key) => find(connection, key, id),
        None => Ok(None),
    }
}

/// One execution's record, or as much of it as is wanted.
pub(super) fn find<T: DeserializeOwned>(
    connection: &Connection,
    tenant: TenantKey,
    id: ExecutionId,
) -> Work<Option<T>> {
    let sql = "SELECT record FROM executions INDEXED BY executions_id WHERE id = ? AND tenant = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![id.as_bytes(), tenant])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Some(decode("execution", text)?))
}

pub(super) fn page(
    connection: &Connection,
    tenant: &TenantId,
    filter: &ExecutionFilter,
    before: Option<u64>,
    limit: u32,
) -> Work<Page<Execution>> {
    let before = Int(before.unwrap_or(u64::MAX));
    let columns = "SELECT seq, rule, stop, started_us, near FROM executions";
    let bounds = format!("tenant = {TENANT} AND seq < ?2");
    let read = |row: &Row<'_>| record(connection, row);
    let matches = |row: &Row<'_>| matches(filter, row);
    if let Some(event) = filter.event {
        let runs = runs_of(connection, tenant, event)?;
        // As many as the tenant has rules, at most.
        let list = places(runs.as_deref()).map(|seq| seq.to_string());
        let list = list.collect::<Vec<_>>().join(",");
        let sql = format!("{columns} WHERE {bounds} AND seq IN ({list}) ORDER BY seq DESC");
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query(params![tenant.as_str(), before])?;
        return read_page(&mut rows, limit, matches, read);
    }
    let is_stopped = filter.stop.is_some() || filter.status == Some(Status::Stopped);
    if is_stopped || filter.near_limit {
        let (index, condition) = if filter.near_limit {
            ("executions_near", "near IS NOT NULL")
        } else {
            ("executions_stopped", "stop IS NOT NULL")
        };
        let sql = format!(
            "{columns} INDEXED BY {index} WHERE {bounds} AND {condition} ORDER BY seq DESC"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![tenant.as_str(), before])?;
        return read_page(&mut rows, limit, matches, read);
    }
    let mut statement = connection.prepare_cached(&listed_sql(filter.rule.is_some()))?;
    let mut rows = match &filter.rule {
        Some(rule) => statement.query(params![tenant.as_str(), before, rule.as_str()])?,
        None => statement.query(params![tenant.as_str(), before])?,
    };
    read_page(&mut rows, limit, matches, read)
}

/// All of a tenant or of one of its rules: what is not listed yet, and what is.
fn listed_sql(of_rule: bool) -> String {
    let (index, later, listed) = match of_rule {
        true => ("listed_rule", "AND rule = ?3", "AND l.rule = ?3"),
        false => ("listed_tenant", "", ""),
    };
    format!(
        "SELECT seq, rule, stop, started_us, near FROM executions NOT INDEXED \
         WHERE seq > (SELECT listed_execution FROM positions) \
         AND tenant = {TENANT} AND seq < ?2 {later} \
         UNION ALL \
         SELECT l.seq, x.rule, x.stop, x.started_us, x.near FROM listed l INDEXED BY {index} \
         CROSS JOIN executions x ON x.seq = l.seq \
         WHERE l.tenant = {TENANT} AND l.seq < ?2 {listed} \
         ORDER BY 1 DESC"
    )
}

/// Whether the row (`seq, rule, stop, started_us, near`) passes.
fn matches(filter: &ExecutionFilter, row: &Row<'_>) -> Work<bool> {
    let text = |column| {
        row.get_ref(column)?
            .as_str_or_null()
            .map_err(rusqlite::Error::from)
    };
    let (rule, stop) = (text(1)?, text(2)?);
    let started_us = number(row, 3)?;
    let is_near = row.get_ref(4)? != rusqlite::types::ValueRef::Null;
    Ok(filter
        .rule
        .as_ref()
        .is_none_or(|wanted| rule == Some(wanted.as_str()))
        && (is_near || !filter.near_limit)
        && filter.stop.is_none_or(|code| stop == Some(code.as_str()))
        && filter
            .since_us
            .is_none_or(|since_us| started_us >= since_us)
        && filter
            .status
            .is_none_or(|status| (status == Status::Stopped) == stop.is_some()))
}

fn record(connection: &Connection, row: &Row<'_>) -> Work<(Execution, u64)> {
    let mut statement = connection.prepare_cached("SELECT record FROM executions WHERE seq = ?")?;
    let text: String = statement.query_row([row.get::<_, i64>(0)?], |row| row.get(0))?;
    Ok((decode("execution", &text)?, text.len() as u64))
}

/// The places of an event's executions.
fn runs_of(connection: &Connection, tenant: &TenantId, event: EventId) -> Work<Option<Vec<u8>>> {
    let sql = format!(
        "SELECT coalesce(f.runs, w.runs) FROM events e \
         LEFT JOIN finished f ON f.seq = e.seq \
         LEFT JOIN waiting w ON w.tenant = e.tenant AND w.seq = e.seq \
         WHERE e.tenant = {TENANT} AND e.id = ?2"
    );
    let found: Option<Option<Vec<u8>>> = connection
        .prepare_cached(&sql)?
        .query_row(params![tenant.as_str(), event.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}
