//! Checks what a component says about itself, and makes it the model's.

use ringfence_model::{Json, Manifest, Trigger};
use wasmtime::{AsContextMut, Store};

use crate::fuel::charge_lift;
use crate::state::RunState;
use crate::{UploadError, bindings};

/// Charges for a manifest, and counts what is held of it.
///
/// # Errors
/// When there is not enough fuel or memory left.
pub(crate) fn lifted(
    store: &mut Store<RunState>,
    manifest: &bindings::Manifest,
) -> wasmtime::Result<()> {
    let triggers = manifest.triggers.iter();
    let texts = triggers
        .flat_map(|trigger| trigger.ignore.iter().chain([&trigger.ty]))
        .chain(&manifest.emits)
        .chain(&manifest.acts)
        .chain(&manifest.config_schema)
        .chain([&manifest.summary]);
    let (mut parts, mut bytes) = (0, 0);
    for text in texts {
        parts += 1;
        bytes += text.len() as u64;
    }
    let held = bytes + (parts * size_of::<bindings::Trigger>()) as u64;
    store.data_mut().memory.hold(held)?;
    charge_lift(&mut store.as_context_mut(), parts, bytes)
}

/// The manifest, if it is well-formed.
///
/// # Errors
/// Says what is not.
pub(crate) fn check(described: bindings::Manifest) -> Result<Manifest, UploadError> {
    let config_schema = described
        .config_schema
        .map(|schema| Json::parse(&schema))
        .transpose()
        .map_err(|error| UploadError::InvalidManifest {
            place: "config-schema".into(),
            problem: format!("`config-schema`: {error}"),
        })?;
    let triggers = described.triggers.into_iter().map(|trigger| Trigger {
        ty: trigger.ty,
        ignore: trigger.ignore,
    });
    let manifest = Manifest {
        triggers: triggers.collect(),
        emits: described.emits,
        acts: described.acts,
        config_schema,
        summary: described.summary,
    };
    let check = manifest.check();
    check.map_err(|error| UploadError::of_manifest(&error))?;
    Ok(manifest)
}
