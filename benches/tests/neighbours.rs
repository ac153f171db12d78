//! The bench of the neighbour promise works: it measures what it says, on the
//! real server. How fast anything is is not looked at.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn a_short_run_accounts_for_every_event() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let bench = env!("CARGO_BIN_EXE_neighbours");
    // Else the one built beside it.
    let server = std::env::var_os("RINGFENCE_BIN");
    let server = server.unwrap_or_else(|| Path::new(bench).with_file_name("ringfence").into());
    let bench = Command::new(bench)
        .env("RINGFENCE_BIN", server)
        .args(["--order", "fair", "--case", "none,slow,evaluate"])
        .args(["--seconds", "1", "--rate", "25", "--json"])
        .arg(&json)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&bench.stdout);
    let failed = String::from_utf8_lossy(&bench.stderr);
    assert!(bench.status.success(), "{said}\n{failed}");
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let cases = report["runs"][0]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let calm = &case["calm"];
        assert!(calm["sent"].as_u64().unwrap() > 10, "{case}");
        let left = [&calm["lost"], &calm["undone"]].map(|count| count.as_u64().unwrap());
        assert_eq!(left, [0, 0], "{case}");
        let times = &calm["beside"]["accepted_to_done"];
        assert!(times["p50_ms"].as_f64().unwrap() > 0.0, "{case}");
        assert!(case["memory_bytes"]["most"].as_u64().unwrap() > 0, "{case}");
        assert_eq!(case["server_ended"], false, "{case}");
        let attacked = case["storm"]["requests"].as_u64().unwrap() > 0;
        assert_eq!(attacked, case["case"] != "none", "{case}");
    }
}
