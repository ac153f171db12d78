//! Functions that are put in front of others, to charge for what the host does
//! by itself: the meter sees only what a rule's own code does.
//!
//! In front of each `realloc` of a nested component: it charges for the bytes
//! that are asked for. What a text takes to be checked, written in another
//! encoding and copied is never more than in proportion to that, because room
//! is asked for before, for as much as it takes at most. Lists and the like are
//! copied by code that the meter counts.
//!
//! In front of functions that the host makes, where a module imports them:
//! those that make and drop handles, and the calls from one nested component to
//! another, in which up to 16 handles change hands without more ado.
//!
//! They charge in a loop, as the meter takes no more than a constant at once.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{BlockType, CustomSection, Function, Instruction, ValType};
use wasmparser::CustomSectionReader;
use wasmtime::OperatorCost;

use super::survey::Module;
use crate::fuel::UNITS_PER_FUEL;

/// What a unit costs.
const UNIT_FUEL: u64 = 128;
/// Bytes to the unit, in powers of 2.
const UNIT_BYTES_LOG2: i32 = 6;

/// `(func (param i32))`.
pub(super) const BURN_TYPE: [u8; 4] = [0x60, 1, 0x7f, 0];

/// All of a module's.
pub(super) struct Fronts {
    /// The function that burns units of fuel.
    pub(super) burn: u32,
    pub(super) all: Vec<Front>,
    /// The front of each import that has one.
    imports: BTreeMap<u32, u32>,
    /// The front of each function that is exported as `realloc`.
    reallocs: BTreeMap<u32, u32>,
}

/// One of them.
pub(super) struct Front {
    pub(super) index: u32,
    /// The function that it calls.
    pub(super) behind: u32,
    /// Their type.
    pub(super) ty: u32,
    parameters: u32,
    /// In units; none if the bytes decide that are asked for.
    units: Option<u32>,
}

impl Fronts {
    /// Those of a module, where so many functions come before.
    pub(super) fn of(module: &Module, functions: u32) -> Self {
        let mut fronts = Self {
            burn: functions,
            all: Vec::new(),
            imports: BTreeMap::new(),
            reallocs: BTreeMap::new(),
        };
        for (&import, &units) in &module.charged {
            let index = fronts.add(module, import, import, Some(units));
            fronts.imports.insert(import, index);
        }
        for &realloc in &module.reallocs {
            let behind = fronts.of_import(realloc);
            let index = fronts.add(module, realloc, behind, None);
            fronts.reallocs.insert(behind, index);
        }
        fronts
    }

    fn add(&mut self, module: &Module, function: u32, behind: u32, units: Option<u32>) -> u32 {
        let index = self.burn + 1 + self.all.len() as u32;
        let (ty, parameters) = module.signature(function);
        self.all.push(Front {
            index,
            behind,
            ty,
            parameters,
            units,
        });
        index
    }

    /// What is called instead of a function.
    fn of_import(&self, function: u32) -> u32 {
        self.imports.get(&function).copied().unwrap_or(function)
    }

    /// What is exported instead of a function that has its import's front
    /// already.
    pub(super) fn of_export(&self, function: u32) -> u32 {
        self.reallocs.get(&function).copied().unwrap_or(function)
    }

    /// Whether code that calls imports calls something else instead.
    pub(super) fn replaces_imports(&self) -> bool {
        !self.imports.is_empty()
    }

    /// The module with every use of such an import replaced.
    pub(super) fn replace_imports(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut module = wasm_encoder::Module::new();
        Replace(self)
            .parse_core_module(&mut module, wasmparser::Parser::new(0), bytes)
            .map_err(|error| error.to_string())?;
        Ok(module.finish())
    }
}

struct Replace<'a>(&'a Fronts);

impl Reencode for Replace<'_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error<Self::Error>> {
        Ok(self.0.of_import(function))
    }

    /// As they are: names stay with what they name.
    fn parse_custom_section(
        &mut self,
        module: &mut wasm_encoder::Module,
        section: CustomSectionReader<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        module.section(&CustomSection {
            name: section.name().into(),
            data: section.data().into(),
        });
        Ok(())
    }
}

/// The function that burns so many units of fuel, at least one.
pub(super) fn burn(cost: &OperatorCost) -> Function {
    let mut body = Function::new([]);
    body.instruction(&Instruction::Loop(BlockType::Empty));
    // They cost fuel and, as nobody asks for the root, generate no code.
    let price = [cost.F64Const, cost.F64Sqrt, cost.Drop];
    let price: u64 = price.into_iter().map(u64::from).sum();
    for _ in 0..(UNIT_FUEL * UNITS_PER_FUEL).div_ceil(price.max(1)) {
        body.instruction(&Instruction::F64Const(0.0.into()));
        body.instruction(&Instruction::F64Sqrt);
        body.instruction(&Instruction::Drop);
    }
    body.instruction(&Instruction::LocalGet(0));
    body.instruction(&Instruction::I32Const(1));
    body.instruction(&Instruction::I32Sub);
    body.instruction(&Instruction::LocalTee(0));
    body.instruction(&Instruction::BrIf(0));
    body.instruction(&Instruction::End);
    body.instruction(&Instruction::End);
    body
}

impl Front {
    pub(super) fn body(&self, burn: u32) -> Function {
        let mut body = Function::new(std::iter::empty::<(u32, ValType)>());
        if let Some(units) = self.units {
            body.instruction(&Instruction::I32Const(units as i32));
        } else {
            // The last parameter is the new size.
            body.instruction(&Instruction::LocalGet(self.parameters - 1));
            body.instruction(&Instruction::I32Const(UNIT_BYTES_LOG2));
            body.instruction(&Instruction::I32ShrU);
            body.instruction(&Instruction::I32Const(1));
            body.instruction(&Instruction::I32Add);
        }
        body.instruction(&Instruction::Call(burn));
        for parameter in 0..self.parameters {
            body.instruction(&Instruction::LocalGet(parameter));
        }
        body.instruction(&Instruction::Call(self.behind));
        body.instruction(&Instruction::End);
        body
    }
}
