//! The transaction that requests share.

use std::collections::HashMap;

use ringfence_model::TenantId;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Work;
use super::listing::list;
use super::value::{Int, number};
use crate::{Accepted, Seq};

/// Beyond this many names the cache starts anew.
const TENANTS_CACHED_MAX: usize = 100_000;

/// A tenant as an integer.
pub(super) type TenantKey = i64;

/// The last place given out in each list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Positions {
    pub(super) event: Seq,
    pub(super) execution: Seq,
    pub(super) outgoing: Seq,
    pub(super) dead_letter: Seq,
    /// The last event that is among those listed as waiting, unless it is
    /// finished.
    pub(super) listed_event: Seq,
    /// The last execution that is listed.
    pub(super) listed_execution: Seq,
}

impl Positions {
    /// They are written when something is removed or listed; before that, the
    /// last row of each list says where it ends.
    pub(super) fn load(connection: &Connection) -> Work<Self> {
        let sql = "SELECT \
                   max(event, coalesce((SELECT max(seq) FROM events), 0)), \
                   max(execution, coalesce((SELECT max(seq) FROM executions), 0)), \
                   max(outgoing, coalesce((SELECT max((SELECT max(seq) FROM outbox o \
                   WHERE o.tenant = t.id)) FROM tenants t), 0)), \
                   max(dead_letter, coalesce((SELECT max(seq) FROM dead_letters), 0)), \
                   listed_event, listed_execution FROM positions";
        Ok(connection.prepare_cached(sql)?.query_row([], |row| {
            Ok(Self {
                event: number(row, 0)?,
                execution: number(row, 1)?,
                outgoing: number(row, 2)?,
                dead_letter: number(row, 3)?,
                listed_event: number(row, 4)?,
                listed_execution: number(row, 5)?,
            })
        })?)
    }

    /// To be called in each transaction that removes rows or lists some.
    pub(super) fn save(&self, connection: &Connection) -> Work<()> {
        let sql = "UPDATE positions SET event = ?, execution = ?, outgoing = ?, dead_letter = ?, \
                   listed_event = ?, listed_execution = ?";
        let places = params![
            Int(self.event),
            Int(self.execution),
            Int(self.outgoing),
            Int(self.dead_letter),
            Int(self.listed_event),
            Int(self.listed_execution)
        ];
        connection.prepare_cached(sql)?.execute(places)?;
        Ok(())
    }
}

/// A change to a tenant's counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Delta {
    pub(super) waiting: i64,
    pub(super) waiting_bytes: i64,
    pub(super) done: i64,
    pub(super) dead_lettered: i64,
}

impl Delta {
    fn add(&mut self, other: &Self) {
        self.waiting += other.waiting;
        self.waiting_bytes += other.waiting_bytes;
        self.done += other.done;
        self.dead_lettered += other.dead_lettered;
    }
}

/// What requests in one transaction share: the connection, and what is
/// written once at the end for all of them.
pub(super) struct Unit<'a> {
    pub(super) connection: &'a Connection,
    pub(super) positions: Positions,
    /// Events that wait once this is durable, in the order of the log.
    pub(super) accepted: Vec<Accepted>,
    /// Whether rows were removed that may be the last of their list.
    pub(super) removes: bool,
    /// Tenants deleted; what is theirs is yet to be removed.
    pub(super) gone: Vec<TenantKey>,
    tenants: &'a mut HashMap<TenantId, TenantKey>,
    deltas: Vec<(TenantKey, Delta)>,
}

impl<'a> Unit<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        positions: Positions,
        tenants: &'a mut HashMap<TenantId, TenantKey>,
    ) -> Self {
        Self {
            connection,
            positions,
            accepted: Vec::new(),
            removes: false,
            gone: Vec::new(),
            tenants,
            deltas: Vec::new(),
        }
    }

    /// Writes what requests share. The transaction can then be committed.
    pub(super) fn finish(&mut self) -> Work<()> {
        if list(self)? || self.removes {
            self.positions.save(self.connection)?;
        }
        let mut sums: HashMap<TenantKey, Delta> = HashMap::new();
        for (tenant, delta) in &self.deltas {
            sums.entry(*tenant).or_default().add(delta);
        }
        let sql = "UPDATE counts SET waiting = waiting + ?, waiting_bytes = waiting_bytes + ?, \
                   done = done + ?, dead_lettered = dead_lettered + ? WHERE tenant = ?";
        let mut update = self.connection.prepare_cached(sql)?;
        for (tenant, sum) in sums {
            update.execute(params![
                sum.waiting,
                sum.waiting_bytes,
                sum.done,
                sum.dead_lettered,
                tenant
            ])?;
        }
        Ok(())
    }

    /// Notes a change to a tenant's counts.
    pub(super) fn count(&mut self, tenant: TenantKey, delta: Delta) {
        self.deltas.push((tenant, delta));
    }

    /// A tenant's key; none if there is no such tenant.
    pub(super) fn tenant(&mut self, name: &TenantId) -> Work<Option<TenantKey>> {
        if let Some(key) = self.tenants.get(name) {
            return Ok(Some(*key));
        }
        let found: Option<TenantKey> = self
            .connection
            .prepare_cached("SELECT id FROM tenants WHERE name = ?")?
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(key) = found {
            if self.tenants.len() >= TENANTS_CACHED_MAX {
                self.tenants.clear();
            }
            self.tenants.insert(name.clone(), key);
        }
        Ok(found)
    }

    /// Forgets a tenant's key.
    pub(super) fn forget(&mut self, name: &TenantId) {
        self.tenants.remove(name);
    }
}
