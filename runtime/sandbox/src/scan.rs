//! A cheap look at an upload before anything expensive is done with it:
//! validation, bounds on what makes compiling slow, and its top-level names.

use std::panic::catch_unwind;

use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, CustomSectionReader, ElementItems, ElementKind,
    ElementSectionReader, FunctionBody, Parser, Payload, TypeBounds, Validator, WasmFeatures,
};

use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use crate::links::Links;
use crate::nesting::{Nesting, check_embedded};
use crate::{UploadError, wasi};

// Bounds on an upload. CPython's component, the largest that people build,
// has about 20,000 functions, the longest of 300 KB, and 2,200 imports between
// its modules.
const FUNCTIONS_MAX: u64 = 100_000;
const FUNCTION_BYTES_MAX: u64 = 1024 * 1024;
/// Compilers give a function hundreds; compiling takes more than linear time
/// in them.
const LOCALS_MAX: u64 = 10_000;
const TYPES_MAX: u64 = 50_000;
const GLOBALS_MAX: u64 = 50_000;
pub(crate) const IMPORTS_MAX: u64 = 5_000;
const EXPORTS_MAX: u64 = 100_000;
/// In all segments that fill tables.
const ELEMENTS_MAX: u64 = 40_000;
/// In segments for `table.init`, which compilers do not make. Each is compiled
/// to code of its own and written at each start, at no fuel: of a million, the
/// compiler took 2 GB and each run 80 ms.
const PASSIVE_ELEMENTS_MAX: u64 = 1_000;
/// wit-component makes one for each group of imports, besides the module;
/// toolchains that link dynamically have one for each library.
const MODULES_MAX: u64 = 24;
/// wit-component makes one for each exported interface.
const COMPONENTS_MAX: u64 = 64;
/// Embedded WIT; ours takes 1.5 KB.
const WIT_BYTES_MAX: u64 = 256 * 1024;

const HOST: &str = "ringfence:rule/host@0.1.";
const TYPES: &str = "ringfence:rule/types@0.1.";
const EXPORTS: [&str; 2] = ["describe", "handle"];

/// What a look at an upload showed.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// A component, or a core module.
    pub(crate) is_component: bool,
    /// The names that it imports at its top level; of a core module, the
    /// modules.
    pub(crate) imports: Vec<String>,
    /// Whether its functions have names.
    pub(crate) has_names: bool,
    functions_exported: Vec<String>,
    wit_bytes: u64,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    functions: u64,
    types: u64,
    globals: u64,
    imports: u64,
    exports: u64,
    elements: u64,
    passive_elements: u64,
    modules: u64,
    components: u64,
    instances: u64,
    memories: u64,
    tables: u64,
}

/// Looks at an upload.
///
/// # Errors
/// When it is not wasm, not valid, or beyond a bound.
pub(crate) fn scan(bytes: &[u8]) -> Result<Scan, UploadError> {
    // wasmparser asserts some things about what it reads, for example how deep
    // instances hold each other. That must cost the sender an error, and
    // nobody else anything.
    catch_unwind(|| look(bytes)).unwrap_or_else(|_| {
        Err(UploadError::InvalidWasm(
            "the validator failed on it".into(),
        ))
    })
}

fn look(bytes: &[u8]) -> Result<Scan, UploadError> {
    if bytes.len() < 8 || !bytes.starts_with(b"\0asm") {
        return Err(UploadError::NotWasm(what_it_is(bytes)));
    }
    let mut scan = Scan {
        is_component: Parser::is_component(bytes),
        ..Scan::default()
    };
    let mut nesting = Nesting::default();
    let mut links = Links::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        nesting.step(bytes, &payload)?;
        links.step(&payload)?;
        scan.look_at(&payload, nesting.is_top())?;
    }
    // Bounds first: validation is linear in what they bound.
    Validator::new_with_features(features())
        .validate_all(bytes)
        .map_err(|error| invalid(&error))?;
    Ok(scan)
}

/// What this host's engine accepts; see [`crate::engine_config`].
fn features() -> WasmFeatures {
    // `externref`, which needs a garbage collector, is a part of WASM2.
    WasmFeatures::WASM2.difference(WasmFeatures::GC_TYPES)
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::COMPONENT_MODEL
}

impl Scan {
    fn look_at(&mut self, payload: &Payload<'_>, top: bool) -> Result<(), UploadError> {
        match payload {
            Payload::CodeSectionEntry(body) => check_body(body),
            Payload::CustomSection(section) => self.look_at_custom(section),
            Payload::ElementSection(section) => self.look_at_elements(section),
            Payload::ImportSection(section) => {
                self.counts.imports += u64::from(section.count());
                bound("imports", self.counts.imports, IMPORTS_MAX)?;
                for import in section.clone().into_imports() {
                    let import = import.map_err(|error| invalid(&error))?;
                    if !self.is_component {
                        self.add_import(import.module);
                    }
                }
                Ok(())
            }
            Payload::ComponentImportSection(section) => {
                self.counts.imports += u64::from(section.count());
                bound("imports", self.counts.imports, IMPORTS_MAX)?;
                for import in section.clone() {
                    let import = import.map_err(|error| invalid(&error))?;
                    // A name for a type that is known; nothing is wanted.
                    let named = matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_)));
                    if top && !named {
                        self.add_import(import.name.name);
                    }
                }
                Ok(())
            }
            Payload::ComponentExportSection(section) => {
                self.counts.exports += u64::from(section.count());
                bound("exports", self.counts.exports, EXPORTS_MAX)?;
                for export in section.clone() {
                    let export = export.map_err(|error| invalid(&error))?;
                    if top && export.kind == ComponentExternalKind::Func {
                        self.functions_exported.push(export.name.name.to_owned());
                    }
                }
                Ok(())
            }
            _ => self.count(payload),
        }
    }

    fn count(&mut self, payload: &Payload<'_>) -> Result<(), UploadError> {
        let counts = &mut self.counts;
        let (what, count, more, limit) = match payload {
            Payload::FunctionSection(section) => (
                "functions",
                &mut counts.functions,
                section.count(),
                FUNCTIONS_MAX,
            ),
            Payload::TypeSection(section) => {
                ("types", &mut counts.types, section.count(), TYPES_MAX)
            }
            Payload::ComponentTypeSection(section) => {
                ("types", &mut counts.types, section.count(), TYPES_MAX)
            }
            Payload::CoreTypeSection(section) => {
                ("types", &mut counts.types, section.count(), TYPES_MAX)
            }
            Payload::GlobalSection(section) => {
                ("globals", &mut counts.globals, section.count(), GLOBALS_MAX)
            }
            Payload::ExportSection(section) => {
                ("exports", &mut counts.exports, section.count(), EXPORTS_MAX)
            }
            Payload::MemorySection(section) => (
                "memories",
                &mut counts.memories,
                section.count(),
                MEMORIES_MAX.into(),
            ),
            Payload::TableSection(section) => (
                "tables",
                &mut counts.tables,
                section.count(),
                TABLES_MAX.into(),
            ),
            Payload::ModuleSection { .. } => ("modules", &mut counts.modules, 1, MODULES_MAX),
            Payload::ComponentSection { .. } => (
                "nested components",
                &mut counts.components,
                1,
                COMPONENTS_MAX,
            ),
            Payload::ComponentInstanceSection(section) => (
                "component instances",
                &mut counts.instances,
                section.count(),
                COMPONENTS_MAX,
            ),
            _ => return Ok(()),
        };
        *count += u64::from(more);
        bound(what, *count, limit)
    }

    fn look_at_custom(&mut self, section: &CustomSectionReader<'_>) -> Result<(), UploadError> {
        if section.name() == "name" {
            self.has_names = true;
        }
        if section.name().starts_with("component-type") {
            self.wit_bytes += section.data().len() as u64;
            bound("bytes of embedded WIT", self.wit_bytes, WIT_BYTES_MAX)?;
            check_embedded(section.data())?;
        }
        Ok(())
    }

    fn look_at_elements(&mut self, section: &ElementSectionReader<'_>) -> Result<(), UploadError> {
        for element in section.clone() {
            let element = element.map_err(|error| invalid(&error))?;
            let count = match element.items {
                ElementItems::Functions(items) => items.count(),
                ElementItems::Expressions(_, items) => items.count(),
            };
            let counts = &mut self.counts;
            match element.kind {
                // Nothing is made of those.
                ElementKind::Declared => continue,
                ElementKind::Passive => counts.passive_elements += u64::from(count),
                ElementKind::Active { .. } => counts.elements += u64::from(count),
            }
            bound("elements", counts.elements, ELEMENTS_MAX)?;
            bound(
                "passive elements",
                counts.passive_elements,
                PASSIVE_ELEMENTS_MAX,
            )?;
        }
        Ok(())
    }

    fn add_import(&mut self, name: &str) {
        if !self.imports.iter().any(|known| known == name) {
            self.imports.push(name.to_owned());
        }
    }

    /// Refuses a core module that cannot be made a rule.
    pub(crate) fn check_core(&self) -> Result<(), UploadError> {
        self.check_imports()?;
        if self.wit_bytes == 0 {
            return Err(UploadError::NoWitType);
        }
        Ok(())
    }

    /// Refuses a component that lacks our exports or imports what is not ours.
    pub(crate) fn check_component(&self) -> Result<(), UploadError> {
        self.check_imports()?;
        let missing: Vec<_> = EXPORTS
            .iter()
            .filter(|name| !self.functions_exported.iter().any(|known| known == *name))
            .map(|&name| name.to_owned())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(UploadError::MissingExports(missing))
    }

    fn check_imports(&self) -> Result<(), UploadError> {
        let unknown = |name: &&String| {
            !name.starts_with(HOST) && !name.starts_with(TYPES) && !wasi::provides(name)
        };
        let names: Vec<_> = self.imports.iter().filter(unknown).cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(UploadError::UnknownImports(names))
    }
}

fn check_body(body: &FunctionBody<'_>) -> Result<(), UploadError> {
    let bytes = body.range().len() as u64;
    bound("bytes in one function", bytes, FUNCTION_BYTES_MAX)?;
    let mut locals: u64 = 0;
    for group in body.get_locals_reader().map_err(|error| invalid(&error))? {
        let (count, _) = group.map_err(|error| invalid(&error))?;
        locals += u64::from(count);
        bound("locals in one function", locals, LOCALS_MAX)?;
    }
    Ok(())
}

pub(crate) fn bound(what: &'static str, count: u64, limit: u64) -> Result<(), UploadError> {
    if count <= limit {
        return Ok(());
    }
    let what = what.into();
    Err(UploadError::TooComplex { what, count, limit })
}

/// What the parser says, as an error.
pub(crate) fn invalid(error: &wasmparser::BinaryReaderError) -> UploadError {
    UploadError::InvalidWasm(error.to_string())
}

/// Names what people send by mistake.
fn what_it_is(bytes: &[u8]) -> String {
    let known = [
        (&b"(module"[..], "it is WebAssembly text"),
        (b"(component", "it is WebAssembly text"),
        (b"\x1f\x8b", "it is compressed with gzip"),
        (b"PK\x03\x04", "it is a zip archive"),
        (b"\x7fELF", "it is a native program"),
    ];
    if bytes.is_empty() {
        return "it is empty".into();
    }
    known
        .iter()
        .find(|(start, _)| bytes.trim_ascii_start().starts_with(start))
        .map_or("it does not begin with `\\0asm`", |(_, what)| what)
        .into()
}

// The pool takes no more instances than this, and refuses by itself.
const _: () = assert!(CORE_INSTANCES_MAX as u64 <= MODULES_MAX);
