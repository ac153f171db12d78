//! The catalog: tenants, tokens, rules, versions and activations.

use async_trait::async_trait;
use bytes::Bytes;
use ringfence_model::{
    Activation, Digest, Limits, LineageKey, Manifest, Paused, RuleName, Tenant, TenantId, Token,
    VersionId,
};
use serde::{Deserialize, Serialize};

use crate::Result;

/// One uploaded component of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// Of which rule.
    pub rule: RuleName,
    /// Its digest.
    pub version: VersionId,
    /// What it declares.
    pub manifest: Manifest,
    /// The interfaces that it imports, by name.
    pub imports: Vec<String>,
    /// Its size as uploaded, in bytes.
    pub size: u64,
    /// How long compiling took, in milliseconds.
    pub compile_ms: u64,
    /// What its author should know.
    pub warnings: Vec<String>,
    /// When it was uploaded first, in microseconds since 1970.
    pub uploaded_us: u64,
}

/// A version to keep, with its bytes.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// What is known about it.
    pub record: VersionRecord,
    /// The component as uploaded.
    pub component: Bytes,
}

/// What became of a version to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutVersion {
    /// It is new.
    Created,
    /// The rule had it already; this is its record.
    Existed(Box<VersionRecord>),
}

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInForce {
    /// Whose.
    pub tenant: TenantId,
    /// Which, and how.
    pub activation: Activation,
    /// What its version declares.
    pub manifest: Manifest,
}

/// Tenants, tokens, rules, versions and activations, and the keys for lineage
/// tokens. Each call is one durable transaction.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// Creates a tenant or replaces its record; true if it is new.
    /// `created_us` of an existing tenant stays.
    async fn put_tenant(&self, tenant: Tenant) -> Result<bool>;

    /// One tenant.
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>>;

    /// Tenants in the order of their names, beginning after `after`.
    async fn tenants(&self, after: Option<&TenantId>, limit: u32) -> Result<Vec<Tenant>>;

    /// Removes a tenant and everything of it; false if there is none.
    async fn delete_tenant(&self, tenant: &TenantId) -> Result<bool>;

    /// Keeps a token's record. Fails with `NoTenant`.
    async fn put_token(&self, token: Token) -> Result<()>;

    /// The record of the token with this digest.
    async fn token(&self, digest: &Digest) -> Result<Option<Token>>;

    /// Keeps a version. The same bytes again change nothing. Fails with
    /// `NoTenant`, and with `Full` when `limits.rules` or `limits.versions`
    /// are reached; versions in force or ever activated are not dropped to
    /// make room.
    async fn put_version(
        &self,
        tenant: &TenantId,
        version: NewVersion,
        limits: &Limits,
    ) -> Result<PutVersion>;

    /// One version of a rule.
    async fn version(
        &self,
        tenant: &TenantId,
        rule: &RuleName,
        version: VersionId,
    ) -> Result<Option<VersionRecord>>;

    /// A rule's versions, newest first.
    async fn versions(&self, tenant: &TenantId, rule: &RuleName) -> Result<Vec<VersionRecord>>;

    /// A tenant's rules, by name; at most `Limits::rules` of them.
    async fn rules(&self, tenant: &TenantId) -> Result<Vec<RuleName>>;

    /// A component's bytes as uploaded, whoever uploaded them.
    async fn component(&self, version: VersionId) -> Result<Option<Bytes>>;

    /// Puts a version in force in place of the rule's present one. The caller
    /// has checked that the version exists.
    async fn put_activation(&self, tenant: &TenantId, activation: Activation) -> Result<()>;

    /// Ends a rule's activation; false if it has none.
    async fn delete_activation(&self, tenant: &TenantId, rule: &RuleName) -> Result<bool>;

    /// A tenant's activations in the order of the rules' names.
    async fn activations(&self, tenant: &TenantId) -> Result<Vec<Activation>>;

    /// Keeps that the whole host is paused, or is not.
    async fn put_host_pause(&self, paused: Option<Paused>) -> Result<()>;

    /// Whether the whole host is paused.
    async fn host_pause(&self) -> Result<Option<Paused>>;

    /// The rules in force of all tenants, in the order of the tenants' names and
    /// then of their own, beginning after `after`. `Damaged` if the version of
    /// one is not there.
    async fn rules_in_force(
        &self,
        after: Option<(&TenantId, &RuleName)>,
        limit: u32,
    ) -> Result<Vec<RuleInForce>>;

    /// Keeps a new key for lineage tokens; answers it with its number, which
    /// is greater than that of all others. Fails with `Full` where
    /// [`LINEAGE_KEYS_MAX`] are kept.
    async fn put_lineage_key(&self, secret: [u8; 32], since_us: u64) -> Result<LineageKey>;

    /// The keys for lineage tokens, the oldest first.
    async fn lineage_keys(&self) -> Result<Vec<LineageKey>>;

    /// Removes the keys up to and with this number; the newest key stays in
    /// any case. Answers how many.
    async fn remove_lineage_keys(&self, up_to: u32) -> Result<u64>;
}

/// Keys for lineage tokens that are kept: those that were replaced stay as
/// long as a token may be signed with them.
pub const LINEAGE_KEYS_MAX: u64 = 64;
