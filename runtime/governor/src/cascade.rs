//! Cascade budgets: one ledger for everything that a root event set off.

use std::collections::HashMap;

use ringfence_model::{CascadeId, Dimension, Draw, Event, Ledger, Limits, Stop, TenantId};

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
    /// Events in memory that belong to it.
    events: u64,
}

/// Whether a run may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may, and may use this much fuel.
    Run {
        /// At most the limit per execution, less where the cascade has less.
        fuel: u64,
    },
    /// The cascade's budget is used up.
    Stop(Stop),
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
                events: 0,
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
        let ledger = &mut open.ledger;
        if let Some(dimension) = open.used_up {
            return Verdict::Stop(dimension.stop(limits, ledger.used(dimension)));
        }
        if let Some(depth) = arrived {
            let depth = u64::from(depth);
            if depth > limits.cascade_depth {
                return Verdict::Stop(Dimension::Depth.stop(limits, depth));
            }
            let mut of_events = [Dimension::Events, Dimension::Bytes].into_iter();
            let exceeds =
                |dimension: &Dimension| ledger.used(*dimension) > dimension.budget(limits);
            if let Some(dimension) = of_events.find(exceeds) {
                open.used_up = Some(dimension);
                return Verdict::Stop(dimension.stop(limits, ledger.used(dimension)));
            }
        }
        let executions = ledger.executions + 1;
        if executions > limits.cascade_executions {
            return Verdict::Stop(Dimension::Executions.stop(limits, executions));
        }
        let left = limits.cascade_fuel.saturating_sub(ledger.fuel);
        if left == 0 {
            return Verdict::Stop(Dimension::Fuel.stop(limits, ledger.fuel));
        }
        ledger.executions = executions;
        Verdict::Run {
            fuel: limits.fuel.min(left),
        }
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
        // The ledger's own depth may be that of an event from outside, whose
        // branch is another.
        let used = |dimension| match dimension {
            Dimension::Depth => draw.depth,
            shared => after.used(shared),
        };
        let follow_ups = [Dimension::Depth, Dimension::Events, Dimension::Bytes];
        let exceeded = follow_ups
            .into_iter()
            .find(|dimension| used(*dimension) > dimension.budget(limits));
        match exceeded {
            Some(dimension) => {
                if dimension != Dimension::Depth {
                    open.used_up = Some(dimension);
                }
                Some(dimension.stop(limits, used(dimension)))
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
            Verdict::Stop(stop) => stop.code,
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
        let Verdict::Stop(stop) = cascades.admit(&tenant, ROOT, None, &limits) else {
            panic!("not stopped");
        };
        assert_eq!(stop.code, StopCode::CascadeEvents);
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
                Verdict::Stop(stop) => Some(stop.code),
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
