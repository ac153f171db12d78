//! What the components nested in an upload amount to, found out before it is
//! validated, by one walk.
//!
//! A component that is nested may be instantiated many times, by others that
//! are, too, so that a few bytes ask for billions of instances: they are
//! counted here, without making them.
//!
//! Where two nested components with code call one another, the host copies the
//! texts that they hand over, in calls that cost no fuel. Each such text is
//! written where a `realloc` of the component that takes it says, and so it is
//! charged for there (`rewrite::fronts`). For that each such function must be
//! the export of a core module: their names are gathered here, and anything
//! else is refused. So is one that passes on calls without code of its own,
//! which would be charged for once however often they are passed on. And functions that the host makes are gathered, where a
//! module imports them, with what a call of them costs.

mod scope;

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentOuterAliasKind, Encoding,
    ExternalKind, Instance, Payload,
};

use self::scope::{CoreFunction, CoreInstance, Scope};
use crate::UploadError;
use crate::scan::{bound, invalid};

/// Different names of `realloc` functions. Toolchains use one or two; each
/// may add a function to each module.
const REALLOCS_MAX: u64 = 64;

/// Functions in all bundles that modules are given. CPython's have 2,200.
const HANDED_MAX: u64 = 100_000;

/// What making, dropping or opening a handle costs, in units of
/// `rewrite::fronts`.
const HANDLE_UNITS: u32 = 1;
/// What a call from a nested component costs besides. It may pass 16 handles
/// to another without more ado, at 35 ns each.
const CALL_UNITS: u32 = 4;

/// A walk through an upload.
#[derive(Debug, Default)]
pub(crate) struct Links<'a> {
    /// What is open; no scope for a module.
    open: Vec<Option<Scope<'a>>>,
    reallocs: BTreeSet<&'a str>,
    /// By module and name as it is imported.
    charged: BTreeMap<(&'a str, &'a str), u32>,
    handed: u64,
    /// Imports of the module that is open.
    imports: u64,
    /// Of the whole, when the walk is over.
    linked: u64,
}

impl<'a> Links<'a> {
    /// The names under which core modules export what nested components have
    /// as `realloc`.
    pub(crate) fn reallocs(&self) -> &BTreeSet<&'a str> {
        &self.reallocs
    }

    /// How many units a call of a function costs that a module imports under
    /// this name, if the host makes it in some instance of some module.
    pub(crate) fn charged(&self, module: &str, name: &str) -> Option<u32> {
        self.charged.get(&(module, name)).copied()
    }

    /// How many imports are linked when an instance is made, once the walk is
    /// over.
    pub(crate) fn linked(&self) -> u64 {
        self.linked
    }

    /// Goes on by one payload.
    ///
    /// # Errors
    /// When too much is made, or texts could be copied free of charge.
    pub(crate) fn step(&mut self, payload: &Payload<'a>) -> Result<(), UploadError> {
        match payload {
            Payload::Version { encoding, .. } => {
                let component = *encoding == Encoding::Component;
                self.open.push(component.then(Scope::default));
                self.imports = 0;
                Ok(())
            }
            Payload::End(_) => self.close(),
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    self.alias(&alias.map_err(|error| invalid(&error))?);
                }
                Ok(())
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section.clone() {
                    self.canonical(&function.map_err(|error| invalid(&error))?)?;
                }
                Ok(())
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    self.instance(&instance.map_err(|error| invalid(&error))?)?;
                }
                Ok(())
            }
            Payload::ImportSection(section) => {
                self.imports += u64::from(section.count());
                Ok(())
            }
            _ => match self.open.last_mut() {
                Some(Some(scope)) => scope.step(payload),
                _ => Ok(()),
            },
        }
    }

    fn instance(&mut self, instance: &Instance<'a>) -> Result<(), UploadError> {
        let Some(Some(scope)) = self.open.last_mut() else {
            return Ok(());
        };
        let arguments = match instance {
            Instance::FromExports(exports) => {
                scope.bundle(exports);
                return Ok(());
            }
            Instance::Instantiate { module_index, args } => {
                scope.makes.link(scope.modules.get(*module_index as usize));
                args
            }
        };
        for argument in arguments {
            let given = scope.instances.get(argument.index as usize);
            let Some(CoreInstance::Bundle(functions)) = given else {
                continue;
            };
            self.handed += functions.len() as u64;
            bound("functions handed to modules", self.handed, HANDED_MAX)?;
            for (&name, function) in functions {
                if let CoreFunction::Host(units @ 1..) = *function {
                    let charged = self.charged.entry((argument.name, name)).or_default();
                    *charged = units.max(*charged);
                }
            }
        }
        scope.makes.modules += 1;
        scope.instances.push(CoreInstance::Module);
        scope.makes.check()
    }

    fn close(&mut self) -> Result<(), UploadError> {
        let closed = self.open.pop().flatten();
        let outer = self.open.last_mut().and_then(Option::as_mut);
        let Some(scope) = closed else {
            if let Some(outer) = outer {
                outer.modules.push(Some(self.imports));
            }
            return Ok(());
        };
        scope.makes.check()?;
        match outer {
            Some(outer) => outer.components.push(Some(scope.makes)),
            None => self.linked = scope.makes.linked,
        }
        Ok(())
    }

    fn alias(&mut self, alias: &ComponentAlias<'a>) {
        let ComponentAlias::Outer { kind, count, index } = alias else {
            if let Some(Some(scope)) = self.open.last_mut() {
                scope.alias(alias);
            }
            return;
        };
        // What is not there the validator refuses.
        let from = self.open.iter().rev().nth(*count as usize);
        let from = from.and_then(Option::as_ref);
        let index = *index as usize;
        let makes = from.and_then(|from| *from.components.get(index)?);
        let imports = from.and_then(|from| *from.modules.get(index)?);
        let Some(Some(scope)) = self.open.last_mut() else {
            return;
        };
        match kind {
            ComponentOuterAliasKind::Component => scope.components.push(makes),
            ComponentOuterAliasKind::CoreModule => scope.modules.push(imports),
            _ => {}
        }
    }

    fn canonical(&mut self, function: &CanonicalFunction) -> Result<(), UploadError> {
        let nested = self.open.len() > 1;
        let Some(Some(scope)) = self.open.last_mut() else {
            return Ok(());
        };
        scope.makes.functions += 1;
        let options = match function {
            CanonicalFunction::Lift {
                core_func_index,
                options,
                ..
            } => {
                if nested {
                    scope.exported(*core_func_index)?;
                }
                options
            }
            CanonicalFunction::Lower { options, .. } => {
                // At the top it is the host that is called, and it charges.
                let units = if nested { CALL_UNITS } else { 0 };
                scope.functions.push(CoreFunction::Host(units));
                options
            }
            _ => {
                scope.functions.push(CoreFunction::Host(HANDLE_UNITS));
                return Ok(());
            }
        };
        for option in options.iter().filter(|_| nested) {
            match option {
                CanonicalOption::Realloc(index) => {
                    self.reallocs.extend(scope.exported(*index)?);
                }
                CanonicalOption::PostReturn(index) => {
                    scope.exported(*index)?;
                }
                _ => {}
            }
        }
        scope.makes.check()?;
        let names = self.reallocs.len() as u64;
        bound("names of `realloc` functions", names, REALLOCS_MAX)
    }
}

pub(crate) fn is_function(kind: ExternalKind) -> bool {
    matches!(kind, ExternalKind::Func | ExternalKind::FuncExact)
}
