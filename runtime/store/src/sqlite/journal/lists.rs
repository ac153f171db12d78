//! The dead letters and the outbox.

use ringfence_model::{Action, EffectId, EventId, ExecutionId, TenantId, VersionId};
use rusqlite::{Connection, Row, params};

use super::TENANT;
use super::page::page;
use crate::sqlite::fault::{Work, decode};
use crate::sqlite::unit::TenantKey;
use crate::sqlite::value::{Int, json, name, number};
use crate::{DeadLetter, DeadLetterFilter, Outgoing, Page};

pub(super) fn dead_letters(
    connection: &Connection,
    tenant: &TenantId,
    filter: &DeadLetterFilter,
    before: Option<u64>,
    limit: u32,
) -> Work<Page<DeadLetter>> {
    let sql = format!(
        "SELECT seq, since_us, code, rule, event, version, execution, cascade, stop \
         FROM dead_letters INDEXED BY dead_letters_tenant \
         WHERE tenant = {TENANT} AND seq < ?2 ORDER BY seq DESC"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let before = Int(before.unwrap_or(u64::MAX));
    let mut rows = statement.query(params![tenant.as_str(), before])?;
    page(&mut rows, limit, |row| matches(filter, row), dead_letter)
}

fn matches(filter: &DeadLetterFilter, row: &Row<'_>) -> Work<bool> {
    let text = |column| {
        row.get_ref(column)?
            .as_str_or_null()
            .map_err(rusqlite::Error::from)
    };
    let (code, rule) = (text(2)?, text(3)?);
    let since_us = number(row, 1)?;
    Ok(filter
        .reason
        .is_none_or(|wanted| code == Some(wanted.as_str()))
        && filter
            .rule
            .as_ref()
            .is_none_or(|wanted| rule == Some(wanted.as_str()))
        && filter.since_us.is_none_or(|wanted| since_us >= wanted))
}

fn dead_letter(row: &Row<'_>) -> Work<(DeadLetter, u64)> {
    let has_rule = row.get_ref(3)? != rusqlite::types::ValueRef::Null;
    let version: Option<[u8; 32]> = row.get(5)?;
    let execution: Option<[u8; 16]> = row.get(6)?;
    let stop: String = row.get(8)?;
    let letter = DeadLetter {
        seq: number(row, 0)?,
        event: EventId::from_bytes(row.get(4)?),
        rule: has_rule.then(|| name(row, 3)).transpose()?,
        version: version.map(VersionId::from_bytes),
        execution: execution.map(ExecutionId::from_bytes),
        cascade: EventId::from_bytes(row.get(7)?),
        stop: decode("stop", &stop)?,
        since_us: number(row, 1)?,
    };
    Ok((letter, stop.len() as u64))
}

pub(super) fn outgoing(
    connection: &Connection,
    tenant: &TenantId,
    after: u64,
    limit: u32,
) -> Work<Page<Outgoing>> {
    let sql = format!(
        "SELECT seq, id, execution, rule, event, cascade, depth, since_us, name, payload \
         FROM outbox WHERE tenant = {TENANT} AND seq > ?2 ORDER BY seq"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![tenant.as_str(), Int(after)])?;
    page(
        &mut rows,
        limit,
        |_| Ok(true),
        |row| {
            let item = action(row)?;
            let size = item.action.payload.size();
            Ok((item, size))
        },
    )
}

fn action(row: &Row<'_>) -> Work<Outgoing> {
    Ok(Outgoing {
        seq: number(row, 0)?,
        id: EffectId::from_bytes(row.get(1)?),
        execution: ExecutionId::from_bytes(row.get(2)?),
        rule: name(row, 3)?,
        event: EventId::from_bytes(row.get(4)?),
        cascade: EventId::from_bytes(row.get(5)?),
        depth: row.get(6)?,
        action: Action {
            name: row.get(8)?,
            payload: json(row, 9)?,
        },
        since_us: number(row, 7)?,
    })
}

/// Removes the oldest actions up to and with `up_to`, at most `limit`.
pub(super) fn remove_outgoing(
    connection: &Connection,
    tenant: TenantKey,
    up_to: u64,
    limit: u32,
) -> Work<u64> {
    let sql = "DELETE FROM outbox WHERE tenant = ?1 AND seq IN \
               (SELECT seq FROM outbox WHERE tenant = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.execute(params![tenant, Int(up_to), limit])? as u64)
}
