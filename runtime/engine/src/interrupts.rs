//! Ending runs that are under way: because what they are of is to run no more,
//! or because nobody waits for them any more.
//!
//! Each worker says which runs it makes, before it makes them. Who ends some
//! first says so where workers look (the registry and the queue), then counts,
//! then looks at what they make. A worker looks at the count before it takes
//! work and once it has said what it makes: so a run that was taken before and
//! said after is not missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use ringfence_governor::ActiveRule;
use ringfence_model::{Event, RuleName, TenantId};
use ringfence_sandbox::{Interrupter, RunError, RunReport};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::evaluation::Asked;

/// How long a run may take to end before what it is in is ended. It looks every
/// few milliseconds, so this says that it cannot.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long its end is waited for then.
const LAST: Duration = Duration::from_secs(5);

/// Which runs are to end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    /// Whatever they are of.
    All,
    Tenant(&'a TenantId),
    Rule(&'a TenantId, &'a RuleName),
    /// That of one evaluation.
    Evaluation(&'a Arc<Asked>),
}

/// Ends runs.
#[derive(Default)]
pub(crate) struct Interrupts {
    desks: Mutex<Vec<Arc<Desk>>>,
    /// How often runs were to end.
    times: AtomicU64,
    /// Runs that have been.
    interrupted: AtomicU64,
}

/// What one worker makes.
pub(crate) struct Desk {
    runs: Mutex<Vec<Entry>>,
    interrupter: Arc<dyn Interrupter>,
}

/// A run of the present batch.
pub(crate) struct UnderWay {
    pub(crate) event: Arc<Event>,
    pub(crate) rule: Arc<ActiveRule>,
    /// The evaluation that it is of.
    pub(crate) asked: Option<Arc<Asked>>,
}

struct Entry {
    run: UnderWay,
    over: bool,
    /// Whether it is to end.
    raised: bool,
    /// Who waits for its end.
    latches: Vec<Arc<Latch>>,
}

/// What became of runs that were to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Ended without a result.
    pub(crate) interrupted: u64,
    /// Not begun.
    pub(crate) not_begun: u64,
}

/// Runs that are to end.
pub(crate) struct Raised<'a> {
    interrupts: &'a Interrupts,
    latch: Arc<Latch>,
}

/// Counts runs until they have ended.
#[derive(Default)]
struct Latch {
    state: Mutex<Count>,
    over: Notify,
}

#[derive(Default)]
struct Count {
    left: u64,
    ended: Ended,
}

impl Ended {
    /// Of one run with this result.
    pub(crate) fn of(result: &Result<RunReport, RunError>) -> Self {
        match result {
            Err(RunError::Interrupted { .. }) => Self {
                interrupted: 1,
                not_begun: 0,
            },
            Err(RunError::Unwanted) => Self {
                interrupted: 0,
                not_begun: 1,
            },
            _ => Self::default(),
        }
    }
}

impl Which<'_> {
    fn is(&self, run: &UnderWay) -> bool {
        let tenant = &run.event.tenant;
        match *self {
            Self::All => true,
            Self::Tenant(of) => tenant == of,
            Self::Rule(of, rule) => tenant == of && run.rule.activation.rule == *rule,
            Self::Evaluation(of) => run.asked.as_ref().is_some_and(|it| Arc::ptr_eq(it, of)),
        }
    }
}

impl Interrupts {
    /// A place for what a worker makes.
    pub(crate) fn desk(&self, interrupter: Arc<dyn Interrupter>) -> Arc<Desk> {
        let desk = Arc::new(Desk {
            runs: Mutex::default(),
            interrupter,
        });
        self.desks.lock().push(Arc::clone(&desk));
        desk
    }

    /// How often runs were to end until now.
    pub(crate) fn times(&self) -> u64 {
        self.times.load(Ordering::SeqCst)
    }

    /// Runs that were interrupted until now.
    pub(crate) fn interrupted(&self) -> u64 {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Ends runs, and waits until they have ended. That they are to run no more
    /// has been said before where workers look.
    pub(crate) async fn raise(&self, which: Which<'_>) -> Ended {
        self.start(which).over().await
    }

    /// Ends runs; their end can be waited for. Who does must not hold what
    /// workers need for other runs: those of a batch are looked after in order.
    pub(crate) fn start(&self, which: Which<'_>) -> Raised<'_> {
        self.times.fetch_add(1, Ordering::SeqCst);
        let latch = Arc::new(Latch::default());
        let desks = self.desks.lock().clone();
        for desk in desks {
            desk.raise(which, &latch);
        }
        Raised {
            interrupts: self,
            latch,
        }
    }

    /// A run has ended that was to.
    fn count(&self, ended: Ended) {
        self.interrupted
            .fetch_add(ended.interrupted, Ordering::Relaxed);
    }
}

impl Raised<'_> {
    /// Waits until they have ended.
    pub(crate) async fn over(self) -> Ended {
        if timeout(PATIENCE, self.latch.over()).await.is_err() {
            let desks = self.interrupts.desks.lock().clone();
            desks.iter().for_each(|desk| desk.force(&self.latch));
            if timeout(LAST, self.latch.over()).await.is_err() {
                tracing::error!(
                    "runs that were to end have not; their deadline and their fuel are left"
                );
            }
        }
        self.latch.ended()
    }
}

impl Desk {
    /// These runs are made from now on.
    pub(crate) fn begin(&self, runs: impl Iterator<Item = UnderWay>) {
        let mut entries = self.runs.lock();
        self.interrupter.begin();
        entries.clear();
        entries.extend(runs.map(|run| Entry {
            run,
            over: false,
            raised: false,
            latches: Vec::new(),
        }));
    }

    /// None of them is made any more.
    pub(crate) fn clear(&self) {
        for mut entry in self.runs.lock().drain(..) {
            entry.settle(Ended::default());
        }
    }

    /// The run at this index is to end.
    pub(crate) fn end(&self, index: usize) {
        if let Some(entry) = self.runs.lock().get_mut(index) {
            entry.raised = true;
            self.interrupter.interrupt(index);
        }
    }

    /// Whether it is.
    pub(crate) fn is_to_end(&self, index: usize) -> bool {
        self.runs
            .lock()
            .get(index)
            .is_some_and(|entry| entry.raised)
    }

    /// It has ended, and is looked after now.
    pub(crate) fn over(&self, index: usize) {
        if let Some(entry) = self.runs.lock().get_mut(index) {
            entry.over = true;
        }
    }

    /// It has ended so, and its work is where it belongs: who waits for its end
    /// goes on.
    pub(crate) fn ended(&self, interrupts: &Interrupts, index: usize, ended: Ended) {
        if let Some(entry) = self.runs.lock().get_mut(index) {
            entry.over = true;
            interrupts.count(ended);
            entry.settle(ended);
        }
    }

    fn raise(&self, which: Which<'_>, latch: &Arc<Latch>) {
        let mut runs = self.runs.lock();
        let to_end = |(_, entry): &(usize, &mut Entry)| !entry.over && which.is(&entry.run);
        for (index, entry) in runs.iter_mut().enumerate().filter(to_end) {
            latch.state.lock().left += 1;
            entry.latches.push(Arc::clone(latch));
            entry.raised = true;
            self.interrupter.interrupt(index);
        }
    }

    /// Ends what a run is in that does not end.
    fn force(&self, latch: &Arc<Latch>) {
        let runs = self.runs.lock();
        let waits = |entry: &Entry| entry.latches.iter().any(|one| Arc::ptr_eq(one, latch));
        if runs.iter().any(|entry| !entry.over && waits(entry)) {
            self.interrupter.force();
        }
    }
}

impl Entry {
    /// Who asked first counts it.
    fn settle(&mut self, mut ended: Ended) {
        for latch in self.latches.drain(..) {
            latch.settle(std::mem::take(&mut ended));
        }
    }
}

impl Latch {
    fn settle(&self, ended: Ended) {
        let mut count = self.state.lock();
        count.left -= 1;
        count.ended.interrupted += ended.interrupted;
        count.ended.not_begun += ended.not_begun;
        if count.left == 0 {
            self.over.notify_one();
        }
    }

    fn ended(&self) -> Ended {
        self.state.lock().ended
    }

    async fn over(&self) {
        while self.state.lock().left > 0 {
            self.over.notified().await;
        }
    }
}
