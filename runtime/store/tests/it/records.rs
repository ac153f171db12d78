//! Records to test with.

use std::sync::Arc;

use ringfence_model::{
    Action, Ancestry, Effect, EffectId, Event, EventId, Execution, ExecutionId, Json, Ledger,
    LimitOverrides, Lineage, Log, Mode, RuleName, Status, Stop, StopCode, Tenant, TenantId, Usage,
    VersionId,
};
use ringfence_store::{Accepted, Completion, Decision, Outcome, RunCommit};

pub(crate) fn tenant_id(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn rule(name: &str) -> RuleName {
    name.parse().unwrap()
}

pub(crate) fn version() -> VersionId {
    VersionId::of(b"component")
}

pub(crate) fn tenant(name: &str) -> Tenant {
    Tenant {
        id: tenant_id(name),
        plan: "standard".into(),
        limits: LimitOverrides::default(),
        policy: ringfence_model::Policy::default(),
        paused: None,
        created_us: 1,
    }
}

pub(crate) fn event(tenant: &str, name: &str) -> Event {
    let tenant = tenant_id(tenant);
    let id = EventId::root(&tenant, "/test", name);
    Event {
        id,
        tenant,
        ce_id: name.into(),
        source: "/test".into(),
        ty: "test".into(),
        subject: None,
        time: "2026-01-01T00:00:00Z".into(),
        data: Json::parse(r#"{"text": "some text"}"#).unwrap(),
        accepted_us: 1,
        lineage: Lineage::root(id),
        ancestry: Ancestry::default(),
    }
}

pub(crate) fn execution(event: &Event, rule: &RuleName, is_stopped: bool) -> Execution {
    Execution {
        id: ExecutionId::of(event, rule, version()),
        tenant: event.tenant.clone(),
        rule: rule.clone(),
        version: version(),
        event: event.id,
        lineage: event.lineage,
        mode: Mode::Enforce,
        status: if is_stopped {
            Status::Stopped
        } else {
            Status::Ok
        },
        stop: is_stopped.then(|| Stop::new(StopCode::Trap, "It trapped.")),
        usage: Usage::default(),
        limits: None,
        near_limits: Vec::new(),
        started_us: 2,
        config: Json::empty_object(),
        effects: Vec::new(),
        recalled: Vec::new(),
        asked_now: false,
        asked_random: false,
        log: Log::default(),
        fingerprint: 0,
        cycle: Vec::new(),
    }
}

/// A commit of this execution with one action, which finishes the event.
pub(crate) fn commit(accepted: &Accepted, execution: Execution) -> RunCommit {
    let outcome = match &execution.stop {
        Some(stop) => Outcome::DeadLettered {
            execution: Some(execution.id),
            stop: stop.clone(),
        },
        None => Outcome::Ran {
            execution: execution.id,
        },
    };
    let action = Effect::Act(Action {
        name: execution.rule.to_string(),
        payload: Json::null(),
    });
    let effect = EffectId::of(execution.event, &execution.rule, execution.version, 0);
    RunCommit {
        seq: accepted.seq,
        event: accepted.event.clone(),
        decisions: vec![Decision {
            rule: execution.rule.clone(),
            version: execution.version,
            outcome,
        }],
        execution: Some(Arc::new(execution)),
        follow_ups: Vec::new(),
        effects: vec![(effect, action)],
        draw: Ledger {
            executions: 1,
            fuel: 10,
            ..Ledger::default()
        },
        state_bytes_max: 1_000,
        completion: Some(Completion { done_us: 3 }),
        parks: Vec::new(),
        asleep: false,
    }
}
