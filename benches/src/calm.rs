//! A rule that behaves, to see what others' misbehaviour does to it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use ringfence_model::{Event, EventId, Json, Limits, Lineage, RuleName, TenantId};
use ringfence_sandbox::{NothingRemembered, Prepared, Recall, Run, Sandbox, SandboxConfig};

/// `escalate-urgent` on an urgent conversation, in a sandbox of this process.
pub struct Calm {
    sandbox: Sandbox,
    prepared: Prepared,
    event: Event,
    tenant: TenantId,
    rule: RuleName,
    config: Json,
    limits: Limits,
    recall: Arc<dyn Recall>,
}

impl Calm {
    /// Compiles it. It is looked for in the folder that `RINGFENCE_GUESTS`
    /// names, else in `target/guests`.
    ///
    /// # Errors
    /// When it is not there, or not a rule.
    pub fn load() -> Result<Self> {
        let folder = std::env::var_os("RINGFENCE_GUESTS")
            .map_or_else(|| "target/guests".into(), PathBuf::from);
        let path = folder.join("escalate-urgent.wasm");
        let guest = std::fs::read(&path)
            .with_context(|| format!("{}: run `make guests`", path.display()))?;
        let config = SandboxConfig {
            concurrent_runs: 8,
            memory_bytes_max: 256 << 20,
            cache_bytes: 256 << 20,
            artifact_bytes: 0,
            tenant_data: None,
            reserve_growth: true,
            artifact_key: [0; 32],
        };
        let sandbox = Sandbox::new(config, None)?;
        let limits = Limits::default();
        let inspected = sandbox.inspect(&guest, &limits)?;
        let prepared = sandbox.prepare(inspected.version, &inspected.manifest, &limits, &|| {
            Ok(None)
        })?;
        let tenant: TenantId = "calm".parse()?;
        let id = EventId::root(&tenant, "/crm", "e1");
        let event = Event {
            id,
            tenant: tenant.clone(),
            ce_id: "e1".into(),
            source: "/crm".into(),
            ty: "conversation.created".into(),
            subject: Some("c-1".into()),
            time: "2026-01-01T00:00:00Z".into(),
            data: Json::parse(r#"{"priority":"urgent"}"#)?,
            accepted_us: 1_767_225_600_000_000,
            lineage: Lineage::root(id),
        };
        Ok(Self {
            sandbox,
            prepared,
            event,
            tenant,
            rule: "escalate-urgent".parse()?,
            config: Json::empty_object(),
            limits,
            recall: Arc::new(NothingRemembered),
        })
    }

    /// Runs it once; its result must be right.
    ///
    /// # Errors
    /// When it is not.
    pub fn run(&self) -> Result<()> {
        let report = self.sandbox.run(
            &self.prepared,
            &Run {
                event: &self.event,
                tenant: &self.tenant,
                rule: &self.rule,
                config: &self.config,
                limits: &self.limits,
                fuel: self.limits.fuel,
                recall: &self.recall,
            },
        )?;
        ensure!(
            matches!(&report.outcome, Ok(effects) if effects.len() == 1),
            "the calm rule's run ended with {:?}",
            report.outcome
        );
        Ok(())
    }
}
