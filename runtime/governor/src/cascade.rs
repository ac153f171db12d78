//! Cascade budgets: one ledger for everything that a root event set off.

use std::collections::HashMap;

use ringfence_model::{
    CascadeId, Dimension, Draw, Event, Evidence, Ledger, Limits, Stop, TenantId,
};

use crate::explain::Who;

/// Runs of a cascade that may look like one of their ancestors without being
/// so. By chance that happens once in some million runs.
const SUSPECTED_MAX: u8 = 8;

/// The ledgers of the cascades that have events in memory. What is on disk
/// may be behind by what is running; what is here is not.
#[derive(Debug, Default)]
pub struct Cascades {
    open: HashMap<(TenantId, CascadeId), Open>,
}

#[derive(Debug)]
struct Open {
    ledger: Ledger,
    /// Set when a follow-up event, or one from outside, did not fit: no more
    /// runs then.
    used_up: Option<Dimension>,
    /// Runs that looked like one of their ancestors and were not.
    suspected: u8,
    /// Events in memory that belong to it.
    events: u32,
    /// Who used it up, once somebody has looked.
    told: Option<Box<Told>>,
}

#[derive(Debug)]
struct Told {
    dimension: Dimension,
    /// None: nothing is known.
    who: Option<Who>,
}

/// Whether a run may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may, and may use this much fuel.
    Run {
        /// At most the limit per execution, less where the cascade has less.
        fuel: u64,
    },
    /// The cascade's budget of this is used up; [`Cascades::stop`] says so.
    Exhausted(Dimension),
}

impl Cascades {
    /// An event of this cascade is in memory now. `ledger` is what is known
    /// from disk; it counts only if no other event of the cascade is here.
    pub fn enter(&mut self, tenant: &TenantId, cascade: CascadeId, ledger: Ledger) {
        self.open
            .entry((tenant.clone(), cascade))
            .or_insert(Open {
                ledger,
                used_up: None,
                suspected: 0,
                events: 0,
                told: None,
            })
            .events += 1;
    }

    /// An event of this cascade is in memory no more.
    pub fn leave(&mut self, tenant: &TenantId, cascade: CascadeId) {
        let key = (tenant.clone(), cascade);
        if let Some(open) = self.open.get_mut(&key) {
            open.events -= 1;
            if open.events == 0 {
                self.open.remove(&key);
            }
        }
    }

    /// An event from outside belongs to this cascade and is in memory now:
    /// draws what [`arrival`] says. Nobody decided whether it fits when it was
    /// made, so [`Self::admit`] does when its turn comes.
    pub fn arrive(&mut self, tenant: &TenantId, cascade: CascadeId, arrival: &Draw) {
        self.draw(tenant, cascade, arrival);
    }

    /// Decides about a run, and draws one execution for it. Runs of the same
    /// cascade that are under way may together overdraw its fuel by what they
    /// were granted. `arrived` is the depth of the event, if it is one that
    /// arrived.
    pub fn admit(
        &mut self,
        tenant: &TenantId,
        cascade: CascadeId,
        arrived: Option<u32>,
        limits: &Limits,
    ) -> Verdict {
        let Some(open) = self.open.get_mut(&(tenant.clone(), cascade)) else {
            // Its tenant was removed; the commit will find that out.
            return Verdict::Run { fuel: limits.fuel };
        };
        if let Some(dimension) = open.used_up {
            return Verdict::Exhausted(dimension);
        }
        if let Some(depth) = arrived
            && let Some((dimension, _)) = exceeded(&open.ledger, depth.into(), limits)
        {
            open.end(dimension);
            return Verdict::Exhausted(dimension);
        }
        let ledger = &mut open.ledger;
        let executions = ledger.executions + 1;
        if executions > limits.cascade_executions {
            return Verdict::Exhausted(Dimension::Executions);
        }
        let left = limits.cascade_fuel.saturating_sub(ledger.fuel);
        if left == 0 {
            return Verdict::Exhausted(Dimension::Fuel);
        }
        ledger.executions = executions;
        Verdict::Run {
            fuel: limits.fuel.min(left),
        }
    }

    /// Whether runs of a cascade that look like one of their ancestors are
    /// compared with it. Fingerprints that are made to be equal would cost the
    /// host what their tenant does not pay for; a few such runs, and only its
    /// budget ends the cascade.
    pub fn may_suspect(&self, tenant: &TenantId, cascade: CascadeId) -> bool {
        let open = self.open.get(&(tenant.clone(), cascade));
        open.is_none_or(|open| open.suspected < SUSPECTED_MAX)
    }

    /// A run looked like one of its ancestors and was not.
    pub fn suspected_in_vain(&mut self, tenant: &TenantId, cascade: CascadeId) {
        if let Some(open) = self.open.get_mut(&(tenant.clone(), cascade)) {
            open.suspected = open.suspected.saturating_add(1);
        }
    }

    /// Whether nobody has looked yet who used up this of a cascade's budget.
    pub fn is_untold(&self, tenant: &TenantId, cascade: CascadeId, dimension: Dimension) -> bool {
        let open = self.open.get(&(tenant.clone(), cascade));
        let told = open.map(|open| open.told.as_deref());
        told.is_some_and(|told| told.is_none_or(|told| told.dimension != dimension))
    }

    /// Says who used up this of a cascade's budget.
    pub fn tell(
        &mut self,
        tenant: &TenantId,
        cascade: CascadeId,
        dimension: Dimension,
        who: Option<Who>,
    ) {
        if let Some(open) = self.open.get_mut(&(tenant.clone(), cascade)) {
            open.told = Some(Box::new(Told { dimension, who }));
        }
    }

    /// The stop when this of a cascade's budget is used up. The first one of a
    /// cascade holds the evidence, the others its sentence only.
    pub fn stop(
        &mut self,
        tenant: &TenantId,
        cascade: CascadeId,
        dimension: Dimension,
        limits: &Limits,
    ) -> Stop {
        match self.open.get_mut(&(tenant.clone(), cascade)) {
            Some(open) => open.stop(dimension, open.ledger.used(dimension), limits),
            None => dimension.stop(limits, dimension.budget(limits)),
        }
    }

    /// Of what a run with these follow-up events would use up the budget
    /// first, without anybody having looked who used it. `depth` is theirs;
    /// `bytes` is their size in all.
    pub fn would_exhaust(
        &self,
        tenant: &TenantId,
        cascade: CascadeId,
        follow_ups: &Draw,
        limits: &Limits,
    ) -> Option<Dimension> {
        let open = self.open.get(&(tenant.clone(), cascade))?;
        let after = open.ledger.after(follow_ups);
        let (dimension, _) = exceeded(&after, follow_ups.depth, limits)?;
        self.is_untold(tenant, cascade, dimension)
            .then_some(dimension)
    }

    /// What a cascade has used, if one of its events is in memory.
    pub fn ledger(&self, tenant: &TenantId, cascade: CascadeId) -> Option<Ledger> {
        let open = self.open.get(&(tenant.clone(), cascade))?;
        Some(open.ledger)
    }

    /// Draws the fuel that a run used.
    pub fn used(&mut self, tenant: &TenantId, cascade: CascadeId, fuel: u64) {
        self.draw(
            tenant,
            cascade,
            &Draw {
                fuel,
                ..Draw::default()
            },
        );
    }

    /// Decides about one follow-up event of this depth and size (in bytes),
    /// and draws it if the budget allows it. One too many, or one too large,
    /// ends the whole cascade: what it set off already is not run any more.
    /// One too deep ends its own branch only, for depth is not shared.
    pub fn follow_up(
        &mut self,
        tenant: &TenantId,
        cascade: CascadeId,
        depth: u32,
        bytes: u64,
        limits: &Limits,
    ) -> Option<Stop> {
        let open = self.open.get_mut(&(tenant.clone(), cascade))?;
        let draw = Draw {
            depth: depth.into(),
            events: 1,
            bytes,
            ..Draw::default()
        };
        let after = open.ledger.after(&draw);
        match exceeded(&after, draw.depth, limits) {
            Some((dimension, used)) => {
                open.end(dimension);
                Some(open.stop(dimension, used, limits))
            }
            None => {
                open.ledger = after;
                None
            }
        }
    }

    /// Gives back what was drawn for a run that will be repeated or came to
    /// nothing. Depth stays: it is a maximum.
    pub fn give_back(&mut self, tenant: &TenantId, cascade: CascadeId, draw: &Draw) {
        if let Some(open) = self.open.get_mut(&(tenant.clone(), cascade)) {
            let ledger = &mut open.ledger;
            ledger.executions = ledger.executions.saturating_sub(draw.executions);
            ledger.fuel = ledger.fuel.saturating_sub(draw.fuel);
            ledger.events = ledger.events.saturating_sub(draw.events);
            ledger.bytes = ledger.bytes.saturating_sub(draw.bytes);
        }
    }

    /// How many cascades are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn draw(&mut self, tenant: &TenantId, cascade: CascadeId, draw: &Draw) {
        if let Some(open) = self.open.get_mut(&(tenant.clone(), cascade)) {
            open.ledger = open.ledger.after(draw);
        }
    }
}

/// The first dimension of follow-up events that a ledger exceeds after them,
/// and what is used of it.
/// The ledger's own depth may be that of an event whose branch is another, so
/// theirs is what counts.
fn exceeded(after: &Ledger, depth: u64, limits: &Limits) -> Option<(Dimension, u64)> {
    let used = [
        (Dimension::Depth, depth),
        (Dimension::Events, after.events),
        (Dimension::Bytes, after.bytes),
    ];
    let mut used = used.into_iter();
    used.find(|(dimension, used)| *used > dimension.budget(limits))
}

impl Open {
    /// No more runs, unless it is depth, which is a branch's own.
    fn end(&mut self, dimension: Dimension) {
        if dimension != Dimension::Depth {
            self.used_up = Some(dimension);
        }
    }

    fn stop(&mut self, dimension: Dimension, usage: u64, limits: &Limits) -> Stop {
        let mut stop = dimension.stop(limits, usage);
        let told = self.told.as_deref_mut();
        let told = told.filter(|told| told.dimension == dimension);
        let Some(who) = told.and_then(|told| told.who.as_mut()) else {
            return stop;
        };
        stop.message.push(' ');
        stop.message.push_str(&who.sentence);
        let evidence = std::mem::take(&mut who.evidence);
        if evidence == Evidence::default() {
            return stop;
        }
        stop.with_evidence(evidence)
    }
}

/// What an event draws on its cascade's ledger by arriving: an event from
/// outside that belongs to a cascade counts as a follow-up of it. Root events
/// draw nothing, and those that a rule emitted were drawn when it did.
pub fn arrival(event: &Event) -> Draw {
    match event.lineage.arrived() {
        None => Draw::default(),
        Some(depth) => Draw {
            depth: depth.into(),
            events: 1,
            bytes: event.size(),
            ..Draw::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringfence_model::StopCode;

    use super::*;

    fn tenant() -> TenantId {
        "acme".parse().unwrap()
    }

    const ROOT: CascadeId = CascadeId::from_bytes([7; 16]);

    fn limits(executions: u64, fuel: u64, events: u64) -> Limits {
        Limits {
            fuel: 100,
            cascade_executions: executions,
            cascade_fuel: fuel,
            cascade_events: events,
            cascade_depth: 3,
            cascade_bytes: 1_000,
            ..Limits::default()
        }
    }

    fn opened() -> Cascades {
        let mut cascades = Cascades::default();
        cascades.enter(&tenant(), ROOT, Ledger::default());
        cascades
    }

    #[test]
    fn each_dimension_has_its_own_stop() {
        let tenant = tenant();
        let mut cascades = opened();
        let small = limits(1, 50, 1);
        assert_eq!(
            cascades.admit(&tenant, ROOT, None, &small),
            Verdict::Run { fuel: 50 }
        );
        let code = |verdict| match verdict {
            Verdict::Exhausted(dimension) => dimension.code(),
            Verdict::Run { .. } => panic!("not stopped"),
        };
        assert_eq!(
            code(cascades.admit(&tenant, ROOT, None, &small)),
            StopCode::CascadeExecutions
        );
        cascades.used(&tenant, ROOT, 50);
        let more = limits(9, 50, 1);
        assert_eq!(
            code(cascades.admit(&tenant, ROOT, None, &more)),
            StopCode::CascadeFuel
        );
        let mut follow_up = |depth, bytes| {
            cascades
                .follow_up(&tenant, ROOT, depth, bytes, &more)
                .map(|stop| stop.code)
        };
        assert_eq!(follow_up(4, 1), Some(StopCode::CascadeDepth));
        assert_eq!(follow_up(1, 2_000), Some(StopCode::CascadeBytes));
    }

    #[test]
    fn one_follow_up_too_many_ends_the_cascade_and_one_too_deep_does_not() {
        let tenant = tenant();
        let limits = limits(9, 900, 1);
        let mut cascades = opened();
        let follow_up = |cascades: &mut Cascades, depth| {
            let stop = cascades.follow_up(&tenant, ROOT, depth, 1, &limits);
            stop.map(|stop| stop.code)
        };
        assert_eq!(follow_up(&mut cascades, 4), Some(StopCode::CascadeDepth));
        let run = Verdict::Run { fuel: 100 };
        assert_eq!(cascades.admit(&tenant, ROOT, None, &limits), run);
        assert_eq!(follow_up(&mut cascades, 1), None);
        assert_eq!(follow_up(&mut cascades, 1), Some(StopCode::CascadeEvents));
        let verdict = cascades.admit(&tenant, ROOT, None, &limits);
        assert_eq!(verdict, Verdict::Exhausted(Dimension::Events));
    }

    #[test]
    fn the_first_stop_of_a_cascade_holds_the_evidence_and_all_say_who() {
        let tenant = tenant();
        let limits = limits(1, 900, 1);
        let mut cascades = opened();
        let follow_ups = Draw {
            events: 2,
            ..Draw::default()
        };
        let would =
            |cascades: &Cascades| cascades.would_exhaust(&tenant, ROOT, &follow_ups, &limits);
        assert_eq!(would(&cascades), Some(Dimension::Events));
        let who = Who {
            sentence: "It was `a`.".into(),
            evidence: Evidence {
                shares: vec![ringfence_model::RuleShare {
                    rule: "a".parse().unwrap(),
                    executions: 1,
                    fuel: 2,
                    events: 3,
                    stops: 0,
                }],
                ..Evidence::default()
            },
        };
        cascades.tell(&tenant, ROOT, Dimension::Events, Some(who));
        assert_eq!(would(&cascades), None);
        for (round, has_evidence) in [(0, false), (1, true), (2, false)] {
            let stop = cascades.follow_up(&tenant, ROOT, 1, 1, &limits);
            assert_eq!(stop.is_some(), round > 0);
            let stop = stop.as_ref();
            assert_eq!(
                stop.is_some_and(|stop| stop.evidence.is_some()),
                has_evidence
            );
            assert!(stop.is_none_or(|stop| stop.message.ends_with("It was `a`.")));
        }
        let stop = cascades.stop(&tenant, ROOT, Dimension::Fuel, &limits);
        assert!(!stop.message.contains("`a`"), "{}", stop.message);
    }

    fn arriving(depth: u64, bytes: u64) -> Draw {
        Draw {
            depth,
            events: 1,
            bytes,
            ..Draw::default()
        }
    }

    /// A cascade of a small budget, and what is said about an event that
    /// arrived, by the dimension that it exceeds.
    #[test]
    fn who_arrives_is_judged_when_its_turn_comes() {
        let tenant = tenant();
        for (arrivals, depth, code) in [
            (vec![arriving(3, 1)], 3, None),
            (vec![arriving(4, 1)], 4, Some(StopCode::CascadeDepth)),
            (vec![arriving(1, 1); 3], 1, Some(StopCode::CascadeEvents)),
            (vec![arriving(1, 1_001)], 1, Some(StopCode::CascadeBytes)),
        ] {
            let limits = limits(9, 900, 2);
            let mut cascades = opened();
            for arrival in &arrivals {
                cascades.arrive(&tenant, ROOT, arrival);
            }
            let stop = |verdict| match verdict {
                Verdict::Exhausted(dimension) => Some(dimension.code()),
                Verdict::Run { .. } => None,
            };
            let arrived = cascades.admit(&tenant, ROOT, Some(depth), &limits);
            assert_eq!(stop(arrived), code, "{arrivals:?}");
            // Depth is not shared; the rest is.
            let others = cascades.admit(&tenant, ROOT, None, &limits);
            let shared = code.filter(|code| *code != StopCode::CascadeDepth);
            assert_eq!(stop(others), shared, "{arrivals:?}");
            if shared.is_none() {
                let follow_up = cascades.follow_up(&tenant, ROOT, 1, 1, &limits);
                assert_eq!(follow_up, None, "{arrivals:?}");
            }
        }
    }

    #[test]
    fn who_raises_suspicion_on_purpose_is_not_looked_at_for_ever() {
        let tenant = tenant();
        let mut cascades = opened();
        let looks = (0..20).filter(|_| {
            let may = cascades.may_suspect(&tenant, ROOT);
            cascades.suspected_in_vain(&tenant, ROOT);
            may
        });
        assert_eq!(looks.count(), usize::from(SUSPECTED_MAX));
    }

    #[test]
    fn a_cascade_is_forgotten_with_its_last_event() {
        let tenant = tenant();
        let mut cascades = opened();
        cascades.enter(&tenant, ROOT, Ledger::default());
        cascades.leave(&tenant, ROOT);
        assert_eq!(cascades.len(), 1);
        cascades.leave(&tenant, ROOT);
        assert!(cascades.is_empty());
    }

    proptest! {
        /// Whatever runs concurrently, executions and follow-ups are exact,
        /// and fuel is overdrawn by no more than what was under way.
        #[test]
        fn no_interleaving_overdraws(
            steps in prop::collection::vec((any::<bool>(), 0u64..200, 0u32..5), 1..200),
            executions in 1u64..50, fuel in 1u64..3_000, events in 0u64..50,
        ) {
            let tenant = tenant();
            let limits = limits(executions, fuel, events);
            let mut cascades = opened();
            let mut under_way: Vec<u64> = Vec::new();
            let (mut started, mut used, mut emitted, mut most_under_way) = (0, 0, 0, 0);
            for (begin, amount, depth) in steps {
                if begin {
                    if let Verdict::Run { fuel: granted } = cascades.admit(&tenant, ROOT, None, &limits) {
                        prop_assert!(granted <= limits.fuel && granted > 0);
                        prop_assert!(used < fuel);
                        started += 1;
                        under_way.push(granted);
                        most_under_way = most_under_way.max(under_way.len() as u64);
                    }
                } else if let Some(granted) = under_way.pop() {
                    let burnt = amount.min(granted);
                    used += burnt;
                    cascades.used(&tenant, ROOT, burnt);
                    if cascades.follow_up(&tenant, ROOT, depth, 1, &limits).is_none() {
                        prop_assert!(depth <= 3);
                        emitted += 1;
                    }
                }
            }
            prop_assert!(started <= executions);
            prop_assert!(emitted <= events);
            prop_assert!(used <= fuel + most_under_way * limits.fuel);
        }
    }
}
