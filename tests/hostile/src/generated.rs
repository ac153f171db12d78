//! Attacks that are too large for a text, or no text at all.

mod code;
mod tables;
mod types;

use std::fmt::Write;

use ringfence_model::Limits;

use crate::attack::patient;
use crate::text::upload;
use crate::{Attack, End};

/// All of them.
pub(crate) fn attacks() -> Vec<Attack> {
    let mut attacks = types::attacks();
    attacks.extend(tables::attacks());
    attacks.extend(code::attacks());
    attacks
}

fn refused(code: &str) -> End {
    End::Upload(code.into())
}

fn attack(name: &str, deed: &str, end: End, bytes: Vec<u8>) -> Attack {
    // What is too large is to be refused for what it holds, not for its size.
    let limits = Limits {
        component_bytes: 32 << 20,
        ..patient()
    };
    Attack {
        limits,
        ..Attack::new(name, deed, end).of(bytes)
    }
}

/// A rule with these fields, whose `handle` does this.
fn rule(fields: &str, handle: &str) -> Vec<u8> {
    let source = format!(
        "(module\n;; include: rule\n{fields}\n\
         (func $handle (export \"handle\") (param $args i32) (result i32)\n{handle}))"
    );
    upload("a generated rule", &source, true)
}

/// A rule with these fields, that does nothing.
fn idle(fields: &str) -> Vec<u8> {
    rule(fields, "(i32.const 160)")
}

/// A text for each number, one after the other.
fn each(count: usize, text: impl Fn(usize) -> String) -> String {
    let mut all = String::new();
    for number in 0..count {
        writeln!(all, "{}", text(number)).expect("strings take all");
    }
    all
}

/// Appends a section of a module or component.
pub(crate) fn section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    leb128(bytes, content.len());
    bytes.extend(content);
}

fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
