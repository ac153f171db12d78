//! Which packages the WIT types that a module embeds depend on.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{Parser, Payload};
use wit_parser::decoding::decode_world;

/// For each package, those that it depends on.
type Packages = BTreeMap<String, BTreeSet<String>>;

/// Refuses packages that depend on each other in a circle. No WIT text can say
/// that, but bytes can: one name changed is enough. The encoder orders packages
/// by recursion, and would not come back from it.
///
/// # Errors
/// Says what is wrong with what the module embeds.
pub(crate) fn check(module: &[u8]) -> Result<(), String> {
    let mut packages = Packages::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| error.to_string())? {
            Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                add(&mut packages, section.data())?;
            }
            _ => {}
        }
    }
    // Of those that wait for others, those are taken that wait for none; in a
    // circle all wait.
    while !packages.is_empty() {
        let free: BTreeSet<_> = packages
            .iter()
            .filter(|(_, needs)| needs.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        if free.is_empty() {
            return Err("its packages depend on each other in a circle".into());
        }
        packages.retain(|name, _| !free.contains(name));
        for needs in packages.values_mut() {
            needs.retain(|name| !free.contains(name));
        }
    }
    Ok(())
}

/// Adds the packages of one section. The encoder merges all sections into one
/// world, and packages of one name into one package.
fn add(packages: &mut Packages, section: &[u8]) -> Result<(), String> {
    let (resolve, _) = decode_world(section).map_err(|error| format!("{error:#}"))?;
    for (id, package) in resolve.packages.iter() {
        let needs = resolve.package_direct_deps(id);
        let needs = needs.map(|id| resolve.packages[id].name.to_string());
        let needs: Vec<_> = needs.collect();
        for name in &needs {
            packages.entry(name.clone()).or_default();
        }
        let name = package.name.to_string();
        packages.entry(name).or_default().extend(needs);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_component::{StringEncoding, embed_component_metadata};
    use wit_parser::Resolve;

    const WIT: &str = "package test:aa;
        interface types { type t = u32; }
        interface host { use types.{t}; f: func() -> t; }
        world w { import host; }";

    #[test]
    fn a_circle_of_packages_is_seen() {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("test.wit", WIT).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        assert_eq!(check(&module), Ok(()));

        // Now the world's package needs `bb`, whose `host` needs the types of
        // the world's.
        let name = b"test:aa/host";
        let at = module.windows(name.len()).position(|bytes| bytes == name);
        let at = at.unwrap() + b"test:".len();
        module[at..at + 2].copy_from_slice(b"bb");
        let error = check(&module).unwrap_err();
        assert!(error.contains("circle"), "{error}");
    }

    #[test]
    fn what_is_no_type_is_said() {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend(b"\0\x13\x0ecomponent-typejunk");
        assert!(check(&module).is_err());
    }
}
