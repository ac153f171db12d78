//! Rules in quarantine, and the events that sleep for them.

use std::collections::BTreeMap;

use anyhow::Result;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::api::{Api, answer};
use super::pause;
use crate::console::{self, Grouped};

/// How long to wait for what waits, in steps.
const SETTLE_STEPS: u64 = 240;
const SETTLE_STEP_MS: u64 = 250;

/// A rule, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    /// Events that sleep until its quarantine ends.
    pub(super) parked: u64,
    activation: Option<Activation>,
}

#[derive(Debug, Deserialize)]
struct Activation {
    quarantine: Option<Value>,
}

impl Rule {
    /// Whether it is in quarantine.
    pub(super) fn is_quarantined(&self) -> bool {
        let activation = self.activation.as_ref();
        activation.is_some_and(|activation| activation.quarantine.is_some())
    }
}

#[derive(Deserialize)]
struct Receipt {
    events: u64,
}

impl Api {
    /// A rule.
    pub(super) async fn rule(&self, rule: &str) -> Result<Rule> {
        answer(self.request(Method::GET, &format!("/rules/{rule}"))).await
    }

    /// Gives up what sleeps for a rule; answers how many events that is.
    pub(super) async fn discard_parked(&self, rule: &str) -> Result<u64> {
        let path = format!("/rules/{rule}/parked");
        let receipt: Receipt = answer(self.request(Method::DELETE, &path)).await?;
        Ok(receipt.events)
    }

    /// Events that sleep for one of these rules. One that sleeps for two of
    /// them counts twice.
    pub(super) async fn parked(&self, rules: &[&str]) -> Result<u64> {
        let mut parked = 0;
        for rule in rules {
            parked += self.rule(rule).await?.parked;
        }
        Ok(parked)
    }

    /// Gives up what sleeps for these rules; answers how many events, by rule.
    pub(super) async fn discard_all_parked(
        &self,
        rules: &[&'static str],
    ) -> Result<BTreeMap<String, u64>> {
        let mut discarded = BTreeMap::new();
        for &rule in rules {
            let events = self.discard_parked(rule).await?;
            if events > 0 {
                discarded.insert(rule.to_owned(), events);
            }
        }
        Ok(discarded)
    }
}

/// Waits until no more waits than sleeps, for some time. Each tenant comes with
/// its rules that may be in quarantine.
pub(super) async fn settle(tenants: &[(&Api, &[&str])]) -> Result<()> {
    let mut before = None;
    for step in 0..SETTLE_STEPS {
        let (mut waiting, mut awake) = (0, 0);
        for (api, rules) in tenants {
            let here = api.waiting().await?;
            waiting += here;
            if here > 0 {
                awake += here.saturating_sub(api.parked(rules).await?);
            }
        }
        // Twice the same: events that sleep for two rules hide none that do not.
        if awake == 0 && (waiting == 0 || before == Some(waiting)) {
            return Ok(());
        }
        before = Some(waiting);
        if awake > 0 && step % (1000 / SETTLE_STEP_MS) == 0 {
            console::say(format_args!("  {} events still wait", Grouped(awake)));
        }
        pause(SETTLE_STEP_MS).await;
    }
    Ok(())
}
