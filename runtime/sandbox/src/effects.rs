//! Checks what a run returned, and makes it the model's.

use ringfence_model::{Action, Effect, Entry, Event, Json, Limits, Manifest, NewEvent, Stop};
use ringfence_model::{StopCode, Usage, excerpt, grouped};

use wasmtime::{AsContextMut, Store};

use crate::bindings;
use crate::fuel::charge_lift;
use crate::state::RunState;
use crate::stop;

/// The longest name of an action, in bytes.
const ACTION_BYTES_MAX: usize = 256;

/// Charges for what a run returned, and counts what is held of it.
///
/// # Errors
/// When there is not enough fuel or memory left.
pub(crate) fn lifted(
    store: &mut Store<RunState>,
    returned: &Result<Vec<bindings::Effect>, bindings::Failure>,
) -> wasmtime::Result<()> {
    let (parts, bytes) = match returned {
        Ok(effects) => (effects.len(), effects.iter().map(size).sum()),
        Err(failure) => (1, failure.text().len() as u64),
    };
    let held = bytes + (parts * size_of::<bindings::Effect>()) as u64;
    store.data_mut().memory.hold(held)?;
    charge_lift(&mut store.as_context_mut(), parts, bytes)
}

/// The effects, if they are within limits, declared and well-formed. Their
/// number and size are entered into `usage` either way.
pub(crate) fn check(
    effects: Vec<bindings::Effect>,
    manifest: &Manifest,
    limits: &Limits,
    usage: &mut Usage,
) -> Result<Vec<Effect>, Stop> {
    usage.effects = effects.len() as u64;
    usage.output_bytes = effects.iter().map(size).sum();
    if usage.effects > limits.effects {
        return Err(too_many(limits.effects, usage.effects));
    }
    if usage.output_bytes > limits.output_bytes {
        return Err(stop::output_too_large(
            limits.output_bytes,
            usage.output_bytes,
        ));
    }
    let checked = effects.into_iter().enumerate();
    checked
        .map(|(index, effect)| match effect {
            bindings::Effect::Emit(event) => emit(index, event, manifest),
            bindings::Effect::Act(action) => act(index, action, manifest),
            bindings::Effect::Remember(entry) => remember(index, entry, limits),
        })
        .collect()
}

fn size(effect: &bindings::Effect) -> u64 {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let bytes = match effect {
        bindings::Effect::Emit(event) => {
            event.ty.len() + optional(&event.subject) + event.data.len()
        }
        bindings::Effect::Act(action) => action.name.len() + action.payload.len(),
        bindings::Effect::Remember(entry) => entry.key.len() + optional(&entry.value),
    };
    bytes as u64
}

fn emit(index: usize, event: bindings::NewEvent, manifest: &Manifest) -> Result<Effect, Stop> {
    let invalid = |problem: String| invalid(index, "emit", &problem);
    Event::check_type(&event.ty).map_err(|error| invalid(error.to_string()))?;
    if let Some(subject) = &event.subject {
        Event::check_subject(subject).map_err(|error| invalid(error.to_string()))?;
    }
    if !manifest.may_emit(&event.ty) {
        return Err(undeclared(index, "emit", &event.ty));
    }
    let data = Json::parse(&event.data).map_err(|error| invalid(format!("`data`: {error}")))?;
    Ok(Effect::Emit(NewEvent {
        ty: event.ty,
        subject: event.subject,
        data,
    }))
}

fn act(index: usize, action: bindings::Action, manifest: &Manifest) -> Result<Effect, Stop> {
    let invalid = |problem: &str| invalid(index, "act", problem);
    let name = action.name;
    if name.is_empty() {
        return Err(invalid("`name` is empty"));
    }
    if name.len() > ACTION_BYTES_MAX {
        return Err(invalid(&format!(
            "`name` has {} bytes; at most {ACTION_BYTES_MAX} are allowed",
            name.len()
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(invalid("`name` holds a control character"));
    }
    if !manifest.may_act(&name) {
        return Err(undeclared(index, "act", &name));
    }
    let payload =
        Json::parse(&action.payload).map_err(|error| invalid(&format!("`payload`: {error}")))?;
    Ok(Effect::Act(Action { name, payload }))
}

fn remember(index: usize, entry: bindings::Entry, limits: &Limits) -> Result<Effect, Stop> {
    let invalid = |problem: &str| invalid(index, "remember", problem);
    if entry.key.is_empty() {
        return Err(invalid("`key` is empty"));
    }
    if entry.key.len() > Entry::KEY_BYTES_MAX {
        return Err(invalid(&format!(
            "`key` has {} bytes; at most {} are allowed",
            entry.key.len(),
            Entry::KEY_BYTES_MAX
        )));
    }
    let value = match &entry.value {
        Some(value) if value.len() as u64 > limits.state_value_bytes => {
            return Err(value_too_large(
                &entry.key,
                limits.state_value_bytes,
                value.len() as u64,
            ));
        }
        Some(value) => {
            Some(Json::parse(value).map_err(|error| invalid(&format!("`value`: {error}")))?)
        }
        None => None,
    };
    Ok(Effect::Remember(Entry {
        key: entry.key,
        value,
    }))
}

fn invalid(index: usize, kind: &str, problem: &str) -> Stop {
    Stop::new(
        StopCode::InvalidEffect,
        format!("The rule's effect at index {index}, `{kind}`, is not well-formed: {problem}."),
    )
    .hint("Correct what the rule returns; none of the run's effects took place.")
}

fn undeclared(index: usize, kind: &str, name: &str) -> Stop {
    let list = if kind == "emit" { "emits" } else { "acts" };
    Stop::new(
        StopCode::UndeclaredEffect,
        format!(
            "The rule's effect at index {index}, `{kind}` of `{name}`, is not declared in its manifest."
        ),
    )
    .hint(format!(
        "Add `{name}` to the rule's `{list}`, and upload it again."
    ))
}

fn too_many(limit: u64, usage: u64) -> Stop {
    Stop::new(
        StopCode::TooManyEffects,
        format!(
            "The rule returned {} effects; at most {} are allowed.",
            grouped(usage),
            grouped(limit)
        ),
    )
    .at(limit, usage)
    .hint("Put what belongs together into one effect, or split the work over several events.")
}

fn value_too_large(key: &str, limit: u64, usage: u64) -> Stop {
    Stop::new(
        StopCode::StateTooLarge,
        format!(
            "The rule would remember {} bytes under `{}`; at most {} are allowed for one value.",
            grouped(usage),
            excerpt(key, Entry::KEY_BYTES_MAX),
            grouped(limit)
        ),
    )
    .at(limit, usage)
    .hint("Remember less, or spread it over several keys.")
}
