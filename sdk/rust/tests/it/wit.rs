//! The WIT package parses, and is documented.

use std::path::Path;

use wit_parser::{Resolve, WorldItem};

#[test]
fn the_package_is_what_components_are_built_against() {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_dir(&folder).unwrap();
    assert_eq!(
        resolve.packages[package].name.to_string(),
        "ringfence:rule@0.1.0"
    );

    let world = resolve.select_world(&[package], Some("rule")).unwrap();
    let world = &resolve.worlds[world];
    let exports: Vec<_> = world
        .exports
        .iter()
        .map(|(key, item)| {
            assert!(matches!(item, WorldItem::Function(_)));
            resolve.name_world_key(key)
        })
        .collect();
    assert_eq!(exports, ["describe", "handle"]);

    for (_, interface) in &resolve.interfaces {
        assert!(
            interface.docs.contents.is_some(),
            "{:?} is not documented",
            interface.name
        );
        for function in interface.functions.values() {
            assert!(
                function.docs.contents.is_some(),
                "{} is not documented",
                function.name
            );
        }
    }
}
