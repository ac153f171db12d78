//! Rewrites one core module: splices bytes, and decodes no more than it must.

use wasm_encoder::{
    Encode, ExportKind, Instruction, MemorySection, NameMap, NameSection, Section, SectionId,
};
use wasmparser::{
    BinaryReader, CodeSectionReader, ExportSectionReader, FunctionBody, Operator, Parser, Payload,
};

use super::additions::{Additions, growth, rank};
use super::fronts::Fronts;
use super::survey::Module;
use super::{FRONT_NAME, GROWTH_NAME, HEADER_BYTES, section, slice};
use crate::UploadError;
use crate::links::is_function;
use crate::scan::invalid;

/// Custom sections about places in function bodies, which move.
const CODE_METADATA: &str = "metadata.code.";

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
