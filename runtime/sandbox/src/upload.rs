//! What an upload turns out to be, or why it is refused.

use std::borrow::Cow;

use ringfence_model::{Manifest, ManifestError, Stop, VersionId, excerpt};
use serde::{Deserialize, Serialize};

/// What is said of one problem, in bytes.
const PROBLEM_BYTES_MAX: usize = 2048;
/// Names listed in one refusal, and the bytes shown of each.
const NAMES_MAX: usize = 20;
const NAME_BYTES_MAX: usize = 128;

/// What an upload turned out to be.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The digest of the bytes as uploaded.
    pub version: VersionId,
    /// What the rule declares.
    pub manifest: Manifest,
    /// What it imports, by name.
    pub imports: Vec<String>,
    /// Size as uploaded, in bytes.
    pub size: u64,
    /// How long compiling took, in milliseconds.
    pub compile_ms: u64,
    /// What its author should know.
    pub warnings: Vec<String>,
}

/// An upload is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum UploadError {
    /// Not wasm at all.
    #[error("the body is not a WebAssembly module or component: {0}")]
    NotWasm(String),
    /// Wasm, but not valid, or of a proposal that is off here.
    #[error("the body is not valid WebAssembly: {}", shown(.0))]
    InvalidWasm(String),
    /// Larger than the tenant's limit.
    #[error("the component has {size} bytes; at most {limit} are allowed")]
    ComponentTooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Beyond a bound that keeps compiling and instantiating cheap.
    #[error("the component has {count} {what}; at most {limit} are allowed")]
    TooComplex {
        /// What there is too much of.
        what: Cow<'static, str>,
        /// How much there is, at least.
        count: u64,
        /// The bound.
        limit: u64,
    },
    /// Beyond what a run's instance may take: instances, memories and tables,
    /// counted over all that it is made of.
    #[error("the component takes too much to instantiate: {0}")]
    TooLarge(String),
    /// Nested components could hand over things free of charge.
    #[error(
        "a nested component lifts, or has for its `realloc` or `post-return`, a function that no core module exports, so that what it is handed could not be charged for"
    )]
    Unmetered,
    /// A core module that does not say which WIT world it is for.
    #[error("the core module has no embedded WIT type (custom section `component-type`)")]
    NoWitType,
    /// A required export is not there.
    #[error("the component does not export {}", list(.0))]
    MissingExports(Vec<String>),
    /// It wants something that no rule gets.
    #[error("the component imports {}, which is not available to rules", list(.0))]
    UnknownImports(Vec<String>),
    /// An import or export is not of the type that the WIT world gives it.
    #[error("the component does not fit the world `ringfence:rule/rule@0.1.0`: {}", shown(.0))]
    WrongType(String),
    /// The compiler refused it.
    #[error("the component cannot be compiled: {}", shown(.0))]
    CompileFailed(String),
    /// Compiling it went beyond a limit on time or memory.
    #[error("compiling the component took more than the {limit} {unit} allowed")]
    CompileLimit {
        /// The limit.
        limit: u64,
        /// Of what: `milliseconds`, or `bytes of memory`.
        unit: Cow<'static, str>,
    },
    /// The host could not compile it now; the component is not to blame.
    #[error("the component could not be compiled now: {}", shown(.0))]
    Unavailable(String),
    /// Asked to describe itself, it was stopped.
    #[error("`describe` was stopped: {}", .0.message)]
    DescribeFailed(Box<Stop>),
    /// What it says about itself is not a manifest.
    #[error("the manifest that `describe` returned is not valid: {}", shown(.problem))]
    InvalidManifest {
        /// Where in the manifest, for example `triggers[1].type`.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

/// What is said of an upload may hold names that the upload chose.
fn shown(problem: &str) -> String {
    excerpt(problem, PROBLEM_BYTES_MAX)
}

/// The first names, and how many more there are.
fn list(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX);
    let shown = shown.map(|name| format!("`{}`", excerpt(name, NAME_BYTES_MAX)));
    let mut list = shown.collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_MAX {
        list.push_str(&format!(" and {} more", names.len() - NAMES_MAX));
    }
    list
}

/// By what it is that is imported and not there.
fn import_hint(names: &[String]) -> &'static str {
    let is_0_2 = |name: &str| name.contains("@0.2.") && !name.contains("-rc-");
    let any = |is: &dyn Fn(&str) -> bool| names.iter().any(|name| is(name));
    if any(&|name| name.starts_with("wasi_")) {
        return "This is WASI 0.1. Build for the target wasm32-wasip2, or make a component of it with the adapter from WASI 0.1 to 0.2 (`wasm-tools component new --adapt`).";
    }
    if any(&|name| name.starts_with("wasi:http/")) {
        return "Rules have no network: what should happen outside is returned as an effect. Build without HTTP (`--disable http` for componentize-js).";
    }
    if any(&|name| name.starts_with("wasi:") && !is_0_2(name)) {
        return "Rules may import WASI 0.2; build with a toolchain for that version (`--sync` for componentize-qjs).";
    }
    if any(&|name| name.starts_with("wasi:")) {
        return "Of WASI 0.2 there are stand-ins for `io`, `clocks`, `random`, `cli`, `filesystem` and `sockets`; remove what imports more.";
    }
    "A rule may import `ringfence:rule/host@0.1.0` and WASI 0.2, and nothing else; remove what imports more."
}

impl UploadError {
    /// Why a compiled component was not taken by this process's engine. The
    /// only reasons that can be the component's are the bounds on instances,
    /// which wasmtime tells by text alone; a test holds on to that.
    pub(crate) fn of_load(error: &wasmtime::Error) -> Self {
        let text = error.root_cause().to_string();
        match text.contains("configured maximum") || text.contains("exceeds the limit") {
            true => Self::TooLarge(text.replace(" in the pooling allocator", "")),
            false => Self::CompileFailed(format!("{error:#}")),
        }
    }

    /// What a manifest does not keep to.
    pub(crate) fn of_manifest(error: &ManifestError) -> Self {
        Self::InvalidManifest {
            place: error.place().to_owned(),
            problem: error.to_string(),
        }
    }

    /// Where in the upload it is wrong, if that is known: a place in the
    /// manifest.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::InvalidManifest { place, .. } => {
                Some(format!("manifest.{}", excerpt(place, NAME_BYTES_MAX)))
            }
            _ => None,
        }
    }

    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotWasm(_) => "not-wasm",
            Self::InvalidWasm(_) => "invalid-wasm",
            Self::ComponentTooLarge { .. } => "component-too-large",
            Self::TooComplex { .. } | Self::TooLarge(_) => "too-complex",
            Self::Unmetered => "unmetered",
            Self::NoWitType => "no-wit-type",
            Self::MissingExports(_) => "missing-exports",
            Self::UnknownImports(_) => "unknown-imports",
            Self::WrongType(_) => "wrong-type",
            Self::CompileFailed(_) => "compile-failed",
            Self::CompileLimit { .. } => "compile-limit",
            Self::Unavailable(_) => "compiler-unavailable",
            Self::DescribeFailed(_) => "describe-failed",
            Self::InvalidManifest { .. } => "invalid-manifest",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotWasm(_) => {
                "Send the bytes of the .wasm file itself, not its text form, its path or an archive."
            }
            Self::InvalidWasm(_) => {
                "Build it again, and send the whole file. Threads, 64-bit memories, garbage collection and exceptions are not available to rules."
            }
            Self::ComponentTooLarge { .. } => {
                "Build with optimization for size and strip debug information; or ask the operator for a plan that allows larger components."
            }
            Self::TooComplex { .. } => {
                "Build with optimization for size and leave out what the rule does not use."
            }
            Self::TooLarge(_) => {
                "Link the rule into one core module, with one memory and one table, and a smaller initial size of either."
            }
            Self::Unmetered => {
                "Give it an export of a core module, as toolchains do: `(realloc (core func $instance \"cabi_realloc\"))`."
            }
            Self::NoWitType => {
                "Build the rule with the Ringfence SDK or another wit-bindgen for the world `ringfence:rule/rule@0.1.0`, which embeds the type; check that no later step strips custom sections. Or upload a component."
            }
            Self::MissingExports(_) => {
                "Implement the world `ringfence:rule/rule@0.1.0`, which exports `describe` and `handle`."
            }
            Self::UnknownImports(names) => import_hint(names),
            Self::WrongType(_) => {
                "Generate the bindings again from this host's WIT package, `ringfence:rule@0.1.0`."
            }
            Self::CompileFailed(_) => {
                "Build it again with another version of the toolchain; if it fails again, report it with the component."
            }
            Self::CompileLimit { .. } => {
                "Look for generated functions of thousands of lines, many locals or very deep nesting, and split them; or ask the operator for a plan that allows more."
            }
            Self::Unavailable(_) => {
                "Send it again in a while; if it fails again, tell the operator."
            }
            Self::DescribeFailed(_) => {
                "`describe` runs under the limits of a run and must do no more than return the manifest."
            }
            Self::InvalidManifest { .. } => "Correct what the rule declares about itself.",
        })
    }
}
