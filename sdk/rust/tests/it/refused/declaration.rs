use ringfence::prelude::*;

#[rule]
fn nothing(_ctx: &mut Context) {}

#[rule(on = "a.*.b")]
fn star(_ctx: &mut Context) {}

#[rule(on = "", acts = "x")]
fn empty(_ctx: &mut Context) {}

#[rule(on = "a", emit = "b")]
fn unknown_key(_ctx: &mut Context) {}

#[rule(on = "a", on = "b")]
fn twice(_ctx: &mut Context) {}

#[rule(on = ["a", "b", "a"])]
fn again(_ctx: &mut Context) {}

#[rule(on = "a", ignore = "updated_at")]
fn pointer(_ctx: &mut Context) {}

#[rule(on("a", ignore = "/a~b"))]
fn escape(_ctx: &mut Context) {}

#[rule(on("a"), ignore = "/b")]
fn ignores_nothing(_ctx: &mut Context) {}

#[rule(on = 7)]
fn number(_ctx: &mut Context) {}

#[rule(on = "a")]
struct NotAFunction;

fn main() {}
