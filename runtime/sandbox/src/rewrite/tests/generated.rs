//! Modules that wasm-smith makes up.

use std::convert::Infallible;

use arbitrary::Unstructured;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, ExportKind, ExportSection, Instruction};
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};
use wasmparser::{ExportSectionReader, FunctionBody, Parser};
use wasmtime::{Val, ValType};

use super::{PAGE, Twins};

const MODULES: u64 = 300;
/// Steps of one call: loops and calls. Few enough that none exhausts the stack,
/// whose use is not the same in both.
const STEPS_PER_CALL: i32 = 1_000;
/// The global that counts them down.
const STEPS: &str = "steps left";
/// Calls of each function.
const ROUNDS: i32 = 4;

/// Modules whose code does all but trap: what an access outside of a memory
/// does is what changes.
fn config() -> Config {
    Config {
        allowed_instructions: InstructionKinds::new(&[
            InstructionKind::MemoryInt,
            InstructionKind::Table,
            InstructionKind::Variable,
            InstructionKind::Control,
            InstructionKind::Parametric,
            InstructionKind::NumericInt,
        ]),
        disallow_traps: true,
        exceptions_enabled: false,
        export_everything: true,
        gc_enabled: false,
        generate_custom_sections: true,
        max_imports: 0,
        max_instructions: 400,
        max_memories: 2,
        min_memories: 1,
        max_memory32_bytes: 40 * PAGE,
        max_table_elements: 1_000,
        max_tables: 3,
        max_tags: 0,
        memory64_enabled: false,
        min_funcs: 10,
        // Some need a garbage collector, which is not built in.
        reference_types_enabled: false,
        threads_enabled: false,
        ..Config::default()
    }
}

/// The same module, but it grows by at most 15 pages at once: else nearly all
/// of its growth fails. The global that bounds its steps is exported.
fn modest(module: &[u8], steps: u32) -> Vec<u8> {
    struct Modest {
        steps: u32,
    }
    impl Reencode for Modest {
        type Error = Infallible;

        fn parse_export_section(
            &mut self,
            exports: &mut ExportSection,
            section: ExportSectionReader<'_>,
        ) -> Result<(), reencode::Error<Infallible>> {
            exports.export(STEPS, ExportKind::Global, self.steps);
            reencode::utils::parse_export_section(self, exports, section)
        }

        fn parse_function_body(
            &mut self,
            code: &mut CodeSection,
            body: FunctionBody<'_>,
        ) -> Result<(), reencode::Error<Infallible>> {
            let mut function = self.new_function_with_parsed_locals(&body)?;
            let mut operators = body.get_operators_reader()?;
            while !operators.eof() {
                let instruction = self.parse_instruction(&mut operators)?;
                if let Instruction::MemoryGrow(_) = instruction {
                    function.instruction(&Instruction::I32Const(15));
                    function.instruction(&Instruction::I32And);
                }
                function.instruction(&instruction);
            }
            code.function(&function);
            Ok(())
        }
    }
    let mut modest = wasm_encoder::Module::new();
    Modest { steps }
        .parse_core_module(&mut modest, Parser::new(0), module)
        .unwrap();
    modest.finish()
}

/// Bytes that depend on nothing but a number.
fn seed(number: u64) -> Vec<u8> {
    let mut bytes = vec![0; 32 * 1024];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn generated_modules_go_as_before() {
    let (mut rewritten, mut grew) = (0, 0);
    for number in 0..MODULES {
        let seed = seed(number);
        let mut module = Module::new(config(), &mut Unstructured::new(&seed)).unwrap();
        let steps = module.ensure_termination(0).unwrap();
        let module = modest(&module.to_bytes(), steps);
        let (mut twins, made) = Twins::new(&module, 60 * PAGE);
        rewritten += u32::from(twins.reserve > 0);
        if made.result.is_err() {
            continue;
        }
        let before = made.held;
        if run(&mut twins) > before {
            grew += 1;
        }
    }
    // Else this shows nothing.
    assert!(
        rewritten > 50 && grew > 30,
        "{rewritten} rewritten, {grew} grew"
    );
}

/// Calls all functions; what is held then, in bytes.
fn run(twins: &mut Twins) -> u64 {
    let instance = twins.original.instance.unwrap();
    let functions: Vec<_> = instance
        .exports(&mut twins.original.store)
        .filter_map(|export| Some((export.name().to_owned(), export.into_func()?)))
        .collect();
    let rounds = (0..ROUNDS).flat_map(|round| functions.iter().map(move |f| (round, f)));
    for (round, (name, function)) in rounds {
        let ty = function.ty(&twins.original.store);
        let arguments: Vec<_> = ty.params().map(|ty| argument(&ty, round)).collect();
        for side in [&mut twins.original, &mut twins.rewritten] {
            let steps = side
                .instance
                .unwrap()
                .get_global(&mut side.store, STEPS)
                .unwrap();
            steps
                .set(&mut side.store, Val::I32(STEPS_PER_CALL))
                .unwrap();
        }
        twins.call(name, &arguments);
    }
    twins.check_memories();
    twins.original.store.data().memory.peak()
}

fn argument(ty: &ValType, round: i32) -> Val {
    match ty {
        ValType::I32 => Val::I32(round),
        other => other.default_value().unwrap(),
    }
}
