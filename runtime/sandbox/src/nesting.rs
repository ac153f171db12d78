//! How deep an upload nests, found out without recursion.
//!
//! A type of the component model may declare others within itself, and
//! wasmparser reads and validates them by recursion, as deep as the upload
//! says: three bytes a level, so that 15 KB of them overflow a thread's stack,
//! which no `catch_unwind` contains. So this comes before wasmparser reads a
//! type.

use std::ops::Range;

use wasmparser::{
    BinaryReader, ComponentImport, ComponentType, InstanceTypeDeclaration, Parser, Payload,
};

use crate::UploadError;
use crate::scan::{bound, invalid};

/// Levels of types declared within types. An embedded world takes 4.
const TYPES_MAX: u64 = 16;
/// Levels of modules and components within components.
const SECTIONS_MAX: u64 = 4;

/// What is open where a walk through an upload stands.
#[derive(Debug, Default)]
pub(crate) struct Nesting {
    /// Levels of modules and components.
    depth: u64,
}

impl Nesting {
    /// Whether the walk is at the top level.
    pub(crate) fn is_top(&self) -> bool {
        self.depth == 0
    }

    /// Goes on by one payload of these bytes.
    ///
    /// # Errors
    /// When something nests too deep.
    pub(crate) fn step(&mut self, bytes: &[u8], payload: &Payload<'_>) -> Result<(), UploadError> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.depth += 1;
                bound("levels of nesting", self.depth, SECTIONS_MAX)
            }
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(())
            }
            Payload::ComponentTypeSection(section) => check_types(bytes, section.range()),
            _ => Ok(()),
        }
    }
}

/// Checks the WIT type that is embedded in a module: a component that only
/// declares types.
///
/// # Errors
/// When it nests too deep, or is no component.
pub(crate) fn check_embedded(section: &[u8]) -> Result<(), UploadError> {
    // The format of 2023 begins otherwise, and holds a component further on.
    if !Parser::is_component(section) {
        let problem = "the section `component-type` is not in the present format";
        return Err(UploadError::WrongType(problem.into()));
    }
    let mut nesting = Nesting::default();
    for payload in Parser::new(0).parse_all(section) {
        nesting.step(section, &payload.map_err(|error| invalid(&error))?)?;
    }
    Ok(())
}

/// Walks through a section of types with a stack of its own.
fn check_types(bytes: &[u8], range: Range<usize>) -> Result<(), UploadError> {
    let section = bytes.get(range.clone()).unwrap_or_default();
    let mut reader = BinaryReader::new(section, range.start);
    walk(&mut reader)
        .map_err(|error| invalid(&error))?
        .map_or(Ok(()), |depth| bound("levels of types", depth, TYPES_MAX))
}

/// The depth at which it went too deep, if it did.
fn walk(reader: &mut BinaryReader<'_>) -> wasmparser::Result<Option<u64>> {
    // The declarations that are left in each type that is open, and in the
    // section itself.
    let mut left = vec![reader.read_var_u32()?];
    while let Some(count) = left.last_mut() {
        if *count == 0 {
            left.pop();
            continue;
        }
        *count -= 1;
        if left.len() > 1 && !is_type_declaration(reader)? {
            continue;
        }
        match reader.clone().read_u8()? {
            // A component type or an instance type.
            0x41 | 0x42 => {
                reader.read_u8()?;
                left.push(reader.read_var_u32()?);
                let depth = left.len() as u64 - 1;
                if depth > TYPES_MAX {
                    return Ok(Some(depth));
                }
            }
            // What no type is declared in.
            _ => {
                reader.read::<ComponentType<'_>>()?;
            }
        }
    }
    Ok(None)
}

/// Reads a declaration within a type; of one that declares a type, only the
/// beginning.
fn is_type_declaration(reader: &mut BinaryReader<'_>) -> wasmparser::Result<bool> {
    match reader.clone().read_u8()? {
        0x01 => {
            reader.read_u8()?;
            return Ok(true);
        }
        0x03 => {
            reader.read_u8()?;
            reader.read::<ComponentImport<'_>>()?;
        }
        _ => {
            reader.read::<InstanceTypeDeclaration<'_>>()?;
        }
    }
    Ok(false)
}
