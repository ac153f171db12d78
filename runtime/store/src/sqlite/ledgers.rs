//! What cascades have used.

use ringfence_model::{CascadeId, Event, Ledger, TenantId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Work;
use super::unit::TenantKey;
use super::value::{Int, number};
use crate::Seq;

/// Where a cascade's ledger is kept.
pub(super) enum Place {
    /// With the root event at this place of the log.
    Root(Seq),
    /// On its own: the root event is not in the log.
    Orphan(TenantKey, CascadeId),
}

impl Place {
    /// Of the cascade of an event at this place.
    pub(super) fn of(
        connection: &Connection,
        tenant: TenantKey,
        seq: Seq,
        event: &Event,
    ) -> Work<Self> {
        if event.lineage.cascade == event.id {
            return Ok(Self::Root(seq));
        }
        Self::find(connection, tenant, event.lineage.cascade)
    }

    fn find(connection: &Connection, tenant: TenantKey, cascade: CascadeId) -> Work<Self> {
        let sql = "SELECT seq FROM events WHERE tenant = ? AND id = ? AND cascade IS NULL";
        let root = connection
            .prepare_cached(sql)?
            .query_row(params![tenant, cascade.as_bytes()], |row| number(row, 0))
            .optional()?;
        Ok(root.map_or(Self::Orphan(tenant, cascade), Self::Root))
    }

    /// What is there; nothing if nothing was drawn.
    pub(super) fn read(&self, connection: &Connection) -> Work<Ledger> {
        let found = match self {
            Self::Root(seq) => connection
                .prepare_cached(
                    "SELECT depth, executions, fuel, events, bytes FROM ledgers WHERE root = ?",
                )?
                .query_row([Int(*seq)], ledger),
            Self::Orphan(tenant, cascade) => connection
                .prepare_cached(
                    "SELECT depth, executions, fuel, events, bytes FROM orphan_ledgers \
                     WHERE tenant = ? AND cascade = ?",
                )?
                .query_row(params![tenant, cascade.as_bytes()], ledger),
        };
        Ok(found.optional()?.unwrap_or_default())
    }

    /// Puts a ledger there.
    pub(super) fn write(&self, connection: &Connection, ledger: &Ledger) -> Work<()> {
        let [depth, executions, fuel, events, bytes] = [
            Int(ledger.depth),
            Int(ledger.executions),
            Int(ledger.fuel),
            Int(ledger.events),
            Int(ledger.bytes),
        ];
        match self {
            Self::Root(seq) => connection
                .prepare_cached("INSERT OR REPLACE INTO ledgers VALUES (?, ?, ?, ?, ?, ?)")?
                .execute(params![Int(*seq), depth, executions, fuel, events, bytes])?,
            Self::Orphan(tenant, cascade) => connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO orphan_ledgers VALUES (?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    tenant,
                    cascade.as_bytes(),
                    depth,
                    executions,
                    fuel,
                    events,
                    bytes
                ])?,
        };
        Ok(())
    }
}

fn ledger(row: &Row<'_>) -> rusqlite::Result<Ledger> {
    Ok(Ledger {
        depth: number(row, 0)?,
        executions: number(row, 1)?,
        fuel: number(row, 2)?,
        events: number(row, 3)?,
        bytes: number(row, 4)?,
    })
}

/// A tenant's key, for questions; none if there is no such tenant.
pub(super) fn tenant_key(connection: &Connection, name: &TenantId) -> Work<Option<TenantKey>> {
    let mut statement = connection.prepare_cached("SELECT id FROM tenants WHERE name = ?")?;
    Ok(statement
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?)
}

/// What a cascade has used; nothing if it is not known.
pub(super) fn of_cascade(
    connection: &Connection,
    tenant: &TenantId,
    cascade: CascadeId,
) -> Work<Ledger> {
    match tenant_key(connection, tenant)? {
        Some(key) => Place::find(connection, key, cascade)?.read(connection),
        None => Ok(Ledger::default()),
    }
}

/// After an event was removed from the log: its cascade's ledger goes with
/// the last of its events, and outlives its root.
pub(super) fn release(
    connection: &Connection,
    tenant: TenantKey,
    seq: Seq,
    cascade: CascadeId,
    is_root: bool,
) -> Work<()> {
    let sql = "SELECT 1 FROM events WHERE tenant = ? AND cascade = ?";
    let more = connection
        .prepare_cached(sql)?
        .exists(params![tenant, cascade.as_bytes()])?;
    let orphan = Place::Orphan(tenant, cascade);
    if is_root {
        let root = Place::Root(seq);
        if more {
            orphan.write(connection, &root.read(connection)?)?;
        }
        connection
            .prepare_cached("DELETE FROM ledgers WHERE root = ?")?
            .execute([Int(seq)])?;
    } else if !more {
        connection
            .prepare_cached("DELETE FROM orphan_ledgers WHERE tenant = ? AND cascade = ?")?
            .execute(params![tenant, cascade.as_bytes()])?;
    }
    Ok(())
}
