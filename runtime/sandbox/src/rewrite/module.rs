//! Rewrites one core module: splices bytes, and decodes no more than it must.

use std::collections::BTreeMap;

use wasm_encoder::{
    ConstExpr, Encode, ExportKind, GlobalType, Instruction, MemorySection, NameMap, NameSection,
    RefType, Section, SectionId, TableType, ValType,
};
use wasmparser::{
    BinaryReader, CodeSectionReader, ExportSectionReader, FunctionBody, Operator, Parser, Payload,
};

use super::fronts::{BURN_TYPE, Fronts};
use super::growth::Growth;
use super::survey::{Module, maximum_pages};
use super::{FRONT_NAME, GROWTH_NAME, HEADER_BYTES, SHADOW_ELEMENTS, fronts, section, slice};
use crate::UploadError;
use crate::fuel::operator_cost;
use crate::links::is_function;
use crate::scan::invalid;

/// Custom sections about places in function bodies, which move.
const CODE_METADATA: &str = "metadata.code.";

/// `(func (param i32) (result i32))`.
const GROWTH_TYPE: [u8; 5] = [0x60, 1, 0x7f, 1, 0x7f];

/// The beginning of a segment of elements that only declares functions.
const DECLARED: [u8; 2] = [3, 0];

/// Gives a module's memories `reserve` pages more, and rewrites its growth;
/// puts functions that charge in front of those that must be charged for.
///
/// # Errors
/// When it is not valid.
pub(super) fn rewrite(bytes: &[u8], module: &Module, reserve: u8) -> Result<Vec<u8>, UploadError> {
    let fronts = Fronts::of(module, module.functions + growth(module, reserve));
    if fronts.replaces_imports() {
        let bytes = fronts.replace_imports(bytes);
        let bytes = bytes.map_err(UploadError::InvalidWasm)?;
        return splice(&bytes, module, &fronts, reserve);
    }
    splice(bytes, module, &fronts, reserve)
}

fn splice(
    bytes: &[u8],
    module: &Module,
    fronts: &Fronts,
    reserve: u8,
) -> Result<Vec<u8>, UploadError> {
    let mut out = slice(bytes, &(0..HEADER_BYTES))?.to_vec();
    let mut additions = Additions::of(module, fronts, reserve);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        if let Payload::CustomSection(custom) = &payload
            && custom.name().starts_with(CODE_METADATA)
        {
            continue;
        }
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        let content = slice(bytes, &range)?;
        if id == SectionId::Custom as u8 {
            section(&mut out, id, content);
            continue;
        }
        additions.flush(rank(id), &mut out);
        match payload {
            Payload::MemorySection(_) => memories(module, reserve).append_to(&mut out),
            Payload::ExportSection(exports) => {
                let exports = rewrite_exports(exports, fronts);
                let exports = exports.map_err(|error| invalid(&error))?;
                additions.append(id, &exports, &mut out)?;
            }
            Payload::CodeSectionStart { .. } if growth(module, reserve) > 0 => {
                let code = rewrite_code(content, module).map_err(|error| invalid(&error))?;
                additions.append(id, &code, &mut out)?;
            }
            _ => additions.append(id, content, &mut out)?,
        }
    }
    additions.flush(u8::MAX, &mut out);
    let mut functions = NameMap::new();
    for nth in 0..growth(module, reserve) {
        functions.append(module.functions + nth, GROWTH_NAME);
    }
    if module.charges() {
        functions.append(fronts.burn, FRONT_NAME);
        for front in &fronts.all {
            functions.append(front.index, FRONT_NAME);
        }
    }
    if !functions.is_empty() {
        // A second name section; the compiler merges them.
        let mut names = NameSection::new();
        names.functions(&functions);
        names.append_to(&mut out);
    }
    Ok(out)
}

/// How many functions are added that grow a memory; they come first.
fn growth(module: &Module, reserve: u8) -> u32 {
    match module.measures && reserve > 0 {
        true => module.memories.len() as u32,
        false => 0,
    }
}

/// What is added to a module's sections, by their order.
struct Additions(BTreeMap<u8, Addition>);

/// What is added to one.
struct Addition {
    id: SectionId,
    count: u32,
    items: Vec<u8>,
}

impl Additions {
    fn of(module: &Module, fronts: &Fronts, reserve: u8) -> Self {
        let mut additions = Self(BTreeMap::new());
        let mut types = module.types();
        if growth(module, reserve) > 0 {
            additions.add(SectionId::Type, |items| items.extend(GROWTH_TYPE));
            additions.grow(module, types);
            types += 1;
        }
        if module.charges() {
            additions.add(SectionId::Type, |items| items.extend(BURN_TYPE));
            additions.charge(fronts, types);
        }
        additions
    }

    fn grow(&mut self, module: &Module, ty: u32) {
        let cost = operator_cost();
        for (index, memory) in (0..).zip(&module.memories) {
            let growth = Growth {
                memory: module.memories_imported + index,
                used: module.globals + index,
                shadow: module.tables + index,
                maximum_pages: maximum_pages(memory),
            };
            self.add(SectionId::Function, |items| ty.encode(items));
            self.add(SectionId::Table, |items| shadow().encode(items));
            self.add(SectionId::Global, |items| used(memory.initial, items));
            self.add(SectionId::Code, |items| growth.body(&cost).encode(items));
        }
    }

    fn charge(&mut self, fronts: &Fronts, burn_type: u32) {
        self.add(SectionId::Function, |items| burn_type.encode(items));
        self.add(SectionId::Code, |items| {
            fronts::burn(&operator_cost()).encode(items);
        });
        for front in &fronts.all {
            self.add(SectionId::Function, |items| front.ty.encode(items));
            self.add(SectionId::Code, |items| {
                front.body(fronts.burn).encode(items);
            });
            // It may not be exported by itself any more, which was what
            // allowed code to take its address.
            self.add(SectionId::Element, |items| {
                items.extend(DECLARED);
                [front.behind].encode(items);
            });
        }
    }

    fn add(&mut self, id: SectionId, encode: impl FnOnce(&mut Vec<u8>)) {
        let addition = self.0.entry(rank(id as u8)).or_insert(Addition {
            id,
            count: 0,
            items: Vec::new(),
        });
        addition.count += 1;
        encode(&mut addition.items);
    }

    /// Writes those whose section is not there and would come before `rank`.
    fn flush(&mut self, rank: u8, out: &mut Vec<u8>) {
        while let Some(first) = self.0.first_entry() {
            if *first.key() >= rank {
                return;
            }
            let Addition { id, count, items } = first.remove();
            let mut content = Vec::with_capacity(items.len() + 1);
            count.encode(&mut content);
            content.extend(items);
            section(out, id as u8, &content);
        }
    }

    /// Writes a section, with what is added to it.
    fn append(&mut self, id: u8, content: &[u8], out: &mut Vec<u8>) -> Result<(), UploadError> {
        let Some(Addition { count, items, .. }) = self.0.remove(&rank(id)) else {
            section(out, id, content);
            return Ok(());
        };
        let mut reader = BinaryReader::new(content, 0);
        let there = reader.read_var_u32().map_err(|error| invalid(&error))?;
        let mut longer = Vec::with_capacity(content.len() + items.len() + 1);
        (there + count).encode(&mut longer);
        longer.extend(&content[reader.original_position()..]);
        longer.extend(items);
        section(out, id, &longer);
        Ok(())
    }
}

/// A section's place among the others: by number, but for the two that were
/// added to the format later.
fn rank(id: u8) -> u8 {
    const TAG: u8 = SectionId::Tag as u8;
    const DATA_COUNT: u8 = SectionId::DataCount as u8;
    match id {
        TAG => SectionId::Memory as u8 * 2 + 1,
        DATA_COUNT => SectionId::Element as u8 * 2 + 1,
        id => id * 2,
    }
}

fn memories(module: &Module, reserve: u8) -> MemorySection {
    let mut section = MemorySection::new();
    for memory in &module.memories {
        section.memory(wasm_encoder::MemoryType {
            minimum: memory.initial + u64::from(reserve),
            maximum: memory.maximum,
            memory64: memory.memory64,
            shared: memory.shared,
            page_size_log2: memory.page_size_log2,
        });
    }
    section
}

fn shadow() -> TableType {
    TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 0,
        maximum: Some(SHADOW_ELEMENTS.into()),
        shared: false,
    }
}

/// The counter of a memory's pages in use, beginning with those declared.
fn used(pages: u64, items: &mut Vec<u8>) {
    GlobalType {
        val_type: ValType::I32,
        mutable: true,
        shared: false,
    }
    .encode(items);
    // At most 65,536.
    ConstExpr::i32_const(pages as i32).encode(items);
}

/// Exports what is put in front instead of what is behind.
fn rewrite_exports(
    exports: ExportSectionReader<'_>,
    fronts: &Fronts,
) -> wasmparser::Result<Vec<u8>> {
    let mut out = Vec::new();
    exports.count().encode(&mut out);
    for export in exports {
        let export = export?;
        let index = match is_function(export.kind) {
            true => fronts.of_export(export.index),
            false => export.index,
        };
        export.name.encode(&mut out);
        ExportKind::from(export.kind).encode(&mut out);
        index.encode(&mut out);
    }
    Ok(out)
}

fn rewrite_code(content: &[u8], module: &Module) -> wasmparser::Result<Vec<u8>> {
    let bodies = CodeSectionReader::new(BinaryReader::new(content, 0))?;
    let mut code = Vec::with_capacity(content.len());
    bodies.count().encode(&mut code);
    for body in bodies {
        rewrite_body(content, &body?, module)?.encode(&mut code);
    }
    Ok(code)
}

fn rewrite_body(
    content: &[u8],
    body: &FunctionBody<'_>,
    module: &Module,
) -> wasmparser::Result<Vec<u8>> {
    let range = body.range();
    let mut out = Vec::with_capacity(range.len());
    let mut copied = range.start;
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let (operator, at) = operators.read_with_offset()?;
        let instead = match operator {
            Operator::MemorySize { mem } => {
                Instruction::GlobalGet(module.globals + mem - module.memories_imported)
            }
            Operator::MemoryGrow { mem } => {
                Instruction::Call(module.functions + mem - module.memories_imported)
            }
            _ => continue,
        };
        out.extend(&content[copied..at]);
        instead.encode(&mut out);
        copied = operators.original_position();
    }
    out.extend(&content[copied..range.end]);
    Ok(out)
}
