//! How much memory the host has given out.

use std::fs;

use anyhow::{Context as _, Result};

/// The resident memory of this process and of its children, in bytes, each by
/// its own count (`VmRSS` of `/proc/PID/status`, see proc(5)): what two of them
/// share counts twice.
pub(super) fn resident_bytes() -> Result<u64> {
    let own = std::process::id();
    let mut sum = 0;
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let path = entry?.path().join("status");
        // Most entries are no processes, and a process may have ended since.
        let Ok(status) = fs::read_to_string(path) else {
            continue;
        };
        let is_ours = ["Pid:", "PPid:"]
            .into_iter()
            .any(|name| number(&status, name) == Some(u64::from(own)));
        if is_ours {
            // One that has just ended has none.
            sum += number(&status, "VmRSS:").unwrap_or(0) * 1024;
        }
    }
    Ok(sum)
}

fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        assert!(resident_bytes().unwrap() > 1024 * 1024);
    }
}
