//! Inference: which action may have caused an event that came back without
//! lineage.
//!
//! A guess, and marked as one: an event on the same subject, soon after an
//! action that is declared to cause events of its type, is taken for what the
//! action caused. The latest such action explains it, and may explain several.
//! Only what happened since the start of the process is known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ringfence_model::{Digest, Lineage, Origin, TenantId};

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InferenceBounds {
    /// How long after an action an event is taken for its consequence, in
    /// microseconds.
    pub window_us: u64,
    /// Pairs of subject and event type, of one tenant. A new one takes the
    /// place of the tenant's oldest.
    pub of_tenant: usize,
    /// The same, of all tenants. Each takes some 200 bytes.
    pub of_all: usize,
}

/// Of one tenant, what the latest action may come back as: a digest of a
/// subject and an event type, because texts would have no bounded size.
type Key = Digest;
/// Greater is later.
type Stamp = u64;

/// What recent actions may come back as.
#[derive(Debug)]
pub struct Inference {
    bounds: InferenceBounds,
    next: Stamp,
    ages: BTreeMap<Stamp, (TenantId, Key)>,
    tenants: HashMap<TenantId, Actions>,
}

#[derive(Debug, Default)]
struct Actions {
    latest: HashMap<Key, Acted>,
    ages: BTreeSet<Stamp>,
}

#[derive(Debug, Clone, Copy)]
struct Acted {
    stamp: Stamp,
    at_us: u64,
    lineage: Lineage,
}

impl Inference {
    /// Knows of no action.
    pub fn new(bounds: InferenceBounds) -> Self {
        Self {
            bounds,
            next: 0,
            ages: BTreeMap::new(),
            tenants: HashMap::new(),
        }
    }

    /// An action on this subject takes place, which may come back as an event
    /// of this type. `caused` is the lineage of events that it causes;
    /// `now_us` is in microseconds since 1970.
    pub fn acted(
        &mut self,
        tenant: &TenantId,
        subject: &str,
        ty: &str,
        caused: Lineage,
        now_us: u64,
    ) {
        self.expire(now_us);
        let key = key(subject, ty);
        self.forget(tenant, key);
        let of_tenant = self.tenants.get(tenant).map_or(0, |own| own.ages.len());
        if of_tenant >= self.bounds.of_tenant {
            self.forget_oldest_of(tenant);
        }
        if self.ages.len() >= self.bounds.of_all {
            self.forget_oldest();
        }
        let acted = Acted {
            stamp: self.next,
            at_us: now_us,
            lineage: Lineage {
                origin: Origin::Inferred,
                ..caused
            },
        };
        self.next += 1;
        self.ages.insert(acted.stamp, (tenant.clone(), key));
        let own = self.tenants.entry(tenant.clone()).or_default();
        own.ages.insert(acted.stamp);
        own.latest.insert(key, acted);
    }

    /// The lineage of an event without one, if an action explains it.
    pub fn explain(
        &self,
        tenant: &TenantId,
        subject: &str,
        ty: &str,
        now_us: u64,
    ) -> Option<Lineage> {
        let acted = self.tenants.get(tenant)?.latest.get(&key(subject, ty))?;
        self.is_recent(acted.at_us, now_us).then_some(acted.lineage)
    }

    /// Forgets a tenant.
    pub fn remove(&mut self, tenant: &TenantId) {
        let own = self.tenants.remove(tenant).unwrap_or_default();
        for stamp in own.ages {
            self.ages.remove(&stamp);
        }
    }

    /// How many pairs of subject and event type are known.
    pub fn len(&self) -> usize {
        self.ages.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.ages.is_empty()
    }

    fn is_recent(&self, at_us: u64, now_us: u64) -> bool {
        now_us.saturating_sub(at_us) < self.bounds.window_us
    }

    fn expire(&mut self, now_us: u64) {
        while let Some((_, (tenant, key))) = self.ages.first_key_value() {
            let acted = self.tenants.get(tenant).and_then(|own| own.latest.get(key));
            if acted.is_some_and(|acted| self.is_recent(acted.at_us, now_us)) {
                return;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, (tenant, key))) = self.ages.pop_first() {
            self.forget(&tenant, key);
        }
    }

    fn forget_oldest_of(&mut self, tenant: &TenantId) {
        let own = self.tenants.get(tenant);
        let oldest = own.and_then(|own| own.ages.first());
        if let Some((tenant, key)) = oldest.and_then(|stamp| self.ages.get(stamp)).cloned() {
            self.forget(&tenant, key);
        }
    }

    fn forget(&mut self, tenant: &TenantId, key: Key) {
        let Some(own) = self.tenants.get_mut(tenant) else {
            return;
        };
        if let Some(acted) = own.latest.remove(&key) {
            own.ages.remove(&acted.stamp);
            self.ages.remove(&acted.stamp);
        }
        if own.latest.is_empty() {
            self.tenants.remove(tenant);
        }
    }
}

/// The length comes first, so that the texts do not run together.
fn key(subject: &str, ty: &str) -> Key {
    let mut bytes = Vec::with_capacity(8 + subject.len() + ty.len());
    bytes.extend((subject.len() as u64).to_le_bytes());
    bytes.extend(subject.as_bytes());
    bytes.extend(ty.as_bytes());
    Digest::of(&bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringfence_model::{CascadeId, ExecutionId};

    use super::*;

    const BOUNDS: InferenceBounds = InferenceBounds {
        window_us: 100,
        of_tenant: 3,
        of_all: 5,
    };

    fn tenant(number: u8) -> TenantId {
        format!("t{number}").parse().unwrap()
    }

    /// Of an event that action number `number` caused.
    fn caused(number: u8) -> Lineage {
        Lineage {
            cascade: CascadeId::from_bytes([number; 16]),
            depth: number.into(),
            parent: Some(ExecutionId::from_bytes([number; 16])),
            origin: Origin::Inferred,
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Act(u8, u8, u8),
        Ask(u8, u8, u8),
        Wait(u64),
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let triple = || (0..3u8, 0..3u8, 0..2u8);
        prop_oneof![
            5 => triple().prop_map(|(tenant, subject, ty)| Step::Act(tenant, subject, ty)),
            5 => triple().prop_map(|(tenant, subject, ty)| Step::Ask(tenant, subject, ty)),
            2 => (1..60u64).prop_map(Step::Wait),
            1 => (0..3u8).prop_map(Step::Remove),
        ]
    }

    /// An action as the model has it: tenant, subject, type, time, number.
    type Known = (u8, u8, u8, u64, u8);

    /// The same in plain words: a list, the oldest first.
    #[derive(Default)]
    struct Model(Vec<Known>);

    impl Model {
        fn act(&mut self, new: Known) {
            let (tenant, subject, ty, now_us, _) = new;
            let is_same = |old: &Known| (old.0, old.1, old.2) == (tenant, subject, ty);
            self.0.retain(|old| now_us - old.3 < BOUNDS.window_us);
            self.0.retain(|old| !is_same(old));
            if self.0.iter().filter(|old| old.0 == tenant).count() >= BOUNDS.of_tenant {
                let oldest = self.0.iter().position(|old| old.0 == tenant).unwrap();
                self.0.remove(oldest);
            }
            if self.0.len() >= BOUNDS.of_all {
                self.0.remove(0);
            }
            self.0.push(new);
        }

        fn ask(&self, tenant: u8, subject: u8, ty: u8, now_us: u64) -> Option<Lineage> {
            let found = self.0.iter().find(|known| {
                (known.0, known.1, known.2) == (tenant, subject, ty)
                    && now_us - known.3 < BOUNDS.window_us
            });
            found.map(|known| caused(known.4))
        }
    }

    proptest! {
        #[test]
        fn the_latest_action_on_the_subject_within_the_window_explains(steps in prop::collection::vec(step(), 1..80)) {
            let mut inference = Inference::new(BOUNDS);
            let mut model = Model::default();
            let mut now_us = 1_000;
            for (number, step) in (0..).zip(steps) {
                match step {
                    Step::Act(of, subject, ty) => {
                        let lineage = Lineage { origin: Origin::Emitted, ..caused(number) };
                        let (on, as_ty) = (subject.to_string(), ty.to_string());
                        inference.acted(&tenant(of), &on, &as_ty, lineage, now_us);
                        model.act((of, subject, ty, now_us, number));
                    }
                    Step::Ask(of, subject, ty) => {
                        let (on, as_ty) = (subject.to_string(), ty.to_string());
                        // As often as it is asked.
                        for _ in 0..2 {
                            let found = inference.explain(&tenant(of), &on, &as_ty, now_us);
                            prop_assert_eq!(found, model.ask(of, subject, ty, now_us));
                        }
                    }
                    Step::Wait(us) => now_us += us,
                    Step::Remove(of) => {
                        inference.remove(&tenant(of));
                        model.0.retain(|known| known.0 != of);
                    }
                }
                prop_assert!(inference.len() <= BOUNDS.of_all);
                let inner: usize = inference.tenants.values().map(|own| own.latest.len()).sum();
                prop_assert_eq!(inner, inference.len());
            }
        }
    }

    #[test]
    fn subject_and_type_do_not_run_together() {
        assert_ne!(key("ab", "c"), key("a", "bc"));
    }
}
