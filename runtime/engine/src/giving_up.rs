//! Giving up events that sleep for a rule in quarantine: they go to the dead
//! letters with that reason.

use std::sync::Arc;

use ringfence_governor::ActiveRule;
use ringfence_model::{Draw, RuleName, StopCode};
use ringfence_store::{
    CommitOutcome, Completion, Decision, Outcome, Result, RunCommit, Sleepers, Sleeping,
};

use crate::pager::Pager;
use crate::quarantine::given_up;

/// Gives up some events for the rules that they wait for, all of them or one;
/// answers how many.
pub(crate) async fn give_up(pager: &Pager, which: &Sleepers, limit: u32, why: &str) -> Result<u64> {
    let now_us = pager.clock.now_us();
    let sleeping = pager.store.sleeping(which, limit).await?;
    if sleeping.is_empty() {
        return Ok(0);
    }
    let one = match which {
        Sleepers::Of(_, rule) => Some(rule),
        Sleepers::Since(_) => None,
    };
    let commits = sleeping.iter().map(|sleeping| {
        let active = |rule: &RuleName| {
            let state = pager.registry.get(&sleeping.event.tenant)?;
            state.rules.rule(rule).cloned()
        };
        commit(sleeping, one, &active, why, now_us)
    });
    let outcomes = pager.store.commit(commits.collect()).await?;
    let mut count = 0;
    for (sleeping, outcome) in sleeping.iter().zip(outcomes) {
        if outcome != CommitOutcome::Committed {
            continue;
        }
        count += 1;
        let tenant = &sleeping.event.tenant;
        let given_up = sleeping.parked.iter().filter(|rule| is_given_up(one, rule));
        let given_up = given_up.inspect(|rule| {
            pager.quarantines.woke(tenant, rule, 1);
            pager.observer.dead_lettered(tenant, StopCode::Quarantined);
        });
        if given_up.count() == sleeping.parked.len() {
            pager.queue.gave_up(tenant, sleeping.event.size());
        }
    }
    Ok(count)
}

fn is_given_up(one: Option<&RuleName>, rule: &RuleName) -> bool {
    one.is_none_or(|one| one == rule)
}

fn commit(
    sleeping: &Sleeping,
    one: Option<&RuleName>,
    active: &dyn Fn(&RuleName) -> Option<Arc<ActiveRule>>,
    why: &str,
    now_us: u64,
) -> RunCommit {
    let (gone, parks): (Vec<&RuleName>, Vec<&RuleName>) = sleeping
        .parked
        .iter()
        .partition(|rule| is_given_up(one, rule));
    let decisions = gone.into_iter().filter_map(|rule| {
        let active = active(rule)?;
        let quarantine = active.activation.quarantine.as_ref();
        let because = quarantine.map_or(StopCode::Quarantined, |q| q.stop.code);
        Some(Decision {
            rule: rule.clone(),
            version: active.activation.version,
            outcome: Outcome::DeadLettered {
                execution: None,
                stop: given_up(rule, because, why),
            },
        })
    });
    RunCommit {
        seq: sleeping.seq,
        event: Arc::clone(&sleeping.event),
        execution: None,
        decisions: decisions.collect(),
        follow_ups: Vec::new(),
        effects: Vec::new(),
        draw: Draw::default(),
        state_bytes_max: u64::MAX,
        completion: Some(Completion { done_us: now_us }),
        parks: parks.into_iter().cloned().collect(),
        asleep: true,
    }
}
