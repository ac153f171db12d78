//! Events that sleep, because rules that they wait for are in quarantine or
//! paused.

use std::sync::Arc;

use ringfence_model::{RuleName, TenantId};
use rusqlite::{Connection, params};

use super::commit::{ASLEEP, AWAKE};
use super::fault::Work;
use super::ledgers::tenant_key;
use super::log::pending_from;
use super::unit::{TenantKey, Unit};
use super::value::{EVENT_COLUMNS, Int, event, name, number};
use crate::{Parked, Seq, Sleepers, Sleeping, Woken};

/// Which events sleep for which rules.
pub(super) fn all(
    connection: &Connection,
    after: Option<&Parked>,
    limit: u32,
) -> Work<Vec<Parked>> {
    // By the tenant's number and not its name: so a page begins where the key
    // says, and does not read all before it.
    let sql = "SELECT t.name, p.rule, p.seq, e.subject FROM parked p \
               JOIN tenants t ON t.id = p.tenant JOIN events e ON e.seq = p.seq \
               WHERE (p.tenant, p.rule, p.seq) > \
               (coalesce((SELECT id FROM tenants WHERE name = ?1), 0), ?2, ?3) \
               ORDER BY p.tenant, p.rule, p.seq LIMIT ?4";
    let (tenant, rule, seq) = after.map_or(("", "", 0), |after| {
        (after.tenant.as_str(), after.rule.as_str(), after.seq)
    });
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![tenant, rule, Int(seq), limit], |row| {
        Ok(Parked {
            tenant: name(row, 0)?,
            rule: name(row, 1)?,
            seq: number(row, 2)?,
            subject: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Those that sleep for a rule have slept since now, not since longer.
pub(super) fn keep(
    unit: &Unit<'_>,
    tenant: &TenantId,
    rule: &RuleName,
    before_us: u64,
    now_us: u64,
) -> Work<()> {
    let Some(key) = tenant_key(unit.connection, tenant)? else {
        return Ok(());
    };
    let sql = "UPDATE parked SET since_us = ? WHERE tenant = ? AND rule = ? AND since_us < ?";
    let mut update = unit.connection.prepare_cached(sql)?;
    update.execute(params![Int(now_us), key, rule.as_str(), Int(before_us)])?;
    Ok(())
}

/// Events that sleep.
pub(super) fn sleeping(
    connection: &Connection,
    which: &Sleepers,
    limit: u32,
) -> Work<Vec<Sleeping>> {
    let mut found: Vec<(TenantKey, TenantId, Seq)> = Vec::new();
    match which {
        Sleepers::Of(tenant, rule) => {
            let Some(key) = tenant_key(connection, tenant)? else {
                return Ok(Vec::new());
            };
            let sql = "SELECT seq FROM parked WHERE tenant = ? AND rule = ? ORDER BY seq LIMIT ?";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![key, rule.as_str(), limit])?;
            while let Some(row) = rows.next()? {
                found.push((key, tenant.clone(), number(row, 0)?));
            }
        }
        Sleepers::Since(before_us) => {
            let sql = "SELECT DISTINCT p.tenant, t.name, p.seq FROM parked p \
                       JOIN tenants t ON t.id = p.tenant \
                       WHERE p.since_us < ? AND t.name IS NOT NULL ORDER BY p.since_us LIMIT ?";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![Int(*before_us), limit])?;
            while let Some(row) = rows.next()? {
                found.push((row.get(0)?, name(row, 1)?, number(row, 2)?));
            }
        }
    }
    let mut sleeping = Vec::with_capacity(found.len());
    for (key, tenant, seq) in found {
        sleeping.push(one(connection, key, &tenant, seq)?);
    }
    Ok(sleeping)
}

fn one(connection: &Connection, key: TenantKey, tenant: &TenantId, seq: Seq) -> Work<Sleeping> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM events e WHERE e.seq = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let (seq, event) = statement.query_row([Int(seq)], |row| event(row, tenant))?;
    Ok(Sleeping {
        seq,
        event: Arc::new(event),
        parked: rules_of(connection, key, seq)?,
    })
}

/// The rules that an event waits for.
pub(super) fn rules_of(connection: &Connection, key: TenantKey, seq: Seq) -> Work<Vec<RuleName>> {
    let sql = "SELECT rule FROM parked WHERE tenant = ? AND seq = ? ORDER BY rule";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![key, Int(seq)], |row| name(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Lets the first events that wait for a rule go on.
pub(super) fn wake(
    unit: &mut Unit<'_>,
    tenant: &TenantId,
    rule: &RuleName,
    limit: u32,
) -> Work<Vec<Woken>> {
    let Some(key) = unit.tenant(tenant)? else {
        return Ok(Vec::new());
    };
    let connection = unit.connection;
    let sql = format!(
        "SELECT {EVENT_COLUMNS}, w.decisions, w.parked FROM parked p \
         JOIN waiting w ON w.tenant = p.tenant AND w.seq = p.seq \
         JOIN events e ON e.seq = p.seq \
         WHERE p.tenant = ? AND p.rule = ? AND w.parked = {ASLEEP} ORDER BY p.seq LIMIT ?"
    );
    let mut woken = Vec::new();
    {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![key, rule.as_str(), limit])?;
        while let Some(row) = rows.next()? {
            let pending = pending_from(connection, tenant, key, row)?;
            let parked = rules_of(connection, key, pending.seq)?;
            woken.push(Woken { pending, parked });
        }
    }
    for Woken { pending, .. } in &woken {
        let seq = Int(pending.seq);
        connection
            .prepare_cached("UPDATE waiting SET parked = ? WHERE tenant = ? AND seq = ?")?
            .execute(params![AWAKE, key, seq])?;
        connection
            .prepare_cached("DELETE FROM parked WHERE tenant = ? AND seq = ?")?
            .execute(params![key, seq])?;
    }
    Ok(woken)
}
