//! The engine: its parts, how they start and how they stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use ringfence_governor::{ActiveRule, Lane, Places, Pressure};
use ringfence_model::{Event, Limits, TenantId};
use ringfence_sandbox::{CodeCounts, Runners, Sandbox, Threads};
use ringfence_store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::anomalies::{ALERTS_MAX, Alert, Monitor};
use crate::causes::Causes;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::config::EngineConfig;
use crate::error::EngineError;
use crate::executor::Executor;
use crate::interrupts::Interrupts;
use crate::loops::Loops;
use crate::observer::Observer;
use crate::overload::Watch;
use crate::pager::Pager;
use crate::quarantine::Quarantines;
use crate::queue::{self, Queue};
use crate::registry::{Registry, TenantState};
use crate::sleepers::Sleepers;
use crate::uploads::UploadQueue;
use crate::vitals::Vitals;
use crate::worker::Worker;

/// Results on their way to the disk; beyond it workers wait.
const STEPS_MAX: usize = 512;

/// What is going on now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Tenants known.
    pub tenants: u64,
    /// Events that wait, in memory and on disk.
    pub waiting: u64,
    /// What those in memory take, about, in bytes.
    pub waiting_memory: u64,
    /// Executions running.
    pub running: u64,
    /// Memory set aside for executions, in bytes.
    pub reserved_bytes: u64,
    /// Results on their way to the disk.
    pub committing: u64,
    /// Runs that are not cheap that may be made at one moment.
    pub large_runs_max: u64,
    /// Evaluations that somebody waits for.
    pub evaluations: u64,
    /// Uploads that arrive or wait to be compiled.
    pub uploads_waiting: u64,
    /// Uploads that are compiled.
    pub uploads_compiling: u64,
    /// Rules' code in memory.
    pub code: CodeCounts,
    /// What is paused.
    pub pauses: crate::Pauses,
    /// How the host is.
    pub pressure: Pressure,
}

/// The engine. Cheap to clone; all clones are the same engine. It works until
/// [`Engine::drain`].
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: EngineConfig,
    pub(crate) registry: Arc<Registry>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) quarantines: Arc<Quarantines>,
    pub(crate) interrupts: Arc<Interrupts>,
    pub(crate) pager: Arc<Pager>,
    pub(crate) causes: Arc<Causes>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Held by whoever changes tenants or rules, from the store to the loop.
    pub(crate) changes: Arc<tokio::sync::Mutex<()>>,
    pub(crate) uploads: UploadQueue,
    pub(crate) vitals: Arc<Vitals>,
    /// For who delivers alerts.
    pub(crate) alerts: Mutex<Option<mpsc::Receiver<Alert>>>,
    /// Evaluations that somebody waits for.
    pub(crate) evaluations: Arc<Mutex<Places>>,
    pub(crate) draining: AtomicBool,
    /// Memory of all processes, in bytes.
    pub(crate) memory: Arc<AtomicU64>,
    pub(crate) cpu: Arc<AtomicU64>,
    running: Mutex<Option<Running>>,
}

/// What has to end before the engine has.
struct Running {
    workers: Vec<JoinHandle<()>>,
    committer: tokio::task::JoinHandle<()>,
    background: Vec<tokio::task::JoinHandle<()>>,
}

impl Engine {
    /// Recovers what waits, and starts the workers, which run rules on threads
    /// of this process. Must be called within a tokio runtime.
    pub async fn start(
        store: Arc<dyn Store>,
        sandbox: Sandbox,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        config: EngineConfig,
    ) -> Result<Self, EngineError> {
        let runners = Arc::new(Threads(sandbox.clone()));
        Self::start_with(store, sandbox, runners, clock, observer, config).await
    }

    /// The same, with rules run elsewhere; `sandbox` is one whose code they
    /// take.
    pub async fn start_with(
        store: Arc<dyn Store>,
        sandbox: Sandbox,
        runners: Arc<dyn Runners>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        config: EngineConfig,
    ) -> Result<Self, EngineError> {
        let (pages, page_requests) = mpsc::unbounded_channel();
        let (wishes, wished) = mpsc::unbounded_channel();
        let registry = Arc::new(Registry::default());
        let queue = Queue::new(&config, pages, Arc::clone(&registry), Arc::clone(&clock));
        let queue = Arc::new(queue);
        let causes = Causes::new(Arc::clone(&registry), config.infer_window_s);
        let changes = Arc::default();
        let quarantines = Arc::new(Quarantines::new(
            Arc::clone(&store),
            Arc::clone(&registry),
            Arc::clone(&clock),
            Arc::clone(&changes),
            Sleepers::new(wishes),
            config.quarantine,
            config.parking,
        ));
        let vitals = Arc::new(Vitals::new(&config));
        let (alerts, alerted) = mpsc::channel(ALERTS_MAX);
        let engine = Self {
            inner: Arc::new(Inner {
                pager: Arc::new(Pager {
                    store: Arc::clone(&store),
                    queue: Arc::clone(&queue),
                    quarantines: Arc::clone(&quarantines),
                    registry: Arc::clone(&registry),
                    clock: Arc::clone(&clock),
                    observer: Arc::clone(&observer),
                }),
                registry,
                quarantines,
                interrupts: Arc::default(),
                causes: Arc::new(causes),
                queue: Arc::clone(&queue),
                executor: Arc::new(Executor {
                    sandbox,
                    runners,
                    store: Arc::clone(&store),
                    unsaved: Arc::default(),
                    runtime: Handle::current(),
                }),
                clock,
                changes,
                uploads: UploadQueue::new(config.uploads),
                vitals,
                alerts: Mutex::new(Some(alerted)),
                evaluations: Arc::new(Mutex::new(Places::new(config.evaluations))),
                draining: AtomicBool::new(false),
                memory: Arc::default(),
                cpu: Arc::default(),
                running: Mutex::default(),
                config,
            }),
        };
        engine.recover().await?;
        let monitor = engine.monitor(Arc::clone(&observer), alerts);
        monitor.end_left_over().await?;
        store.attach(queue::feed(&queue));
        let background = vec![
            tokio::spawn(Arc::clone(&engine.inner.pager).run(page_requests, wished)),
            tokio::spawn(monitor.run()),
            tokio::spawn(crate::retention::run(
                store,
                Arc::clone(&engine.inner.clock),
                engine.inner.config.retention_s,
            )),
        ];
        let running = engine.start_workers(&observer, background)?;
        *engine.inner.running.lock() = Some(running);
        Ok(engine)
    }

    fn monitor(&self, observer: Arc<dyn Observer>, alerts: mpsc::Sender<Alert>) -> Monitor {
        let inner = &self.inner;
        Monitor {
            quarantines: Arc::clone(&inner.quarantines),
            store: Arc::clone(self.store()),
            vitals: Arc::clone(&inner.vitals),
            registry: Arc::clone(&inner.registry),
            queue: Arc::clone(&inner.queue),
            clock: Arc::clone(&inner.clock),
            observer,
            alerts,
        }
    }

    async fn recover(&self) -> Result<(), EngineError> {
        const PAGE: u32 = 500;
        let mut after = None;
        loop {
            let tenants = self.store().tenants(after.as_ref(), PAGE).await?;
            for tenant in &tenants {
                let limits = self.limits_of(tenant)?;
                self.admit_tenant(tenant, limits);
            }
            match tenants.into_iter().last() {
                Some(last) => after = Some(last.id),
                None => break,
            }
        }
        self.recover_rules().await?;
        self.halt_host(self.store().host_pause().await?);
        self.inner.quarantines.recover().await?;
        for backlog in self.store().backlog().await? {
            let (events, bytes) = (backlog.events, backlog.bytes);
            self.inner.queue.recover(&backlog.tenant, events, bytes);
        }
        Ok(())
    }

    fn start_workers(
        &self,
        observer: &Arc<dyn Observer>,
        mut background: Vec<tokio::task::JoinHandle<()>>,
    ) -> Result<Running, EngineError> {
        let inner = &self.inner;
        let (steps, results) = mpsc::channel(STEPS_MAX);
        let watch = Watch {
            queue: Arc::clone(&inner.queue),
            clock: Arc::clone(&inner.clock),
            memory: Arc::clone(&inner.memory),
            cpu: Arc::clone(&inner.cpu),
        };
        background.push(tokio::spawn(watch.run()));
        let committer = Committer {
            store: Arc::clone(self.store()),
            queue: Arc::clone(&inner.queue),
            quarantines: Arc::clone(&inner.quarantines),
            unsaved: Arc::clone(&inner.executor.unsaved),
            causes: Arc::clone(&inner.causes),
            registry: Arc::clone(&inner.registry),
            vitals: Arc::clone(&inner.vitals),
            clock: Arc::clone(&inner.clock),
            observer: Arc::clone(observer),
        };
        let committer = tokio::spawn(committer.run(results));
        let started = inner.config.lanes().enumerate().map(|(index, lane)| {
            let failed = |error: std::io::Error| EngineError::Thread(error.to_string());
            let runners = &inner.executor.runners;
            let runner = match lane {
                Lane::Worker { .. } => runners.runner(),
                Lane::Express { .. } => runners.express_runner(),
            };
            let runner = runner.map_err(failed)?;
            let worker = Worker {
                workers: inner.config.worker_count(),
                lane,
                quarantines: Arc::clone(&inner.quarantines),
                registry: Arc::clone(&inner.registry),
                queue: Arc::clone(&inner.queue),
                executor: Arc::clone(&inner.executor),
                loops: Loops {
                    store: Arc::clone(self.store()),
                    queue: Arc::clone(&inner.queue),
                    runtime: inner.executor.runtime.clone(),
                    told: Mutex::default(),
                },
                interrupts: Arc::clone(&inner.interrupts),
                clock: Arc::clone(&inner.clock),
                observer: Arc::clone(observer),
                vitals: Arc::clone(&inner.vitals),
                steps: steps.clone(),
            };
            std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker.run(runner))
                .map_err(failed)
        });
        let workers = started.collect::<Result<_, _>>()?;
        Ok(Running {
            workers,
            committer,
            background,
        })
    }

    /// The store, for questions.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.executor.store
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// The limits in force for a tenant.
    pub fn limits(&self, tenant: &TenantId) -> Result<Limits, EngineError> {
        let state = self.inner.registry.get(tenant);
        let state = state.ok_or_else(|| EngineError::NoTenant(tenant.clone()))?;
        Ok((*state.limits).clone())
    }

    /// A tenant, while the engine takes work.
    pub(crate) fn of_running(&self, tenant: &TenantId) -> Result<Arc<TenantState>, EngineError> {
        if self.inner.draining.load(Ordering::Relaxed) {
            return Err(EngineError::Draining);
        }
        let state = self.inner.registry.get(tenant);
        state.ok_or_else(|| EngineError::NoTenant(tenant.clone()))
    }

    /// A tenant's activations with what their versions declare, by rule.
    pub fn activations(&self, tenant: &TenantId) -> Result<Vec<Arc<ActiveRule>>, EngineError> {
        let state = self.inner.registry.get(tenant);
        let state = state.ok_or_else(|| EngineError::NoTenant(tenant.clone()))?;
        Ok(state.rules.rules().to_vec())
    }

    /// What is going on now.
    pub fn stats(&self) -> Stats {
        let (running, waiting, waiting_memory) = self.inner.queue.counts();
        let reserved_bytes = self.inner.queue.reserved();
        let (uploads_waiting, uploads_compiling) = self.inner.uploads.counts();
        Stats {
            tenants: self.inner.registry.len() as u64,
            waiting,
            waiting_memory,
            running,
            reserved_bytes,
            large_runs_max: self.inner.queue.large_max(),
            committing: self.inner.vitals.committing.load(Ordering::Relaxed),
            evaluations: self.inner.evaluations.lock().taken(),
            uploads_waiting,
            uploads_compiling,
            code: self.inner.executor.sandbox.counts(),
            pauses: self.pauses(),
            pressure: self.pressure(),
        }
    }

    /// Accepts nothing more, finishes what runs, makes it durable, and stops
    /// the workers. What waits stays in the store.
    pub async fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
        self.inner.queue.close();
        let Some(running) = self.inner.running.lock().take() else {
            return;
        };
        let join = move || {
            running
                .workers
                .into_iter()
                .map(JoinHandle::join)
                .all(|r| r.is_ok())
        };
        if !matches!(tokio::task::spawn_blocking(join).await, Ok(true)) {
            tracing::error!("a worker thread panicked; what it held will be run at the next start");
        }
        if let Err(error) = running.committer.await {
            tracing::error!(%error, "the committer panicked; what it held will be run at the next start");
        }
        running
            .background
            .iter()
            .for_each(tokio::task::JoinHandle::abort);
    }

    /// A store's answer about a tenant that was there a moment ago.
    pub(crate) fn of_tenant(&self, tenant: &TenantId, error: StoreError) -> EngineError {
        match error {
            StoreError::NoTenant => EngineError::NoTenant(tenant.clone()),
            error => EngineError::Store(error),
        }
    }
}

pub(crate) fn check(index: usize, event: &Event, limits: &Limits) -> Result<(), EngineError> {
    event
        .check()
        .map_err(|error| EngineError::Event { index, error })?;
    let bytes = event.data.size();
    if bytes > limits.event_bytes {
        return Err(EngineError::EventTooLarge {
            index,
            bytes,
            limit: limits.event_bytes,
        });
    }
    Ok(())
}
