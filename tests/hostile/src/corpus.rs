//! All attacks together.

use std::fs;
use std::path::Path;

use crate::text::{home, read};
use crate::{Attack, built, generated};

/// The whole corpus, by name.
///
/// # Panics
/// When one of them cannot be made.
pub fn corpus() -> Vec<Attack> {
    let mut attacks = written();
    attacks.extend(generated::attacks());
    attacks.extend(built::attacks());
    attacks.sort_by(|one, other| one.name.cmp(&other.name));
    attacks
}

/// Those under `wat/`.
fn written() -> Vec<Attack> {
    let mut attacks = Vec::new();
    let wat = home().join("wat");
    for family in entries(&wat) {
        if family == "parts" {
            continue;
        }
        let folder = wat.join(&family);
        for file in entries(&folder) {
            let name = file
                .strip_suffix(".wat")
                .unwrap_or_else(|| panic!("{family}/{file} is not an attack"));
            let name = format!("{family}/{name}");
            attacks.push(Attack::read(&name, &read(&folder.join(&file))));
        }
    }
    attacks
}

fn entries(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entry.file_name().to_string_lossy().into_owned()
    };
    entries.map(name).collect()
}
