//! Looks for who does again what led to it, and for who used up a budget: the
//! questions to the store that the governor's verdicts need. Blocks, on a
//! worker's thread.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use ringfence_governor::explain::{self, Who};
use ringfence_governor::revisit::{self, Ancestor};
use ringfence_governor::{ActiveRule, Cascades};
use ringfence_model::{
    CascadeId, Dimension, Draw, Effect, Event, Evidence, Execution, Limits, LoopPolicy, Mode,
    NewEvent, Status, TenantId,
};
use ringfence_store::Store;
use tokio::runtime::Handle;

use crate::queue::Queue;

/// Ancestors with the fingerprint of a run that are looked at: two different
/// runs have the same one once in four thousand million.
const SUSPECTS_MAX: usize = 3;

/// Executions that an explanation is made of.
const EXPLAINED_MAX: u32 = 1_000;

/// Cascades whose explanation is not read again by one worker.
const TOLD_MAX: usize = 256;

/// Asks the store what verdicts need to know.
pub(crate) struct Loops {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) runtime: Handle,
    /// Cascades that were told of, the latest first.
    pub(crate) told: Mutex<VecDeque<Told>>,
}

/// Who used up a cascade's budget, as it was said.
pub(crate) struct Told {
    tenant: TenantId,
    cascade: CascadeId,
    dimension: Dimension,
    /// Without the evidence, which the first stop had.
    who: Option<Who>,
}

impl Loops {
    /// A run that can be one turn of a loop, as its record shall be: with its fingerprint, and stopped or
    /// marked if it did again what one of its ancestors did.
    pub(crate) fn judge(
        &self,
        rule: &ActiveRule,
        event: &Event,
        policy: LoopPolicy,
        run: &mut Execution,
    ) {
        if policy == LoopPolicy::Allow {
            return;
        }
        let trigger = rule.manifest.trigger_for(&event.ty);
        let ignore = trigger.map_or(&[][..], |trigger| &trigger.ignore);
        run.fingerprint = revisit::fingerprint(run, event, ignore);
        let (tenant, cascade) = (&event.tenant, event.lineage.cascade);
        let mut suspects = event.ancestry.distances(run.fingerprint).peekable();
        let may_suspect = |cascades: &Cascades| cascades.may_suspect(tenant, cascade);
        if suspects.peek().is_none() || !self.queue.with(|state| may_suspect(&state.cascades)) {
            return;
        }
        let mut cycles = suspects
            .take(SUSPECTS_MAX)
            .filter_map(|distance| self.chain(event, distance))
            .filter(|chain| {
                let earlier = chain.last();
                earlier.is_some_and(|earlier| revisit::is_same(run, event, ignore, earlier))
                    && revisit::is_closed(run, chain)
            });
        let Some(chain) = cycles.next() else {
            self.queue
                .with(|state| state.cascades.suspected_in_vain(tenant, cascade));
            return;
        };
        let cycle = revisit::cycle(run, event, &chain);
        if policy == LoopPolicy::Warn {
            run.cycle = cycle;
            return;
        }
        let used = self
            .queue
            .with(|state| state.cascades.ledger(tenant, cascade));
        let this = Draw {
            fuel: run.usage.fuel,
            ..Draw::default()
        };
        let used = used.unwrap_or_default().after(&this);
        run.stop = Some(revisit::stop(cycle, chain.len(), &used));
        run.status = Status::Stopped;
        run.effects.clear();
        run.near_limits.clear();
    }

    /// The runs that led to an event, the nearest first; none if they are not
    /// all known any more.
    fn chain(&self, event: &Event, length: usize) -> Option<Vec<Ancestor>> {
        let parent = event.lineage.parent?;
        let limit = u32::try_from(length).unwrap_or(u32::MAX);
        let read = self.store.ancestors(&event.tenant, parent, limit);
        match self.runtime.block_on(read) {
            Ok(chain) => {
                let ancestor = |(execution, event)| Ancestor { execution, event };
                (chain.len() == length).then(|| chain.into_iter().map(ancestor).collect())
            }
            Err(error) => {
                // Its budget ends a loop all the same.
                tracing::warn!(tenant = %event.tenant, event = %event.id, %error, "whether a run is a loop could not be found out");
                None
            }
        }
    }

    /// Finds out who used up this of a cascade's budget, unless that is known.
    pub(crate) fn explain(&self, tenant: &TenantId, cascade: CascadeId, dimension: Dimension) {
        let ask = |cascades: &mut Cascades| cascades.is_untold(tenant, cascade, dimension);
        if !self.queue.with(|state| ask(&mut state.cascades)) {
            return;
        }
        // A cascade that left memory since is not read again for each event
        // that comes back to it.
        let is_it = |told: &&Told| {
            (&told.tenant, told.cascade, told.dimension) == (tenant, cascade, dimension)
        };
        let known = self
            .told
            .lock()
            .iter()
            .find(is_it)
            .map(|told| told.who.clone());
        if let Some(who) = known {
            self.queue
                .with(|state| state.cascades.tell(tenant, cascade, dimension, who));
            return;
        }
        let read = self.store.cascade_runs(tenant, cascade, EXPLAINED_MAX);
        let who = match self.runtime.block_on(read) {
            Ok((runs, _)) => explain::who(&runs, dimension),
            Err(error) => {
                tracing::warn!(%tenant, %cascade, %error, "who used up a cascade's budget could not be found out");
                None
            }
        };
        let sentence = who.as_ref().map(|who| Who {
            sentence: who.sentence.clone(),
            evidence: Evidence::default(),
        });
        let mut told = self.told.lock();
        told.truncate(TOLD_MAX - 1);
        told.push_front(Told {
            tenant: tenant.clone(),
            cascade,
            dimension,
            who: sentence,
        });
        drop(told);
        self.queue
            .with(|state| state.cascades.tell(tenant, cascade, dimension, who));
    }

    /// The same, before follow-up events are drawn that the budget does not
    /// allow.
    pub(crate) fn explain_follow_ups(&self, event: &Event, run: &Execution, limits: &Limits) {
        if run.mode == Mode::Shadow {
            return;
        }
        let emitted = run.effects.iter().filter_map(|effect| match effect {
            Effect::Emit(new) => Some(new),
            Effect::Act(_) | Effect::Remember(_) => None,
        });
        let draw = emitted.fold(Draw::default(), |draw, new| Draw {
            depth: u64::from(event.lineage.depth) + 1,
            events: draw.events + 1,
            bytes: draw.bytes.saturating_add(size_about(new)),
            ..draw
        });
        if draw.events == 0 {
            return;
        }
        let (tenant, cascade) = (&event.tenant, event.lineage.cascade);
        let exhausted = self
            .queue
            .with(|state| state.cascades.would_exhaust(tenant, cascade, &draw, limits));
        if let Some(dimension) = exhausted {
            self.explain(tenant, cascade, dimension);
        }
    }
}

/// What a follow-up event will be about: its id and source are not known yet.
fn size_about(new: &NewEvent) -> u64 {
    let subject = new.subject.as_ref().map_or(0, String::len);
    (new.ty.len() + subject) as u64 + new.data.size()
}
