//! The rules in force, as a server begins with them.

use ringfence_model::{Activation, Manifest, RuleName, TenantId};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;

use super::fault::{Work, damaged, decode};
use super::unit::TenantKey;
use super::value::name;
use crate::RuleInForce;

/// What is read of a version's record.
#[derive(Deserialize)]
struct Declares {
    manifest: Manifest,
}

/// The rules in force after a tenant's rule, or from the first on.
pub(super) fn read(
    connection: &Connection,
    after: Option<&(TenantId, RuleName)>,
    limit: u32,
) -> Work<Vec<RuleInForce>> {
    // Deleted tenants have no name.
    let sql = "SELECT t.id, t.name, a.record FROM tenants t \
               JOIN activations a ON a.tenant = t.id \
               WHERE t.name >= ?1 AND (t.name > ?1 OR a.rule > ?2) \
               ORDER BY t.name, a.rule LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let (tenant, rule) = after.map_or(("", ""), |(tenant, rule)| (tenant.as_str(), rule.as_str()));
    let mut rows = statement.query(params![tenant, rule, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, tenant): (TenantKey, TenantId) = (row.get(0)?, name(row, 1)?);
        let record = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        let activation: Activation = decode("activation", record)?;
        let manifest = manifest(connection, key, &tenant, &activation)?;
        found.push(RuleInForce {
            tenant,
            activation,
            manifest,
        });
    }
    Ok(found)
}

fn manifest(
    connection: &Connection,
    key: TenantKey,
    tenant: &TenantId,
    activation: &Activation,
) -> Work<Manifest> {
    let (rule, version) = (&activation.rule, activation.version);
    let sql = "SELECT record FROM versions WHERE tenant = ? AND rule = ? AND version = ?";
    let record: Option<String> = connection
        .prepare_cached(sql)?
        .query_row(params![key, rule.as_str(), version.as_bytes()], |row| {
            row.get(0)
        })
        .optional()?;
    let record = record.ok_or_else(|| {
        let cause = format!("rule `{rule}` of `{tenant}` has no version {version}");
        damaged("activation", &cause)
    })?;
    Ok(decode::<Declares>("version", &record)?.manifest)
}
