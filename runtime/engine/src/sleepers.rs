//! Which events sleep for which rules, and who must not overtake them.
//!
//! An event sleeps for a rule that is in quarantine or paused. When the rule
//! goes on, those that slept are woken in the order of the log, some at once;
//! meanwhile others arrive. So that the order within a subject stays, an event
//! goes to sleep, too, while one about the same subject that came before it
//! sleeps, or is awake and has not had its turn. Events about other subjects,
//! or about none, do not wait.
//!
//! Kept of each is its place and a hash of its subject, some 40 bytes; those of two
//! subjects may be equal, and then one waits for the other without need.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use ringfence_model::{Event, RuleName, TenantId};
use ringfence_store::{Parked, Seq};
use tokio::sync::mpsc::UnboundedSender;

/// Events of a rule that are awake and have not had their turn, at most, when
/// more are woken.
const AWAKE_MAX: usize = 64;

/// A rule whose sleepers are to be looked at.
pub(crate) type Wish = (TenantId, RuleName);

/// Which events sleep for which rules.
pub(crate) struct Sleepers {
    hasher: RandomState,
    /// False while there is none, so that who asks pays next to nothing.
    any: AtomicBool,
    tenants: Mutex<HashMap<TenantId, HashMap<RuleName, OfRule>>>,
    /// Asks to have a rule's sleepers looked at. Holds a rule at most once.
    wishes: UnboundedSender<Wish>,
}

/// An event's subject, as a hash, and its place. Without a subject it is
/// behind nobody.
type Place = (Option<u64>, Seq);

#[derive(Debug, Default)]
struct OfRule {
    places: BTreeMap<Place, Sleep>,
    going: usize,
    asleep: usize,
    wished: bool,
}

/// How far an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// It is to sleep, and that is not durable yet.
    Going,
    Asleep,
    /// It has not had its turn since.
    Awake,
}

impl OfRule {
    /// Sets how far an event is; none if it does not concern the rule any more.
    fn set(&mut self, place: Place, to: Option<Sleep>) {
        let from = match to {
            Some(sleep) => self.places.insert(place, sleep),
            None => self.places.remove(&place),
        };
        self.count(from, usize::checked_sub);
        self.count(to, usize::checked_add);
    }

    fn count(&mut self, sleep: Option<Sleep>, change: fn(usize, usize) -> Option<usize>) {
        let count = match sleep {
            Some(Sleep::Going) => &mut self.going,
            Some(Sleep::Asleep) => &mut self.asleep,
            Some(Sleep::Awake) | None => return,
        };
        *count = change(*count, 1).unwrap_or(0);
    }

    fn awake(&self) -> usize {
        self.places.len() - self.going - self.asleep
    }
}

impl Sleepers {
    pub(crate) fn new(wishes: UnboundedSender<Wish>) -> Self {
        Self {
            hasher: RandomState::new(),
            any: AtomicBool::new(false),
            tenants: Mutex::default(),
            wishes,
        }
    }

    fn place(&self, seq: Seq, subject: Option<&str>) -> Place {
        (subject.map(|subject| self.hasher.hash_one(subject)), seq)
    }

    /// Changes what is known of a rule's sleepers.
    fn change<R>(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        change: impl FnOnce(&mut OfRule) -> R,
    ) -> R {
        let mut tenants = self.tenants.lock();
        let rules = tenants.entry(tenant.clone()).or_default();
        let of_rule = rules.entry(rule.clone()).or_default();
        let changed = change(of_rule);
        if of_rule.places.is_empty() {
            rules.remove(rule);
        }
        if rules.is_empty() {
            tenants.remove(tenant);
        }
        self.any.store(!tenants.is_empty(), Ordering::Release);
        changed
    }

    /// Asks of a rule's sleepers, if there are any.
    fn of<R>(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        ask: impl FnOnce(&OfRule) -> R,
    ) -> Option<R> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let tenants = self.tenants.lock();
        tenants.get(tenant)?.get(rule).map(ask)
    }

    /// An event that slept before the process began.
    pub(crate) fn recover(&self, parked: &Parked) {
        let place = self.place(parked.seq, parked.subject.as_deref());
        self.change(&parked.tenant, &parked.rule, |of_rule| {
            of_rule.set(place, Some(Sleep::Asleep));
        });
    }

    /// An event is to sleep for a rule, once that is durable.
    pub(crate) fn goes_to_sleep(&self, event: &Event, rule: &RuleName, seq: Seq) {
        let place = self.place(seq, event.subject.as_deref());
        self.change(&event.tenant, rule, |of_rule| {
            of_rule.set(place, Some(Sleep::Going));
        });
    }

    /// It is durable that it sleeps. It may have been woken since. `soon` asks
    /// to have the rule looked at.
    pub(crate) fn sleeps(&self, event: &Event, rule: &RuleName, seq: Seq, soon: bool) {
        let place = self.place(seq, event.subject.as_deref());
        self.change(&event.tenant, rule, |of_rule| {
            if of_rule.places.get(&place) == Some(&Sleep::Going) {
                of_rule.set(place, Some(Sleep::Asleep));
            }
            if soon {
                self.wish_of(&event.tenant, rule, of_rule);
            }
        });
    }

    /// It goes on.
    pub(crate) fn woke(&self, event: &Event, rule: &RuleName, seq: Seq) {
        let place = self.place(seq, event.subject.as_deref());
        self.change(&event.tenant, rule, |of_rule| {
            of_rule.set(place, Some(Sleep::Awake));
        });
    }

    /// It was given up for a rule.
    pub(crate) fn given_up(&self, event: &Event, rule: &RuleName, seq: Seq) {
        let place = self.place(seq, event.subject.as_deref());
        self.change(&event.tenant, rule, |of_rule| of_rule.set(place, None));
    }

    /// An event that had slept has had its turn at all rules; it sleeps again
    /// for some.
    pub(crate) fn through(&self, event: &Event, seq: Seq, again: &[RuleName]) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let place = self.place(seq, event.subject.as_deref());
        let rules: Vec<RuleName> = {
            let tenants = self.tenants.lock();
            let Some(rules) = tenants.get(&event.tenant) else {
                return;
            };
            let concerned = rules.iter().filter(|(rule, of_rule)| {
                !again.contains(rule) && of_rule.places.contains_key(&place)
            });
            concerned.map(|(rule, _)| rule.clone()).collect()
        };
        for rule in rules {
            self.change(&event.tenant, &rule, |of_rule| {
                of_rule.set(place, None);
                if of_rule.awake() <= AWAKE_MAX {
                    self.wish_of(&event.tenant, &rule, of_rule);
                }
            });
        }
    }

    fn wish_of(&self, tenant: &TenantId, rule: &RuleName, of_rule: &mut OfRule) {
        if of_rule.asleep > 0 && !of_rule.wished {
            // Fails only while the engine is being dropped.
            of_rule.wished = self.wishes.send((tenant.clone(), rule.clone())).is_ok();
        }
    }

    /// Asks to have a rule's sleepers looked at.
    pub(crate) fn wish(&self, tenant: &TenantId, rule: &RuleName) {
        self.change(tenant, rule, |of_rule| {
            self.wish_of(tenant, rule, of_rule);
        });
    }

    /// That was done.
    pub(crate) fn looked(&self, tenant: &TenantId, rule: &RuleName) {
        self.change(tenant, rule, |of_rule| of_rule.wished = false);
    }

    /// Whether an event must not be taken by a rule yet, because one about the
    /// same subject that came before it has not been.
    pub(crate) fn is_behind(&self, event: &Event, rule: &RuleName, seq: Seq) -> bool {
        let Some(subject) = event.subject.as_deref() else {
            return false;
        };
        let behind = self.of(&event.tenant, rule, |of_rule| {
            let (hash, seq) = self.place(seq, Some(subject));
            let mut before = of_rule.places.range((hash, 0)..(hash, seq));
            before.next().is_some()
        });
        behind.unwrap_or(false)
    }

    /// How many events sleep for a rule, and that is durable.
    pub(crate) fn asleep(&self, tenant: &TenantId, rule: &RuleName) -> u64 {
        let asleep = self.of(tenant, rule, |of_rule| of_rule.asleep as u64);
        asleep.unwrap_or(0)
    }

    /// The same, with those that are about to.
    pub(crate) fn sleeping(&self, tenant: &TenantId, rule: &RuleName) -> u64 {
        let sleeping = self.of(tenant, rule, |of_rule| {
            (of_rule.asleep + of_rule.going) as u64
        });
        sleeping.unwrap_or(0)
    }

    /// How many of a rule's sleepers may be woken now: none while as many have
    /// not had their turn.
    pub(crate) fn room(&self, tenant: &TenantId, rule: &RuleName, page: u32) -> u32 {
        let awake = self.of(tenant, rule, OfRule::awake).unwrap_or(0);
        match awake > AWAKE_MAX {
            true => 0,
            false => page,
        }
    }

    /// All rules that events sleep for.
    pub(crate) fn rules(&self) -> Vec<Wish> {
        let tenants = self.tenants.lock();
        let rules = tenants.iter().flat_map(|(tenant, rules)| {
            let waited_for = rules.iter().filter(|(_, of_rule)| of_rule.asleep > 0);
            waited_for.map(|(rule, _)| (tenant.clone(), rule.clone()))
        });
        rules.collect()
    }

    /// Some events that sleep for a rule, as is believed.
    pub(crate) fn some(&self, tenant: &TenantId, rule: &RuleName) -> Believed {
        let some = self.of(tenant, rule, |of_rule| {
            let places = of_rule.places.iter();
            let asleep = places.filter(|(_, sleep)| **sleep == Sleep::Asleep);
            asleep.take(AWAKE_MAX).map(|(place, _)| *place).collect()
        });
        Believed(some.unwrap_or_default())
    }

    /// The store knows of none that slept then: they are gone.
    pub(crate) fn forget(&self, tenant: &TenantId, rule: &RuleName, believed: Believed) {
        self.change(tenant, rule, |of_rule| {
            for place in believed.0 {
                if of_rule.places.get(&place) == Some(&Sleep::Asleep) {
                    of_rule.set(place, None);
                }
            }
        });
    }

    /// The tenant is gone.
    pub(crate) fn forget_tenant(&self, tenant: &TenantId) {
        self.tenants.lock().remove(tenant);
    }
}

/// Events that were believed to sleep at some moment.
pub(crate) struct Believed(Vec<Place>);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringfence_model::{Ancestry, EventId, Json, Lineage};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    fn names() -> (TenantId, RuleName) {
        ("acme".parse().unwrap(), "slow".parse().unwrap())
    }

    fn sleepers() -> (Sleepers, UnboundedReceiver<Wish>) {
        let (wishes, wished) = unbounded_channel();
        (Sleepers::new(wishes), wished)
    }

    fn about(subject: Option<&str>) -> Arc<Event> {
        let (tenant, _) = names();
        let id = EventId::root(&tenant, "/t", "1");
        Arc::new(Event {
            id,
            tenant,
            ce_id: "1".into(),
            source: "/t".into(),
            ty: "t".into(),
            subject: subject.map(str::to_owned),
            time: String::new(),
            data: Json::null(),
            accepted_us: 0,
            lineage: Lineage::root(id),
            ancestry: Ancestry::default(),
        })
    }

    #[test]
    fn nobody_overtakes_who_is_about_the_same() {
        let (sleepers, _wished) = sleepers();
        let (tenant, rule) = names();
        let (c, d, none) = (about(Some("c")), about(Some("d")), about(None));
        assert!(!sleepers.is_behind(&c, &rule, 9));
        sleepers.goes_to_sleep(&c, &rule, 5);
        sleepers.goes_to_sleep(&none, &rule, 4);
        assert!(sleepers.is_behind(&c, &rule, 9));
        // Not itself, nor what came before, nor what is about something else.
        for (event, seq) in [(&c, 5), (&c, 3), (&d, 9), (&none, 9)] {
            assert!(!sleepers.is_behind(event, &rule, seq), "{seq}");
        }
        assert!(!sleepers.is_behind(&c, &"other".parse().unwrap(), 9));
        assert_eq!(
            (
                sleepers.asleep(&tenant, &rule),
                sleepers.sleeping(&tenant, &rule)
            ),
            (0, 2)
        );
        sleepers.sleeps(&c, &rule, 5, false);
        assert_eq!(
            (
                sleepers.asleep(&tenant, &rule),
                sleepers.sleeping(&tenant, &rule)
            ),
            (1, 2)
        );
        // Awake, it still comes first, until it has had its turn.
        sleepers.woke(&c, &rule, 5);
        assert!(sleepers.is_behind(&c, &rule, 9));
        assert_eq!(sleepers.asleep(&tenant, &rule), 0);
        sleepers.through(&c, 5, &[]);
        assert!(!sleepers.is_behind(&c, &rule, 9));
        sleepers.given_up(&none, &rule, 4);
        assert!(!sleepers.any.load(Ordering::Relaxed));
    }

    #[test]
    fn who_sleeps_again_stays_first() {
        let (sleepers, _wished) = sleepers();
        let (_, rule) = names();
        let c = about(Some("c"));
        sleepers.goes_to_sleep(&c, &rule, 5);
        // Woken before it is told that it sleeps.
        sleepers.woke(&c, &rule, 5);
        sleepers.sleeps(&c, &rule, 5, false);
        assert_eq!(sleepers.asleep(&c.tenant, &rule), 0);
        sleepers.goes_to_sleep(&c, &rule, 5);
        sleepers.through(&c, 5, std::slice::from_ref(&rule));
        assert!(sleepers.is_behind(&c, &rule, 6));
        sleepers.sleeps(&c, &rule, 5, false);
        assert_eq!(sleepers.asleep(&c.tenant, &rule), 1);
    }

    #[test]
    fn more_are_woken_when_enough_have_had_their_turn() {
        let (sleepers, mut wished) = sleepers();
        let (tenant, rule) = names();
        for seq in 0..300 {
            let parked = Parked {
                tenant: tenant.clone(),
                rule: rule.clone(),
                seq,
                subject: None,
            };
            sleepers.recover(&parked);
        }
        assert_eq!(sleepers.rules(), [(tenant.clone(), rule.clone())]);
        assert_eq!(sleepers.room(&tenant, &rule, 128), 128);
        let event = about(None);
        (0..128).for_each(|seq| sleepers.woke(&event, &rule, seq));
        assert_eq!(sleepers.room(&tenant, &rule, 128), 0);
        (0..63).for_each(|seq| sleepers.through(&event, seq, &[]));
        assert!(wished.try_recv().is_err());
        (63..70).for_each(|seq| sleepers.through(&event, seq, &[]));
        assert_eq!(wished.try_recv().unwrap(), (tenant.clone(), rule.clone()));
        assert!(wished.try_recv().is_err(), "once");
        assert_eq!(sleepers.room(&tenant, &rule, 128), 128);
        sleepers.looked(&tenant, &rule);
        sleepers.wish(&tenant, &rule);
        assert!(wished.try_recv().is_ok());
    }

    #[test]
    fn what_the_store_does_not_know_is_forgotten() {
        let (sleepers, _wished) = sleepers();
        let (tenant, rule) = names();
        let c = about(Some("c"));
        sleepers.goes_to_sleep(&c, &rule, 5);
        sleepers.sleeps(&c, &rule, 5, false);
        let believed = sleepers.some(&tenant, &rule);
        sleepers.goes_to_sleep(&c, &rule, 6);
        sleepers.forget(&tenant, &rule, believed);
        assert!(sleepers.is_behind(&c, &rule, 9), "6 is on its way");
        assert!(!sleepers.is_behind(&c, &rule, 6));
        sleepers.forget_tenant(&tenant);
        assert!(!sleepers.is_behind(&c, &rule, 9));
    }
}
