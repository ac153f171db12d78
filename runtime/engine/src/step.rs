//! What one step of an event's work makes durable. Pure: a report and a time
//! come in, a commit goes out.

use std::cell::LazyCell;
use std::sync::Arc;

use ringfence_governor::{ActiveRule, Cascades, Ticket};
use ringfence_model::{
    Ancestry, Draw, Effect, EffectId, Event, EventId, Execution, ExecutionId, Limits, Lineage,
    Mode, NewEvent, Origin, Status, Stop, StopCode,
};
use ringfence_sandbox::RunReport;
use ringfence_store::{Completion, Decision, FollowUp, Outcome, RunCommit, SkipReason};

use crate::job::Job;
use crate::unsaved::Kept;

/// A step whose commit is on its way to the disk.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) job: Box<Job>,
    pub(crate) ticket: Ticket,
    /// The run that it commits, if any.
    pub(crate) execution: Option<Arc<Execution>>,
    /// What it draws on the cascade's ledger.
    pub(crate) draw: Draw,
    /// The bound on what its rule may remember, in bytes.
    pub(crate) state_bytes_max: u64,
    /// What it puts into the dead letters.
    pub(crate) dead_letters: Vec<StopCode>,
    /// What it remembers.
    pub(crate) kept: Vec<Kept>,
    /// Whether it finishes the event.
    pub(crate) completes: bool,
}

/// A commit of what was decided about an event without a run.
pub(crate) fn without_run(job: &Job, done_us: Option<u64>) -> RunCommit {
    RunCommit {
        seq: job.seq,
        event: Arc::clone(&job.event),
        execution: None,
        decisions: job.undurable.clone(),
        follow_ups: Vec::new(),
        effects: Vec::new(),
        draw: Draw {
            fuel: job.spent,
            ..job.arrival
        },
        state_bytes_max: u64::MAX,
        completion: done_us.map(|done_us| Completion { done_us }),
        parks: match done_us {
            Some(_) => job.parks.clone(),
            None => Vec::new(),
        },
        asleep: false,
    }
}

/// That a rule is not run on an event, which is no error.
pub(crate) fn skipped(rule: &ActiveRule, reason: SkipReason) -> Decision {
    decision(rule, Outcome::Skipped { reason })
}

/// That a rule is not run on an event because of a limit.
pub(crate) fn not_run(rule: &ActiveRule, stop: Stop) -> Decision {
    decision(
        rule,
        Outcome::DeadLettered {
            execution: None,
            stop,
        },
    )
}

fn decision(rule: &ActiveRule, outcome: Outcome) -> Decision {
    Decision {
        rule: rule.activation.rule.clone(),
        version: rule.activation.version,
        outcome,
    }
}

fn decision_of(execution: &Execution) -> Decision {
    let id = execution.id;
    let outcome = match &execution.stop {
        None => Outcome::Ran { execution: id },
        Some(stop) => Outcome::DeadLettered {
            execution: Some(id),
            stop: stop.clone(),
        },
    };
    Decision {
        rule: execution.rule.clone(),
        version: execution.version,
        outcome,
    }
}

/// The record of a run.
pub(crate) fn record(
    rule: &ActiveRule,
    event: &Event,
    report: RunReport,
    started_us: u64,
) -> Execution {
    let activation = &rule.activation;
    let near_limits = report.near_limits();
    let (effects, stop) = match report.outcome {
        Ok(effects) => (effects, None),
        Err(stop) => (Vec::new(), Some(stop)),
    };
    Execution {
        id: ExecutionId::of(event, &activation.rule, activation.version),
        tenant: event.tenant.clone(),
        rule: activation.rule.clone(),
        version: activation.version,
        event: event.id,
        lineage: event.lineage,
        mode: activation.mode,
        status: if stop.is_some() {
            Status::Stopped
        } else {
            Status::Ok
        },
        stop,
        usage: report.usage,
        limits: Some(report.limits),
        near_limits,
        started_us,
        config: activation.config.clone(),
        effects,
        recalled: report.recalled,
        asked_now: report.asked_now,
        asked_random: report.asked_random,
        log: report.log,
        fingerprint: 0,
        cycle: Vec::new(),
    }
}

/// What a commit puts into the dead letters.
pub(crate) fn dead_letters(commit: &RunCommit) -> Vec<StopCode> {
    let decided = commit.decisions.iter().filter_map(|decision| {
        let Outcome::DeadLettered { stop, .. } = &decision.outcome else {
            return None;
        };
        Some(stop.code)
    });
    let follow_ups = commit.follow_ups.iter();
    let refused = follow_ups.filter_map(|follow_up| follow_up.stop.as_ref().map(|s| s.code));
    decided.chain(refused).collect()
}

/// What the store's one writer takes for a run, or the end of an event, and for
/// each effect, in microseconds. An event has more indexes than an action.
/// Estimates, from what commits of many tenants' results took in
/// `bench-neighbours` on one machine.
pub(crate) const RUN_US: u64 = 100;
const EFFECT_US: u64 = 100;
const EVENT_US: u64 = 200;

/// How long a run's results are on the way to the disk, in microseconds.
pub(crate) fn disk_us(execution: &Execution) -> u64 {
    let each = execution.effects.iter().map(|effect| match effect {
        Effect::Emit(_) => EVENT_US,
        Effect::Act(_) | Effect::Remember(_) => EFFECT_US,
    });
    each.sum::<u64>().saturating_add(RUN_US)
}

/// The commit of a run. Draws its follow-up events on the cascade's budget.
pub(crate) fn commit(
    job: &Job,
    execution: &Arc<Execution>,
    limits: &Limits,
    cascades: &mut Cascades,
    now_us: u64,
    completes: bool,
) -> RunCommit {
    let mut commit = of_run(job, execution, completes.then_some(now_us));
    commit.state_bytes_max = limits.state_rule_bytes;
    if execution.mode == Mode::Shadow {
        return commit;
    }
    let ancestry = LazyCell::new(|| job.event.ancestry.with(execution.fingerprint));
    for (index, effect) in (0..).zip(&execution.effects) {
        match effect {
            Effect::Emit(new) => {
                let event = Event {
                    ancestry: ancestry.clone(),
                    ..follow_up(&job.event, execution, new, index, now_us)
                };
                let bytes = event.size();
                let (tenant, lineage) = (&event.tenant, event.lineage);
                let stop =
                    cascades.follow_up(tenant, lineage.cascade, lineage.depth, bytes, limits);
                if stop.is_none() {
                    let draw = &mut commit.draw;
                    draw.depth = draw.depth.max(lineage.depth.into());
                    draw.events += 1;
                    draw.bytes += bytes;
                }
                let event = Arc::new(event);
                commit.follow_ups.push(FollowUp { event, stop });
            }
            Effect::Act(_) | Effect::Remember(_) => {
                let id = EffectId::of(execution.event, &execution.rule, execution.version, index);
                commit.effects.push((id, effect.clone()));
            }
        }
    }
    commit
}

/// The commit of a run without its effects.
pub(crate) fn of_run(job: &Job, execution: &Arc<Execution>, done_us: Option<u64>) -> RunCommit {
    let mut commit = without_run(job, done_us);
    commit.decisions.push(decision_of(execution));
    commit.draw.executions = 1;
    commit.draw.fuel = job.spent.saturating_add(execution.usage.fuel);
    commit.execution = Some(Arc::clone(execution));
    commit
}

fn follow_up(
    parent: &Event,
    execution: &Execution,
    new: &NewEvent,
    index: u32,
    now_us: u64,
) -> Event {
    let id = EventId::follow_up(execution.id, index);
    Event {
        id,
        tenant: parent.tenant.clone(),
        ce_id: id.to_string(),
        source: format!("/ringfence/rules/{}", execution.rule),
        ty: new.ty.clone(),
        subject: new.subject.clone(),
        time: parent.time.clone(),
        data: new.data.clone(),
        accepted_us: now_us,
        ancestry: Ancestry::default(),
        lineage: Lineage {
            cascade: parent.lineage.cascade,
            depth: parent.lineage.depth.saturating_add(1),
            parent: Some(execution.id),
            origin: Origin::Emitted,
        },
    }
}

/// The stop of a run that would be given more than it may be: an event that
/// was accepted under a higher limit, or that another rule emitted, or a rule
/// with a lower limit than its tenant's.
pub(crate) fn input_too_large(event: &Event, limits: &Limits) -> Option<Stop> {
    let (limit, bytes) = (limits.event_bytes, event.data.size());
    (bytes > limit).then(|| {
        Stop::new(
            StopCode::InputTooLarge,
            format!("The event has {bytes} bytes of data; the rule may be given at most {limit}."),
        )
        .at(limit, bytes)
        .hint(
            "Send a reference to what is large, or raise `event_bytes` of the rule or the tenant.",
        )
    })
}

/// The same run, stopped because its rule would remember too much.
pub(crate) fn state_too_large(execution: &Execution, limit: u64, bytes: u64) -> Execution {
    let stop = Stop::new(
        StopCode::StateTooLarge,
        format!("The rule would remember {bytes} bytes in all; at most {limit} are allowed."),
    )
    .at(limit, bytes)
    .hint("Remember less per key, or forget keys that are no longer needed.");
    Execution {
        status: Status::Stopped,
        stop: Some(stop),
        effects: Vec::new(),
        near_limits: Vec::new(),
        ..execution.clone()
    }
}

/// The stop of a run whose results never came through.
pub(crate) fn conflicts(runs: u32) -> Stop {
    Stop::new(
        StopCode::StateConflict,
        format!(
            "The rule was run {runs} times, and each time a value that it had recalled was \
             changed before its effects could take place."
        ),
    )
    .hint("Remember under a key per subject, so that events of different subjects do not meet.")
}
