//! A core module and what is made of it, side by side: what they answer, what
//! they are charged, what they hold and how they end must be the same.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod cases;
mod generated;
mod imports;
mod reallocs;
mod scripts;
mod surveys;

use std::sync::{Arc, LazyLock};

use ringfence_model::Limits;
use wasm_encoder::{Component, RawSection};
use wasmtime::{Engine, Extern, Instance, Module, Ref, Store, Val};

use super::{Rewritten, rewrite};
use crate::fuel::{UNITS_PER_FUEL, tank};
use crate::instance::new_store;
use crate::memory::OutOfMemory;
use crate::state::RunState;
use crate::{NothingRemembered, SandboxConfig, engine_config};

/// A page, in bytes.
const PAGE: u64 = 64 * 1024;
const FUEL: u64 = 1 << 40;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let config = SandboxConfig {
        concurrent_runs: 8,
        memory_bytes_max: 64 << 20,
        cache_bytes: 0,
        artifact_bytes: 0,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [0; 32],
    };
    Engine::new(&engine_config(&config)).unwrap()
});

/// A component that holds these modules.
fn component(modules: &[&[u8]]) -> Vec<u8> {
    let mut component = Component::new();
    for data in modules {
        component.section(&RawSection { id: 1, data });
    }
    component.finish()
}

/// The modules that a component holds, rewritten.
fn rewritten(modules: &[&[u8]]) -> (u8, Vec<Vec<u8>>) {
    let component = component(modules);
    let Rewritten { bytes, layout } = rewrite(&component, true).unwrap();
    (layout.reserve_pages, self::modules(&bytes))
}

/// The modules in a component, however deep.
fn modules(bytes: &[u8]) -> Vec<Vec<u8>> {
    wasmparser::Parser::new(0)
        .parse_all(bytes)
        .filter_map(|payload| match payload.unwrap() {
            wasmparser::Payload::ModuleSection {
                unchecked_range, ..
            } => Some(bytes[unchecked_range].to_vec()),
            _ => None,
        })
        .collect()
}

/// How a call, or making the instance, went.
#[derive(Debug, PartialEq)]
struct Step {
    /// The results, or why it was stopped.
    result: Result<Vec<String>, String>,
    /// What is held after it, in bytes.
    held: u64,
}

/// One of the two.
struct Side {
    store: Store<RunState>,
    instance: Option<Instance>,
}

impl Side {
    fn new(module: &[u8], reserve: u8, limit: u64) -> (Self, Step) {
        let limits = Limits {
            memory_bytes: limit,
            ..Limits::default()
        };
        let mut state = RunState::of_describe(&limits, Arc::new(NothingRemembered));
        state.memory.reserve(reserve);
        let mut store = new_store(&ENGINE, &limits, FUEL, state);
        let module = Module::new(&ENGINE, module).unwrap();
        let made = Instance::new(&mut store, &module, &[]);
        let result = made.as_ref().map(|_| vec![]).map_err(why);
        let held = store.data().memory.peak();
        let instance = made.ok();
        (Self { store, instance }, Step { result, held })
    }

    fn call(&mut self, name: &str, arguments: &[Val]) -> (Step, u64) {
        let before = self.used();
        let instance = self.instance.unwrap();
        let function = instance.get_func(&mut self.store, name).unwrap();
        let count = function.ty(&self.store).results().len();
        let mut results = vec![Val::I32(0); count];
        let called = function.call(&mut self.store, arguments, &mut results);
        let result = match called {
            Ok(()) => Ok(results.iter().map(plain).collect()),
            Err(error) => Err(why(&error)),
        };
        let held = self.store.data().memory.peak();
        (Step { result, held }, self.used() - before)
    }

    /// What was counted by the engine, and what is owed besides, in the
    /// engine's units.
    fn used(&self) -> u64 {
        let owed = self.store.data().debt.fuel() * UNITS_PER_FUEL;
        tank(FUEL) + owed - self.store.get_fuel().unwrap()
    }

    /// What its exported memories hold.
    fn memories(&mut self) -> Vec<Vec<u8>> {
        let Some(instance) = self.instance else {
            return vec![];
        };
        let exports: Vec<_> = instance
            .exports(&mut self.store)
            .filter_map(|export| match export.into_extern() {
                Extern::Memory(memory) => Some(memory),
                _ => None,
            })
            .collect();
        let data = |memory: wasmtime::Memory| memory.data(&self.store).to_vec();
        exports.into_iter().map(data).collect()
    }
}

/// The module as it was, and as it was made.
struct Twins {
    original: Side,
    rewritten: Side,
    reserve: u8,
}

impl Twins {
    /// Makes an instance of each, which must go the same way.
    fn new(module: &[u8], limit: u64) -> (Self, Step) {
        let (reserve, modules) = rewritten(&[module]);
        let (original, expected) = Side::new(module, 0, limit);
        let (rewritten, step) = Side::new(&modules[0], reserve, limit);
        assert_eq!(step, expected, "as it is made");
        let twins = Self {
            original,
            rewritten,
            reserve,
        };
        (twins, step)
    }

    /// Calls both, which must go the same way and cost the same.
    fn call(&mut self, name: &str, arguments: &[Val]) -> Step {
        let (expected, fuel) = self.original.call(name, arguments);
        let (step, now) = self.rewritten.call(name, arguments);
        assert_eq!(step, expected, "{name} {arguments:?}");
        // Else the counter is not told in all cases.
        if step.result.is_ok() {
            assert_eq!(now, fuel, "{name} {arguments:?}");
        }
        step
    }

    /// What is in use holds the same, and what is not is empty.
    fn check_memories(&mut self) {
        let original = self.original.memories();
        let rewritten = self.rewritten.memories();
        assert_eq!(original.len(), rewritten.len());
        for (original, rewritten) in original.iter().zip(&rewritten) {
            let (used, rest) = rewritten.split_at(original.len());
            assert!(used == original, "memories differ");
            assert!(rest.iter().all(|&byte| byte == 0), "the reserve is used");
            assert!(rest.len() as u64 <= u64::from(self.reserve) * PAGE);
        }
    }
}

/// A value without what differs between two instances.
fn plain(value: &Val) -> String {
    match value.ref_() {
        Some(Ref::Func(function)) => format!("function: {}", function.is_some()),
        Some(reference) => format!("reference: {}", !reference.is_null()),
        None => format!("{value:?}"),
    }
}

fn why(error: &wasmtime::Error) -> String {
    match error.downcast_ref() {
        Some(OutOfMemory { limit, wanted }) => format!("out of memory: {wanted} of {limit}"),
        None => error.root_cause().to_string(),
    }
}
