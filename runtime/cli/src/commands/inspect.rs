//! `ringfence inspect`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ringfence_model::{Limits, Manifest};
use ringfence_sandbox::Inspected;
use serde::Serialize;

use crate::console::{self, Grouped, STRONG, Size};
use crate::error::Verdict;
use crate::lab::{Lab, Named};

/// Shows what a component is and what it declares.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A component, a core module with the embedded WIT type, or a rule's folder.
    component: PathBuf,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// For programs; like the answer to an upload.
#[derive(Serialize)]
struct Shown<'a> {
    version: String,
    manifest: &'a Manifest,
    imports: &'a [String],
    size: u64,
    compile_ms: u64,
    warnings: &'a [String],
}

pub(crate) fn inspect(args: &InspectArgs) -> Result<Verdict> {
    let limits = Limits::default();
    let named = Named::find(&args.component)?;
    let inspected = Lab::new(&limits, None)?.load(&named.component)?.inspected;
    if inspected.size > limits.component_bytes {
        console::warn(format_args!(
            "the plan `standard` allows components of {}; this one needs a plan that allows more",
            Size(limits.component_bytes)
        ));
    }
    if args.json {
        console::print_json(&Shown {
            version: inspected.version.to_string(),
            manifest: &inspected.manifest,
            imports: &inspected.imports,
            size: inspected.size,
            compile_ms: inspected.compile_ms,
            warnings: &inspected.warnings,
        })?;
    } else {
        console::print(text(&inspected))?;
    }
    Ok(Verdict::Fine)
}

fn text(inspected: &Inspected) -> String {
    let manifest = &inspected.manifest;
    let mut lines = vec![
        format!("{STRONG}{}{STRONG:#}", manifest.summary),
        String::new(),
    ];
    let mut field = |name: &str, value: String| lines.push(format!("{name:9} {value}"));
    field("version", inspected.version.to_string());
    for trigger in &manifest.triggers {
        let ignored = match trigger.ignore.as_slice() {
            [] => String::new(),
            ignored => format!(" (ignores {})", ignored.join(", ")),
        };
        field("on", format!("{}{ignored}", trigger.ty));
    }
    field("emits", list(&manifest.emits));
    field("acts", list(&manifest.acts));
    field("imports", list(&inspected.imports));
    field(
        "size",
        format!(
            "{} ({} bytes)",
            Size(inspected.size),
            Grouped(inspected.size)
        ),
    );
    field("compiled", format!("in {} ms", inspected.compile_ms));
    if let Some(schema) = &manifest.config_schema {
        field("config", schema.as_str().to_owned());
    }
    for warning in &inspected.warnings {
        field("warning", warning.clone());
    }
    lines.join("\n")
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}
