//! WebAssembly text, completed and made binary.

use std::fs;
use std::path::{Path, PathBuf};

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The lines that a text includes parts with.
const INCLUDE: &str = ";; include:";

/// This crate's folder.
pub(crate) fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A text with the parts that it includes. `;; include: A B` on a line of its
/// own stands for `wat/parts/A.wat` and `wat/parts/B.wat`, which may include
/// others.
///
/// # Panics
/// When a part is not there.
fn text(source: &str) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix(INCLUDE) {
        Some(parts) => parts.split_whitespace().map(part).collect(),
        None => format!("{line}\n"),
    };
    source.lines().map(line).collect()
}

fn part(name: &str) -> String {
    let folder: PathBuf = home().join("wat/parts");
    text(&read(&folder.join(name).with_extension("wat")))
}

/// A text's upload: a module with the WIT type of our world, if it is `typed`,
/// or else what the text says and nothing more.
///
/// # Panics
/// When it is not WebAssembly text.
pub fn upload(name: &str, source: &str, typed: bool) -> Vec<u8> {
    let bytes = wat::parse_str(text(source)).unwrap_or_else(|error| panic!("{name}: {error}"));
    match typed {
        true => embed(bytes),
        false => bytes,
    }
}

/// A core module with the WIT type of our world.
///
/// # Panics
/// When it is not a module.
fn embed(mut module: Vec<u8>) -> Vec<u8> {
    let wit = home().join("../../wit/rule.wit");
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("rule.wit", &read(&wit))
        .expect("the world is valid");
    let world = resolve
        .select_world(&[package], Some("rule"))
        .expect("it has a world `rule`");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("a module takes one more section");
    module
}
