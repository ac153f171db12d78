//! Linking an interface.

use wasmtime::StoreContextMut;
use wasmtime::component::{
    ComponentNamedList, Lift, LinkerInstance, Lower, Resource, ResourceType, Val,
};

use super::Wasi;
use crate::fuel::{HOST_CALL_FUEL, charge, charge_bytes};
use crate::host::Misuse;
use crate::state::RunState;

/// The run that calls.
pub(super) type Caller<'a> = StoreContextMut<'a, RunState>;

/// An interface that is being linked.
pub(super) struct Interface<'a>(pub(super) LinkerInstance<'a, RunState>);

impl Interface<'_> {
    /// Defines a function. A call of it costs what calling the host costs,
    /// and what it charges itself.
    pub(super) fn func<P, R>(
        &mut self,
        name: &str,
        answer: impl Fn(&mut Caller<'_>, P) -> wasmtime::Result<R> + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + 'static,
        R: ComponentNamedList + Lower + 'static,
    {
        self.0.func_wrap(name, move |mut caller, params| {
            charge(&mut caller, 0)?;
            answer(&mut caller, params)
        })
    }

    /// Defines a resource whose values are in the run's table.
    pub(super) fn resource<T: Send + 'static>(&mut self, name: &str) -> wasmtime::Result<()> {
        let ty = ResourceType::host::<T>();
        self.0.resource(name, ty, |mut caller, rep| {
            charge(&mut caller, 0)?;
            wasi(&mut caller)
                .table
                .delete(Resource::<T>::new_own(rep))?;
            Ok(())
        })
    }

    /// Defines a resource of which the table holds none.
    pub(super) fn empty_resource<T: 'static>(&mut self, name: &str) -> wasmtime::Result<()> {
        let ty = ResourceType::host::<T>();
        self.0
            .resource(name, ty, |mut caller, _| charge(&mut caller, 0))
    }

    /// Defines functions of any type that answer with an error code.
    pub(super) fn denied(&mut self, name: &str, code: &'static str) -> wasmtime::Result<()> {
        self.0
            .func_new(name, move |mut caller, _, params, results| {
                charge(&mut caller, 0)?;
                for param in params {
                    // A handle that was lent must be given back.
                    if let Val::Resource(handle) = param {
                        handle.resource_drop(&mut caller)?;
                    }
                }
                results[0] = Val::Result(Err(Some(Box::new(Val::Enum(code.into())))));
                Ok(())
            })
    }

    /// Defines methods of resources that no run ever gets.
    pub(super) fn unreachable(&mut self, resource: &str, names: &[&str]) -> wasmtime::Result<()> {
        for name in names {
            let method = format!("[method]{resource}.{name}");
            self.0.func_new(&method, |_, _, _, _| {
                Err(misuse("sockets are not available to rules"))
            })?;
        }
        Ok(())
    }
}

/// What the stand-ins keep for the run.
pub(super) fn wasi<'a>(caller: &'a mut Caller<'_>) -> &'a mut Wasi {
    caller.data_mut().wasi.get_or_insert_default()
}

/// Charges for bytes in a list or a text that is handed over. The guest is
/// called to make room for it, which costs as much as calling the host.
pub(super) fn charge_list(caller: &mut Caller<'_>, bytes: usize) -> wasmtime::Result<()> {
    charge(caller, HOST_CALL_FUEL)?;
    charge_bytes(caller, bytes)
}

/// Ends the run.
pub(super) fn misuse(message: impl Into<String>) -> wasmtime::Error {
    Misuse(message.into()).into()
}
