//! Removing what is older than the operator wants to keep.

use ringfence_model::CascadeId;
use rusqlite::{Connection, params};

use super::fault::Work;
use super::ledgers::release;
use super::unit::{Delta, TenantKey, Unit};
use super::value::{Int, number};
use crate::Seq;

struct Old {
    seq: Seq,
    tenant: TenantKey,
    dead: bool,
    runs: Option<Vec<u8>>,
    cascade: CascadeId,
    is_root: bool,
}

/// Removes at most `limit` events that were finished before this time;
/// answers how many.
pub(super) fn prune(unit: &mut Unit<'_>, before_us: u64, limit: u32) -> Work<u64> {
    let connection = unit.connection;
    // A deleted tenant's rows are being removed anyway.
    let sql = "SELECT f.seq, f.tenant, f.dead, f.runs, coalesce(e.cascade, e.id),
                 e.cascade IS NULL
               FROM finished f INDEXED BY finished_done JOIN events e ON e.seq = f.seq
               WHERE f.done_us < ? ORDER BY f.done_us LIMIT ?";
    let old = connection
        .prepare_cached(sql)?
        .query_map(params![Int(before_us), limit], |row| {
            Ok(Old {
                seq: number(row, 0)?,
                tenant: row.get(1)?,
                dead: row.get(2)?,
                runs: row.get(3)?,
                cascade: CascadeId::from_bytes(row.get(4)?),
                is_root: row.get(5)?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    unit.removes |= !old.is_empty();
    for event in &old {
        remove(connection, event)?;
        unit.count(
            event.tenant,
            Delta {
                done: -i64::from(!event.dead),
                dead_lettered: -i64::from(event.dead),
                ..Delta::default()
            },
        );
    }
    Ok(old.len() as u64)
}

fn remove(connection: &Connection, old: &Old) -> Work<()> {
    remove_runs(connection, old.runs.as_deref())?;
    if old.dead {
        connection
            .prepare_cached("DELETE FROM dead_letters WHERE event_seq = ?")?
            .execute([Int(old.seq)])?;
    }
    for sql in [
        "DELETE FROM finished WHERE seq = ?",
        "DELETE FROM events WHERE seq = ?",
    ] {
        connection.prepare_cached(sql)?.execute([Int(old.seq)])?;
    }
    release(connection, old.tenant, old.seq, old.cascade, old.is_root)
}

/// Removes the executions at these places.
pub(super) fn remove_runs(connection: &Connection, runs: Option<&[u8]>) -> Work<()> {
    for seq in places(runs) {
        for sql in [
            "DELETE FROM executions WHERE seq = ?",
            "DELETE FROM listed WHERE seq = ?",
        ] {
            connection.prepare_cached(sql)?.execute([seq])?;
        }
    }
    Ok(())
}

/// The places in a `runs` column.
pub(super) fn places(runs: Option<&[u8]>) -> impl Iterator<Item = i64> + '_ {
    runs.unwrap_or_default().chunks_exact(8).map(|chunk| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(chunk);
        i64::from_le_bytes(bytes)
    })
}
