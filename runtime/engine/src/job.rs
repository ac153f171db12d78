//! The work on one event that is in memory.

use std::sync::Arc;

use ringfence_governor::{ActiveRule, arrival};
use ringfence_model::{Draw, Event, RuleName};
use ringfence_store::{Decision, Seq};

/// When one run's stages began, in microseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stages {
    /// Its event was in memory, and no other was to come before it.
    pub(crate) ready_us: u64,
    /// A worker took it.
    pub(crate) taken_us: u64,
    /// It was over, and its results were on their way to the disk.
    pub(crate) ran_us: u64,
}

impl Stages {
    /// How long it waited for a worker, in microseconds.
    pub(crate) fn queued_us(&self) -> u64 {
        self.taken_us.saturating_sub(self.ready_us)
    }
}

/// The work on one event: the rules that want it, one after the other.
#[derive(Debug)]
pub(crate) struct Job {
    /// The event's place in the log.
    pub(crate) seq: Seq,
    /// The event.
    pub(crate) event: Arc<Event>,
    /// Which lifetime of the tenant's window it belongs to.
    pub(crate) window: u64,
    /// Rules decided before a restart.
    pub(crate) decided: Vec<RuleName>,
    /// The rules that want it, as of when the work began.
    pub(crate) routes: Option<Vec<Arc<ActiveRule>>>,
    /// The next of them.
    pub(crate) next: usize,
    /// Decisions that the next commit makes durable.
    pub(crate) undurable: Vec<Decision>,
    /// Where the time of the run that was begun last went.
    pub(crate) stages: Stages,
    /// Runs of the next rule whose results could not be committed, because a
    /// value that they recalled had changed.
    pub(crate) conflicts: u32,
    /// Fuel of such runs, to be drawn by the next commit.
    pub(crate) spent: u64,
    /// Rules for which it is to sleep once nothing else is to be done: in
    /// quarantine, or paused, or they take others first.
    pub(crate) parks: Vec<RuleName>,
    /// Whether it is to sleep for a rule that goes on, because others come
    /// first.
    pub(crate) behind: bool,
    /// Whether it has slept.
    pub(crate) slept: bool,
    /// What the event draws on its cascade's ledger by arriving. Drawn when it
    /// is taken into memory; the next commit, its first, makes it durable.
    pub(crate) arrival: Draw,
}

impl Job {
    /// Work that has not begun.
    pub(crate) fn new(seq: Seq, event: Arc<Event>, window: u64) -> Self {
        Self {
            seq,
            arrival: arrival(&event),
            event,
            window,
            decided: Vec::new(),
            routes: None,
            next: 0,
            undurable: Vec::new(),
            stages: Stages::default(),
            conflicts: 0,
            spent: 0,
            parks: Vec::new(),
            behind: false,
            slept: false,
        }
    }

    /// Some rules were decided before a restart, or before it slept, and what
    /// it draws by arriving was committed with the first of them or then.
    pub(crate) fn resume(&mut self, decided: Vec<RuleName>, slept: bool) {
        if slept || !decided.is_empty() {
            self.arrival = Draw::default();
        }
        self.decided = decided;
        self.slept = slept;
    }

    /// Sets the rules that want it, without those decided before.
    pub(crate) fn begin(&mut self, mut routes: Vec<Arc<ActiveRule>>) {
        routes.retain(|route| !self.decided.contains(&route.activation.rule));
        self.routes = Some(routes);
    }

    /// The rule whose turn it is.
    pub(crate) fn route(&self) -> Option<Arc<ActiveRule>> {
        self.routes.as_ref()?.get(self.next).cloned()
    }

    /// Whether the rule whose turn it is, is the last.
    pub(crate) fn is_last(&self) -> bool {
        let routes = self.routes.as_ref().map_or(0, Vec::len);
        self.next + 1 >= routes
    }

    /// Goes on to the next rule without a run of this one.
    pub(crate) fn decide(&mut self, decision: Decision) {
        self.undurable.push(decision);
        self.advance();
    }

    /// Goes on to the next rule; this one is waited for, perhaps because others
    /// come first.
    pub(crate) fn park(&mut self, rule: RuleName, behind: bool) {
        self.parks.push(rule);
        self.behind |= behind;
        self.advance();
    }

    /// A run that used this much fuel has to be repeated.
    pub(crate) fn conflicted(&mut self, fuel: u64) {
        self.conflicts += 1;
        self.spent = self.spent.saturating_add(fuel);
    }

    /// A step's commit is durable.
    pub(crate) fn committed(&mut self) {
        self.undurable.clear();
        self.spent = 0;
        self.arrival = Draw::default();
        self.advance();
    }

    fn advance(&mut self) {
        self.next += 1;
        self.conflicts = 0;
    }
}
