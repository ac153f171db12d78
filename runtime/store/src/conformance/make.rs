//! Records to test with.

use std::sync::Arc;

use bytes::Bytes;
use ringfence_model::{
    Action, Activation, Ancestry, Effect, EffectId, Entry, Event, EventId, Execution, ExecutionId,
    Json, Ledger, LimitOverrides, Limits, Lineage, Log, Manifest, Mode, Origin, Policy, Recalled,
    RuleName, RunLimits, Scope, Status, Stop, StopCode, Tenant, TenantId, Token, Usage, VersionId,
};

use super::{Place, ok, open_with_feed, some};
use crate::{
    Accepted, Completion, Decision, FollowUp, NewVersion, Outcome, RunCommit, Store, VersionRecord,
};

pub(super) fn tenant_id(text: &str) -> TenantId {
    some(text.parse().ok())
}

pub(super) fn rule(text: &str) -> RuleName {
    some(text.parse().ok())
}

pub(super) fn tenant(name: &str) -> Tenant {
    Tenant {
        id: tenant_id(name),
        plan: "standard".into(),
        limits: LimitOverrides {
            fuel: Some(5_000),
            ..LimitOverrides::default()
        },
        policy: Policy::default(),
        paused: None,
        created_us: 7,
    }
}

pub(super) fn token(tenant: &str, secret: &str) -> Token {
    Token {
        digest: ringfence_model::Digest::of(secret.as_bytes()),
        tenant: tenant_id(tenant),
        scopes: vec![Scope::EventsWrite, Scope::Read],
        created_us: 9,
    }
}

pub(super) fn new_version(name: &str, component: &'static [u8]) -> NewVersion {
    NewVersion {
        record: VersionRecord {
            rule: rule(name),
            version: VersionId::of(component),
            manifest: Manifest {
                config_schema: Some(json(r#"{"type": "object"}"#)),
                summary: "é".into(),
                ..Manifest::default()
            },
            imports: vec!["ringfence:rule/host@0.1.0".into()],
            size: component.len() as u64,
            compile_ms: 3,
            warnings: Vec::new(),
            uploaded_us: 11,
        },
        component: Bytes::from_static(component),
    }
}

pub(super) fn activation(name: &str, version: VersionId) -> Activation {
    Activation {
        rule: rule(name),
        version,
        config: json(r#"{"team": "é"}"#),
        mode: Mode::Shadow,
        percent: 50,
        limits: LimitOverrides::default(),
        activated_us: 13,
        quarantine: None,
        paused: None,
        loops: None,
    }
}

pub(super) fn json(text: &str) -> Json {
    some(Json::parse(text).ok())
}

/// A root event.
pub(super) fn event(tenant: &str, name: &str) -> Event {
    let tenant = tenant_id(tenant);
    let id = EventId::root(&tenant, "/test", name);
    Event {
        id,
        tenant,
        ce_id: name.into(),
        source: "/test".into(),
        ty: "conversation.created".into(),
        subject: name.len().is_multiple_of(2).then(|| "c-1".into()),
        time: "2026-01-01T00:00:00Z".into(),
        data: json(r#"{"text": "é\u0000", "n": 1.0}"#),
        accepted_us: 1_000,
        lineage: Lineage::root(id),
        ancestry: Ancestry::default(),
    }
}

/// An event that a run on another one emitted.
pub(super) fn follow_up(parent: &Event, index: u32, stop: Option<StopCode>) -> FollowUp {
    let run = ExecutionId::of(parent, &rule("r"), VersionId::of(b"v"));
    let id = EventId::follow_up(run, index);
    let event = Event {
        id,
        ce_id: id.to_string(),
        ancestry: parent.ancestry.with(7),
        lineage: Lineage {
            cascade: parent.lineage.cascade,
            depth: parent.lineage.depth + 1,
            parent: Some(run),
            origin: Origin::Emitted,
        },
        ..parent.clone()
    };
    FollowUp {
        event: Arc::new(event),
        stop: stop.map(|code| Stop::new(code, "No.").at(3, 4)),
    }
}

/// An execution of a rule on an event, fine or stopped.
pub(super) fn execution(event: &Event, name: &str, stop: Option<StopCode>) -> Execution {
    let version = VersionId::of(b"v");
    Execution {
        id: ExecutionId::of(event, &rule(name), version),
        tenant: event.tenant.clone(),
        rule: rule(name),
        version,
        event: event.id,
        lineage: event.lineage,
        mode: Mode::Enforce,
        status: if stop.is_some() {
            Status::Stopped
        } else {
            Status::Ok
        },
        stop: stop.map(|code| Stop::new(code, "No.").hint("Less.")),
        usage: Usage {
            fuel: 10,
            ..Usage::default()
        },
        limits: Some(RunLimits::of(&Limits::default(), 12)),
        near_limits: Vec::new(),
        started_us: 2_000,
        config: Json::empty_object(),
        effects: vec![act("note", "1")],
        recalled: Vec::new(),
        asked_now: true,
        asked_random: false,
        log: Log::default(),
        fingerprint: 3,
        cycle: Vec::new(),
    }
}

pub(super) fn act(name: &str, payload: &str) -> Effect {
    Effect::Act(Action {
        name: name.into(),
        payload: json(payload),
    })
}

pub(super) fn remember(key: &str, value: Option<&str>) -> Effect {
    Effect::Remember(Entry {
        key: key.into(),
        value: value.map(json),
    })
}

pub(super) fn recalled(key: &str, value: Option<&str>) -> Recalled {
    Recalled {
        key: key.into(),
        value: value.map(json),
    }
}

/// The decision that goes with an execution.
pub(super) fn decision(execution: &Execution) -> Decision {
    let outcome = match &execution.stop {
        Some(stop) => Outcome::DeadLettered {
            execution: Some(execution.id),
            stop: stop.clone(),
        },
        None => Outcome::Ran {
            execution: execution.id,
        },
    };
    Decision {
        rule: execution.rule.clone(),
        version: execution.version,
        outcome,
    }
}

/// A commit of this execution that finishes its event.
pub(super) fn commit(accepted: &Accepted, execution: Execution) -> RunCommit {
    RunCommit {
        seq: accepted.seq,
        event: accepted.event.clone(),
        decisions: vec![decision(&execution)],
        execution: Some(Arc::new(execution)),
        follow_ups: Vec::new(),
        effects: Vec::new(),
        draw: Ledger::default(),
        state_bytes_max: 1_000,
        completion: Some(Completion { done_us: 3_000 }),
        parks: Vec::new(),
        asleep: false,
    }
}

/// The same, with effects.
pub(super) fn with_effects(mut commit: RunCommit, effects: Vec<Effect>) -> RunCommit {
    let event = commit.event.id;
    let id = |index| EffectId::of(event, &rule("r"), VersionId::of(b"v"), index);
    commit.effects = (0..).map(id).zip(effects).collect();
    commit
}

/// A commit that leaves its event waiting.
pub(super) fn not_last(mut commit: RunCommit) -> RunCommit {
    commit.completion = None;
    commit
}

/// A store with a tenant `t` and events of it, in the order of their names.
pub(super) async fn with_events(
    place: &dyn Place,
    names: &[&str],
) -> (Arc<dyn Store>, Vec<Accepted>) {
    let (store, fed) = open_with_feed(place).await;
    ok(store.put_tenant(tenant("t")).await);
    let events = names.iter().map(|name| event("t", name)).collect();
    ok(store.append(events).await);
    let accepted = fed.lock().clone();
    assert_eq!(
        accepted.len(),
        names.len(),
        "the feed was told of each event"
    );
    (store, accepted)
}
