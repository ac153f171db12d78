//! A run's results as they come out of the guest, and what becomes of them:
//! two halves, because the first may take place in a process that is not
//! trusted to check.

use std::sync::Arc;

use cap_std::fs::Dir;
use ringfence_model::{Limits, Log, Manifest, Recalled, RunLimits, Stop, Usage};

use wasmtime::AsContextMut as _;

use crate::bindings::{Effect, Failure, HandleParams, Handled};
use crate::fuel::charge_bytes;
use crate::instance::{Compiled, Ended};
use crate::interrupt::Signal;
use crate::sandbox::params;
use crate::state::RunState;
use crate::{RecallError, Run, RunReport, effects, stop};

/// What a run left; its effects are not looked at yet.
pub(crate) struct Raw {
    /// What it returned, or why it was stopped.
    pub(crate) result: Result<Result<Vec<Effect>, Failure>, Stop>,
    /// What it used, without effects.
    pub(crate) usage: Usage,
    /// What it logged.
    pub(crate) log: Log,
    /// The remembered values that it asked for.
    pub(crate) recalled: Vec<Recalled>,
    /// Whether it asked for the clock.
    pub(crate) asked_now: bool,
    /// Whether it asked for randomness.
    pub(crate) asked_random: bool,
}

/// Why a run left nothing.
#[derive(Debug)]
pub(crate) enum GivenUp {
    /// Remembered values cannot be read.
    Recall(RecallError),
    /// It was to end, after so much fuel; 0 if it had not begun.
    Interrupted { fuel: u64 },
}

/// Runs compiled code on an event, in a fresh instance, unless it is to end
/// before.
///
/// # Errors
/// When there is no result to speak of.
pub(crate) fn run(
    compiled: &Compiled,
    run: &Run<'_>,
    tenant_data: Option<&Arc<Dir>>,
    signal: Option<&Signal>,
) -> Result<Raw, GivenUp> {
    if signal.is_some_and(Signal::is_raised) {
        return Err(GivenUp::Interrupted { fuel: 0 });
    }
    let Ended {
        result,
        usage,
        log,
        state,
    } = compiled.call(
        run.limits,
        run.fuel,
        signal,
        || RunState::of(run, tenant_data),
        |store, instance| {
            let handle = instance
                .get_typed_func::<HandleParams<'_>, Handled>(&mut *store, &compiled.handle)?;
            charge_bytes(&mut store.as_context_mut(), shown_bytes(run))?;
            let (returned,) = handle.call(&mut *store, params(run))?;
            effects::lifted(store, &returned)?;
            Ok(returned)
        },
    );
    if let Some(error) = state.recall_error {
        return Err(GivenUp::Recall(error));
    }
    if state.interrupted {
        // It has begun.
        let fuel = usage.fuel.max(1);
        return Err(GivenUp::Interrupted { fuel });
    }
    Ok(Raw {
        result,
        usage,
        log,
        recalled: state.recalled,
        asked_now: state.now,
        asked_random: state.random,
    })
}

/// What a run is shown, in bytes.
fn shown_bytes(run: &Run<'_>) -> usize {
    let event = run.event;
    let texts = [
        &event.ce_id,
        &event.source,
        &event.ty,
        event.subject.as_deref().unwrap_or_default(),
        &event.time,
        event.data.as_str(),
        run.tenant.as_str(),
        run.rule.as_str(),
        run.config.as_str(),
    ];
    texts.into_iter().map(str::len).sum()
}

impl Raw {
    /// Checks what was returned.
    pub(crate) fn report(mut self, manifest: &Manifest, limits: &Limits, fuel: u64) -> RunReport {
        let outcome = self.result.and_then(|returned| match returned {
            Ok(returned) => effects::check(returned, manifest, limits, &mut self.usage),
            Err(failure) => Err(stop::rule_failed(&failure)),
        });
        RunReport {
            outcome,
            usage: self.usage,
            limits: RunLimits::of(limits, fuel),
            recalled: self.recalled,
            asked_now: self.asked_now,
            asked_random: self.asked_random,
            log: self.log,
        }
    }
}
