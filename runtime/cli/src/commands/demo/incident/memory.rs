//! How much memory the host has given out.

use std::fs;

use anyhow::{Context as _, Result};

/// The resident memory of this process and of its children, in bytes, each by
/// its own count (`VmRSS` of `/proc/PID/status`, see proc(5)): what two of them
/// share counts twice. A child that has just ended counts nothing.
pub(super) fn resident_bytes() -> Result<u64> {
    let own = resident("self")?.context("this process has no resident memory")?;
    let mut sum = own;
    for child in children()? {
        sum += resident(&child)?.unwrap_or(0);
    }
    Ok(sum)
}

/// By their numbers. Each thread has a list of those that it started.
fn children() -> Result<Vec<String>> {
    let mut children = Vec::new();
    for thread in fs::read_dir("/proc/self/task").context("cannot read /proc")? {
        // A thread may have ended since.
        if let Ok(list) = fs::read_to_string(thread?.path().join("children")) {
            children.extend(list.split_whitespace().map(str::to_owned));
        }
    }
    Ok(children)
}

fn resident(process: &str) -> Result<Option<u64>> {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else {
        return Ok(None);
    };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let Some(line) = line else { return Ok(None) };
    let kib = line.trim().trim_end_matches("kB").trim();
    let kib: u64 = kib.parse().context("/proc shows no number")?;
    Ok(Some(kib * 1024))
}
