//! What rules remember: whether a run saw what is there now, and what it
//! changes.

use std::collections::BTreeMap;

use ringfence_model::{Effect, RuleName};
use rusqlite::{Connection, OptionalExtension, params};

use super::is_judged;
use crate::RunCommit;
use crate::sqlite::fault::Work;
use crate::sqlite::unit::TenantKey;
use crate::sqlite::value::{Int, number};

/// The first key whose value is not what the run recalled.
pub(super) fn conflict(
    connection: &Connection,
    tenant: TenantKey,
    commit: &RunCommit,
) -> Work<Option<String>> {
    let Some(execution) = &commit.execution else {
        return Ok(None);
    };
    if execution.recalled.is_empty() || !is_judged(execution.stop.as_ref()) {
        return Ok(None);
    }
    let sql = "SELECT value FROM state WHERE tenant = ? AND rule = ? AND key = ?";
    let mut statement = connection.prepare_cached(sql)?;
    for recalled in &execution.recalled {
        let key = params![tenant, execution.rule.as_str(), recalled.key];
        let mut rows = statement.query(key)?;
        let seen = recalled.value.as_ref().map(ringfence_model::Json::as_str);
        let same = match rows.next()? {
            Some(row) => seen == Some(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?),
            None => seen.is_none(),
        };
        if !same {
            return Ok(Some(recalled.key.clone()));
        }
    }
    Ok(None)
}

/// What a commit changes of what its rule remembers.
pub(super) struct Changes<'a> {
    rule: Option<&'a RuleName>,
    /// The last value per key; none forgets it.
    values: BTreeMap<&'a str, Option<&'a str>>,
    before: u64,
    after: u64,
}

impl<'a> Changes<'a> {
    /// Looks at a commit; or, if the rule would remember more than it may,
    /// how much that is. What does not grow is always allowed, so that a rule
    /// whose limit was lowered can forget.
    pub(super) fn of(
        connection: &Connection,
        tenant: TenantKey,
        commit: &'a RunCommit,
    ) -> Work<Result<Self, u64>> {
        let mut changes = Self {
            rule: commit.execution.as_ref().map(|execution| &execution.rule),
            values: BTreeMap::new(),
            before: 0,
            after: 0,
        };
        for (_, effect) in &commit.effects {
            if let Effect::Remember(entry) = effect {
                let value = entry.value.as_ref().map(ringfence_model::Json::as_str);
                changes.values.insert(&entry.key, value);
            }
        }
        changes.measure(connection, tenant)?;
        if changes.after > commit.state_bytes_max && changes.after > changes.before {
            return Ok(Err(changes.after));
        }
        Ok(Ok(changes))
    }

    fn measure(&mut self, connection: &Connection, tenant: TenantKey) -> Work<()> {
        let Some(rule) = self.rule else {
            return Ok(());
        };
        if self.values.is_empty() {
            return Ok(());
        }
        self.before = connection
            .prepare_cached("SELECT bytes FROM state_sizes WHERE tenant = ? AND rule = ?")?
            .query_row(params![tenant, rule.as_str()], |row| number(row, 0))
            .optional()?
            .unwrap_or(0);
        let (mut added, mut removed) = (0, 0);
        let sql = "SELECT octet_length(value) FROM state WHERE tenant = ? AND rule = ? AND key = ?";
        let mut statement = connection.prepare_cached(sql)?;
        for (key, value) in &self.values {
            let old = statement
                .query_row(params![tenant, rule.as_str(), key], |row| number(row, 0))
                .optional()?;
            removed += old.map_or(0, |bytes| key.len() as u64 + bytes);
            added += value.map_or(0, |value| (key.len() + value.len()) as u64);
        }
        self.after = (self.before + added).saturating_sub(removed);
        Ok(())
    }

    /// Writes them.
    pub(super) fn write(&self, connection: &Connection, tenant: TenantKey) -> Work<()> {
        let Some(rule) = self.rule.map(RuleName::as_str) else {
            return Ok(());
        };
        for (key, value) in &self.values {
            match value {
                Some(value) => connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO state (tenant, rule, key, value) \
                         VALUES (?, ?, ?, ?)",
                    )?
                    .execute(params![tenant, rule, key, value])?,
                None => connection
                    .prepare_cached("DELETE FROM state WHERE tenant = ? AND rule = ? AND key = ?")?
                    .execute(params![tenant, rule, key])?,
            };
        }
        if self.after != self.before {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO state_sizes (tenant, rule, bytes) VALUES (?, ?, ?)",
                )?
                .execute(params![tenant, rule, Int(self.after)])?;
        }
        Ok(())
    }
}
