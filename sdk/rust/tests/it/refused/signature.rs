use ringfence::prelude::*;

#[rule(on = "a")]
fn no_parameters() {}

#[rule(on = "a")]
fn too_many(_a: Value, _b: Value, _c: Value, _ctx: &mut Context) {}

#[rule(on = "a")]
fn context_first(_ctx: &mut Context, _data: Value) {}

#[rule(on = "a")]
fn by_reference(_data: &str, _ctx: &mut Context) {}

#[rule(on = "a")]
async fn waits(_ctx: &mut Context<'_>) {}

#[rule(on = "a")]
fn generic<T>(_ctx: &mut Context) {}

#[rule(on = "a")]
unsafe fn dangerous(_ctx: &mut Context) {}

fn main() {}
