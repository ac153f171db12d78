//! What is added to a module's sections. It comes last in each.

use std::collections::BTreeMap;

use wasm_encoder::{ConstExpr, Encode, GlobalType, RefType, SectionId, TableType, ValType};
use wasmparser::BinaryReader;

use super::fronts::{self, BURN_TYPE, Fronts};
use super::growth::Growth;
use super::survey::{Module, maximum_pages};
use super::{SHADOW_ELEMENTS, section};
use crate::UploadError;
use crate::fuel::operator_cost;
use crate::scan::invalid;

/// `(func (param i32) (result i32))`.
const GROWTH_TYPE: [u8; 5] = [0x60, 1, 0x7f, 1, 0x7f];

/// The beginning of a segment of elements that only declares functions.
const DECLARED: [u8; 2] = [3, 0];

/// How many functions are added that grow a memory; they come first.
pub(super) fn growth(module: &Module, reserve: u8) -> u32 {
    match module.measures && reserve > 0 {
        true => module.memories.len() as u32,
        false => 0,
    }
}

/// What is added to a module's sections, by their order.
pub(super) struct Additions(BTreeMap<u8, Addition>);

/// What is added to one.
struct Addition {
    id: SectionId,
    count: u32,
    items: Vec<u8>,
}

impl Additions {
    pub(super) fn of(module: &Module, fronts: &Fronts, reserve: u8) -> Self {
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
    pub(super) fn flush(&mut self, rank: u8, out: &mut Vec<u8>) {
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
    pub(super) fn append(
        &mut self,
        id: u8,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), UploadError> {
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
pub(super) fn rank(id: u8) -> u8 {
    const TAG: u8 = SectionId::Tag as u8;
    const DATA_COUNT: u8 = SectionId::DataCount as u8;
    match id {
        TAG => SectionId::Memory as u8 * 2 + 1,
        DATA_COUNT => SectionId::Element as u8 * 2 + 1,
        id => id * 2,
    }
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
