//! The component's side of the WIT package. Exists for WebAssembly only.

use std::marker::PhantomData;
use std::panic::PanicHookInfo;

use crate::context::Host;
use crate::{Context, Effect, ErrorKind, Event, Invocation, Level, Rule};

/// Generated from `wit/rule.wit`.
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    reason = "generated; lifting and lowering need raw pointers"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "rule",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "ringfence::guest::bindings",
    });
}

use bindings::ringfence::rule::{host, types};

/// A rule, as the component's exports.
pub struct Component<R>(PhantomData<R>);

impl<R: Rule> bindings::Guest for Component<R> {
    fn describe() -> types::Manifest {
        std::panic::set_hook(Box::new(report_panic));
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        types::Manifest {
            triggers: R::MANIFEST
                .triggers
                .iter()
                .map(|trigger| types::Trigger {
                    type_: trigger.ty.to_owned(),
                    ignore: texts(trigger.ignore),
                })
                .collect(),
            emits: texts(R::MANIFEST.emits),
            acts: texts(R::MANIFEST.acts),
            config_schema: R::config_schema(),
            summary: R::MANIFEST.summary.to_owned(),
        }
    }

    fn handle(
        event: types::Event,
        invocation: types::Invocation,
    ) -> Result<Vec<types::Effect>, types::Failure> {
        std::panic::set_hook(Box::new(report_panic));
        let data = event.data;
        let event = Event {
            id: event.id,
            source: event.source,
            ty: event.type_,
            subject: event.subject,
            time: event.time,
        };
        let config = invocation.config;
        let invocation = Invocation {
            tenant: invocation.tenant,
            rule: invocation.rule,
            depth: invocation.depth,
        };
        let mut ctx = Context::new(&event, &invocation, &Imports);
        match R::handle(&data, &config, &mut ctx) {
            Ok(()) => Ok(ctx.into_effects().into_iter().map(lower).collect()),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidEvent => types::Failure::InvalidEvent(error.into_message()),
                ErrorKind::InvalidConfig => types::Failure::InvalidConfig(error.into_message()),
                ErrorKind::Internal => types::Failure::Internal(error.into_message()),
            }),
        }
    }
}

fn lower(effect: Effect) -> types::Effect {
    match effect {
        Effect::Emit(event) => types::Effect::Emit(types::NewEvent {
            type_: event.ty,
            subject: event.subject,
            data: event.data,
        }),
        Effect::Act(action) => types::Effect::Act(types::Action {
            name: action.name,
            payload: action.payload,
        }),
        Effect::Remember(entry) => types::Effect::Remember(types::Entry {
            key: entry.key,
            value: entry.value,
        }),
    }
}

/// A panic ends in a bare `unreachable`, so what it says goes into the log
/// before.
fn report_panic(info: &PanicHookInfo<'_>) {
    host::log(host::Level::Error, &info.to_string());
}

struct Imports;

impl Host for Imports {
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warn => host::Level::Warn,
            Level::Error => host::Level::Error,
        };
        host::log(level, message);
    }

    fn recall(&self, key: &str) -> Option<String> {
        host::recall(key)
    }

    fn now(&self) -> u64 {
        host::now()
    }

    fn random(&self) -> u32 {
        host::random()
    }
}
