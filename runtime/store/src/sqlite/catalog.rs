//! The catalog, in SQLite.

use async_trait::async_trait;
use bytes::Bytes;
use ringfence_model::{
    Activation, Digest, Limits, LineageKey, Paused, RuleName, Tenant, TenantId, Token, VersionId,
};
use rusqlite::{OptionalExtension, Params, params};

use super::Sqlite;
use super::fault::{Work, decode, encode};
use super::in_force;
use super::lineage_keys;
use super::unit::{TenantKey, Unit};
use super::value::name;
use super::waiting::Load;
use crate::{Catalog, NewVersion, PutVersion, Result, RuleInForce, StoreError, VersionRecord};

/// That the host is paused, in the table `host`.
const PAUSED: &str = "paused";

const TENANT: &str = "(SELECT id FROM tenants WHERE name = ?1)";

impl Sqlite {
    /// Reads records that are kept as JSON in the first column.
    async fn records<T, P>(&self, what: &'static str, sql: String, with: P) -> Result<Vec<T>>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
        P: Params + Send + 'static,
    {
        self.readers
            .ask(what, move |connection| {
                let mut statement = connection.prepare_cached(&sql)?;
                let mut rows = statement.query(with)?;
                let mut records = Vec::new();
                while let Some(row) = rows.next()? {
                    let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
                    records.push(decode("record of the catalog", text)?);
                }
                Ok(records)
            })
            .await
    }
}

#[async_trait]
impl Catalog for Sqlite {
    async fn put_tenant(&self, tenant: Tenant) -> Result<bool> {
        self.writer
            .write("writing a tenant", 0, move |unit| {
                put_tenant(unit, tenant.clone())
            })
            .await
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>> {
        let sql = "SELECT record FROM tenants WHERE name = ?".to_owned();
        let found = self.records("reading a tenant", sql, [tenant.to_string()]);
        Ok(found.await?.pop())
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>> {
        let sql = "SELECT record FROM tenants WHERE name > ? ORDER BY name LIMIT ?".to_owned();
        let after = after.map_or_else(String::new, TenantId::to_string);
        self.records("reading tenants", sql, (after, limit)).await
    }

    async fn delete_tenant(&self, tenant: &TenantId) -> Result<bool> {
        let tenant = tenant.clone();
        self.writer
            .write("deleting a tenant", 0, move |unit| {
                delete_tenant(unit, &tenant)
            })
            .await
    }

    async fn put_token(&self, token: Token) -> Result<()> {
        self.writer
            .write("writing a token", 0, move |unit| {
                let tenant = unit.tenant(&token.tenant)?.ok_or(StoreError::NoTenant)?;
                let sql = "INSERT OR REPLACE INTO tokens (digest, tenant, record) VALUES (?, ?, ?)";
                let record = encode("writing a token", &token)?;
                let digest = token.digest.as_bytes();
                unit.connection
                    .prepare_cached(sql)?
                    .execute(params![digest, tenant, record])?;
                Ok(())
            })
            .await
    }

    async fn token(&self, digest: &Digest) -> Result<Option<Token>> {
        let sql = "SELECT k.record FROM tokens k JOIN tenants t ON t.id = k.tenant \
                   WHERE k.digest = ? AND t.name IS NOT NULL"
            .to_owned();
        let found = self.records("reading a token", sql, [*digest.as_bytes()]);
        Ok(found.await?.pop())
    }

    async fn put_version(
        &self,
        tenant: &TenantId,
        version: NewVersion,
        limits: &Limits,
    ) -> Result<PutVersion> {
        let load = Load::of_code(version.component.len() as u64);
        let (tenant, limits) = (tenant.clone(), limits.clone());
        self.writer
            .write_load("keeping a version", load, move |unit| {
                let tenant = unit.tenant(&tenant)?.ok_or(StoreError::NoTenant)?;
                put_version(unit, tenant, &version, &limits)
            })
            .await
    }

    async fn version(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        version: VersionId,
    ) -> Result<Option<VersionRecord>> {
        let sql = format!(
            "SELECT record FROM versions WHERE tenant = {TENANT} AND rule = ?2 AND version = ?3"
        );
        let with = (tenant.to_string(), rule.to_string(), *version.as_bytes());
        Ok(self.records("reading a version", sql, with).await?.pop())
    }

    async fn versions(&self, tenant: &TenantId, rule: &RuleName) -> Result<Vec<VersionRecord>> {
        let sql = format!(
            "SELECT record FROM versions WHERE tenant = {TENANT} AND rule = ?2 \
             ORDER BY place DESC"
        );
        let with = (tenant.to_string(), rule.to_string());
        self.records("reading versions", sql, with).await
    }

    async fn rules(&self, tenant: &TenantId) -> Result<Vec<RuleName>> {
        let tenant = tenant.to_string();
        self.readers
            .ask("reading rules", move |connection| {
                let sql = format!(
                    "SELECT DISTINCT rule FROM versions WHERE tenant = {TENANT} ORDER BY rule"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                let names = statement.query_map([tenant], |row| name(row, 0))?;
                Ok(names.collect::<rusqlite::Result<_>>()?)
            })
            .await
    }

    async fn component(&self, version: VersionId) -> Result<Option<Bytes>> {
        self.readers
            .ask("reading a component", move |connection| {
                let sql = "SELECT bytes FROM components WHERE version = ?1 AND EXISTS \
                           (SELECT 1 FROM versions v JOIN tenants t ON t.id = v.tenant \
                            WHERE v.version = ?1 AND t.name IS NOT NULL)";
                let mut statement = connection.prepare_cached(sql)?;
                let found = statement.query_row([version.as_bytes()], |row| {
                    row.get::<_, Vec<u8>>(0).map(Bytes::from)
                });
                Ok(found.optional()?)
            })
            .await
    }

    async fn put_activation(&self, tenant: &TenantId, activation: Activation) -> Result<()> {
        let tenant = tenant.clone();
        self.writer
            .write("writing an activation", activation.config.size(), move |unit| {
                let tenant = unit.tenant(&tenant)?.ok_or(StoreError::NoTenant)?;
                let sql =
                    "INSERT OR REPLACE INTO activations (tenant, rule, record) VALUES (?, ?, ?)";
                let record = encode("writing an activation", &activation)?;
                unit.connection.prepare_cached(sql)?.execute(params![
                    tenant,
                    activation.rule.as_str(),
                    record
                ])?;
                Ok(())
            })
            .await
    }

    async fn delete_activation(&self, tenant: &TenantId, rule: &RuleName) -> Result<bool> {
        let (tenant, rule) = (tenant.clone(), rule.clone());
        self.writer
            .write("ending an activation", 0, move |unit| {
                let Some(tenant) = unit.tenant(&tenant)? else {
                    return Ok(false);
                };
                let sql = "DELETE FROM activations WHERE tenant = ? AND rule = ?";
                let mut statement = unit.connection.prepare_cached(sql)?;
                Ok(statement.execute(params![tenant, rule.as_str()])? > 0)
            })
            .await
    }

    async fn activations(&self, tenant: &TenantId) -> Result<Vec<Activation>> {
        let sql = format!("SELECT record FROM activations WHERE tenant = {TENANT} ORDER BY rule");
        self.records("reading activations", sql, [tenant.to_string()])
            .await
    }

    async fn put_host_pause(&self, paused: Option<Paused>) -> Result<()> {
        self.writer
            .write("writing the host's pause", 0, move |unit| {
                let sql = "DELETE FROM host WHERE name = ?";
                unit.connection.prepare_cached(sql)?.execute([PAUSED])?;
                let Some(paused) = paused else {
                    return Ok(());
                };
                let record = encode("writing the host's pause", &paused)?;
                let sql = "INSERT INTO host (name, record) VALUES (?, ?)";
                let mut insert = unit.connection.prepare_cached(sql)?;
                insert.execute(params![PAUSED, record])?;
                Ok(())
            })
            .await
    }

    async fn host_pause(&self) -> Result<Option<Paused>> {
        let sql = "SELECT record FROM host WHERE name = ?".to_owned();
        let found = self.records("reading the host's pause", sql, [PAUSED]);
        Ok(found.await?.pop())
    }

    async fn rules_in_force(
        &self,
        after: Option<(&TenantId, &RuleName)>,
        limit: u32,
    ) -> Result<Vec<RuleInForce>> {
        let after = after.map(|(tenant, rule)| (tenant.clone(), rule.clone()));
        self.readers
            .ask("reading rules in force", move |connection| {
                in_force::read(connection, after.as_ref(), limit)
            })
            .await
    }

    async fn put_lineage_key(&self, secret: [u8; 32], since_us: u64) -> Result<LineageKey> {
        self.writer
            .write("keeping a lineage key", 0, move |unit| {
                lineage_keys::put(unit, secret, since_us)
            })
            .await
    }

    async fn lineage_keys(&self) -> Result<Vec<LineageKey>> {
        let doing = "reading lineage keys";
        self.readers.ask(doing, lineage_keys::all).await
    }

    async fn remove_lineage_keys(&self, up_to: u32) -> Result<u64> {
        self.writer
            .write("removing lineage keys", 0, move |unit| {
                lineage_keys::remove(unit, up_to)
            })
            .await
    }
}

fn put_tenant(unit: &mut Unit<'_>, mut tenant: Tenant) -> Work<bool> {
    let connection = unit.connection;
    let before: Option<(TenantKey, String)> = connection
        .prepare_cached("SELECT id, record FROM tenants WHERE name = ?")?
        .query_row([tenant.id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((key, before)) = before {
        tenant.created_us = decode::<Tenant>("tenant", &before)?.created_us;
        connection
            .prepare_cached("UPDATE tenants SET record = ? WHERE id = ?")?
            .execute(params![encode("writing a tenant", &tenant)?, key])?;
        return Ok(false);
    }
    connection
        .prepare_cached("INSERT INTO tenants (name, record) VALUES (?, ?)")?
        .execute(params![
            tenant.id.as_str(),
            encode("writing a tenant", &tenant)?
        ])?;
    connection
        .prepare_cached("INSERT INTO counts VALUES (?, 0, 0, 0, 0)")?
        .execute([connection.last_insert_rowid()])?;
    Ok(true)
}

/// Takes the tenant's name away: from then on nothing of it can be seen, and
/// the name is free. Its rows are removed after that, step by step.
fn delete_tenant(unit: &mut Unit<'_>, tenant: &TenantId) -> Work<bool> {
    let Some(key) = unit.tenant(tenant)? else {
        return Ok(false);
    };
    unit.connection
        .prepare_cached("UPDATE tenants SET name = NULL, record = '' WHERE id = ?")?
        .execute([key])?;
    unit.forget(tenant);
    unit.gone.push(key);
    Ok(true)
}

fn put_version(
    unit: &mut Unit<'_>,
    tenant: TenantKey,
    new: &NewVersion,
    limits: &Limits,
) -> Work<PutVersion> {
    let (connection, record) = (unit.connection, &new.record);
    let (rule, version) = (record.rule.as_str(), record.version.as_bytes());
    let existing: Option<String> = connection
        .prepare_cached(
            "SELECT record FROM versions WHERE tenant = ? AND rule = ? AND version = ?",
        )?
        .query_row(params![tenant, rule, version], |row| row.get(0))
        .optional()?;
    if let Some(existing) = existing {
        return Ok(PutVersion::Existed(decode("version", &existing)?));
    }
    let sql = "SELECT count(*), count(DISTINCT rule) FROM versions \
               WHERE tenant = ?1 AND (?2 IS NULL OR rule = ?2)";
    let mut counts = connection.prepare_cached(sql)?;
    let versions: u32 = counts.query_row(params![tenant, rule], |row| row.get(0))?;
    let rules: u32 = counts.query_row(params![tenant, None::<&str>], |row| row.get(1))?;
    let full = |limit, max| Err(StoreError::Full { limit, max }.into());
    if versions == 0 && u64::from(rules) >= limits.rules {
        return full("rules", limits.rules);
    }
    if u64::from(versions) >= limits.versions {
        return full("versions", limits.versions);
    }
    connection
        .prepare_cached("INSERT INTO components VALUES (?, ?) ON CONFLICT DO NOTHING")?
        .execute(params![version, new.component.as_ref()])?;
    connection
        .prepare_cached("INSERT INTO versions (tenant, rule, version, record) VALUES (?, ?, ?, ?)")?
        .execute(params![
            tenant,
            rule,
            version,
            encode("keeping a version", record)?
        ])?;
    Ok(PutVersion::Created)
}
