//! The documentation names every limit with its default, and every stop code.

use ringfence_model::{Limits, StopCode};

fn document(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn grouped(number: u64) -> String {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match number {
        n if n >= GIB && n % GIB == 0 => format!("{} GiB", n / GIB),
        n if n >= MIB && n % MIB == 0 => format!("{} MiB", n / MIB),
        n if n >= 8192 && n % 1024 == 0 => format!("{} KiB", n / 1024),
        n => {
            let digits = n.to_string();
            let groups = digits.as_bytes().rchunks(3).rev();
            let groups: Vec<_> = groups.map(|g| String::from_utf8_lossy(g)).collect();
            groups.join(",")
        }
    }
}

#[test]
fn every_limit_is_documented_with_its_default() {
    let limits = document("limits.md");
    for info in Limits::ALL {
        let row = format!("| `{}` | {} |", info.name, grouped(info.default));
        assert!(limits.contains(&row), "docs/limits.md lacks `{row}`");
    }
}

#[test]
fn every_stop_is_documented() {
    let stops = document("stops.md");
    for code in StopCode::ALL {
        let heading = stops
            .lines()
            .any(|line| line.starts_with("### ") && line.contains(&format!("`{code}`")));
        assert!(heading, "docs/stops.md has no section for `{code}`");
    }
}
