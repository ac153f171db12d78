//! One module per command.

mod build;
mod demo;
mod inspect;
mod new;
mod run;
mod serve;
mod test;

pub(crate) use build::{BuildArgs, build_command};
pub(crate) use demo::{DemoArgs, demo};
pub(crate) use inspect::{InspectArgs, inspect};
pub(crate) use new::{NewArgs, new};
pub(crate) use run::{RunArgs, run};
pub(crate) use serve::{ServeArgs, serve};
pub(crate) use test::{TestArgs, test};
