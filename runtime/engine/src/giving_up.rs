//! Giving up events that sleep for a rule: they go to the dead letters with
//! that reason.

use std::sync::Arc;

use ringfence_governor::ActiveRule;
use ringfence_model::{Draw, RuleName, Stop, StopCode, TenantId};
use ringfence_store::{
    CommitOutcome, Completion, Decision, Outcome, Result, RunCommit, Sleepers, Sleeping,
};

use crate::pager::Pager;
use crate::quarantine::given_up;

/// What is to be given up, and why.
pub(crate) struct GivingUp<'a> {
    pub(crate) which: Sleepers,
    /// A rule as it was in force, if it is not any more.
    pub(crate) was: Option<&'a Arc<ActiveRule>>,
    pub(crate) why: &'a str,
}

/// An event, and the rules for which it is given up.
struct Given {
    sleeping: Sleeping,
    gone: Vec<Decision>,
    /// Those that it waits for still.
    parks: Vec<RuleName>,
}

impl GivingUp<'_> {
    /// Gives up some events for the rules that they wait for, all of them or
    /// one; answers how many.
    pub(crate) async fn some(&self, pager: &Pager, limit: u32) -> Result<u64> {
        let now_us = pager.clock.now_us();
        let sleeping = pager.store.sleeping(&self.which, limit).await?;
        let given = sleeping.into_iter().map(|one| self.part(pager, one));
        let given = given.filter(|given| given.parks.len() < given.sleeping.parked.len());
        let given: Vec<Given> = given.collect();
        if given.is_empty() {
            return Ok(0);
        }
        let commits = given.iter().map(|given| given.commit(now_us)).collect();
        let outcomes = pager.store.commit(commits).await?;
        let mut count = 0;
        for (given, outcome) in given.iter().zip(outcomes) {
            if outcome == CommitOutcome::Committed {
                count += 1;
                given.told(pager);
            }
        }
        Ok(count)
    }

    /// Of the rules that an event waits for, those for which it is given up.
    fn part(&self, pager: &Pager, sleeping: Sleeping) -> Given {
        let tenant = &sleeping.event.tenant;
        let is_gone = |rule: &&RuleName| match &self.which {
            Sleepers::Of(_, one) => one == *rule,
            Sleepers::Since(_) => !pager.is_kept(tenant, rule),
        };
        let (gone, parks): (Vec<&RuleName>, Vec<&RuleName>) =
            sleeping.parked.iter().partition(is_gone);
        let gone = gone.into_iter().filter_map(|rule| {
            let active = self.active(pager, tenant, rule)?;
            Some(Decision {
                rule: rule.clone(),
                version: active.activation.version,
                outcome: Outcome::DeadLettered {
                    execution: None,
                    stop: stop(&active, self.why),
                },
            })
        });
        Given {
            gone: gone.collect(),
            parks: parks.into_iter().cloned().collect(),
            sleeping,
        }
    }

    fn active(&self, pager: &Pager, tenant: &TenantId, rule: &RuleName) -> Option<Arc<ActiveRule>> {
        if let Some(was) = self.was
            && was.activation.rule == *rule
        {
            return Some(Arc::clone(was));
        }
        pager.registry.get(tenant)?.rules.rule(rule).cloned()
    }
}

/// Why an event is given up for a rule.
fn stop(active: &ActiveRule, why: &str) -> Stop {
    let activation = &active.activation;
    let rule = &activation.rule;
    match (&activation.paused, &activation.quarantine) {
        (Some(_), _) => {
            let message = format!("`{rule}` was paused and was not run. {why}");
            Stop::new(StopCode::Paused, message)
        }
        (None, Some(quarantine)) => given_up(rule, quarantine.stop.code, why),
        (None, None) => {
            let message = format!("`{rule}` had not caught up with what waited for it. {why}");
            Stop::new(StopCode::Paused, message)
        }
    }
}

impl Given {
    fn commit(&self, now_us: u64) -> RunCommit {
        RunCommit {
            seq: self.sleeping.seq,
            event: Arc::clone(&self.sleeping.event),
            execution: None,
            decisions: self.gone.clone(),
            follow_ups: Vec::new(),
            effects: Vec::new(),
            draw: Draw::default(),
            state_bytes_max: u64::MAX,
            completion: Some(Completion { done_us: now_us }),
            parks: self.parks.clone(),
            asleep: true,
        }
    }

    /// It is durable.
    fn told(&self, pager: &Pager) {
        let Sleeping { seq, event, parked } = &self.sleeping;
        for rule in parked.iter().filter(|rule| !self.parks.contains(rule)) {
            pager.quarantines.sleepers.given_up(event, rule, *seq);
        }
        for decision in &self.gone {
            if let Outcome::DeadLettered { stop, .. } = &decision.outcome {
                pager.observer.dead_lettered(&event.tenant, stop.code);
            }
        }
        if self.parks.is_empty() {
            pager.queue.gave_up(&event.tenant, event.size());
        }
    }
}
