//! Growth without system calls.
//!
//! Growing a memory, and shrinking it again for the next run, changes the
//! process's memory map, which all threads share. So a component's memories
//! are given some pages more than they declare, the reserve, and its code is
//! changed so that it does not notice: `memory.size` reads a counter of the
//! pages in use, and `memory.grow` calls an added function (`growth`), which
//! hands out pages of the reserve by moving that counter, and grows for real
//! beyond them.
//!
//! The host keeps counting what is in use: the added function tells it by
//! growing a table of its own, the shadow, by one element for each page.
//! Growing a table takes no system call, and it comes by the run's limiter
//! (`memory::MemoryMeter`), which knows shadows by their declared maximum. There
//! it is charged, too, as if the memory had grown, to the last fuel.
//!
//! In the same pass what the host does by itself, copying texts between nested
//! components and keeping handles, is given its price (`fronts`); this is done
//! to every component that has such.
//!
//! What is added comes last in its index space, so no index moves, and all
//! other bytes stay as they are. Where the reserve would show, or the host
//! would have to guess what is a shadow, or the guest says that it seldom grows,
//! growth is left alone in the whole component (`survey`).

mod additions;
mod fronts;
mod growth;
mod module;
mod survey;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use wasm_encoder::ComponentSectionId;
use wasmparser::{Chunk, Parser, Payload};

use crate::scan::invalid;
use crate::{Layout, UploadError};
pub(crate) use growth::EXTRA_FUEL;
use survey::{Module, Survey};

/// Goes up whenever something else is made of a component than before, so that
/// what was compiled before is not taken for what would be compiled now.
pub(crate) const REVISION: u32 = 2;

/// Pages that a memory is given beyond those that it declares. An ordinary
/// allocator's first request and some more: a run of a Rust rule takes 2 to
/// 17 pages, the latter where its stack is counted too.
pub(crate) const RESERVE_PAGES: u8 = 16;

/// A page of a linear memory, in bytes.
pub(crate) const PAGE_BYTES: usize = 64 * 1024;

/// Pages of the largest 32-bit memory.
const PAGES_MAX: u32 = 65_536;

/// The declared maximum of a shadow table, in elements, by which the host
/// knows it. Nothing but a number that nobody else uses: a component with
/// such a table of its own is left alone.
pub(crate) const SHADOW_ELEMENTS: u32 = 19_997;

/// What an added function's name begins with, by which a backtrace leaves it
/// out.
const ADDED: &str = "ringfence:";
const GROWTH_NAME: &str = "ringfence:memory.grow";
const FRONT_NAME: &str = "ringfence:charge";

/// Whether a function of this name was added to a rule, or calls itself so.
pub(crate) fn is_added(name: &str) -> bool {
    name.starts_with(ADDED)
}

/// A component as it is compiled.
pub(crate) struct Rewritten<'a> {
    /// Its bytes.
    pub(crate) bytes: Cow<'a, [u8]>,
    /// What must be known of it besides.
    pub(crate) layout: Layout,
}

/// Rewrites every core module of a valid component: growth, if it is to have a
/// reserve, and what the host does by itself. Pure.
///
/// # Errors
/// When it is not a valid component.
pub(crate) fn rewrite(component: &[u8], reserve: bool) -> Result<Rewritten<'_>, UploadError> {
    let survey = Survey::of(component)?;
    let reserve_pages = if reserve { survey.reserve_pages() } else { 0 };
    let layout = Layout {
        reserve_pages,
        links: survey.links,
    };
    if reserve_pages == 0 && !survey.charges() {
        return Ok(Rewritten {
            bytes: Cow::Borrowed(component),
            layout,
        });
    }
    let mut modules = survey.modules.iter();
    let bytes = rewrite_component(component, reserve_pages, &mut modules)?;
    Ok(Rewritten {
        bytes: Cow::Owned(bytes),
        layout,
    })
}

/// Copies a component, but for its modules.
fn rewrite_component<'a>(
    component: &[u8],
    reserve: u8,
    modules: &mut impl Iterator<Item = &'a Module>,
) -> Result<Vec<u8>, UploadError> {
    let mut out = slice(component, &(0..HEADER_BYTES))?.to_vec();
    let mut parser = Parser::new(0);
    // The first payload is the header.
    let mut rest = component;
    loop {
        let (consumed, payload) = match parser.parse(rest, true).map_err(|e| invalid(&e))? {
            Chunk::Parsed { consumed, payload } => (consumed, payload),
            Chunk::NeedMoreData(_) => return Err(cut_off()),
        };
        rest = rest.get(consumed..).ok_or_else(cut_off)?;
        match payload {
            Payload::End(_) => return Ok(out),
            Payload::ModuleSection {
                unchecked_range, ..
            } => {
                let module = modules.next().ok_or_else(cut_off)?;
                let bytes = slice(component, &unchecked_range)?;
                let bytes = module::rewrite(bytes, module, reserve)?;
                section(&mut out, ComponentSectionId::CoreModule as u8, &bytes);
                rest = rest.get(unchecked_range.len()..).ok_or_else(cut_off)?;
            }
            Payload::ComponentSection {
                unchecked_range, ..
            } => {
                let bytes = slice(component, &unchecked_range)?;
                let bytes = rewrite_component(bytes, reserve, modules)?;
                section(&mut out, ComponentSectionId::Component as u8, &bytes);
                rest = rest.get(unchecked_range.len()..).ok_or_else(cut_off)?;
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    section(&mut out, id, slice(component, &range)?);
                }
            }
        }
    }
}

/// The magic number and the version.
const HEADER_BYTES: usize = 8;

fn section(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    use wasm_encoder::Encode;
    out.push(id);
    content.encode(out);
}

fn slice<'a>(bytes: &'a [u8], range: &Range<usize>) -> Result<&'a [u8], UploadError> {
    bytes.get(range.clone()).ok_or_else(cut_off)
}

fn cut_off() -> UploadError {
    UploadError::InvalidWasm("it is cut off".into())
}

// A shadow must not have all elements that the pool allows: that is what a
// table without a maximum looks like.
const _: () = assert!((SHADOW_ELEMENTS as usize) < crate::engine::TABLE_ELEMENTS_MAX);
