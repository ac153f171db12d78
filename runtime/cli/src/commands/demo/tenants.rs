//! Who takes part, and with which rules.

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::api::Api;
use super::guests::Guests;
use super::server::Server;

/// What a tenant does when the storm comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    /// Nothing.
    Calm,
    /// It activates rules that run away.
    Storm,
}

/// A tenant of the demonstration.
#[derive(Debug)]
pub(super) struct Tenant {
    /// Its name.
    pub(super) name: &'static str,
    /// The rules that it has from the start.
    pub(super) rules: &'static [&'static str],
    /// The rules that it activates when the storm comes.
    pub(super) storm: &'static [&'static str],
}

impl Tenant {
    /// What it does when the storm comes.
    pub(super) fn role(&self) -> Role {
        if self.storm.is_empty() {
            Role::Calm
        } else {
            Role::Storm
        }
    }
}

/// All tenants.
pub(super) const TENANTS: [Tenant; 8] = [
    Tenant {
        name: "bakery",
        rules: &["escalate-urgent", "assign-by-skill", "sla-breach"],
        storm: &[],
    },
    Tenant {
        name: "bookshop",
        rules: &["assign-by-skill", "tag-sync", "three-strikes"],
        storm: &[],
    },
    Tenant {
        name: "clinic",
        rules: &["escalate-urgent", "sla-breach", "three-strikes"],
        storm: &[],
    },
    Tenant {
        name: "museum",
        rules: &["tag-sync", "assign-by-skill", "escalate-urgent"],
        storm: &[],
    },
    Tenant {
        name: "workshop",
        rules: &["label-issue", "sla-breach", "escalate-urgent"],
        storm: &[],
    },
    Tenant {
        name: "harbour",
        rules: &["escalate-urgent", "three-strikes"],
        storm: &["infinite-loop"],
    },
    Tenant {
        name: "sawmill",
        rules: &["assign-by-skill", "tag-sync"],
        storm: &["memory-bomb"],
    },
    Tenant {
        name: "theatre",
        rules: &["escalate-urgent", "assign-by-skill"],
        storm: &["self-trigger", "fan-out"],
    },
];

/// What the storm is.
pub(super) fn storm_notice() -> String {
    let storms = TENANTS.iter().filter(|tenant| tenant.role() == Role::Storm);
    let told: Vec<String> = storms
        .map(|tenant| format!("{} ({})", tenant.name, tenant.storm.join(" and ")))
        .collect();
    format!("the storm begins in {}", told.join(", "))
}

/// A tenant that has signed up.
pub(super) struct Customer {
    /// Who.
    pub(super) tenant: &'static Tenant,
    /// How it talks to the server.
    pub(super) api: Api,
    /// What it activates when the storm comes: rule and version.
    storm: Vec<(&'static str, String)>,
}

impl Customer {
    /// Makes a tenant as an operator would, and its rules as a customer.
    pub(super) async fn sign_up(
        server: &Server,
        tenant: &'static Tenant,
        guests: &Guests,
    ) -> Result<Self> {
        let api = server.operator().sign_up(tenant.name).await?;
        for &rule in tenant.rules {
            let version = upload(&api, rule, guests).await?;
            api.activate(rule, &version, configuration(rule)).await?;
        }
        let mut storm = Vec::new();
        for &rule in tenant.storm {
            storm.push((rule, upload(&api, rule, guests).await?));
        }
        Ok(Self { tenant, api, storm })
    }

    /// Activates what runs away.
    pub(super) async fn switch_on_storm(&self) -> Result<()> {
        for (rule, version) in &self.storm {
            self.api.activate(rule, version, json!({})).await?;
        }
        Ok(())
    }
}

async fn upload(api: &Api, rule: &'static str, guests: &Guests) -> Result<String> {
    let uploaded = api.upload(rule, guests.read(rule)?).await;
    uploaded.with_context(|| format!("rule {rule} was refused"))
}

/// The configuration of a rule.
fn configuration(rule: &str) -> Value {
    match rule {
        "assign-by-skill" => json!({
            "fallback": "triage",
            "skills": [
                {"skill": "billing", "team": "finance", "words": ["invoice", "refund", "charged"]},
                {"skill": "french", "team": "support-fr", "languages": ["fr"]},
                {"skill": "outage", "team": "on-call", "words": ["down", "outage", "503"]},
            ],
        }),
        _ => json!({}),
    }
}
