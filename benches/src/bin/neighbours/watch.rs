//! What the server and its children take of the machine.

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::Duration;

use ringfence_engine::Clock;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// The unit of CPU times in /proc, in microseconds: 100 a second on all Linux
/// that there is.
const TICK_US: u64 = 10_000;
const PAGE_BYTES: u64 = 4_096;

/// What they had taken at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    pub(crate) at_us: u64,
    /// Resident memory of the server's process, in bytes.
    pub(crate) server_bytes: u64,
    /// The same, with its workers and compilers. What they share is counted in
    /// each.
    pub(crate) all_bytes: u64,
    /// CPU time of the server's process, in microseconds.
    pub(crate) server_cpu_us: u64,
    /// The same, of its children, those that have ended included.
    pub(crate) children_cpu_us: u64,
}

/// A process, as /proc tells of it.
struct Process {
    parent: u32,
    bytes: u64,
    cpu_us: u64,
    /// Of children that have ended.
    ended_us: u64,
}

/// Looks until this time.
pub(crate) fn watch(server: u32, clock: &dyn Clock, until_us: u64) -> Vec<Look> {
    let mut looks = Vec::new();
    while clock.now_us() < until_us {
        looks.push(look(server, clock.now_us()));
        thread::sleep(PAUSE);
    }
    looks
}

pub(crate) fn look(server: u32, at_us: u64) -> Look {
    let processes = processes();
    let mut look = Look {
        at_us,
        ..Look::default()
    };
    let Some(own) = processes.get(&server) else {
        return look;
    };
    (look.server_bytes, look.all_bytes) = (own.bytes, own.bytes);
    (look.server_cpu_us, look.children_cpu_us) = (own.cpu_us, own.ended_us);
    for child in processes.values().filter(|child| child.parent == server) {
        look.all_bytes += child.bytes;
        look.children_cpu_us += child.cpu_us + child.ended_us;
    }
    look
}

fn processes() -> HashMap<u32, Process> {
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let read = |id: u32| {
        // Processes end while they are looked at.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        Some((id, parse(&stat)?))
    };
    ids.filter_map(read).collect()
}

/// `/proc/PID/stat`, after proc_pid_stat(5).
fn parse(stat: &str) -> Option<Process> {
    // The name in brackets may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |field: usize| fields.get(field - 3)?.trim().parse::<u64>().ok();
    Some(Process {
        parent: u32::try_from(number(4)?).ok()?,
        cpu_us: (number(14)? + number(15)?) * TICK_US,
        ended_us: (number(16)? + number(17)?) * TICK_US,
        bytes: number(24)? * PAGE_BYTES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_as_the_kernel_tells_of_it() {
        let stat = "7 (a) b) S 3 7 7 0 -1 0 1 2 3 4 50 25 8 2 20 0 9 0 100 4096000 12 0 0\n";
        let process = parse(stat).unwrap();
        assert_eq!(process.parent, 3);
        assert_eq!((process.cpu_us, process.ended_us), (750_000, 100_000));
        assert_eq!(process.bytes, 12 * PAGE_BYTES);
        assert!(parse("nothing").is_none());
    }

    #[test]
    fn this_process_is_seen() {
        let look = look(std::process::id(), 5);
        assert!(look.server_bytes > 0 && look.all_bytes >= look.server_bytes);
        assert_eq!(look.at_us, 5);
    }
}
