//! Compiling: the one step that turns hostile bytes into native code.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmtime::Engine;

/// Compiles a component. Pure: everything that it needs is in its arguments,
/// and its result is bytes, so that it can be moved into a process of its own.
///
/// # Errors
/// What the compiler says, also where it panics.
pub(crate) fn compile(engine: &Engine, component: &[u8]) -> Result<Vec<u8>, String> {
    // Wasmtime's own state is behind `&`, and is not left half-changed.
    catch_unwind(AssertUnwindSafe(|| engine.precompile_component(component)))
        .map_err(|_| "the compiler failed on it".to_owned())?
        .map_err(|error| format!("{error:#}"))
}
