//! The work on an event whose answer somebody waits for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ringfence_governor::ActiveRule;
use ringfence_model::{
    Dimension, Effect, Event, Limits, Log, Meter, Mode, RuleName, RunLimits, Stop, Usage, VersionId,
};
use ringfence_sandbox::RunReport;
use tokio::sync::oneshot;

/// One rule's part in an evaluation.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// Which rule.
    pub rule: RuleName,
    /// Which version.
    pub version: VersionId,
    /// In which mode it is in force.
    pub mode: Mode,
    /// Its effects, or why it was stopped.
    pub outcome: Result<Vec<Effect>, Stop>,
    /// What it used.
    pub usage: Usage,
    /// What it might have used.
    pub limits: RunLimits,
    /// Of which limits it used 80 % or more without being stopped.
    pub near_limits: Vec<Meter>,
    /// What it logged.
    pub log: Log,
}

/// What is answered; an error says why the host could not do it.
pub(crate) type Answer = Result<Vec<Evaluated>, String>;

/// The work on one evaluation: its rules, one after the other. Who does not
/// finish it drops it, which tells who waits that there is no answer.
#[derive(Debug)]
pub(crate) struct Evaluation {
    pub(crate) event: Arc<Event>,
    pub(crate) asked: Arc<Asked>,
    /// When nobody waits any more, in microseconds since 1970.
    until_us: u64,
    /// The next of the rules.
    next: usize,
    /// Fuel of those before: they share one cascade's.
    fuel: u64,
    evaluated: Vec<Evaluated>,
    answer: oneshot::Sender<Answer>,
}

/// What is known of an evaluation to who works on it and who waits for it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The rules that want the event, as of when it was asked for.
    rules: Vec<Arc<ActiveRule>>,
    /// Nobody waits any more. What is under way is not interrupted by this;
    /// nothing is begun.
    cancelled: AtomicBool,
    /// Rules that have had their turn.
    ended: AtomicUsize,
    /// Whether the next of them is being run.
    running: AtomicBool,
    /// The time that runs took, in microseconds.
    ran_us: AtomicU64,
}

/// How far an evaluation has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoFar {
    /// Rules that want the event.
    pub rules: usize,
    /// Those that have had their turn.
    pub ended: usize,
    /// The time that their runs took, in microseconds.
    pub ran_us: u64,
    /// The one that is being run.
    pub running: Option<RuleName>,
}

impl Asked {
    pub(crate) fn new(rules: Vec<Arc<ActiveRule>>) -> Self {
        Self {
            rules,
            cancelled: AtomicBool::new(false),
            ended: AtomicUsize::new(0),
            running: AtomicBool::new(false),
            ran_us: AtomicU64::new(0),
        }
    }

    /// Nobody waits any more.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn so_far(&self) -> SoFar {
        let ended = self.ended.load(Ordering::Relaxed);
        let next = self.rules.get(ended);
        let running = next.filter(|_| self.running.load(Ordering::Relaxed));
        SoFar {
            rules: self.rules.len(),
            ended,
            ran_us: self.ran_us.load(Ordering::Relaxed),
            running: running.map(|rule| rule.activation.rule.clone()),
        }
    }
}

impl Evaluation {
    /// Of which nobody has run anything; it ends at `until_us`, in microseconds
    /// since 1970.
    pub(crate) fn new(
        event: Arc<Event>,
        asked: Arc<Asked>,
        until_us: u64,
        answer: oneshot::Sender<Answer>,
    ) -> Self {
        Self {
            event,
            asked,
            until_us,
            next: 0,
            fuel: 0,
            evaluated: Vec::new(),
            answer,
        }
    }

    /// Whether somebody still waits for it. A run of it is begun only then.
    pub(crate) fn is_wanted(&self, now_us: u64) -> bool {
        now_us < self.until_us && !self.asked.cancelled.load(Ordering::Relaxed)
    }

    /// The rules that have not had their turn.
    pub(crate) fn left(&self) -> &[Arc<ActiveRule>] {
        self.asked.rules.get(self.next..).unwrap_or_default()
    }

    /// The fuel that the next rule may use, with these limits; or why it may
    /// use none.
    pub(crate) fn budget(&self, limits: &Limits) -> Result<u64, Stop> {
        match limits.cascade_fuel.saturating_sub(self.fuel) {
            0 => Err(Dimension::Fuel.stop(limits, self.fuel)),
            left => Ok(left.min(limits.fuel)),
        }
    }

    /// A run of the next rule begins.
    pub(crate) fn begin(&self) {
        self.asked.running.store(true, Ordering::Relaxed);
    }

    /// A run that was begun did not take place.
    pub(crate) fn not_run(&self) {
        self.asked.running.store(false, Ordering::Relaxed);
    }

    /// The next rule was run.
    pub(crate) fn ran(&mut self, rule: &ActiveRule, report: RunReport) {
        let near_limits = report.near_limits();
        self.end(Evaluated {
            rule: rule.activation.rule.clone(),
            version: rule.activation.version,
            mode: rule.activation.mode,
            outcome: report.outcome,
            usage: report.usage,
            limits: report.limits,
            near_limits,
            log: report.log,
        });
    }

    /// The next rule is not run, with what it might have used.
    pub(crate) fn stopped(&mut self, rule: &ActiveRule, stop: Stop, limits: RunLimits) {
        self.end(Evaluated {
            rule: rule.activation.rule.clone(),
            version: rule.activation.version,
            mode: rule.activation.mode,
            outcome: Err(stop),
            usage: Usage::default(),
            limits,
            near_limits: Vec::new(),
            log: Log::default(),
        });
    }

    fn end(&mut self, part: Evaluated) {
        self.fuel = self.fuel.saturating_add(part.usage.fuel);
        let asked = &self.asked;
        asked
            .ran_us
            .fetch_add(part.usage.wall_us, Ordering::Relaxed);
        asked.running.store(false, Ordering::Relaxed);
        asked.ended.fetch_add(1, Ordering::Relaxed);
        self.evaluated.push(part);
        self.next += 1;
    }

    /// Tells who waits what came of it.
    pub(crate) fn finish(self) {
        self.answer(Ok);
    }

    /// Tells who waits that the host cannot do it.
    pub(crate) fn fail(self, cause: String) {
        self.answer(|_| Err(cause));
    }

    fn answer(self, answer: impl FnOnce(Vec<Evaluated>) -> Answer) {
        // Who went away meanwhile is not told.
        let _ = self.answer.send(answer(self.evaluated));
    }
}

impl fmt::Display for SoFar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rules, ended, ran_ms) = (self.rules, self.ended, self.ran_us.div_ceil(1_000));
        write!(f, "{ended} of {rules} rules had been run")?;
        if ended > 0 {
            write!(f, ", in {ran_ms} ms")?;
        }
        match &self.running {
            Some(rule) => write!(f, ", and `{rule}` was being run"),
            None => f.write_str(", and it waited for its turn behind other runs"),
        }
    }
}
