//! Looks at a component to decide whether it is rewritten, and how.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{
    CompositeInnerType, Encoding, Export, FuncType, FunctionBody, MemoryType, Operator, Parser,
    Payload, TypeRef, ValType,
};

use super::{PAGES_MAX, RESERVE_PAGES, SHADOW_ELEMENTS};
use crate::UploadError;
use crate::links::{Links, is_function};
use crate::scan::invalid;

/// The custom section in which a core module says how it grows.
const GROWTH_SECTION: &str = "ringfence:growth";
/// In it: hardly ever, as the SDK's allocator does. Its runs would pay for a
/// reserve that they do not use.
const GROWTH_RARE: &[u8] = b"rare";

/// What a look at a component shows.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Its core modules, also those of components in it, in order.
    pub(super) modules: Vec<Module>,
    /// Some code grows a memory.
    grows: bool,
    /// Some code grows or measures a memory of another module. It would see
    /// the reserve.
    shares: bool,
    /// A table looks like one of ours.
    imitates: bool,
    /// Says that it seldom grows a memory.
    rare: bool,
    /// Imports that are linked when an instance is made.
    pub(super) links: u32,
}

/// A core module's index spaces; imports count too.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) functions: u32,
    pub(super) tables: u32,
    pub(super) globals: u32,
    /// How many memories it imports.
    pub(super) memories_imported: u32,
    /// The memories that it defines.
    pub(super) memories: Vec<MemoryType>,
    /// Its code grows or measures one.
    pub(super) measures: bool,
    /// The functions that it exports for texts to be written into its memory.
    pub(super) reallocs: BTreeSet<u32>,
    /// What it imports that the host makes, and the units that a call costs.
    pub(super) charged: BTreeMap<u32, u32>,
    types: Vec<Type>,
    /// By function, its type.
    function_types: Vec<u32>,
}

/// What must be known of a type.
#[derive(Debug)]
struct Type {
    parameters: u32,
    /// Whether it is the one that a `realloc` must have.
    is_realloc: bool,
}

impl Survey {
    /// Looks at a valid component.
    ///
    /// # Errors
    /// When it is not valid.
    pub(super) fn of(component: &[u8]) -> Result<Self, UploadError> {
        let mut links = Links::default();
        for payload in Parser::new(0).parse_all(component) {
            links.step(&payload.map_err(|error| invalid(&error))?)?;
        }
        let mut survey = Self {
            links: u32::try_from(links.linked()).unwrap_or(u32::MAX),
            ..Self::default()
        };
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.map_err(|error| invalid(&error))?;
            survey
                .look_at(&payload, &links)
                .map_err(|error| invalid(&error))?;
        }
        Ok(survey)
    }

    /// How many pages each memory is given beyond those that it declares. The
    /// same for all, so that one number tells the host; 0 is none.
    pub(super) fn reserve_pages(&self) -> u8 {
        if !self.grows || self.rare || self.shares || self.imitates {
            return 0;
        }
        let memories = self.modules.iter().flat_map(|module| &module.memories);
        let room = memories.map(room).min().unwrap_or(0);
        u8::try_from(room).map_or(RESERVE_PAGES, |room| room.min(RESERVE_PAGES))
    }

    /// Whether the host does something that must be charged for.
    pub(super) fn charges(&self) -> bool {
        self.modules.iter().any(Module::charges)
    }

    fn look_at(&mut self, payload: &Payload<'_>, links: &Links<'_>) -> wasmparser::Result<()> {
        if let Payload::Version {
            encoding: Encoding::Module,
            ..
        } = payload
        {
            self.modules.push(Module::default());
        }
        // Before the first module, and outside of one, there is none of what
        // follows.
        let Some(module) = self.modules.last_mut() else {
            return Ok(());
        };
        match payload {
            Payload::TypeSection(section) => {
                for group in section.clone() {
                    let group = group?;
                    let types = group.types().map(|ty| Type::of(&ty.composite_type.inner));
                    module.types.extend(types);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    let import = import?;
                    if let Some(units) = links.charged(import.module, import.name)
                        && matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_))
                    {
                        module.charged.insert(module.functions, units);
                    }
                    module.import(import.ty);
                }
            }
            Payload::FunctionSection(section) => {
                module.functions += section.count();
                for ty in section.clone() {
                    module.function_types.push(ty?);
                }
            }
            Payload::ExportSection(section) if !links.reallocs().is_empty() => {
                for export in section.clone() {
                    let export = export?;
                    if links.reallocs().contains(export.name) && module.is_realloc(&export) {
                        module.reallocs.insert(export.index);
                    }
                }
            }
            Payload::GlobalSection(section) => module.globals += section.count(),
            Payload::TableSection(section) => {
                module.tables += section.count();
                for table in section.clone() {
                    self.imitates |= table?.ty.maximum == Some(SHADOW_ELEMENTS.into());
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    module.memories.push(memory?);
                }
            }
            Payload::CodeSectionEntry(body) => self.look_at_body(body)?,
            Payload::CustomSection(section) if section.name() == GROWTH_SECTION => {
                self.rare |= section.data() == GROWTH_RARE;
            }
            _ => {}
        }
        Ok(())
    }

    fn look_at_body(&mut self, body: &FunctionBody<'_>) -> wasmparser::Result<()> {
        let Some(module) = self.modules.last_mut() else {
            return Ok(());
        };
        for operator in body.get_operators_reader()? {
            let (memory, grows) = match operator? {
                Operator::MemoryGrow { mem } => (mem, true),
                Operator::MemorySize { mem } => (mem, false),
                _ => continue,
            };
            module.measures = true;
            self.grows |= grows;
            self.shares |= memory < module.memories_imported;
        }
        Ok(())
    }
}

impl Module {
    /// How many types it has.
    pub(super) fn types(&self) -> u32 {
        self.types.len() as u32
    }

    /// Whether something is put in front of some of its functions.
    pub(super) fn charges(&self) -> bool {
        !self.reallocs.is_empty() || !self.charged.is_empty()
    }

    /// A function's type, and how many parameters it has.
    pub(super) fn signature(&self, function: u32) -> (u32, u32) {
        let ty = self.function_types.get(function as usize).copied();
        let ty = ty.unwrap_or_default();
        let parameters = self.types.get(ty as usize).map(|ty| ty.parameters);
        (ty, parameters.unwrap_or_default())
    }

    fn is_realloc(&self, export: &Export<'_>) -> bool {
        let (ty, _) = self.signature(export.index);
        let ty = self.types.get(ty as usize);
        is_function(export.kind) && ty.is_some_and(|ty| ty.is_realloc)
    }

    fn import(&mut self, ty: TypeRef) {
        match ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.functions += 1;
                self.function_types.push(ty);
            }
            TypeRef::Table(_) => self.tables += 1,
            TypeRef::Memory(_) => self.memories_imported += 1,
            TypeRef::Global(_) => self.globals += 1,
            TypeRef::Tag(_) => {}
        }
    }
}

impl Type {
    fn of(ty: &CompositeInnerType) -> Self {
        let CompositeInnerType::Func(ty) = ty else {
            return Self {
                parameters: 0,
                is_realloc: false,
            };
        };
        Self {
            parameters: ty.params().len() as u32,
            is_realloc: *ty == FuncType::new([ValType::I32; 4], [ValType::I32]),
        }
    }
}

/// How many pages a memory can have beyond its first ones. It keeps its
/// declared maximum, and so keeps to it.
fn room(memory: &MemoryType) -> u32 {
    if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
        return 0;
    }
    let maximum = maximum_pages(memory);
    let initial = u32::try_from(memory.initial).unwrap_or(PAGES_MAX);
    maximum.saturating_sub(initial)
}

/// The most pages that a memory can have.
pub(super) fn maximum_pages(memory: &MemoryType) -> u32 {
    let declared = memory.maximum.map_or(PAGES_MAX, |maximum| {
        u32::try_from(maximum).unwrap_or(PAGES_MAX)
    });
    declared.min(PAGES_MAX)
}
