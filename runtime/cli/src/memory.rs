//! How much memory there is for this process and its children.

use std::fs;
use std::path::Path;

const CGROUPS: &str = "/sys/fs/cgroup";

/// In bytes: what the machine has, or less where its control group, or one
/// above it, allows only that. None where it cannot be known.
pub(crate) fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo");
    let machine = machine.ok().and_then(|text| total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = limit(Path::new(CGROUPS), &groups);
    machine.into_iter().chain(group).min()
}

/// What `/proc/meminfo` says.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The least of what the groups that `/proc/self/cgroup` names, and those above
/// them, allow: of version 2, or of the memory controller of version 1.
fn limit(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let (folder, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            some if some.split(',').any(|one| one == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // Within a container the path may be that of the host, which is not
        // there: then the root is the container's.
        let group = Path::new(group.trim_start_matches('/'));
        let limits = group.ancestors().filter_map(|group| {
            let text = fs::read_to_string(folder.join(group).join(file)).ok()?;
            // `max`, or a number beyond all memory, is no limit.
            text.trim().parse::<u64>().ok()
        });
        limits.min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_some() {
        let bytes = available().unwrap();
        assert!(bytes > 64 << 20, "{bytes}");
        let text = "MemTotal:       16384 kB\nMemFree:  1 kB\n";
        assert_eq!(total(text), Some(16 << 20));
    }

    #[test]
    fn the_tightest_group_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/memory.max", "5000\n");
        write("a/b/memory.max", "max\n");
        write("memory/c/memory.limit_in_bytes", "3000\n");
        assert_eq!(limit(root, "0::/a/b\n"), Some(5_000));
        assert_eq!(limit(root, "0::/not/here\n"), None);
        let both = "4:cpu,memory:/c\n3:pids:/c\n0::/a\n";
        assert_eq!(limit(root, both), Some(3_000));
        write("memory.max", "4000");
        assert_eq!(limit(root, "0::/not/here\n"), Some(4_000));
    }
}
