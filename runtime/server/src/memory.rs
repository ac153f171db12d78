//! What the host has given to this process and its children: memory, and CPU time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::MissedTickBehavior;

use crate::app::App;

/// How often to look.
const EVERY: Duration = Duration::from_millis(250);

/// Tells the engine until it is aborted.
pub(crate) async fn watch(app: Arc<App>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_known = true;
    loop {
        ticks.tick().await;
        app.engine.set_cpu(cpu_us());
        // What the kernel keeps in memory: nothing here waits for a disk.
        match in_use() {
            Ok(bytes) => {
                is_known = true;
                app.engine.set_memory(bytes);
            }
            Err(error) if is_known => {
                is_known = false;
                tracing::warn!(%error, "how much memory is in use is not known, so it does not count");
                app.engine.set_memory(0);
            }
            Err(_) => {}
        }
    }
}

/// CPU time of all threads of this process, in microseconds.
fn cpu_us() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // Neither is negative for a clock that counts from the process's start.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000_000 + nanos / 1_000
}

/// Memory in bytes: what each process has for itself, and what they share
/// once, as far as the largest part of one process says.
fn in_use() -> io::Result<u64> {
    let own = pages_of("self")?;
    // A child may be gone before it is looked at.
    let children = children()?.into_iter();
    let children = children.filter_map(|child| pages_of(&child).ok());
    let (mut private, mut shared) = (0, 0);
    for pages in children.chain([own]) {
        private += pages.private;
        shared = shared.max(pages.shared);
    }
    Ok((private + shared) * rustix::param::page_size() as u64)
}

struct Pages {
    private: u64,
    shared: u64,
}

fn pages_of(process: &str) -> io::Result<Pages> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm"))?;
    let mut numbers = text.split(' ').map(str::parse::<u64>);
    match (numbers.nth(1), numbers.next()) {
        (Some(Ok(resident)), Some(Ok(shared))) => Ok(Pages {
            private: resident.saturating_sub(shared),
            shared,
        }),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, text)),
    }
}

/// The ids of the children of all threads. Where the kernel does not list them
/// there are none.
fn children() -> io::Result<Vec<String>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task")? {
        let list = std::fs::read_to_string(thread?.path().join("children"));
        let list = list.unwrap_or_default();
        children.extend(list.split_whitespace().map(str::to_owned));
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen() {
        let before = cpu_us();
        let mut number = 1u64;
        while cpu_us() < before + 1_000 {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
        assert!(before > 0);
    }

    #[test]
    fn what_is_held_is_seen() {
        const BYTES: usize = 64 << 20;
        let before = in_use().unwrap();
        assert!(before > 1 << 20);
        let held = vec![1u8; BYTES];
        let after = in_use().unwrap();
        assert!(after > before + (BYTES as u64) / 2, "{before}, {after}");
        drop(held);
    }
}
