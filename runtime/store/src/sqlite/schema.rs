//! Opening the database: settings and migrations.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::fault::{Fault, Work};
use crate::{Result, StoreError};

/// One script per version; number n (from 1) leads from version n - 1 to n.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_near_limits.sql"),
    include_str!("schema_cascades.sql"),
    include_str!("schema_pauses.sql"),
    include_str!("schema_lists.sql"),
];

/// "Ring" as a big-endian number, so that `file` and careful people see whose
/// database it is.
const APPLICATION_ID: i32 = 0x5269_6e67;

/// A page is written whole whenever a row on it changes; ids are random, so
/// small pages waste least.
const PAGE_BYTES: i64 = 4096;

/// The writer's cache in KiB: where rows are added, and the upper levels of the
/// indexes on random ids. Not more, because SQLite looks through all of it with each
/// commit that has split a page in the middle of an index; what is not in it is read
/// from the system's cache.
const WRITER_CACHE_KIB: i64 = 8 * 1024;
const READER_CACHE_KIB: i64 = 4 * 1024;

/// Others hold locks for moments only (recovery, the last close).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// More than there are different statements.
const STATEMENTS: usize = 96;

fn connect(path: &Path, flags: OpenFlags) -> Work<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Opens the one connection that writes, and brings the schema up to date.
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    writer(path).map_err(|fault| fault.during("opening the database"))
}

fn writer(path: &Path) -> Work<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = connect(path, flags)?;
    check_owner(&connection)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::Refused(StoreError::Storage {
            doing: "opening the database",
            cause: format!(
                "its file system does not allow a write-ahead log (journal mode is `{mode}`)"
            ),
        }));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    migrate(&mut connection)?;
    // What a savepoint must be able to undo is kept in memory; not what a
    // migration sorts, which may be large.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Opens a connection for questions. The writer's must be open.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let open = || -> Work<Connection> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        Ok(connection)
    };
    open().map_err(|fault| fault.during("opening the database for reading"))
}

/// Opens a connection that carries the log over. The writer's must be open.
pub(super) fn open_checkpointer(path: &Path) -> Result<Connection> {
    let open = || -> Work<Connection> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    };
    open().map_err(|fault| fault.during("opening the database for carrying the log over"))
}

fn version(connection: &Connection) -> Work<i64> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Refuses other programs' databases and newer ones before anything is
/// changed.
fn check_owner(connection: &Connection) -> Work<()> {
    let known = MIGRATIONS.len() as i64;
    let found = version(connection)?;
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let cause = if tables > 0 && owner != APPLICATION_ID {
        "it is not a Ringfence database; name another file".to_owned()
    } else if found > known {
        format!(
            "its schema has version {found}, and this Ringfence knows versions up to {known}; \
             start a newer Ringfence, or restore a backup from before the upgrade"
        )
    } else {
        return Ok(());
    };
    Err(Fault::Refused(StoreError::Damaged {
        what: "database",
        cause,
    }))
}

fn migrate(connection: &mut Connection) -> Work<()> {
    let found = version(connection)?;
    for (number, script) in (1..).zip(MIGRATIONS) {
        if number <= found {
            continue;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_database_is_brought_up_to_date_and_keeps_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        let rows = "INSERT INTO executions VALUES (1, 1, x'00', 2, 'r', NULL, '{}');
                    INSERT INTO waiting VALUES (1, 7, 100, 0, NULL, NULL);
                    UPDATE positions SET event = 7, execution = 1";
        old.execute_batch(rows).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        for _ in 0..2 {
            let connection = open_writer(&path).unwrap();
            assert_eq!(version(&connection).unwrap(), MIGRATIONS.len() as i64);
            let kept: (i64, Option<i64>) = connection
                .query_row("SELECT started_us, near FROM executions", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .unwrap();
            assert_eq!(kept, (2, None));
            let listed: (i64, i64, String) = connection
                .query_row(
                    "SELECT listed_event, listed_execution, rule FROM positions, listed",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )
                .unwrap();
            assert_eq!(listed, (7, 1, "r".to_owned()));
            let waits: (i64, i64) = connection
                .query_row("SELECT tenant, seq FROM waiting", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .unwrap();
            assert_eq!(waits, (1, 7));
        }
    }

    #[test]
    fn a_newer_or_foreign_database_is_refused_and_left_alone() {
        for (sql, part) in [
            (
                "PRAGMA application_id = 1382641255; CREATE TABLE t (x); PRAGMA user_version = 99",
                "version 99",
            ),
            ("CREATE TABLE t (x)", "not a Ringfence database"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("db");
            Connection::open(&path).unwrap().execute_batch(sql).unwrap();
            let before = std::fs::read(&path).unwrap();
            let error = open_writer(&path).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }
    }
}
