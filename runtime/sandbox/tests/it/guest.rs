//! Makes guests, and runs them.

use std::fmt::Write;
use std::sync::Arc;

use ringfence_model::{Ancestry, Event, Json, Limits, Lineage, RuleName, TenantId};
use ringfence_sandbox::{
    NothingRemembered, Prepared, Recall, RecallError, Run, RunReport, Sandbox, SandboxConfig,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// An effect, as a guest's memory image holds it.
pub(crate) enum E<'a> {
    Emit(&'a str, Option<&'a str>, &'a str),
    Act(&'a str, &'a str),
    Remember(&'a str, Option<&'a str>),
}

/// Builds a core module for our world: a memory image and a body for
/// `handle`, which gets the address of its parameters as `$args`.
#[derive(Clone)]
pub(crate) struct Guest {
    image: Vec<u8>,
    imports: String,
    module: String,
    describe: String,
    handle: String,
    pages: u32,
    triggers: Vec<&'static str>,
    emits: Vec<&'static str>,
    acts: Vec<&'static str>,
    schema: Option<&'static str>,
}

/// Where the memory image begins; its end is the heap's beginning.
const BASE: u32 = 1024;
const HEAP: u32 = 65536;

impl Guest {
    /// That returns no effects.
    pub(crate) fn new() -> Self {
        let mut guest = Self {
            image: Vec::new(),
            imports: String::new(),
            module: String::new(),
            describe: String::new(),
            handle: String::new(),
            pages: 4,
            triggers: vec!["test.*"],
            emits: vec!["test.out"],
            acts: vec!["note.*"],
            schema: None,
        };
        let nothing = guest.effects(&[]);
        guest.handle = format!("(i32.const {nothing})");
        guest
    }

    /// With this body of `handle`.
    pub(crate) fn handling(mut self, body: &str) -> Self {
        self.handle = body.into();
        self
    }

    /// With this before `describe` returns.
    pub(crate) fn describing(mut self, body: &str) -> Self {
        self.describe = body.into();
        self
    }

    /// That returns these effects.
    pub(crate) fn returning(mut self, effects: &[E<'_>]) -> Self {
        let at = self.effects(effects);
        self.handling(&format!("(i32.const {at})"))
    }

    /// That returns a failure: 0 invalid event, 1 invalid config, 2 internal.
    pub(crate) fn failing(mut self, kind: u32, text: &str) -> Self {
        let (at, len) = self.text(text);
        let at = self.words(&[1, kind, at, len]);
        self.handling(&format!("(i32.const {at})"))
    }

    /// With this in the module, besides the usual.
    pub(crate) fn with(mut self, fields: &str) -> Self {
        self.module.push_str(fields);
        self
    }

    /// That imports a function of WASI under a name of its own. What it
    /// imports must come before everything else.
    pub(crate) fn importing(
        mut self,
        interface: &str,
        function: &str,
        name: &str,
        ty: &str,
    ) -> Self {
        let version = crate::wasi::VERSION;
        let import =
            format!("(import \"wasi:{interface}@{version}\" \"{function}\" (func {name} {ty}))\n");
        self.imports.push_str(&import);
        self
    }

    /// With these triggers.
    pub(crate) fn wanting(mut self, triggers: &[&'static str]) -> Self {
        self.triggers = triggers.into();
        self
    }

    /// With this schema.
    pub(crate) fn configured_by(mut self, schema: &'static str) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Puts a text into the image; its address and length.
    pub(crate) fn text(&mut self, text: &str) -> (u32, u32) {
        let at = self.put(text.as_bytes());
        (at, text.len() as u32)
    }

    /// Puts a `result` with these effects into the image; its address.
    pub(crate) fn effects(&mut self, effects: &[E<'_>]) -> u32 {
        let mut list = Vec::new();
        for effect in effects {
            let mut words = match effect {
                E::Emit(ty, subject, data) => {
                    let (ty, subject) = (self.pair(ty), self.option(*subject));
                    [vec![0], ty, subject, self.pair(data)].concat()
                }
                E::Act(name, payload) => [vec![1], self.pair(name), self.pair(payload)].concat(),
                E::Remember(key, value) => [vec![2], self.pair(key), self.option(*value)].concat(),
            };
            words.resize(8, 0);
            list.extend(words);
        }
        let at = self.words(&list);
        self.words(&[0, at, effects.len() as u32])
    }

    fn pair(&mut self, text: &str) -> Vec<u32> {
        let (at, len) = self.text(text);
        vec![at, len]
    }

    fn option(&mut self, text: Option<&str>) -> Vec<u32> {
        match text {
            Some(text) => [vec![1], self.pair(text)].concat(),
            None => vec![0, 0, 0],
        }
    }

    fn list(&mut self, texts: &[&str]) -> Vec<u32> {
        let pairs: Vec<_> = texts.iter().flat_map(|text| self.pair(text)).collect();
        vec![self.words(&pairs), texts.len() as u32]
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<_> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        self.image.resize(self.image.len().next_multiple_of(4), 0);
        let at = BASE + self.image.len() as u32;
        self.image.extend(bytes);
        assert!(
            BASE as usize + self.image.len() < HEAP as usize,
            "image too large"
        );
        at
    }

    fn manifest(&mut self) -> u32 {
        let mut triggers = Vec::new();
        for ty in self.triggers.clone() {
            triggers.extend([self.pair(ty), vec![0, 0]].concat());
        }
        let triggers = [
            vec![self.words(&triggers)],
            vec![self.triggers.len() as u32],
        ]
        .concat();
        let (emits, acts) = (self.emits.clone(), self.acts.clone());
        let emits = self.list(&emits);
        let acts = self.list(&acts);
        let schema = self.option(self.schema);
        let summary = self.pair("A guest for tests.");
        self.words(&[triggers, emits, acts, schema, summary].concat())
    }

    /// The module's text, without its WIT type.
    pub(crate) fn wat(mut self) -> String {
        let manifest = self.manifest();
        let mut data = String::new();
        for byte in &self.image {
            write!(data, "\\{byte:02x}").unwrap();
        }
        let host = "ringfence:rule/host@0.1.0";
        let Self {
            imports,
            module,
            describe,
            handle,
            pages,
            ..
        } = self;
        format!(
            r#"(module
              {imports}
              (import "{host}" "log" (func $log (param i32 i32 i32)))
              (import "{host}" "recall" (func $recall (param i32 i32 i32)))
              (import "{host}" "now" (func $now (result i64)))
              (import "{host}" "random" (func $random (result i32)))
              (memory (export "memory") {pages})
              (global $heap (mut i32) (i32.const {HEAP}))
              {module}
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $heap
                  (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.get $heap)
                (global.set $heap (i32.add (global.get $heap) (local.get 3))))
              (func (export "describe") (result i32) {describe} (i32.const {manifest}))
              (func $handle (export "handle") (param $args i32) (result i32) {handle})
              (data (i32.const {BASE}) "{data}"))"#
        )
    }

    /// As a core module with its WIT type.
    pub(crate) fn core(self) -> Vec<u8> {
        match self.imports.is_empty() {
            true => embed(self.wat().as_bytes()),
            false => crate::wasi::embed(self.wat().as_bytes()),
        }
    }

    /// As a component.
    pub(crate) fn component(self) -> Vec<u8> {
        encode(&self.core())
    }
}

/// A core module, in text or binary, with the WIT type of our world.
pub(crate) fn embed(wat: &[u8]) -> Vec<u8> {
    embed_world(wat, include_str!("../../../../wit/rule.wit"), "rule")
}

/// A core module with the WIT type of any world.
pub(crate) fn embed_world(wat: &[u8], wit: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_bytes(wat).unwrap().into_owned();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

/// A core module with a WIT type, as a component.
pub(crate) fn encode(module: &[u8]) -> Vec<u8> {
    let mut encoder = ComponentEncoder::default().module(module).unwrap();
    encoder.encode().unwrap()
}

/// A sandbox for tests.
pub(crate) fn config() -> SandboxConfig {
    SandboxConfig {
        concurrent_runs: 2,
        memory_bytes_max: 64 << 20,
        cache_bytes: 64 << 20,
        artifact_bytes: 64 << 20,
        tenant_data: None,
        reserve_growth: true,
        artifact_key: [7; 32],
    }
}

/// A sandbox that keeps nothing on disk.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(config(), None).unwrap()
}

/// Inspects an upload and makes it ready.
pub(crate) fn prepare(sandbox: &Sandbox, upload: &[u8]) -> Prepared {
    let inspected = sandbox.inspect(upload, &Limits::default()).unwrap();
    sandbox
        .prepare(
            inspected.version,
            &inspected.manifest,
            &Limits::default(),
            &|| Ok(Some(upload.into())),
        )
        .unwrap()
}

/// What a run is given, with defaults.
pub(crate) struct Given {
    pub(crate) event: Event,
    pub(crate) config: Json,
    pub(crate) limits: Limits,
    pub(crate) recall: Arc<dyn Recall>,
    pub(crate) tenant: TenantId,
    pub(crate) rule: RuleName,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            event: event("e1"),
            config: Json::empty_object(),
            limits: Limits::default(),
            recall: Arc::new(NothingRemembered),
            tenant: "acme".parse().unwrap(),
            rule: "rule".parse().unwrap(),
        }
    }
}

impl Given {
    /// With these limits.
    pub(crate) fn limits(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Runs it.
    pub(crate) fn try_run(
        &self,
        sandbox: &Sandbox,
        prepared: &Prepared,
    ) -> Result<RunReport, RecallError> {
        sandbox.run(
            prepared,
            &Run {
                event: &self.event,
                tenant: &self.tenant,
                rule: &self.rule,
                config: &self.config,
                limits: &self.limits,
                fuel: self.limits.fuel,
                recall: &self.recall,
            },
        )
    }

    /// Runs it.
    pub(crate) fn run(&self, sandbox: &Sandbox, prepared: &Prepared) -> RunReport {
        self.try_run(sandbox, prepared).unwrap()
    }
}

/// An event with this id.
pub(crate) fn event(id: &str) -> Event {
    let tenant: TenantId = "acme".parse().unwrap();
    let event_id = ringfence_model::EventId::root(&tenant, "/test", id);
    Event {
        id: event_id,
        tenant,
        ce_id: id.into(),
        source: "/test".into(),
        ty: "test.in".into(),
        subject: Some("s-1".into()),
        time: "2026-01-01T00:00:00Z".into(),
        data: Json::parse(r#"{"n": 1}"#).unwrap(),
        accepted_us: 1_767_225_600_123_456,
        lineage: Lineage::root(event_id),
        ancestry: Ancestry::default(),
    }
}
