use ringfence::prelude::*;

#[derive(Deserialize)]
struct NoSchema;

#[rule(on = "a")]
fn config(_data: Value, _config: NoSchema, _ctx: &mut Context) {}

#[rule(on = "a")]
fn context(_ctx: &mut String) {}

#[rule(on = "a")]
fn outcome(_ctx: &mut Context) -> u32 {
    7
}

fn main() {}
