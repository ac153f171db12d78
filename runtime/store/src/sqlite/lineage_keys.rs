//! The keys for lineage tokens, in SQLite.

use ringfence_model::LineageKey;
use rusqlite::{Connection, params};

use super::fault::Work;
use super::unit::Unit;
use super::value::{Int, number};
use crate::{LINEAGE_KEYS_MAX, StoreError};

pub(super) fn put(unit: &mut Unit<'_>, secret: [u8; 32], since_us: u64) -> Work<LineageKey> {
    let sql = "SELECT count(*), coalesce(max(number), 0) FROM lineage_keys";
    let mut statement = unit.connection.prepare_cached(sql)?;
    let (count, last) =
        statement.query_row([], |row| Ok((number(row, 0)?, row.get::<_, u32>(1)?)))?;
    if count >= LINEAGE_KEYS_MAX {
        return Err(StoreError::Full {
            limit: "lineage_keys",
            max: LINEAGE_KEYS_MAX,
        }
        .into());
    }
    let key = LineageKey {
        number: last.saturating_add(1),
        secret,
        since_us,
    };
    let sql = "INSERT INTO lineage_keys (number, key, since_us) VALUES (?, ?, ?)";
    let mut insert = unit.connection.prepare_cached(sql)?;
    insert.execute(params![key.number, key.secret, Int(since_us)])?;
    Ok(key)
}

pub(super) fn all(connection: &Connection) -> Work<Vec<LineageKey>> {
    let sql = "SELECT number, key, since_us FROM lineage_keys ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let keys = statement.query_map([], |row| {
        Ok(LineageKey {
            number: row.get(0)?,
            secret: row.get(1)?,
            since_us: number(row, 2)?,
        })
    })?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn remove(unit: &mut Unit<'_>, up_to: u32) -> Work<u64> {
    let sql = "DELETE FROM lineage_keys WHERE number <= ? \
               AND number < (SELECT max(number) FROM lineage_keys)";
    let removed = unit.connection.prepare_cached(sql)?.execute([up_to])?;
    Ok(removed as u64)
}
