//! One fresh instance: made, called once, thrown away.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ringfence_model::{Limits, Manifest, Stop, Usage, VersionId};
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre, Linker};
use wasmtime::{
    AsContextMut, CallHook, Engine, PoolConcurrencyLimitError, Store, StoreContextMut, Trap,
    UpdateDeadline,
};

use crate::fuel::{self, HOST_CALL_FUEL, check_debt};
use crate::interrupt::{Interrupted, Signal};
use crate::log::Logged;
use crate::state::{RunState, Watch};
use crate::stop::Ending;
use crate::stopwatch::{Stopwatch, micros};
use crate::ticker::{Ticks, ticks};
use crate::{Layout, Sealed, UploadError};

/// Handles to resources that one run may hold; our world has none, so only
/// those that a component makes inside itself.
const HANDLES_MAX: usize = 1_000;

/// What sealed code weighs at least, in bytes.
const SEALED_BYTES_MIN: u64 = 128 * 1024;

/// How long to wait before asking the pool again, where more runs are made
/// than the sandbox was set up for.
const POOL_WAIT: Duration = Duration::from_micros(200);

/// Compiled, linked, its exports looked up.
pub(crate) struct Compiled {
    pre: InstancePre<RunState>,
    /// `describe`.
    pub(crate) describe: ComponentExportIndex,
    /// `handle`.
    pub(crate) handle: ComponentExportIndex,
    layout: Layout,
    ticks: Ticks,
    /// What it weighs in the cache, in bytes.
    pub(crate) bytes: u64,
}

/// Where a version's code is.
#[derive(Clone)]
pub(crate) enum Code {
    /// In this process.
    Here(Arc<Compiled>),
    /// To be handed to another one.
    Sealed(Arc<Sealed>),
}

impl Code {
    /// What it weighs in memory, in bytes. Each that is to be handed over has
    /// a descriptor, of which there are not many: it weighs at least as much
    /// as keeps them few.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Self::Here(compiled) => compiled.bytes,
            Self::Sealed(sealed) => sealed.bytes().max(SEALED_BYTES_MIN),
        }
    }
}

/// A version that is ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Prepared {
    pub(crate) code: Code,
    manifest: Arc<Manifest>,
    version: VersionId,
}

impl Prepared {
    pub(crate) fn new(version: VersionId, code: Code, manifest: Manifest) -> Self {
        Self {
            code,
            manifest: Arc::new(manifest),
            version,
        }
    }

    /// Which version.
    pub fn version(&self) -> VersionId {
        self.version
    }

    /// What it declares.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Its code, if it is to be run in another process.
    pub fn sealed(&self) -> Option<&Arc<Sealed>> {
        match &self.code {
            Code::Here(_) => None,
            Code::Sealed(sealed) => Some(sealed),
        }
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Prepared").field(&self.version).finish()
    }
}

/// How a call ended.
pub(crate) struct Ended<T> {
    /// What it returned, or why it was stopped.
    pub(crate) result: Result<T, Stop>,
    /// What it used; effects are not looked at yet.
    pub(crate) usage: Usage,
    /// What it logged.
    pub(crate) log: ringfence_model::Log,
    /// What the host kept for it.
    pub(crate) state: Asked,
}

/// What a run asked the host for.
pub(crate) struct Asked {
    /// The remembered values.
    pub(crate) recalled: Vec<ringfence_model::Recalled>,
    /// Why they could not be read.
    pub(crate) recall_error: Option<crate::RecallError>,
    /// The clock.
    pub(crate) now: bool,
    /// Randomness.
    pub(crate) random: bool,
    /// To be ended, and was.
    pub(crate) interrupted: bool,
}

impl Compiled {
    /// Links a component. Its deadlines are counted in these ticks.
    ///
    /// # Errors
    /// When an import is not of our type, or an export is not there.
    pub(crate) fn link(
        linker: &Linker<RunState>,
        component: &Component,
        layout: Layout,
        ticks: Ticks,
        bytes: u64,
    ) -> Result<Self, UploadError> {
        let export = |name: &str| {
            component
                .get_export_index(None, name)
                .ok_or_else(|| UploadError::MissingExports(vec![name.to_owned()]))
        };
        let pre = linker
            .instantiate_pre(component)
            .map_err(|error| UploadError::WrongType(format!("{error:#}")))?;
        Ok(Self {
            pre,
            describe: export("describe")?,
            handle: export("handle")?,
            layout,
            ticks,
            bytes,
        })
    }

    /// Makes an instance and calls into it, under limits, unless it is to end
    /// before.
    pub(crate) fn call<T>(
        &self,
        limits: &Limits,
        fuel: u64,
        signal: Option<&Signal>,
        state: impl Fn() -> RunState,
        call: impl Fn(&mut Store<RunState>, &Instance) -> wasmtime::Result<T>,
    ) -> Ended<T> {
        let watch = Stopwatch::start();
        loop {
            let mut state = state();
            state.memory.reserve(self.layout.reserve_pages);
            state.debt.link(self.layout.links);
            state.watch = Some(Watch {
                ticks: self.ticks.clone(),
                until: self.ticks.now() + ticks(limits.deadline_ms),
                signal: signal.cloned(),
            });
            let mut store = new_store(self.pre.engine(), limits, fuel, state);
            // After its deadline is set: what is asked for from now on makes the
            // epoch leap beyond it.
            let result = may_begin(signal)
                .and_then(|()| self.pre.instantiate(&mut store))
                .and_then(|instance| call(&mut store, &instance))
                // What is owed still ends a run that came to its end.
                .and_then(|value| check_debt(&store.as_context_mut()).map(|()| value));
            if matches!(&result, Err(error) if error.is::<PoolConcurrencyLimitError>()) {
                // Every instance that takes the room ends by its deadline.
                drop(store);
                thread::sleep(POOL_WAIT);
                continue;
            }
            let metered = Metered {
                left: store.get_fuel().unwrap_or(0),
                fuel,
                limits,
                watch,
            };
            return metered.end(result, store.into_data());
        }
    }
}

/// A store with all meters set.
pub(crate) fn new_store(
    engine: &Engine,
    limits: &Limits,
    fuel: u64,
    state: RunState,
) -> Store<RunState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    store.call_hook(cross);
    store
        .set_fuel(fuel::tank(fuel))
        .expect("the engine is configured to consume fuel");
    store.set_epoch_deadline(ticks(limits.deadline_ms));
    store.epoch_deadline_callback(look);
    store.set_max_component_handles(HANDLES_MAX);
    store
}

fn may_begin(signal: Option<&Signal>) -> wasmtime::Result<()> {
    match signal.is_some_and(Signal::is_raised) {
        true => Err(Interrupted.into()),
        false => Ok(()),
    }
}

/// The epoch is beyond a run's deadline: because the deadline is over, or
/// because it leapt, for this run or for another.
fn look(mut store: StoreContextMut<'_, RunState>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data_mut();
    let Some(watch) = &state.watch else {
        return Ok(UpdateDeadline::Interrupt);
    };
    if watch.signal.as_ref().is_some_and(Signal::is_raised) {
        return Err(Interrupted.into());
    }
    let now = watch.ticks.now();
    if now >= watch.until {
        return Ok(UpdateDeadline::Interrupt);
    }
    let left = watch.until - now;
    // To look is a step into the host as others are, and not the guest's.
    state.debt.refund(HOST_CALL_FUEL);
    Ok(UpdateDeadline::Continue(left))
}

/// At every step from the guest into the host and back. What the engine does
/// in functions of its own, such as growing, comes by here too.
fn cross(mut store: StoreContextMut<'_, RunState>, step: CallHook) -> wasmtime::Result<()> {
    if step.entering_host() {
        let liftable = store.data().liftable();
        store.set_hostcall_fuel(usize::try_from(liftable).unwrap_or(usize::MAX));
    }
    let state = store.data_mut();
    match step {
        CallHook::CallingHost => {
            state.crossing = true;
            state.debt.cross();
            check_debt(&store)
        }
        CallHook::ReturningFromHost => {
            state.crossing = false;
            state.hold_log()?;
            check_debt(&store)
        }
        CallHook::CallingWasm | CallHook::ReturningFromWasm => Ok(()),
    }
}

/// A call's meters at its end.
struct Metered<'a> {
    left: u64,
    fuel: u64,
    limits: &'a Limits,
    watch: Stopwatch,
}

impl Metered<'_> {
    fn end<T>(&self, result: wasmtime::Result<T>, mut state: RunState) -> Ended<T> {
        state.end_output();
        let wall = self.watch.wall();
        let cpu = self.watch.cpu(wall);
        let fuel = self.charged(&state, result.as_ref().err(), cpu);
        let asked_random = state.asked_random();
        let liftable = state.liftable();
        let Logged {
            log,
            written,
            last_error,
        } = state.log.finish();
        let usage = Usage {
            fuel,
            memory_bytes: state.memory.peak(),
            wall_us: micros(wall),
            cpu_us: micros(cpu),
            log_bytes: written,
            ..Usage::default()
        };
        let interrupted = matches!(&result, Err(error) if error.is::<Interrupted>());
        let result = result.map_err(|error| {
            Ending {
                error: &error,
                fuel: self.fuel,
                limits: self.limits,
                wall,
                last_error: last_error.as_deref(),
                liftable,
            }
            .stop()
        });
        Ended {
            result,
            usage,
            log,
            state: Asked {
                recalled: state.recalled,
                recall_error: state.recall_error,
                now: state.asked_now,
                random: asked_random,
                interrupted,
            },
        }
    }

    /// What a run is charged. After an error the counter may be lost, so the
    /// CPU time counts if it is more; never beyond what the run had.
    fn charged(&self, state: &RunState, error: Option<&wasmtime::Error>, cpu: Duration) -> u64 {
        let counted = fuel::used(self.fuel, self.left).saturating_add(state.debt.fuel());
        let charged = match error {
            None => counted,
            Some(error) if error.downcast_ref() == Some(&Trap::OutOfFuel) => self.fuel,
            Some(_) => counted.max(fuel::of_cpu(cpu)),
        };
        charged.min(self.fuel)
    }
}
