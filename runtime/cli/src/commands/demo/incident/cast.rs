//! Who takes part: many calm tenants, and one whose rules will undo each other.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::task::JoinSet;

use super::super::api::{Api, Operator};
use super::super::guests::Guests;
use super::protection::Protection;

/// Rules that each tenant has.
const RULES: [&str; 3] = ["escalate-urgent", "tag-sync", "sla-breach"];
/// The two that undo each other, in the order in which they are put in force.
pub(super) static PAIR: [&str; 2] = ["tag-vip", "tidy-tags"];
/// The tenant that has them.
pub(super) const LOOPING: &str = "lighthouse";

/// All rules that are needed.
pub(in super::super) fn rules() -> impl Iterator<Item = &'static str> {
    RULES.into_iter().chain(PAIR)
}

/// The tenants' names; the first is the one that will loop.
pub(super) fn names(tenants: u64) -> Vec<String> {
    let calm = (1..tenants).map(|number| format!("tenant-{number:02}"));
    std::iter::once(LOOPING.to_owned()).chain(calm).collect()
}

/// A tenant that has signed up.
pub(super) struct Member {
    /// Its name.
    pub(super) name: String,
    /// How it talks to the server.
    pub(super) api: Api,
    /// The pair's versions, for the tenant that will loop.
    pair: Vec<(&'static str, String)>,
}

impl Member {
    /// Whether it is the one that will loop.
    pub(super) fn loops(&self) -> bool {
        !self.pair.is_empty()
    }

    /// The rules that may be quarantined.
    pub(super) fn pair_rules(&self) -> &'static [&'static str] {
        if self.loops() { &PAIR } else { &[] }
    }

    /// Puts the pair in force.
    pub(super) async fn activate_pair(&self) -> Result<()> {
        for (rule, version) in &self.pair {
            self.api.activate(rule, version, json!({})).await?;
        }
        Ok(())
    }
}

/// All tenants sign up, and put the calm rules in force.
pub(super) async fn sign_up(
    operator: &Operator,
    names: &[String],
    guests: &Guests,
    protection: Protection,
) -> Result<Vec<Arc<Member>>> {
    let mut components = Vec::new();
    for rule in rules() {
        components.push((rule, guests.read(rule)?));
    }
    let components = Arc::new(components);
    let mut joining = JoinSet::new();
    for (index, name) in names.iter().enumerate() {
        let (operator, name, components) = (operator.clone(), name.clone(), components.clone());
        joining.spawn(async move {
            let member = sign_up_one(&operator, name, &components, protection).await?;
            anyhow::Ok((index, member))
        });
    }
    let mut members = Vec::new();
    while let Some(joined) = joining.join_next().await {
        members.push(joined??);
    }
    members.sort_unstable_by_key(|(index, _)| *index);
    Ok(members
        .into_iter()
        .map(|(_, member)| Arc::new(member))
        .collect())
}

async fn sign_up_one(
    operator: &Operator,
    name: String,
    components: &[(&'static str, Vec<u8>)],
    protection: Protection,
) -> Result<Member> {
    let loops = name == LOOPING;
    let api = operator.sign_up(&name).await?;
    let mut pair = Vec::new();
    for (rule, component) in components {
        let later = PAIR.contains(rule);
        if later && !loops {
            continue;
        }
        let version = api.upload(rule, component.clone()).await;
        let version = version.with_context(|| format!("rule {rule} was refused"))?;
        if later {
            pair.push((*rule, version));
        } else {
            api.activate(rule, &version, json!({})).await?;
        }
    }
    // What actions cause can be said when rules are there that ask for them.
    let policy = protection.policy(loops);
    operator.put(&name, &policy).await?;
    Ok(Member { name, api, pair })
}
