//! A component, as far as the walk has come, and what it is made of.

use std::collections::HashMap;

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentTypeRef, Export, Payload,
};

use super::is_function;
use crate::UploadError;
use crate::engine::CORE_INSTANCES_MAX;
use crate::scan::{IMPORTS_MAX, bound, invalid};

/// Instances of components that are made, however they are nested.
const INSTANCES_MAX: u64 = 64;
/// Functions lifted and lowered in them. Those between two components are
/// compiled, and set up in each run, beyond what is seen in the upload. A rule
/// in JavaScript has 50.
const FUNCTIONS_MAX: u64 = 1_000;

/// A component, as far as the walk has come.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) makes: Makes,
    /// By index: what an instance makes; not known of one that is handed in.
    pub(super) components: Vec<Option<Makes>>,
    /// By index: how many imports a module has; not known of one that is
    /// handed in.
    pub(super) modules: Vec<Option<u64>>,
    pub(super) functions: Vec<CoreFunction<'a>>,
    pub(super) instances: Vec<CoreInstance<'a>>,
}

/// What an instance of a component is made of.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Makes {
    pub(super) modules: u64,
    pub(super) components: u64,
    pub(super) functions: u64,
    /// Imports of modules.
    pub(super) linked: u64,
}

/// Where a core function comes from in the end.
#[derive(Debug, Clone, Copy)]
pub(super) enum CoreFunction<'a> {
    /// A module exports it under this name.
    Export(&'a str),
    /// The host makes it, and a call costs so many units.
    Host(u32),
}

#[derive(Debug)]
pub(super) enum CoreInstance<'a> {
    /// Of a module.
    Module,
    /// A bundle of what there is already: its functions.
    Bundle(HashMap<&'a str, CoreFunction<'a>>),
}

impl<'a> Scope<'a> {
    pub(super) fn step(&mut self, payload: &Payload<'a>) -> Result<(), UploadError> {
        match payload {
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    let instance = instance.map_err(|error| invalid(&error))?;
                    if let ComponentInstance::Instantiate {
                        component_index, ..
                    } = instance
                    {
                        self.instantiate(component_index)?;
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    let import = import.map_err(|error| invalid(&error))?;
                    match import.ty {
                        ComponentTypeRef::Component(_) => self.components.push(None),
                        ComponentTypeRef::Module(_) => self.modules.push(None),
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export.map_err(|error| invalid(&error))?;
                    let index = export.index as usize;
                    // It has a further index then.
                    match export.kind {
                        ComponentExternalKind::Component => {
                            let makes = self.components.get(index).copied();
                            self.components.push(makes.flatten());
                        }
                        ComponentExternalKind::Module => {
                            let imports = self.modules.get(index).copied();
                            self.modules.push(imports.flatten());
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The name by which a module exports a core function; none if it is not
    /// there, which the validator refuses.
    pub(super) fn exported(&self, index: u32) -> Result<Option<&'a str>, UploadError> {
        match self.functions.get(index as usize) {
            Some(CoreFunction::Export(name)) => Ok(Some(name)),
            Some(CoreFunction::Host(_)) => Err(UploadError::Unmetered),
            None => Ok(None),
        }
    }

    pub(super) fn bundle(&mut self, exports: &[Export<'a>]) {
        let functions = exports.iter().filter_map(|export| {
            let function = is_function(export.kind)
                .then(|| self.functions.get(export.index as usize).copied())??;
            Some((export.name, function))
        });
        let functions = functions.collect();
        self.instances.push(CoreInstance::Bundle(functions));
    }

    fn instantiate(&mut self, index: u32) -> Result<(), UploadError> {
        let Some(makes) = self.components.get(index as usize) else {
            // The validator refuses it.
            return Ok(());
        };
        // What it would make cannot be told.
        bound(
            "instances of components that are handed over",
            u64::from(makes.is_none()),
            0,
        )?;
        let more = makes.unwrap_or_default();
        self.makes.modules = self.makes.modules.saturating_add(more.modules);
        let components = more.components.saturating_add(1);
        self.makes.components = self.makes.components.saturating_add(components);
        self.makes.functions = self.makes.functions.saturating_add(more.functions);
        self.makes.linked = self.makes.linked.saturating_add(more.linked);
        Ok(())
    }

    pub(super) fn alias(&mut self, alias: &ComponentAlias<'a>) {
        match alias {
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index,
                name,
            } if is_function(*kind) => {
                let function = match self.instances.get(*instance_index as usize) {
                    Some(CoreInstance::Bundle(functions)) => functions.get(name).copied(),
                    _ => Some(CoreFunction::Export(name)),
                };
                // What is not there the validator refuses.
                self.functions
                    .push(function.unwrap_or(CoreFunction::Host(0)));
            }
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Component,
                ..
            } => self.components.push(None),
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Module,
                ..
            } => self.modules.push(None),
            _ => {}
        }
    }
}

impl Makes {
    /// Adds what an instance of a module links, by what is known of it. One
    /// that was handed in counts as if it had all imports that it may have.
    pub(super) fn link(&mut self, imports: Option<&Option<u64>>) {
        let imports = imports.copied().flatten().unwrap_or(IMPORTS_MAX);
        self.linked = self.linked.saturating_add(imports);
    }

    pub(super) fn check(self) -> Result<(), UploadError> {
        let limit = u64::from(CORE_INSTANCES_MAX);
        bound("instances of core modules", self.modules, limit)?;
        bound("instances of components", self.components, INSTANCES_MAX)?;
        let what = "functions lifted and lowered";
        bound(what, self.functions, FUNCTIONS_MAX)
    }
}
