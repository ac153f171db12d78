//! What each tenant took of the host: since the process began, and lately.
//!
//! A tally comes with its tenant and goes with it, and its size is bounded. To
//! count a run costs a look-up and some additions.

use std::collections::HashMap;

use ringfence_governor::Decayed;
use ringfence_model::{TenantId, Usage};

use crate::times::{Times, TimesView};

/// After so long, what was taken counts half of what it did.
pub(crate) const HALF_US: u64 = 10_000_000;

/// Who is in the list of those who took most stays until another one took so
/// much more, so that those at its end do not change places all the time.
const STAYS: f64 = 1.25;

/// What a tenant took of the host, and what of it was refused. Counts begin
/// with the process, or with the tenant if that is later.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// Distinguishes a tenant from a later one with the same name.
    pub lifetime: u64,
    /// Executions made durable.
    pub executions: u64,
    /// Fuel charged to them.
    pub fuel: u64,
    /// Events from outside that were made durable.
    pub accepted: u64,
    /// Requests that were refused, by the problem's code.
    pub refused: Vec<(&'static str, u64)>,
    /// The tenant's part of what all took lately, 0 to 1: what was taken 10
    /// seconds ago counts half.
    pub share: f64,
    /// How long executions waited for a worker, from when their event was in
    /// memory and no other of its subject went before it.
    pub queued: TimesView,
    /// How long they took, by the clock on the wall.
    pub ran: TimesView,
}

/// One of the tenants that took most lately.
#[derive(Debug, Clone, PartialEq)]
pub struct Leader {
    /// Which.
    pub tenant: TenantId,
    /// What it took.
    pub tally: Tally,
    /// Its events that wait, in memory and on disk.
    pub waiting: u64,
}

/// What all tenants took, those that are gone with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TallyOfAll {
    /// Executions made durable.
    pub executions: u64,
    /// Fuel charged to them.
    pub fuel: u64,
    /// Requests that were refused and are a tenant's.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct OfTenant {
    lifetime: u64,
    executions: u64,
    fuel: u64,
    accepted: u64,
    refused: Vec<(&'static str, u64)>,
    took: Decayed,
    /// Of a tenant that ran something: queueing and running.
    times: Option<Box<[Times; 2]>>,
}

/// The tallies of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    tenants: HashMap<TenantId, OfTenant>,
    lifetimes: u64,
    all: TallyOfAll,
    took: Decayed,
}

impl Tallies {
    /// The tenant is there.
    pub(crate) fn admit(&mut self, tenant: &TenantId) {
        if !self.tenants.contains_key(tenant) {
            self.lifetimes += 1;
            let of = OfTenant {
                lifetime: self.lifetimes,
                ..OfTenant::default()
            };
            self.tenants.insert(tenant.clone(), of);
        }
    }

    /// The tenant is gone.
    pub(crate) fn forget(&mut self, tenant: &TenantId) {
        self.tenants.remove(tenant);
    }

    /// An execution is durable, which had waited so long for a worker.
    pub(crate) fn ran(&mut self, tenant: &TenantId, usage: &Usage, queued_us: u64, now_us: u64) {
        self.all.executions += 1;
        self.all.fuel = self.all.fuel.saturating_add(usage.fuel);
        self.took(tenant, usage.share(), now_us);
        let Some(of) = self.tenants.get_mut(tenant) else {
            return;
        };
        of.executions += 1;
        of.fuel = of.fuel.saturating_add(usage.fuel);
        let [queued, ran] = &mut **of.times.get_or_insert_default();
        queued.observe(queued_us, now_us);
        ran.observe(usage.wall_us, now_us);
    }

    /// Something was run that is not kept, or is repeated: it counts for the
    /// share.
    pub(crate) fn took(&mut self, tenant: &TenantId, fuel: u64, now_us: u64) {
        if let Some(of) = self.tenants.get_mut(tenant) {
            of.took.add(fuel as f64, HALF_US, now_us);
            self.took.add(fuel as f64, HALF_US, now_us);
        }
    }

    /// Events from outside are durable.
    pub(crate) fn accepted(&mut self, tenant: &TenantId, events: u64) {
        if let Some(of) = self.tenants.get_mut(tenant) {
            of.accepted += events;
        }
    }

    /// A request was refused. There are not many codes.
    pub(crate) fn refused(&mut self, tenant: &TenantId, code: &'static str) {
        let Some(of) = self.tenants.get_mut(tenant) else {
            return;
        };
        self.all.refused += 1;
        match of.refused.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => of.refused.push((code, 1)),
        }
    }

    pub(crate) fn of_all(&self) -> TallyOfAll {
        self.all
    }

    pub(crate) fn of(&self, tenant: &TenantId, now_us: u64) -> Option<Tally> {
        let of = self.tenants.get(tenant)?;
        Some(self.tally(of, now_us))
    }

    fn tally(&self, of: &OfTenant, now_us: u64) -> Tally {
        let all = self.took.get(HALF_US, now_us);
        let share = of.took.get(HALF_US, now_us) / all;
        let times = of.times.as_deref();
        let view = |at: usize| times.map(|times| times[at].view(now_us));
        Tally {
            lifetime: of.lifetime,
            executions: of.executions,
            fuel: of.fuel,
            accepted: of.accepted,
            refused: of.refused.clone(),
            share: if all >= 1.0 { share.min(1.0) } else { 0.0 },
            queued: view(0).unwrap_or_default(),
            ran: view(1).unwrap_or_default(),
        }
    }

    /// The tenants that took most lately, the greatest first, at most so many.
    /// One that is listed already stays until another took a quarter more.
    pub(crate) fn leaders(
        &self,
        most: usize,
        listed: &[TenantId],
        now_us: u64,
    ) -> Vec<(TenantId, Tally)> {
        let weighted = |(tenant, of): (_, &OfTenant)| {
            let took = of.took.get(HALF_US, now_us);
            // Less than any run takes, so it was long ago.
            (took >= 1.0).then(|| {
                let stays = listed.contains(tenant);
                (if stays { took * STAYS } else { took }, tenant, took)
            })
        };
        let mut leaders: Vec<_> = self.tenants.iter().filter_map(weighted).collect();
        if leaders.len() > most {
            leaders.select_nth_unstable_by(most, |one, other| other.0.total_cmp(&one.0));
            leaders.truncate(most);
        }
        leaders.sort_unstable_by(|one, other| other.2.total_cmp(&one.2).then(one.1.cmp(other.1)));
        let tally = |tenant: &TenantId| Some((tenant.clone(), self.of(tenant, now_us)?));
        leaders
            .into_iter()
            .filter_map(|(_, tenant, _)| tally(tenant))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_000_000_000;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn usage(fuel: u64) -> Usage {
        Usage {
            fuel,
            wall_us: 100,
            ..Usage::default()
        }
    }

    #[test]
    fn counts_and_shares_are_exact() {
        let mut tallies = Tallies::default();
        let (acme, calm) = (tenant("acme"), tenant("calm"));
        tallies.admit(&acme);
        tallies.admit(&calm);
        for _ in 0..3 {
            tallies.ran(&acme, &usage(1_000), 30, NOW_US);
        }
        tallies.ran(&calm, &usage(1_000), 70, NOW_US);
        tallies.accepted(&acme, 5);
        for code in ["too-fast", "too-fast", "no-rule"] {
            tallies.refused(&acme, code);
        }
        let tally = tallies.of(&acme, NOW_US).unwrap();
        assert_eq!(
            (tally.executions, tally.fuel, tally.accepted),
            (3, 3_000, 5)
        );
        assert_eq!(tally.refused, [("too-fast", 2), ("no-rule", 1)]);
        assert_eq!(tally.share, 0.75);
        assert_eq!((tally.queued.count, tally.ran.count), (3, 3));
        let all = TallyOfAll {
            executions: 4,
            fuel: 4_000,
            refused: 3,
        };
        assert_eq!(tallies.of_all(), all);
    }

    /// What was taken 10 seconds ago counts half of what is taken now.
    #[test]
    fn a_share_is_of_what_was_taken_lately() {
        let mut tallies = Tallies::default();
        let (before, now) = (tenant("before"), tenant("now"));
        tallies.admit(&before);
        tallies.admit(&now);
        tallies.ran(&before, &usage(2_000), 0, NOW_US);
        tallies.ran(&now, &usage(1_000), 0, NOW_US + 10_000_000);
        let share = tallies.of(&before, NOW_US + 10_000_000).unwrap().share;
        assert!((share - 0.5).abs() < 1e-9, "{share}");
        // After an hour nobody has taken anything lately.
        let later_us = NOW_US + 3_600_000_000;
        assert_eq!(tallies.of(&now, later_us).unwrap().share, 0.0);
        assert!(tallies.leaders(20, &[], later_us).is_empty());
    }

    #[test]
    fn who_took_most_leads_and_stays_until_another_took_a_quarter_more() {
        let mut tallies = Tallies::default();
        let names: Vec<TenantId> = (0..30).map(|at| tenant(&format!("t{at:02}"))).collect();
        for (at, name) in (0..).zip(&names) {
            tallies.admit(name);
            tallies.ran(name, &usage(1_000 + at), 0, NOW_US);
        }
        let listed = |tallies: &Tallies, listed: &[TenantId]| -> Vec<TenantId> {
            let leaders = tallies.leaders(2, listed, NOW_US);
            leaders.into_iter().map(|(tenant, _)| tenant).collect()
        };
        let [last, one, two] = [29, 3, 4].map(|at: usize| names[at].clone());
        assert_eq!(listed(&tallies, &[]), [last.clone(), names[28].clone()]);
        assert_eq!(
            listed(&tallies, &[one.clone(), two.clone()]),
            [two, one.clone()]
        );
        tallies.ran(&last, &usage(1_000), 0, NOW_US);
        assert_eq!(listed(&tallies, std::slice::from_ref(&one)), [last, one]);
    }

    #[test]
    fn a_tenant_that_is_gone_leaves_its_part_in_the_sum_only() {
        let mut tallies = Tallies::default();
        let acme = tenant("acme");
        tallies.admit(&acme);
        tallies.ran(&acme, &usage(1_000), 0, NOW_US);
        let before = tallies.of(&acme, NOW_US).unwrap();
        tallies.forget(&acme);
        tallies.ran(&acme, &usage(1_000), 0, NOW_US);
        tallies.refused(&acme, "no-tenant");
        assert_eq!(tallies.of(&acme, NOW_US), None);
        assert_eq!(tallies.of_all().fuel, 2_000);
        tallies.admit(&acme);
        let after = tallies.of(&acme, NOW_US).unwrap();
        assert_eq!(after.executions, 0);
        assert_ne!(after.lifetime, before.lifetime);
    }
}
