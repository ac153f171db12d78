//! Values as SQLite keeps them, and events as rows.

use ringfence_model::{Ancestry, Event, EventId, ExecutionId, Json, Lineage, Origin, TenantId};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Row, params};

use super::unit::TenantKey;
use crate::Seq;

/// A number as SQLite's integer, which has 63 bits for it; what is greater
/// becomes the greatest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Int(pub(super) u64);

impl ToSql for Int {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Int {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        u64::try_from(number)
            .map(Self)
            .map_err(|_| FromSqlError::OutOfRange(number))
    }
}

/// An unsigned number in this column.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, Int>(column).map(|int| int.0)
}

/// JSON in this column; it was checked before it was stored.
pub(super) fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Json> {
    row.get::<_, std::sync::Arc<str>>(column).map(Json::trusted)
}

/// A name in this column.
pub(super) fn name<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error: T::Err| {
        let text = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, text, Box::new(error))
    })
}

/// The columns of an event, for [`event`], of the table `events` as `e`.
pub(super) const EVENT_COLUMNS: &str = "e.seq, e.id, e.cascade, e.depth, e.parent, e.accepted_us, \
     e.ce_id, e.source, e.type, e.subject, e.time, e.data, e.origin, e.ancestry";

/// How many those are.
pub(super) const EVENT_COLUMNS_COUNT: usize = 14;

/// Reads an event from a row that begins with [`EVENT_COLUMNS`].
pub(super) fn event(row: &Row<'_>, tenant: &TenantId) -> rusqlite::Result<(Seq, Event)> {
    let event = Event {
        id: EventId::from_bytes(row.get(1)?),
        tenant: tenant.clone(),
        ce_id: row.get(6)?,
        source: row.get(7)?,
        ty: row.get(8)?,
        subject: row.get(9)?,
        time: row.get(10)?,
        data: json(row, 11)?,
        accepted_us: number(row, 5)?,
        lineage: lineage(row, [1, 2, 3, 4, 12])?,
        ancestry: row
            .get_ref(13)?
            .as_blob_or_null()?
            .map_or_else(Ancestry::default, Ancestry::from_bytes),
    };
    Ok((number(row, 0)?, event))
}

/// Reads an event's place in its cascade from the columns that hold `id`,
/// `cascade`, `depth`, `parent` and `origin`.
pub(super) fn lineage(row: &Row<'_>, columns: [usize; 5]) -> rusqlite::Result<Lineage> {
    let [id, cascade, depth, parent, came] = columns;
    let cascade: Option<[u8; 16]> = row.get(cascade)?;
    let parent: Option<[u8; 16]> = row.get(parent)?;
    Ok(Lineage {
        cascade: EventId::from_bytes(match cascade {
            Some(cascade) => cascade,
            None => row.get(id)?,
        }),
        depth: row.get(depth)?,
        parent: parent.map(ExecutionId::from_bytes),
        origin: origin(row.get(came)?, parent.is_some()),
    })
}

/// Null for what its parent tells: with one it was emitted, without it is a
/// root event.
fn origin_number(origin: Origin) -> Option<i64> {
    match origin {
        Origin::Root | Origin::Emitted => None,
        Origin::Returned => Some(1),
        Origin::Inferred => Some(2),
    }
}

fn origin(number: Option<i64>, has_parent: bool) -> Origin {
    match number {
        Some(1) => Origin::Returned,
        Some(_) => Origin::Inferred,
        None if has_parent => Origin::Emitted,
        None => Origin::Root,
    }
}

/// Inserts an event unless its id is there.
pub(super) const EVENT_INSERT: &str = "INSERT INTO events (seq, tenant, id, cascade, \
     depth, parent, accepted_us, ce_id, source, type, subject, time, data, origin, ancestry) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, id) DO NOTHING";

/// Runs [`EVENT_INSERT`]; false if the id is there.
pub(super) fn insert_event(
    statement: &mut CachedStatement<'_>,
    seq: Seq,
    tenant: TenantKey,
    event: &Event,
) -> rusqlite::Result<bool> {
    let lineage = &event.lineage;
    let cascade = (lineage.cascade != event.id).then(|| lineage.cascade.as_bytes());
    let inserted = statement.execute(params![
        Int(seq),
        tenant,
        event.id.as_bytes(),
        cascade,
        lineage.depth,
        lineage.parent.as_ref().map(ExecutionId::as_bytes),
        Int(event.accepted_us),
        event.ce_id,
        event.source,
        event.ty,
        event.subject,
        event.time,
        event.data.as_str(),
        origin_number(lineage.origin),
        (!event.ancestry.as_slice().is_empty()).then(|| event.ancestry.to_bytes()),
    ])?;
    Ok(inserted > 0)
}
