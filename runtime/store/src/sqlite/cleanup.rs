//! Removing what deleted tenants leave behind: in small transactions between
//! other requests, and again after a restart. Nothing of it can be seen any
//! more, because every question goes through the tenant's name.

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Work;
use super::prune::remove_runs;
use super::unit::{Positions, TenantKey};

/// Rows removed in one step; a few milliseconds' work.
const STEP_ROWS: i64 = 256;

/// What else a tenant has, in an order that foreign keys allow. Each
/// statement removes at most `?2` rows of tenant `?1`.
const REMOVALS: &[&str] = &[
    "DELETE FROM tokens WHERE digest IN (SELECT digest FROM tokens WHERE tenant = ?1 LIMIT ?2)",
    "DELETE FROM activations WHERE tenant = ?1 AND rule IN
       (SELECT rule FROM activations WHERE tenant = ?1 LIMIT ?2)",
    "DELETE FROM parked WHERE tenant = ?1 AND (rule, seq) IN
       (SELECT rule, seq FROM parked WHERE tenant = ?1 LIMIT ?2)",
    "DELETE FROM anomalies WHERE seq IN
       (SELECT seq FROM anomalies INDEXED BY anomalies_tenant WHERE tenant = ?1 LIMIT ?2)",
    "DELETE FROM orphan_ledgers WHERE tenant = ?1 AND cascade IN
       (SELECT cascade FROM orphan_ledgers WHERE tenant = ?1 LIMIT ?2)",
    "DELETE FROM state WHERE tenant = ?1 AND (rule, key) IN
       (SELECT rule, key FROM state WHERE tenant = ?1 LIMIT ?2)",
    "DELETE FROM state_sizes WHERE tenant = ?1 AND rule IN
       (SELECT rule FROM state_sizes WHERE tenant = ?1 LIMIT ?2)",
    "DELETE FROM outbox WHERE tenant = ?1 AND seq IN
       (SELECT seq FROM outbox WHERE tenant = ?1 LIMIT ?2)",
    "DELETE FROM dead_letters WHERE seq IN
       (SELECT seq FROM dead_letters INDEXED BY dead_letters_tenant WHERE tenant = ?1 LIMIT ?2)",
];

/// Tenants whose rows are being removed.
pub(super) struct Cleanup {
    tenants: VecDeque<TenantKey>,
    failed: bool,
}

impl Cleanup {
    pub(super) fn load(connection: &Connection) -> Work<Self> {
        let mut statement = connection.prepare("SELECT id FROM tenants WHERE name IS NULL")?;
        let tenants = statement.query_map([], |row| row.get(0))?;
        Ok(Self {
            tenants: tenants.collect::<rusqlite::Result<_>>()?,
            failed: false,
        })
    }

    pub(super) fn add(&mut self, tenants: Vec<TenantKey>) {
        self.tenants.extend(tenants);
    }

    /// Whether there is something to do at once. After a failure it waits for
    /// the next request.
    pub(super) fn is_due(&self) -> bool {
        !self.tenants.is_empty() && !self.failed
    }

    /// Removes some rows. Lists end here.
    pub(super) fn step(&mut self, connection: &mut Connection, positions: &Positions) {
        let Some(tenant) = self.tenants.front() else {
            return;
        };
        match remove_some(connection, *tenant, positions) {
            Ok(true) => self.failed = false,
            Ok(false) => {
                self.failed = false;
                self.tenants.pop_front();
            }
            Err(fault) => {
                self.failed = true;
                let error = fault.during("removing a deleted tenant");
                tracing::error!(%error, "will be tried again after the next request");
            }
        }
    }
}

/// Whether there was something to remove.
fn remove_some(
    connection: &mut Connection,
    tenant: TenantKey,
    positions: &Positions,
) -> Work<bool> {
    let transaction = connection.transaction()?;
    positions.save(&transaction)?;
    let mut found = remove_events(&transaction, tenant)? || remove_version(&transaction, tenant)?;
    for sql in REMOVALS {
        if !found {
            let mut statement = transaction.prepare_cached(sql)?;
            found = statement.execute(params![tenant, STEP_ROWS])? > 0;
        }
    }
    if !found {
        transaction.execute("DELETE FROM counts WHERE tenant = ?", [tenant])?;
        transaction.execute(
            "DELETE FROM tenants WHERE id = ? AND name IS NULL",
            [tenant],
        )?;
    }
    transaction.commit()?;
    Ok(found)
}

fn remove_events(connection: &Connection, tenant: TenantKey) -> Work<bool> {
    let sql = "SELECT seq FROM events INDEXED BY events_id WHERE tenant = ? LIMIT ?";
    let seqs = connection
        .prepare_cached(sql)?
        .query_map(params![tenant, STEP_ROWS], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    for seq in &seqs {
        for sql in [
            "DELETE FROM finished WHERE tenant = ? AND seq = ? RETURNING runs",
            "DELETE FROM waiting WHERE tenant = ? AND seq = ? RETURNING runs",
        ] {
            let runs: Option<Option<Vec<u8>>> = connection
                .prepare_cached(sql)?
                .query_row(params![tenant, seq], |row| row.get(0))
                .optional()?;
            remove_runs(connection, runs.flatten().as_deref())?;
        }
        for sql in [
            "DELETE FROM events WHERE seq = ?",
            "DELETE FROM ledgers WHERE root = ?",
        ] {
            connection.prepare_cached(sql)?.execute([seq])?;
        }
    }
    Ok(!seqs.is_empty())
}

/// Removes one version, and its component if nobody else has it.
fn remove_version(connection: &Connection, tenant: TenantKey) -> Work<bool> {
    let version: Option<[u8; 32]> = connection
        .prepare_cached(
            "DELETE FROM versions WHERE place =
               (SELECT place FROM versions WHERE tenant = ? LIMIT 1) RETURNING version",
        )?
        .query_row([tenant], |row| row.get(0))
        .optional()?;
    let Some(version) = version else {
        return Ok(false);
    };
    connection
        .prepare_cached(
            "DELETE FROM components WHERE version = ?1
               AND NOT EXISTS (SELECT 1 FROM versions WHERE version = ?1)",
        )?
        .execute([version])?;
    Ok(true)
}
