//! Lists by tenant, which are made behind the log and in portions.
//!
//! Each tenant has its own place in such a list, so to add a row touches a page
//! that no other tenant's row is on, and a page is written whole. A portion
//! touches it once for all of the tenant's rows in it; and most events are
//! finished before they would be listed as waiting, and need not be. Whoever
//! asks looks at what is not listed yet by its place in the log.

use rusqlite::{Connection, params};

use super::fault::Work;
use super::unit::Unit;
use super::value::Int;
use crate::Seq;

/// Rows listed at once: a millisecond's work.
const PORTION: u64 = 256;

/// An event is listed as waiting when so many came after it, if it still waits:
/// some hundred milliseconds later where many come.
const EVENTS_BEHIND: u64 = 768;

/// Both are looked through by whoever asks, so they are short.
const _: () = assert!(EVENTS_BEHIND + PORTION <= 1_024);

const WAITING: &str = "INSERT INTO waiting (tenant, seq, dead) \
    SELECT e.tenant, e.seq, 0 FROM events e NOT INDEXED WHERE e.seq > ? AND e.seq <= ? \
    AND NOT EXISTS (SELECT 1 FROM finished f WHERE f.seq = e.seq) ON CONFLICT DO NOTHING";

const EXECUTIONS: &str = "INSERT INTO listed (seq, tenant, rule) \
    SELECT seq, tenant, rule FROM executions NOT INDEXED WHERE seq > ? AND seq <= ? ORDER BY seq";

/// Lists what is far enough behind; answers whether there was something.
pub(super) fn list(unit: &mut Unit<'_>) -> Work<bool> {
    let (before, now) = (unit.positions, &mut unit.positions);
    let due = now.event.saturating_sub(EVENTS_BEHIND);
    in_portions(unit.connection, WAITING, &mut now.listed_event, due)?;
    let due = now.execution;
    in_portions(unit.connection, EXECUTIONS, &mut now.listed_execution, due)?;
    Ok(unit.positions != before)
}

/// Lists whole portions of what comes after the last one listed.
fn in_portions(connection: &Connection, sql: &str, listed: &mut Seq, due: Seq) -> Work<()> {
    while listed.saturating_add(PORTION) <= due {
        let up_to = *listed + PORTION;
        let mut insert = connection.prepare_cached(sql)?;
        insert.execute(params![Int(*listed), Int(up_to)])?;
        *listed = up_to;
    }
    Ok(())
}
