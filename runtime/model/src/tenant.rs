//! Tenants, and the tokens that act for them.

use serde::{Deserialize, Serialize};

use crate::{Digest, LimitOverrides, Limits, Paused, Policy, TenantId};

/// A customer of the service that runs Ringfence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// The named set of limits that it has.
    pub plan: String,
    /// Its own changes to the plan's limits.
    #[serde(default)]
    pub limits: LimitOverrides,
    /// What it wants done about loops, and what is known of its host
    /// application.
    #[serde(flatten)]
    pub policy: Policy,
    /// Somebody has paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// Since when, in microseconds since 1970.
    pub created_us: u64,
}

/// A named set of limits, from the operator's configuration. `standard`
/// always exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub limits: Limits,
}

impl Plan {
    /// The name of the plan that always exists.
    pub const STANDARD: &'static str = "standard";
}

/// A token's record. The token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The BLAKE3 digest of the token, which has 256 random bits.
    pub digest: Digest,
    /// For whom it acts.
    pub tenant: TenantId,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Since when, in microseconds since 1970.
    pub created_us: u64,
}

/// One thing that a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Send events and evaluate.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Upload and activate rules.
    #[serde(rename = "rules:write")]
    RulesWrite,
    /// Ask questions; take and acknowledge effects.
    #[serde(rename = "read")]
    Read,
}
