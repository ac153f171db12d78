//! Making events durable.

use std::sync::Arc;

use ringfence_model::{Event, Ledger};

use super::fault::Work;
use super::ledgers::Place;
use super::unit::{Delta, TenantKey, Unit};
use super::value::{EVENT_INSERT, insert_event};
use crate::{Accepted, Append, StoreError};

/// Appends events; none of them if one's tenant is gone.
pub(super) fn append(unit: &mut Unit<'_>, events: &[Arc<Event>]) -> Work<Vec<Append>> {
    let mut tenants = Vec::with_capacity(events.len());
    for event in events {
        tenants.push(unit.tenant(&event.tenant)?.ok_or(StoreError::NoTenant)?);
    }
    let connection = unit.connection;
    let mut insert = connection.prepare_cached(EVENT_INSERT)?;
    let mut answers = Vec::with_capacity(events.len());
    for (event, tenant) in events.iter().zip(tenants) {
        let seq = unit.positions.event + 1;
        if insert_event(&mut insert, seq, tenant, event)? {
            unit.positions.event = seq;
            unit.count(tenant, arrival(event.size()));
            let event = event.clone();
            let ledger = if event.lineage.cascade == event.id {
                Ledger::default()
            } else {
                Place::of(connection, tenant, seq, &event)?.read(connection)?
            };
            unit.accepted.push(Accepted { seq, event, ledger });
            answers.push(Append::Accepted);
        } else {
            answers.push(Append::Duplicate);
        }
    }
    Ok(answers)
}

/// Appends a follow-up event that waits; nothing if it is there.
pub(super) fn append_one(unit: &mut Unit<'_>, tenant: TenantKey, event: &Arc<Event>) -> Work<()> {
    let seq = unit.positions.event + 1;
    let mut insert = unit.connection.prepare_cached(EVENT_INSERT)?;
    if !insert_event(&mut insert, seq, tenant, event)? {
        return Ok(());
    }
    unit.positions.event = seq;
    unit.count(tenant, arrival(event.size()));
    // Its cascade is known to whoever committed it.
    unit.accepted.push(Accepted {
        seq,
        event: event.clone(),
        ledger: Ledger::default(),
    });
    Ok(())
}

fn arrival(size: u64) -> Delta {
    Delta {
        waiting: 1,
        waiting_bytes: i64::try_from(size).unwrap_or(i64::MAX),
        ..Delta::default()
    }
}
