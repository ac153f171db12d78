//! Batches: what one worker is given at once.

use ringfence_governor::{BatchRoom, Costs, Dispatch, Lane, Needs, Scheduler};

use crate::piece::Piece;
use crate::registry::{Registry, TenantState};

/// How much a worker takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takes {
    /// Runs in one batch, at most.
    pub(crate) at_once: usize,
    /// Workers that there are, without express lanes.
    pub(crate) workers: u32,
    /// Which one it is.
    pub(crate) lane: Lane,
}

/// Pieces of work for one worker, one after the other.
pub(crate) type Work = Vec<Dispatch<Piece>>;

/// What is to be run together: at most this worker's part of what is
/// ready, so that the others have theirs, nothing that the rest would wait
/// for, and one run of a cascade, so that the next is decided about when it
/// is known what this one used.
pub(crate) fn batch(
    scheduler: &mut Scheduler<Piece>,
    costs: &Costs,
    registry: &Registry,
    takes: Takes,
) -> Work {
    let part = scheduler.ready().div_ceil(takes.workers.max(1) as usize);
    let mut room = BatchRoom::new(part.clamp(1, takes.at_once.max(1)));
    let mut batch = scheduler.begin_batch(takes.lane);
    let mut work = Work::new();
    loop {
        let mut expected = None;
        let next = scheduler.dispatch_into(&mut batch, |piece| {
            let tenant = registry.get(&piece.event().tenant);
            let tenant = tenant.as_ref();
            expected = tenant.map_or(Some(0), |tenant| expected_cost(costs, tenant, piece));
            Needs {
                memory: tenant.map_or(0, |tenant| piece.memory(tenant)),
                expected,
                wanted: room.fits(expected)
                    && !work.iter().any(|other| piece.is_of_cascade(&other.item)),
            }
        });
        let Some(next) = next else {
            return work;
        };
        room.take(expected);
        work.push(next);
        if room.is_full() {
            return work;
        }
    }
}

/// What a piece's next run is expected to cost; none if it is not known.
fn expected_cost(costs: &Costs, tenant: &TenantState, piece: &Piece) -> Option<u64> {
    match piece.next_rule(tenant) {
        Some(rule) => costs.expected(&piece.event().tenant, &rule.activation.rule),
        None => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringfence_governor::{ActiveRule, Share};
    use ringfence_model::{
        Activation, Ancestry, Event, EventId, Json, LimitOverrides, Limits, Lineage, Manifest,
        Mode, Plan, Tenant, TenantId, Trigger, VersionId,
    };

    use super::*;
    use crate::job::Job;

    fn tenant() -> TenantId {
        "acme".parse().unwrap()
    }

    /// A rule for each of these event types, named like it.
    fn registry(types: &[&str]) -> Registry {
        let registry = Registry::default();
        let record = Tenant {
            id: tenant(),
            plan: Plan::STANDARD.to_owned(),
            limits: LimitOverrides::default(),
            policy: ringfence_model::Policy::default(),
            paused: None,
            created_us: 0,
        };
        registry.set_limits(&record, Limits::default());
        let rule = |ty: &&str| {
            Arc::new(ActiveRule {
                activation: Arc::new(Activation {
                    rule: ty.parse().unwrap(),
                    version: VersionId::of(ty.as_bytes()),
                    config: Json::empty_object(),
                    mode: Mode::Enforce,
                    percent: 100,
                    limits: LimitOverrides::default(),
                    activated_us: 0,
                    quarantine: None,
                    paused: None,
                    loops: None,
                }),
                manifest: Arc::new(Manifest {
                    triggers: vec![Trigger {
                        ty: (*ty).to_owned(),
                        ignore: Vec::new(),
                    }],
                    ..Manifest::default()
                }),
            })
        };
        registry.set_rules(&tenant(), types.iter().map(rule).collect());
        registry
    }

    /// Events of these types, ready, each of a cascade of its own.
    fn scheduler(types: &[&str]) -> Scheduler<Piece> {
        scheduler_of(types, Lineage::root)
    }

    fn scheduler_of(types: &[&str], lineage: fn(EventId) -> Lineage) -> Scheduler<Piece> {
        let mut scheduler = Scheduler::default();
        let share = Share {
            weight: 1,
            concurrent: 4,
            memory: u64::MAX,
            unreleased: 100,
        };
        scheduler.set_share(&tenant(), share);
        for (seq, ty) in (1..).zip(types) {
            let id = EventId::root(&tenant(), "/t", &seq.to_string());
            let event = Event {
                id,
                tenant: tenant(),
                ce_id: seq.to_string(),
                source: "/t".into(),
                ty: (*ty).to_owned(),
                subject: None,
                time: String::new(),
                data: Json::null(),
                accepted_us: 0,
                lineage: lineage(id),
                ancestry: Ancestry::default(),
            };
            let job = Box::new(Job::new(seq, Arc::new(event), 1));
            let pushed = scheduler.push(&tenant(), None, Piece::Event(job));
            assert!(pushed.is_ok());
        }
        scheduler
    }

    fn types(work: &Work) -> Vec<&str> {
        work.iter().map(|next| &*next.item.event().ty).collect()
    }

    const TAKES: Takes = Takes {
        at_once: 32,
        workers: 2,
        lane: Lane::Worker { index: 0, of: 2 },
    };

    #[test]
    fn each_worker_takes_its_part_and_one_run_of_what_is_not_known() {
        let registry = registry(&["calm"]);
        let mut costs = Costs::default();
        let mut scheduler = scheduler(&["calm"; 11]);
        let mut take = |costs: &Costs| batch(&mut scheduler, costs, &registry, TAKES).len();
        assert_eq!(take(&costs), 1);
        costs.ran(&tenant(), &"calm".parse().unwrap(), 1_000);
        assert_eq!([take(&costs), take(&costs)], [5, 3]);
        // Its tenant has four runs at one moment now, and one event waits.
        assert_eq!([take(&costs), take(&costs)], [1, 0]);
    }

    /// Each is decided about when it is known what those before it used.
    #[test]
    fn a_batch_has_one_run_of_a_cascade() {
        let registry = registry(&["calm"]);
        let mut costs = Costs::default();
        costs.ran(&tenant(), &"calm".parse().unwrap(), 1_000);
        let lineage = |_| Lineage::root(EventId::from_bytes([7; 16]));
        let mut scheduler = scheduler_of(&["calm"; 3], lineage);
        let mut take = || batch(&mut scheduler, &costs, &registry, TAKES).len();
        assert_eq!([take(), take(), take(), take()], [1, 1, 1, 0]);
    }

    #[test]
    fn nobody_waits_behind_what_is_expensive() {
        let registry = registry(&["calm", "wild"]);
        let mut costs = Costs::default();
        costs.ran(&tenant(), &"calm".parse().unwrap(), 1_000);
        costs.ran(&tenant(), &"wild".parse().unwrap(), 10_000_000);
        // An event that no rule wants costs nothing.
        let mut scheduler = scheduler(&["calm", "other", "wild", "calm", "calm"]);
        let takes = Takes {
            workers: 1,
            ..TAKES
        };
        let mut take = || batch(&mut scheduler, &costs, &registry, takes);
        assert_eq!(types(&take()), ["calm", "other"]);
        assert_eq!(types(&take()), ["wild"]);
        assert_eq!(types(&take()), ["calm", "calm"]);
        assert!(take().is_empty());
    }

    #[test]
    fn an_express_lane_takes_what_is_cheap_while_workers_make_what_is_not() {
        let registry = registry(&["calm", "wild"]);
        let mut costs = Costs::default();
        costs.ran(&tenant(), &"calm".parse().unwrap(), 1_000);
        costs.ran(&tenant(), &"wild".parse().unwrap(), 10_000_000);
        let mut scheduler = scheduler(&["wild", "wild", "calm", "wild"]);
        let mut take = |lane| {
            let takes = Takes { lane, ..TAKES };
            let work = batch(&mut scheduler, &costs, &registry, takes);
            types(&work).concat()
        };
        let express = Lane::Express { workers: 2 };
        let worker = |index| Lane::Worker { index, of: 2 };
        assert_eq!(take(worker(0)), "wild");
        assert_eq!(take(express), "");
        assert_eq!(take(worker(1)), "wild");
        assert_eq!([take(express), take(express)], ["calm", ""]);
    }
}
