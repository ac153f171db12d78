//! Making the results of runs durable.

mod prepared;
mod state;

use std::sync::Arc;

use ringfence_model::{Action, Effect, EffectId, Event, Ledger, Status, Stop, StopCode};
use rusqlite::{OptionalExtension, params};

use super::append::append_one;
use super::fault::{Work, decode};
use super::ledgers::Place;
use super::parked::rules_of;
use super::prune::places;
use super::unit::{Delta, TenantKey, Unit};
use super::value::{EVENT_INSERT, Int, insert_event};
use crate::{CommitOutcome, Completion, Decision, FollowUp, RunCommit, Seq};
use prepared::Letter;
pub(super) use prepared::Prepared;
use state::Changes;

/// Commits in this order, each all or nothing: what can refuse one is looked
/// at before anything of it is written.
pub(super) fn commit(unit: &mut Unit<'_>, commits: &[Prepared]) -> Work<Vec<CommitOutcome>> {
    commits
        .iter()
        .map(|prepared| apply(unit, prepared))
        .collect()
}

/// What was committed for an event that waits.
#[derive(Default)]
struct Waiting {
    /// Whether it has a row in `waiting`.
    has_row: bool,
    dead: bool,
    decisions: Option<String>,
    runs: Option<Vec<u8>>,
    /// Null: it never slept; 1: it sleeps; 2: it has slept.
    parked: Option<u8>,
}

/// In `waiting.parked`: it sleeps.
pub(super) const ASLEEP: u8 = 1;
/// In `waiting.parked`: it has slept.
pub(super) const AWAKE: u8 = 2;

fn apply(unit: &mut Unit<'_>, prepared: &Prepared) -> Work<CommitOutcome> {
    let commit = &prepared.commit;
    let Some(tenant) = unit.tenant(&commit.event.tenant)? else {
        return Ok(CommitOutcome::Repeated);
    };
    let Some(mut waiting) = waiting(unit, tenant, commit.seq)? else {
        return Ok(CommitOutcome::Repeated);
    };
    let is_asleep = waiting.parked == Some(ASLEEP);
    if is_asleep != commit.asleep || is_repeated(unit, commit, &waiting)? {
        return Ok(CommitOutcome::Repeated);
    }
    if let Some(key) = state::conflict(unit.connection, tenant, commit)? {
        return Ok(CommitOutcome::Conflict { key });
    }
    let changes = match Changes::of(unit.connection, tenant, commit)? {
        Ok(changes) => changes,
        Err(bytes) => return Ok(CommitOutcome::StateTooLarge { bytes }),
    };
    changes.write(unit.connection, tenant)?;
    if let Some(seq) = insert_execution(unit, tenant, prepared)? {
        let runs = waiting.runs.get_or_insert_default();
        runs.extend_from_slice(&seq.to_le_bytes());
    }
    insert_actions(unit, tenant, prepared)?;
    for follow_up in &commit.follow_ups {
        insert_follow_up(unit, tenant, prepared, follow_up)?;
    }
    for letter in &prepared.letters {
        insert_letter(
            unit,
            tenant,
            commit.seq,
            &commit.event,
            letter,
            prepared.since_us,
        )?;
    }
    draw(unit, tenant, commit)?;
    waiting.dead |= !prepared.letters.is_empty();
    waiting.add_decisions(&prepared.decisions);
    settle(unit, tenant, commit, &waiting)?;
    Ok(CommitOutcome::Committed)
}

fn waiting(unit: &Unit<'_>, tenant: TenantKey, seq: Seq) -> Work<Option<Waiting>> {
    let sql = "SELECT dead, decisions, runs, parked FROM waiting WHERE tenant = ? AND seq = ?";
    let mut statement = unit.connection.prepare_cached(sql)?;
    let found = statement.query_row(params![tenant, Int(seq)], |row| {
        Ok(Waiting {
            has_row: true,
            dead: row.get(0)?,
            decisions: row.get(1)?,
            runs: row.get(2)?,
            parked: row.get(3)?,
        })
    });
    let found = found.optional()?;
    if found.is_some() || seq <= unit.positions.listed_event {
        return Ok(found);
    }
    let sql = "SELECT 1 FROM events e NOT INDEXED WHERE e.seq = ? AND e.tenant = ? \
               AND NOT EXISTS (SELECT 1 FROM finished f WHERE f.seq = e.seq)";
    let waits = unit
        .connection
        .prepare_cached(sql)?
        .exists(params![Int(seq), tenant])?;
    Ok(waits.then(Waiting::default))
}

impl Waiting {
    fn add_decisions(&mut self, more: &str) {
        if more.is_empty() {
            return;
        }
        match &mut self.decisions {
            Some(decisions) => {
                decisions.push(',');
                decisions.push_str(more);
            }
            None => self.decisions = Some(more.to_owned()),
        }
    }
}

/// Whether the run is in the journal, or one of the decisions was taken.
fn is_repeated(unit: &Unit<'_>, commit: &RunCommit, waiting: &Waiting) -> Work<bool> {
    if let Some(execution) = &commit.execution {
        // An execution's id is derived from its event, so that only this
        // event's need to be looked at.
        let sql = "SELECT id FROM executions WHERE seq = ?";
        for seq in places(waiting.runs.as_deref()) {
            let mut statement = unit.connection.prepare_cached(sql)?;
            let id: [u8; 16] = statement.query_row([seq], |row| row.get(0))?;
            if id == *execution.id.as_bytes() {
                return Ok(true);
            }
        }
    }
    let Some(decisions) = &waiting.decisions else {
        return Ok(false);
    };
    let taken = decisions_from(decisions)?;
    Ok(commit.decisions.iter().any(|new| {
        taken
            .iter()
            .any(|old| old.rule == new.rule && old.version == new.version)
    }))
}

/// Reads a `decisions` column.
pub(super) fn decisions_from(text: &str) -> Work<Vec<Decision>> {
    Ok(decode("list of decisions", &format!("[{text}]"))?)
}

fn insert_execution(
    unit: &mut Unit<'_>,
    tenant: TenantKey,
    prepared: &Prepared,
) -> Work<Option<Seq>> {
    let (Some(execution), Some(record)) = (&prepared.commit.execution, &prepared.record) else {
        return Ok(None);
    };
    let stop = match (&execution.stop, execution.status) {
        (Some(stop), _) => Some(stop.code.as_str()),
        (None, Status::Stopped) => Some(""),
        (None, Status::Ok) => None,
    };
    let seq = unit.positions.execution + 1;
    let sql = "INSERT INTO executions (seq, tenant, id, started_us, rule, stop, near, record) \
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    unit.connection.prepare_cached(sql)?.execute(params![
        Int(seq),
        tenant,
        execution.id.as_bytes(),
        Int(execution.started_us),
        execution.rule.as_str(),
        stop,
        (!execution.near_limits.is_empty()).then_some(1),
        record,
    ])?;
    unit.positions.execution = seq;
    Ok(Some(seq))
}

fn insert_actions(unit: &mut Unit<'_>, tenant: TenantKey, prepared: &Prepared) -> Work<()> {
    for (id, effect) in &prepared.commit.effects {
        if let Effect::Act(action) = effect {
            insert_action(unit, tenant, prepared, *id, action)?;
        }
    }
    Ok(())
}

fn insert_action(
    unit: &mut Unit<'_>,
    tenant: TenantKey,
    prepared: &Prepared,
    id: EffectId,
    action: &Action,
) -> Work<()> {
    let commit = &prepared.commit;
    // `Prepared::new` refuses effects without a run.
    let Some(execution) = &commit.execution else {
        return Ok(());
    };
    let lineage = &commit.event.lineage;
    let seq = unit.positions.outgoing + 1;
    let sql = "INSERT INTO outbox (tenant, seq, id, execution, rule, event, cascade, depth, \
               since_us, name, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    unit.connection.prepare_cached(sql)?.execute(params![
        tenant,
        Int(seq),
        id.as_bytes(),
        execution.id.as_bytes(),
        execution.rule.as_str(),
        commit.event.id.as_bytes(),
        lineage.cascade.as_bytes(),
        lineage.depth,
        Int(prepared.since_us),
        action.name,
        action.payload.as_str(),
    ])?;
    unit.positions.outgoing = seq;
    Ok(())
}

/// A follow-up waits, or is finished as a dead letter at once.
fn insert_follow_up(
    unit: &mut Unit<'_>,
    tenant: TenantKey,
    prepared: &Prepared,
    follow_up: &FollowUp,
) -> Work<()> {
    let event = &follow_up.event;
    let Some(stop) = &follow_up.stop else {
        return append_one(unit, tenant, event);
    };
    let seq = unit.positions.event + 1;
    let mut insert = unit.connection.prepare_cached(EVENT_INSERT)?;
    if !insert_event(&mut insert, seq, tenant, event)? {
        return Ok(());
    }
    unit.positions.event = seq;
    let letter = Letter::of_event(stop)?;
    unit.connection
        .prepare_cached(
            "INSERT INTO finished (seq, tenant, done_us, dead, stop) VALUES (?, ?, ?, 1, ?)",
        )?
        .execute(params![
            Int(seq),
            tenant,
            Int(prepared.since_us),
            letter.stop
        ])?;
    let dead_lettered = Delta {
        dead_lettered: 1,
        ..Delta::default()
    };
    unit.count(tenant, dead_lettered);
    insert_letter(unit, tenant, seq, event, &letter, prepared.since_us)
}

fn insert_letter(
    unit: &mut Unit<'_>,
    tenant: TenantKey,
    event_seq: Seq,
    event: &Arc<Event>,
    letter: &Letter,
    since_us: u64,
) -> Work<()> {
    let seq = unit.positions.dead_letter + 1;
    let sql = "INSERT INTO dead_letters (seq, tenant, event_seq, since_us, code, rule, event, \
               version, execution, cascade, stop) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    unit.connection.prepare_cached(sql)?.execute(params![
        Int(seq),
        tenant,
        Int(event_seq),
        Int(since_us),
        letter.code.as_str(),
        letter.rule.as_ref().map(ringfence_model::RuleName::as_str),
        event.id.as_bytes(),
        letter
            .version
            .as_ref()
            .map(ringfence_model::VersionId::as_bytes),
        letter
            .execution
            .as_ref()
            .map(ringfence_model::ExecutionId::as_bytes),
        event.lineage.cascade.as_bytes(),
        letter.stop,
    ])?;
    unit.positions.dead_letter = seq;
    Ok(())
}

/// Adds to the cascade's ledger. The sum is made here because SQLite's would
/// overflow where ours is kept at the greatest value.
fn draw(unit: &Unit<'_>, tenant: TenantKey, commit: &RunCommit) -> Work<()> {
    if commit.draw == Ledger::default() {
        return Ok(());
    }
    let place = Place::of(unit.connection, tenant, commit.seq, &commit.event)?;
    let after = place.read(unit.connection)?.after(&commit.draw);
    place.write(unit.connection, &after)
}

/// Writes what is known of the event now: it waits on, or it is finished.
fn settle(
    unit: &mut Unit<'_>,
    tenant: TenantKey,
    commit: &RunCommit,
    waiting: &Waiting,
) -> Work<()> {
    let seq = Int(commit.seq);
    let completion = commit.completion.filter(|_| commit.parks.is_empty());
    if commit.asleep {
        wake_for_others(unit, tenant, commit)?;
    }
    let Some(completion) = completion else {
        let parked = match commit.completion {
            Some(asleep) => Some(park(unit, tenant, commit, asleep)?),
            None => waiting.parked,
        };
        unit.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO waiting (tenant, seq, dead, decisions, runs, parked) \
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                tenant,
                seq,
                waiting.dead,
                waiting.decisions,
                waiting.runs,
                parked,
            ])?;
        return Ok(());
    };
    if waiting.has_row {
        unit.connection
            .prepare_cached("DELETE FROM waiting WHERE tenant = ? AND seq = ?")?
            .execute(params![tenant, seq])?;
    }
    unit.connection
        .prepare_cached(
            "INSERT INTO finished (seq, tenant, done_us, dead, decisions, runs) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            seq,
            tenant,
            Int(completion.done_us),
            waiting.dead,
            waiting.decisions,
            waiting.runs,
        ])?;
    let finished = Delta {
        waiting: -1,
        waiting_bytes: i64::try_from(commit.event.size()).map_or(i64::MIN, |bytes| -bytes),
        done: i64::from(!waiting.dead),
        dead_lettered: i64::from(waiting.dead),
    };
    unit.count(tenant, finished);
    Ok(())
}

/// Given up in its sleep: it goes on sleeping, for as long as it has, for the
/// rules that it still waits for.
fn wake_for_others(unit: &Unit<'_>, tenant: TenantKey, commit: &RunCommit) -> Work<()> {
    for rule in rules_of(unit.connection, tenant, commit.seq)? {
        if !commit.parks.contains(&rule) {
            unit.connection
                .prepare_cached("DELETE FROM parked WHERE tenant = ? AND rule = ? AND seq = ?")?
                .execute(params![tenant, rule.as_str(), Int(commit.seq)])?;
        }
    }
    Ok(())
}

/// The event sleeps until the rules that it waits for may be run.
fn park(unit: &Unit<'_>, tenant: TenantKey, commit: &RunCommit, since: Completion) -> Work<u8> {
    let sql = "INSERT INTO parked (tenant, rule, seq, since_us) VALUES (?, ?, ?, ?) \
               ON CONFLICT DO NOTHING";
    let mut insert = unit.connection.prepare_cached(sql)?;
    for rule in &commit.parks {
        let (seq, since_us) = (Int(commit.seq), Int(since.done_us));
        insert.execute(params![tenant, rule.as_str(), seq, since_us])?;
    }
    Ok(ASLEEP)
}

/// Whether what this run recalled still matters: one that was stopped because
/// its values kept changing says so, and changes nothing.
fn is_judged(stop: Option<&Stop>) -> bool {
    stop.is_none_or(|stop| stop.code != StopCode::StateConflict)
}
