//! Anomalies: what was out of the ordinary, and what still is.

use ringfence_model::{Anomaly, TenantId};
use rusqlite::{Connection, Row, params};

use super::TENANT;
use super::page::page;
use crate::sqlite::fault::{Work, decode, encode};
use crate::sqlite::unit::Unit;
use crate::sqlite::value::{Int, name, number};
use crate::{ANOMALIES_MAX, AnomalyRecord, Page, StoreError};

pub(super) fn begin(unit: &mut Unit<'_>, tenant: &TenantId, anomaly: &Anomaly) -> Work<u64> {
    let key = unit.tenant(tenant)?.ok_or(StoreError::NoTenant)?;
    let connection = unit.connection;
    let insert = "INSERT INTO anomalies (tenant, since_us, until_us, record) VALUES (?, ?, ?, ?)";
    connection.prepare_cached(insert)?.execute(params![
        key,
        Int(anomaly.since_us),
        anomaly.until_us.map(Int),
        encode("anomaly", anomaly)?,
    ])?;
    let seq = connection.last_insert_rowid();
    let too_many = "DELETE FROM anomalies WHERE seq IN
       (SELECT seq FROM anomalies INDEXED BY anomalies_tenant WHERE tenant = ?
        ORDER BY seq DESC LIMIT -1 OFFSET ?)";
    connection
        .prepare_cached(too_many)?
        .execute(params![key, ANOMALIES_MAX])?;
    Ok(seq.unsigned_abs())
}

pub(super) fn end(unit: &mut Unit<'_>, tenant: &TenantId, record: &AnomalyRecord) -> Work<bool> {
    let Some(key) = unit.tenant(tenant)? else {
        return Ok(false);
    };
    let update = "UPDATE anomalies SET until_us = ?, record = ? WHERE seq = ? AND tenant = ?";
    let changed = unit.connection.prepare_cached(update)?.execute(params![
        record.anomaly.until_us.map(Int),
        encode("anomaly", &record.anomaly)?,
        Int(record.seq),
        key,
    ])?;
    Ok(changed > 0)
}

pub(super) fn list(
    connection: &Connection,
    tenant: &TenantId,
    before: Option<u64>,
    limit: u32,
) -> Work<Page<AnomalyRecord>> {
    let sql = format!(
        "SELECT seq, record FROM anomalies INDEXED BY anomalies_tenant \
         WHERE tenant = {TENANT} AND seq < ?2 ORDER BY seq DESC"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let before = Int(before.unwrap_or(u64::MAX));
    let mut rows = statement.query(params![tenant.as_str(), before])?;
    page(&mut rows, limit, |_| Ok(true), record)
}

/// With its size, in bytes.
fn record(row: &Row<'_>) -> Work<(AnomalyRecord, u64)> {
    let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
    let record = AnomalyRecord {
        seq: number(row, 0)?,
        anomaly: decode("anomaly", text)?,
    };
    Ok((record, text.len() as u64))
}

pub(super) fn ongoing(connection: &Connection, limit: u32) -> Work<Vec<(TenantId, AnomalyRecord)>> {
    // A deleted tenant has no name.
    let sql = "SELECT a.seq, a.record, t.name FROM anomalies a JOIN tenants t ON t.id = a.tenant \
               WHERE a.until_us IS NULL AND t.name IS NOT NULL ORDER BY a.seq LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((name(row, 2)?, record(row)?.0));
    }
    Ok(found)
}

/// Looks at the oldest only: anomalies end in about the order in which they
/// began, and so no index has to be kept for it.
pub(super) fn prune(unit: &mut Unit<'_>, before_us: u64, limit: u32) -> Work<u64> {
    let sql = "DELETE FROM anomalies WHERE until_us < ?1 AND seq IN
       (SELECT seq FROM anomalies ORDER BY seq LIMIT ?2)";
    let mut statement = unit.connection.prepare_cached(sql)?;
    Ok(statement.execute(params![Int(before_us), limit])? as u64)
}
