//! The functions that a rule may call during a run: `host` in the WIT.

use std::sync::Arc;

use ringfence_model::{Entry, Json, LogLevel, Recalled};
use wasmtime::component::{Linker, WasmStr};
use wasmtime::{Engine, StoreContextMut};

use crate::bindings::Level;
use crate::fuel::{RANDOM_FUEL, RECALL_FUEL, RECALLED_FUEL, charge, charge_bytes};
use crate::log::cut;
use crate::state::RunState;
use crate::wasi;

/// Keys that one run may ask for; each is kept in its journal entry.
pub const RECALLS_MAX: usize = 256;

/// A host function was used against its terms. Ends the run.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(pub(crate) String);

/// The run is to be repeated; why is in its state.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("remembered values cannot be read")]
struct Abandoned;

/// Links the host's functions, and the stand-ins for WASI. A component that
/// imports none of those pays nothing for them: it is given what it imports.
///
/// # Errors
/// None that depend on a guest.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<RunState>> {
    let mut linker = Linker::new(engine);
    let mut host = linker.instance("ringfence:rule/host@0.1.0")?;
    host.func_wrap("log", |store, (level, message): (Level, WasmStr)| {
        log(store, level, &message)
    })?;
    host.func_wrap("recall", |store, (key,): (WasmStr,)| {
        Ok((recall(store, &key)?,))
    })?;
    host.func_wrap("now", |mut store: StoreContextMut<'_, RunState>, ()| {
        charge(&mut store, 0)?;
        let state = store.data_mut();
        state.asked_now = true;
        Ok((state.now_ms,))
    })?;
    host.func_wrap("random", |mut store: StoreContextMut<'_, RunState>, ()| {
        charge(&mut store, RANDOM_FUEL)?;
        Ok((store.data_mut().random(),))
    })?;
    wasi::link(&mut linker)?;
    Ok(linker)
}

fn log(
    mut store: StoreContextMut<'_, RunState>,
    level: Level,
    message: &WasmStr,
) -> wasmtime::Result<()> {
    let level = match level {
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    // Looked at where it lies; only what is kept is copied.
    let text = message.to_str(&store)?;
    let bytes = text.len();
    let kept = cut(&text, store.data().log.room(level)).to_owned();
    charge_bytes(&mut store, bytes)?;
    let state = store.data_mut();
    state.log.write(level, &kept, bytes);
    Ok(())
}

fn recall(
    mut store: StoreContextMut<'_, RunState>,
    key: &WasmStr,
) -> wasmtime::Result<Option<Arc<str>>> {
    let key = key.to_str(&store)?.into_owned();
    charge_bytes(&mut store, key.len())?;
    let value = look_up(&mut store, key)?;
    charge_bytes(&mut store, value.as_ref().map_or(0, |value| value.len()))?;
    Ok(value)
}

/// Answers a key asked for again as it did before.
fn look_up(
    store: &mut StoreContextMut<'_, RunState>,
    key: String,
) -> wasmtime::Result<Option<Arc<str>>> {
    let text = |value: &Option<Json>| value.as_ref().map(Json::shared);
    charge(store, store.data().recalled.len() as u64 * RECALLED_FUEL)?;
    let mut known = store.data().recalled.iter();
    if let Some(known) = known.find(|known| known.key == key) {
        return Ok(text(&known.value));
    }
    if key.len() > Entry::KEY_BYTES_MAX {
        return Err(misuse(format!(
            "`recall` was given a key of {} bytes; at most {} are allowed",
            key.len(),
            Entry::KEY_BYTES_MAX
        )));
    }
    if store.data().recalled.len() == RECALLS_MAX {
        return Err(misuse(format!(
            "`recall` was asked for more than {RECALLS_MAX} different keys"
        )));
    }
    charge(store, RECALL_FUEL)?;
    let state = store.data_mut();
    let value = match state.recall.recall(&key) {
        Ok(value) => value,
        Err(error) => {
            state.recall_error = Some(error);
            return Err(Abandoned.into());
        }
    };
    let bytes = key.len() as u64 + value.as_ref().map_or(0, Json::size);
    state.memory.hold(bytes + size_of::<Recalled>() as u64)?;
    let shared = text(&value);
    state.recalled.push(Recalled { key, value });
    Ok(shared)
}

fn misuse(message: String) -> wasmtime::Error {
    Misuse(message).into()
}
