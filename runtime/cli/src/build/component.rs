//! From the compiler's core module to the component.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use wasmparser::{Parser, Payload};

/// Strips a core module and wraps it into the component whose type the SDK
/// embedded in it.
pub(super) fn from_module(path: &Path) -> Result<Vec<u8>> {
    let module = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let module = strip(&module).context("the compiler's output is not valid WebAssembly")?;
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .context("it cannot be made a component")?;
    // A module without a component's type becomes an empty component.
    for export in EXPORTS {
        ensure!(
            exports(&component, export)?,
            "it exports no `{export}`: one function of the crate needs `#[rule(...)]`"
        );
    }
    Ok(component)
}

/// What makes a component a rule.
const EXPORTS: [&str; 2] = ["describe", "handle"];

fn exports(component: &[u8], name: &str) -> Result<bool> {
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth > 0 => depth -= 1,
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    if export?.name.name == name {
                        return Ok(true);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

/// Drops debug information, whose size no backtrace justifies. The names of
/// functions stay.
fn strip(module: &[u8]) -> Result<Vec<u8>> {
    // The magic number and the version.
    let mut stripped = module.get(..8).context("it is cut off")?.to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::CustomSection(custom) = &payload
            && custom.name().starts_with(".debug_")
        {
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            stripped.push(id);
            write_leb(&mut stripped, range.len());
            stripped.extend_from_slice(&module[range]);
        }
    }
    Ok(stripped)
}

/// An unsigned LEB128 number.
fn write_leb(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One custom section.
    fn custom(name: &str, bytes: usize) -> Vec<u8> {
        let mut content = vec![name.len() as u8];
        content.extend_from_slice(name.as_bytes());
        content.resize(content.len() + bytes, 0);
        let mut section = vec![0];
        write_leb(&mut section, content.len());
        section.extend(content);
        section
    }

    #[test]
    fn debug_information_goes_and_the_rest_stays() {
        let head = b"\0asm\x01\0\0\0".to_vec();
        let kept = custom("kept", 300);
        let module = [head.clone(), custom(".debug_info", 70_000), kept.clone()].concat();
        assert_eq!(strip(&module).unwrap(), [head, kept].concat());
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        for module in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0\x01\x20\0"] {
            assert!(strip(module).is_err(), "{module:?}");
        }
    }

    #[test]
    fn a_module_that_is_no_rule_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty.wasm");
        std::fs::write(&path, b"\0asm\x01\0\0\0").unwrap();
        let error = from_module(&path).unwrap_err();
        assert!(format!("{error:#}").contains("#[rule(...)]"), "{error:#}");
    }
}
