//! Quarantine: rules that are not run for a while, or until somebody
//! activates them again.
//!
//! Who ended the processes that ran it is quarantined until it is activated
//! again. Whose runs are mostly stopped is quarantined by its breaker, and
//! probed when the time is over; meanwhile events sleep for it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use ringfence_governor::{ActiveRule, Admission, BreakerConfig, Breakers, Change, Sign};
use ringfence_model::{Activation, Execution, Quarantine, RuleName, Stop, StopCode, TenantId};
use ringfence_store::{Result, Store};

use crate::clock::Clock;
use crate::registry::Registry;
use crate::sleepers::Sleepers;

/// What bounds events that sleep for a rule.
#[derive(Debug, Clone, Copy)]
pub struct ParkingConfig {
    /// For how long, from when the event was accepted, in seconds, where it is
    /// in quarantine; for one that is paused, as long as it takes.
    pub seconds: u64,
    /// How many for one rule in quarantine, or paused.
    pub events: u64,
}

impl Default for ParkingConfig {
    /// An hour; ten thousand.
    fn default() -> Self {
        Self {
            seconds: 3_600,
            events: 10_000,
        }
    }
}

/// Events that sleep that are read at once.
const PARKED_PAGE: u32 = 10_000;

/// Puts rules into quarantine and lets them out.
pub(crate) struct Quarantines {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Held by whoever changes tenants or rules.
    pub(crate) changes: Arc<tokio::sync::Mutex<()>>,
    pub(crate) parking: ParkingConfig,
    breakers: Mutex<Breakers>,
    /// The rules in quarantine.
    held: Mutex<HashMap<(TenantId, RuleName), Quarantine>>,
    pub(crate) sleepers: Sleepers,
}

/// What becomes of an event's turn at a rule in quarantine, or paused.
#[derive(Debug)]
pub(crate) enum Held {
    /// The rule is run, to find out.
    Probe,
    /// The event sleeps until the rule may be run.
    Park,
    /// The event is given up for this rule.
    Stopped(Box<Stop>),
}

impl Quarantines {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        changes: Arc<tokio::sync::Mutex<()>>,
        sleepers: Sleepers,
        breaker: BreakerConfig,
        parking: ParkingConfig,
    ) -> Self {
        Self {
            store,
            registry,
            clock,
            changes,
            parking,
            breakers: Mutex::new(Breakers::new(breaker)),
            held: Mutex::default(),
            sleepers,
        }
    }

    /// Puts a rule that ended the processes that ran it into quarantine, until
    /// it is activated again.
    pub(crate) async fn put(
        &self,
        tenant: &TenantId,
        rule: &ActiveRule,
        stop: &Stop,
    ) -> Result<()> {
        let quarantine = Quarantine {
            since_us: self.clock.now_us(),
            stop: stop.clone(),
            until_us: None,
            times: 1,
        };
        self.set(tenant, rule, Some(quarantine)).await
    }

    /// A run is over: what that changes about its rule's quarantine, if
    /// anything; to be made so by [`Self::set`].
    pub(crate) fn ran(&self, rule: &ActiveRule, run: &Execution) -> Option<Option<Quarantine>> {
        let activation = &rule.activation;
        // Of a version that is not in force any more, or was put in force
        // anew, nothing is to be learnt.
        let state = self.registry.get(&run.tenant)?;
        let present = state.rules.rule(&activation.rule)?;
        if !is_same(&present.activation, activation) {
            return None;
        }
        let (sign, now_us) = (Sign::of(run), self.clock.now_us());
        let (tenant, version) = (&run.tenant, activation.version);
        let mut breakers = self.breakers.lock();
        match breakers.ran(tenant, &activation.rule, version, sign, now_us)? {
            Change::Recovered => Some(None),
            Change::Quarantined { until_us, times } => {
                // Only a stop leads to it.
                let stop = run.stop.clone()?;
                Some(Some(Quarantine {
                    since_us: now_us,
                    stop,
                    until_us: Some(until_us),
                    times,
                }))
            }
        }
    }

    /// Changes a rule's quarantine, unless it was activated again meanwhile.
    /// It is in force at once, and durable when this answers.
    pub(crate) async fn set(
        &self,
        tenant: &TenantId,
        rule: &ActiveRule,
        quarantine: Option<Quarantine>,
    ) -> Result<()> {
        let _one_at_a_time = self.changes.lock().await;
        let of_then = &rule.activation;
        let Some(state) = self.registry.get(tenant) else {
            return Ok(());
        };
        let Some(present) = state.rules.rule(&of_then.rule) else {
            return Ok(());
        };
        let present_activation = &present.activation;
        if !is_same(present_activation, of_then) || present_activation.is_barred() {
            return Ok(());
        }
        if quarantine.is_none() {
            tracing::info!(%tenant, rule = %of_then.rule, "a rule has left quarantine");
        }
        if let Some(quarantine) = &quarantine {
            tracing::warn!(%tenant, rule = %of_then.rule, version = %of_then.version, until_us = quarantine.until_us, evidence = quarantine.stop.message, "a rule is in quarantine");
        }
        self.note(tenant, &of_then.rule, quarantine.clone());
        let activation = Activation {
            quarantine,
            ..(**present_activation).clone()
        };
        let changed = ActiveRule {
            activation: Arc::new(activation.clone()),
            manifest: Arc::clone(&present.manifest),
        };
        // First: it must not go on where the store does not answer.
        self.registry
            .replace_rule(tenant, &of_then.rule, Some(changed));
        self.store.put_activation(tenant, activation).await
    }

    /// What becomes of an event's turn at a rule that is in quarantine for a
    /// while.
    pub(crate) fn held(
        &self,
        tenant: &TenantId,
        activation: &Activation,
        quarantine: &Quarantine,
        accepted_us: u64,
    ) -> Held {
        let now_us = self.clock.now_us();
        let (rule, version) = (&activation.rule, activation.version);
        let mut breakers = self.breakers.lock();
        let mut admission = breakers.admit(tenant, rule, version, now_us);
        if let (Admission::Run, Some(until_us)) = (admission, quarantine.until_us) {
            // The activation is what counts.
            breakers.restore(tenant, rule, version, until_us, quarantine.times);
            admission = breakers.admit(tenant, rule, version, now_us);
        }
        drop(breakers);
        if admission != Admission::Wait {
            return Held::Probe;
        }
        let waited_us = now_us.saturating_sub(accepted_us);
        let parked = self.sleepers.sleeping(tenant, rule);
        if waited_us >= self.parking.seconds.saturating_mul(1_000_000)
            || parked >= self.parking.events
        {
            let why = self.why(rule, quarantine, waited_us, parked);
            return Held::Stopped(Box::new(why));
        }
        Held::Park
    }

    /// What becomes of an event's turn at a rule that is paused: however long
    /// it takes, it sleeps, unless as many do as may.
    pub(crate) fn paused(&self, tenant: &TenantId, rule: &RuleName) -> Held {
        let (parked, limit) = (self.sleepers.sleeping(tenant, rule), self.parking.events);
        if parked < limit {
            return Held::Park;
        }
        let message =
            format!("`{rule}` is paused and was not run. {parked} events wait for it already.");
        let stop = Stop::new(StopCode::Paused, message).at(limit, parked).hint(
            "Resume the rule, or take it out of force. To pause its tenant keeps all events.",
        );
        Held::Stopped(Box::new(stop))
    }

    /// The probe did not take place.
    pub(crate) fn not_probed(&self, tenant: &TenantId, rule: &RuleName) {
        self.breakers.lock().not_probed(tenant, rule);
    }

    /// Why an event is given up for a rule in quarantine.
    fn why(&self, rule: &RuleName, quarantine: &Quarantine, waited_us: u64, parked: u64) -> Stop {
        let because = quarantine.stop.code;
        if parked >= self.parking.events {
            let text = format!("{parked} events wait for it already.");
            return given_up(rule, because, &text).at(self.parking.events, parked);
        }
        let waited_s = waited_us / 1_000_000;
        let text = format!("The event has waited for {waited_s} s.");
        given_up(rule, because, &text).at(self.parking.seconds, waited_s)
    }

    /// The rule is another one now, or gone, or its quarantine is lifted.
    pub(crate) fn forget(&self, tenant: &TenantId, rule: &RuleName) {
        self.breakers.lock().forget(tenant, rule);
        self.note(tenant, rule, None);
    }

    /// The tenant is gone.
    pub(crate) fn forget_tenant(&self, tenant: &TenantId) {
        self.breakers.lock().forget_tenant(tenant);
        self.sleepers.forget_tenant(tenant);
        self.held.lock().retain(|(of, _), _| of != tenant);
    }

    /// What was in quarantine, and slept, when the process began.
    pub(crate) async fn recover(&self) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.store.parked(after.as_ref(), PARKED_PAGE).await?;
            page.iter().for_each(|parked| self.sleepers.recover(parked));
            match page.into_iter().last() {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// A rule is in quarantine, as its activation says.
    pub(crate) fn restore(&self, tenant: &TenantId, activation: &Activation) {
        let quarantine = activation.quarantine.clone();
        self.note(tenant, &activation.rule, quarantine);
        if let Some(quarantine) = &activation.quarantine
            && let Some(until_us) = quarantine.until_us
        {
            self.breakers.lock().restore(
                tenant,
                &activation.rule,
                activation.version,
                until_us,
                quarantine.times,
            );
        }
    }

    fn note(&self, tenant: &TenantId, rule: &RuleName, quarantine: Option<Quarantine>) {
        let key = (tenant.clone(), rule.clone());
        let mut held = self.held.lock();
        match quarantine {
            Some(quarantine) => held.insert(key, quarantine),
            None => held.remove(&key),
        };
    }

    /// Of each tenant that has rules in quarantine, the one that came to it
    /// first.
    pub(crate) fn first_held(&self) -> HashMap<TenantId, (RuleName, Quarantine)> {
        let mut first = HashMap::<TenantId, (RuleName, Quarantine)>::new();
        for ((tenant, rule), quarantine) in &*self.held.lock() {
            let known = first.get(tenant);
            if known.is_none_or(|(_, known)| known.since_us > quarantine.since_us) {
                first.insert(tenant.clone(), (rule.clone(), quarantine.clone()));
            }
        }
        first
    }
}

/// Whether two are one activation, whatever its quarantine.
fn is_same(one: &Activation, other: &Activation) -> bool {
    one.version == other.version && one.activated_us == other.activated_us
}

/// The stop of an event that is given up for a rule in quarantine.
pub(crate) fn given_up(rule: &RuleName, because: StopCode, why: &str) -> Stop {
    let message = format!(
        "`{rule}` was in quarantine, because runs of it were stopped (`{because}`), and was not \
         run. {why}"
    );
    Stop::new(StopCode::Quarantined, message).hint(
        "Look at the rule's latest stopped executions. Activating it again, or another version, \
         ends the quarantine.",
    )
}
