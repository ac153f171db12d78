//! Makes components: rules that always answer the same.

use std::fmt::Write;

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where the memory image begins.
const BASE: u32 = 1024;

/// A trigger's type, and what it ignores.
type Trigger = (&'static str, &'static [&'static str]);

/// A rule that is given `ticket.*` and always answers the same.
pub(crate) struct Guest {
    image: Vec<u8>,
    triggers: Vec<Trigger>,
    emits: Vec<&'static str>,
    acts: Vec<&'static str>,
    schema: Option<&'static str>,
    body: String,
}

impl Guest {
    /// Asks for nothing.
    pub(crate) fn new() -> Self {
        let mut guest = Self {
            image: Vec::new(),
            triggers: vec![("ticket.*", &[])],
            emits: vec!["ticket.echo"],
            acts: vec!["ticket.*"],
            schema: None,
            body: String::new(),
        };
        let result = guest.words(&[0, BASE, 0]);
        guest.body = format!("(i32.const {result})");
        guest
    }

    /// Asks the host application for `ticket.update`.
    pub(crate) fn acting() -> Self {
        Self::acting_with(r#"{"team":"a"}"#)
    }

    /// The same, with this payload.
    pub(crate) fn acting_with(payload: &str) -> Self {
        let mut guest = Self::new();
        let (name, payload) = (guest.text("ticket.update"), guest.text(payload));
        guest.returning(&[[1, name.0, name.1, payload.0, payload.1, 0, 0, 0]])
    }

    /// Emits `ticket.echo`, which triggers it again.
    pub(crate) fn looping() -> Self {
        let mut guest = Self::new();
        let (ty, data) = (guest.text("ticket.echo"), guest.text("{}"));
        guest.returning(&[[0, ty.0, ty.1, 0, 0, 0, data.0, data.1]])
    }

    /// The same, twice each time.
    pub(crate) fn branching() -> Self {
        let mut guest = Self::new();
        let (ty, data) = (guest.text("ticket.echo"), guest.text("{}"));
        guest.returning(&[[0, ty.0, ty.1, 0, 0, 0, data.0, data.1]; 2])
    }

    /// Never ends.
    pub(crate) fn endless() -> Self {
        let mut guest = Self::new();
        guest.body = "(loop (br 0)) (i32.const 0)".into();
        guest
    }

    /// With a schema for its configuration.
    pub(crate) fn configured_by(mut self, schema: &'static str) -> Self {
        self.schema = Some(schema);
        self
    }

    /// With another trigger.
    pub(crate) fn wanting(mut self, trigger: &'static str) -> Self {
        self.triggers = vec![(trigger, &[])];
        self
    }

    /// With these declarations.
    pub(crate) fn declaring(
        mut self,
        triggers: &[Trigger],
        emits: &[&'static str],
        acts: &[&'static str],
    ) -> Self {
        (self.triggers, self.emits, self.acts) = (triggers.into(), emits.into(), acts.into());
        self
    }

    /// A list of texts, and how many it has.
    fn list(&mut self, texts: &[&str]) -> [u32; 2] {
        let places = texts.iter().map(|text| self.text(text));
        let places: Vec<u32> = places.flat_map(|(at, length)| [at, length]).collect();
        [self.words(&places), texts.len() as u32]
    }

    fn returning(mut self, effects: &[[u32; 8]]) -> Self {
        let list = self.words(effects.as_flattened());
        let result = self.words(&[0, list, effects.len() as u32]);
        self.body = format!("(i32.const {result})");
        self
    }

    fn text(&mut self, text: &str) -> (u32, u32) {
        (self.put(text.as_bytes()), text.len() as u32)
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        self.image.resize(self.image.len().next_multiple_of(4), 0);
        let at = BASE + self.image.len() as u32;
        self.image.extend(bytes);
        at
    }

    fn manifest(&mut self) -> u32 {
        let (declared, schema) = (self.triggers.clone(), self.schema);
        let mut records = Vec::new();
        for (ty, ignore) in &declared {
            let (at, length) = self.text(ty);
            records.extend([at, length]);
            records.extend(self.list(ignore));
        }
        let triggers = self.words(&records);
        let (emits, acts) = (self.emits.clone(), self.acts.clone());
        let (emits, acts) = (self.list(&emits), self.list(&acts));
        let schema = schema.map(|schema| self.text(schema));
        let (some, at, len) = schema.map_or((0, 0, 0), |(at, len)| (1, at, len));
        let summary = self.text("A rule for tests.");
        let count = declared.len() as u32;
        self.words(&[
            triggers, count, emits[0], emits[1], acts[0], acts[1], some, at, len, summary.0,
            summary.1,
        ])
    }

    /// The core module, with its WIT type.
    pub(crate) fn module(mut self) -> Vec<u8> {
        let manifest = self.manifest();
        let mut data = String::new();
        for byte in &self.image {
            write!(data, "\\{byte:02x}").unwrap();
        }
        let body = &self.body;
        let text = format!(
            r#"(module
              (memory (export "memory") 4)
              (global $heap (mut i32) (i32.const 65536))
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $heap
                  (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.get $heap)
                (global.set $heap (i32.add (global.get $heap) (local.get 3))))
              (func (export "describe") (result i32) (i32.const {manifest}))
              (func (export "handle") (param i32) (result i32) {body})
              (data (i32.const {BASE}) "{data}"))"#
        );
        let mut module = wat::parse_str(text).unwrap();
        let mut resolve = Resolve::default();
        let wit = include_str!("../../../../wit/rule.wit");
        let package = resolve.push_str("rule.wit", wit).unwrap();
        let world = resolve.select_world(&[package], Some("rule")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }
}
