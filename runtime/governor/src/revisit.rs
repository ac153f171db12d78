//! Revisits: runs that would do again what one of their ancestors did.
//!
//! A rule is a function of its event, its configuration and what it recalled.
//! A run that asked for neither clock nor randomness and was given the same as
//! one of the runs that led to it will do the same, and so will all after it:
//! a loop. Ancestors only: two branches that arrive at equal events are no
//! loop. Short fingerprints tell where to look; the records decide.

use ringfence_model::{
    CycleStep, Digest, Effect, Event, Evidence, Execution, Ledger, Mode, Recalled, Stop, StopCode,
    excerpt, grouped,
};

use crate::canonical::canonical;

/// Steps of a cycle that are shown; a longer one is cut in its middle.
const STEPS_SHOWN: usize = 64;
/// Rules of a cycle that its sentence names.
const STEPS_TOLD: usize = 8;

/// A run that led to another one, with the event that it was run on.
#[derive(Debug, Clone)]
pub struct Ancestor {
    /// Its record.
    pub execution: Execution,
    /// Its event.
    pub event: Event,
}

/// Whether a run can be one turn of a loop: it set something off, and nothing
/// but what it was given decided about that.
pub fn is_judged(run: &Execution) -> bool {
    let sets_off = |effect: &Effect| matches!(effect, Effect::Emit(_) | Effect::Act(_));
    run.mode == Mode::Enforce
        && run.stop.is_none()
        && !run.asked_now
        && !run.asked_random
        && run.effects.iter().any(sets_off)
}

/// A short fingerprint of what a run was given. `ignore` is what does not
/// count of the event's data, as JSON pointers.
pub fn fingerprint(run: &Execution, event: &Event, ignore: &[String]) -> u32 {
    let mut given = Vec::with_capacity(256);
    let mut add = |field: &[u8]| {
        given.extend_from_slice(&(field.len() as u64).to_le_bytes());
        given.extend_from_slice(field);
    };
    add(run.version.as_bytes());
    add(run.config.as_str().as_bytes());
    add(event.ty.as_bytes());
    add(&[u8::from(event.subject.is_some())]);
    add(event.subject.as_deref().unwrap_or_default().as_bytes());
    add(&canonical(&event.data, ignore));
    for Recalled { key, value } in &run.recalled {
        add(key.as_bytes());
        add(value.as_ref().map_or("", |value| value.as_str()).as_bytes());
    }
    let [a, b, c, d, ..] = *Digest::of(&given).as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Whether a run was given the same as an earlier one.
pub fn is_same(run: &Execution, event: &Event, ignore: &[String], earlier: &Ancestor) -> bool {
    let (then, before) = (&earlier.execution, &earlier.event);
    run.rule == then.rule
        && run.version == then.version
        && run.config == then.config
        && run.recalled == then.recalled
        && event.ty == before.ty
        && event.subject == before.subject
        && canonical(&event.data, ignore) == canonical(&before.data, ignore)
}

/// Whether a turn can only be followed by the same one: nothing but what was
/// given decided about any run of it. A run that asked for the clock or for
/// randomness, or that recalled what another one remembers, may do otherwise
/// next time. `chain` are the runs before this one, the nearest first.
pub fn is_closed(run: &Execution, chain: &[Ancestor]) -> bool {
    let turn = || chain.iter().map(|a| &a.execution).chain([run]);
    let remembers = |effect: &Effect| matches!(effect, Effect::Remember(_));
    let is_moved = turn().any(|run| run.asked_now || run.asked_random);
    let is_remembered = turn().any(|run| run.effects.iter().any(remembers));
    let is_recalled = turn().any(|run| !run.recalled.is_empty());
    !(is_moved || is_remembered && is_recalled)
}

/// One full turn: from the ancestor that was given the same, the last of
/// `chain`, to this run. `chain` begins with the nearest.
pub fn cycle(run: &Execution, event: &Event, chain: &[Ancestor]) -> Vec<CycleStep> {
    let earlier = chain.iter().rev();
    let mut steps: Vec<CycleStep> = earlier
        .map(|ancestor| step(&ancestor.execution, &ancestor.event))
        .chain([step(run, event)])
        .collect();
    if steps.len() > STEPS_SHOWN {
        let half = STEPS_SHOWN / 2;
        steps.drain(half..steps.len() - half);
    }
    steps
}

fn step(run: &Execution, event: &Event) -> CycleStep {
    CycleStep {
        rule: run.rule.clone(),
        version: run.version,
        event_type: event.ty.clone(),
        subject: event.subject.clone(),
    }
}

/// The stop of a run that closes this cycle; `used` is what its cascade has
/// used, with it.
pub fn stop(cycle: Vec<CycleStep>, turn: usize, used: &Ledger) -> Stop {
    let last = cycle.last();
    let rule = last.map_or("", |step| step.rule.as_str());
    let subject = last.and_then(|step| step.subject.as_deref());
    let shown = match subject {
        Some(subject) => format!("{} in the same state", excerpt(subject, 80)),
        None => "the same event".into(),
    };
    let message = format!(
        "`{rule}` was shown {shown} a second time, {} later. Cycle: {}. {} and {} fuel were \
         used by the cascade; nothing else was affected.",
        counted(turn as u64, "run"),
        drawn(&cycle),
        counted(used.executions, "execution"),
        grouped(used.fuel),
    );
    let hint = "Let one of these rules do nothing where nothing has changed. If only a value \
                such as a time changes, name it in the manifest's `ignore`; if the loop is \
                meant, let the activation's `loops` be `warn` or `allow`.";
    let evidence = Evidence {
        cycle,
        ..Evidence::default()
    };
    Stop::new(StopCode::Revisit, message)
        .hint(hint)
        .with_evidence(evidence)
}

/// A path as text: rules, and between them the events that lead on.
pub(crate) fn drawn(steps: &[CycleStep]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        parts.push(match index {
            0 => step.rule.to_string(),
            _ => format!("{} → {}", step.event_type, step.rule),
        });
    }
    if parts.len() > STEPS_TOLD {
        parts.splice(STEPS_TOLD - 2..parts.len() - 1, ["…".to_owned()]);
    }
    parts.join(" → ")
}

/// A count with its noun.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

#[cfg(test)]
#[path = "revisit_tests.rs"]
mod tests;
