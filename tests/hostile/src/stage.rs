//! Where attacks are let loose: a sandbox, set up as the server sets it up,
//! and beside the attackers a calm rule.

use std::sync::Arc;

use ringfence_model::{
    Ancestry, Effect, Event, EventId, Json, Limits, Lineage, RuleName, TenantId, Usage, VersionId,
};
use ringfence_processes::{ChildCompiler, Program};
use ringfence_sandbox::{
    Prepared, Recall, RecallError, Run, RunReport, Sandbox, SandboxConfig, SandboxError,
    UploadError,
};

use crate::attack::patient;
use crate::built::binary;
use crate::{Attack, built};

/// A sandbox, and what it needs to run something.
pub struct Stage {
    sandbox: Sandbox,
    recall: Arc<dyn Recall>,
}

fn config(concurrent_runs: u32) -> SandboxConfig {
    SandboxConfig {
        concurrent_runs,
        memory_bytes_max: 256 << 20,
        cache_bytes: 512 << 20,
        artifact_bytes: 0,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [7; 32],
    }
}

/// What the attackers remember: a kilobyte under every key.
struct Kilobyte(Json);

impl Recall for Kilobyte {
    fn recall(&self, _key: &str) -> Result<Option<Json>, RecallError> {
        Ok(Some(self.0.clone()))
    }
}

impl Stage {
    /// For so many runs at one moment; uploads are compiled in child processes,
    /// as by `serve`.
    ///
    /// # Panics
    /// When the host does not offer what the sandbox needs.
    pub fn new(concurrent_runs: u32) -> Self {
        let compiler = Arc::new(ChildCompiler::new(Program::at(binary())));
        let config = config(concurrent_runs);
        Self::with(Sandbox::with_compiler(config, None, compiler))
    }

    /// The same; uploads are compiled in this process.
    ///
    /// # Panics
    /// When the host does not offer what the sandbox needs.
    pub fn in_process(concurrent_runs: u32) -> Self {
        Self::with(Sandbox::new(config(concurrent_runs), None))
    }

    fn with(sandbox: Result<Sandbox, SandboxError>) -> Self {
        let value = format!("\"{}\"", "k".repeat(1022));
        Self {
            sandbox: sandbox.expect("the host offers what the sandbox needs"),
            recall: Arc::new(Kilobyte(Json::trusted(value))),
        }
    }

    /// Uploads it, and makes it ready.
    ///
    /// # Errors
    /// When it is refused.
    pub fn upload(&self, upload: &[u8], limits: &Limits) -> Result<Prepared, UploadError> {
        let inspected = self.sandbox.inspect(upload, limits)?;
        let bytes = || Ok(Some(upload.to_owned()));
        let prepared = self
            .sandbox
            .prepare(inspected.version, &inspected.manifest, limits, &bytes)
            .expect("what was just accepted can be made ready");
        assert_eq!(prepared.version(), VersionId::of(upload));
        Ok(prepared)
    }

    /// Runs a rule of a tenant on one event.
    ///
    /// # Panics
    /// When what it recalls cannot be read, which on a stage it can.
    pub fn run(
        &self,
        tenant: &TenantId,
        prepared: &Prepared,
        event: &Event,
        limits: &Limits,
    ) -> RunReport {
        let rule: RuleName = "rule".parse().expect("`rule` is a name");
        let run = Run {
            event,
            tenant,
            rule: &rule,
            config: &Json::empty_object(),
            limits,
            fuel: limits.fuel,
            recall: &self.recall,
        };
        let report = self.sandbox.run(prepared, &run);
        report.expect("what it recalls can be read")
    }

    /// Lets an attack handle its event.
    pub fn attack(&self, attack: &Attack, prepared: &Prepared) -> RunReport {
        let tenant = tenant("mallory");
        let event = event(&tenant, "test.in", attack.data.clone());
        self.run(&tenant, prepared, &event, &attack.limits)
    }

    /// Sets up the calm rule, and notes what it answers when it is alone.
    ///
    /// # Panics
    /// When it cannot be built, or does not do its work.
    pub fn calm(&self) -> Calm {
        let limits = patient();
        let prepared = self
            .upload(&built("escalate-urgent"), &limits)
            .expect("the calm rule is a rule");
        let tenant = tenant("alice");
        let turn = |n: usize| {
            let priority = if n.is_multiple_of(2) { "urgent" } else { "low" };
            let text = "x".repeat(n * 50);
            let data = format!(r#"{{"id": "c-{n}", "priority": "{priority}", "text": "{text}"}}"#);
            let data = Json::parse(&data).expect("it is JSON");
            let event = event(&tenant, "conversation.created", data);
            let answer = Answer::of(self.run(&tenant, &prepared, &event, &limits));
            let effects = answer.effects.as_ref().map(Vec::len);
            assert_eq!(effects, Ok((n + 1) % 2), "the calm rule does its work");
            (event, answer)
        };
        Calm {
            turns: (0..8).map(turn).collect(),
            tenant,
            limits,
            prepared,
        }
    }
}

/// A calm rule: a real one, on events that differ, and what it answers.
pub struct Calm {
    prepared: Prepared,
    tenant: TenantId,
    limits: Limits,
    turns: Vec<(Event, Answer)>,
}

/// What must not change, whoever runs beside.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    effects: Result<Vec<Effect>, String>,
    usage: Usage,
}

impl Answer {
    fn of(report: RunReport) -> Self {
        Self {
            effects: report.outcome.map_err(|stop| stop.message),
            usage: Usage {
                wall_us: 0,
                cpu_us: 0,
                ..report.usage
            },
        }
    }
}

impl Calm {
    /// Its turn: one run.
    ///
    /// # Errors
    /// When it answers something else than when it was alone.
    pub fn turn(&self, stage: &Stage, turn: usize) -> Result<(), String> {
        let (event, alone) = &self.turns[turn % self.turns.len()];
        let answer = Answer::of(stage.run(&self.tenant, &self.prepared, event, &self.limits));
        if answer == *alone {
            return Ok(());
        }
        Err(format!("alone: {alone:?}; now: {answer:?}"))
    }
}

/// A tenant of this name.
pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().expect("it is a name")
}

/// An event of a tenant.
pub(crate) fn event(tenant: &TenantId, ty: &str, data: Json) -> Event {
    let id = EventId::root(tenant, "/hostile", "e1");
    Event {
        id,
        tenant: tenant.clone(),
        ce_id: "e1".into(),
        source: "/hostile".into(),
        ty: ty.into(),
        subject: Some("s-1".into()),
        time: "2026-01-01T00:00:00Z".into(),
        data,
        accepted_us: 1_767_225_600_123_456,
        lineage: Lineage::root(id),
        ancestry: Ancestry::default(),
    }
}
