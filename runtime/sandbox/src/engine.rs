//! The engine's configuration.

use std::num::NonZeroUsize;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::SandboxConfig;
use crate::fuel::operator_cost;
use crate::rewrite::{PAGE_BYTES, RESERVE_PAGES};

/// A run's wasm stack, in bytes. A thread that calls [`crate::Sandbox::run`]
/// needs this much and some room for the host; std's 2 MiB are enough.
pub const WASM_STACK_BYTES: u64 = 512 * 1024;

/// Core module instances of one component. A Rust rule has 3, one in
/// JavaScript (componentize-qjs) 9, one in Python (componentize-py) 15.
pub(crate) const CORE_INSTANCES_MAX: u32 = 24;
/// Linear memories of one component.
pub(crate) const MEMORIES_MAX: u32 = 2;
/// Tables of one component.
pub(crate) const TABLES_MAX: u32 = 4;
/// Elements of one table.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Tables of one component as it is compiled: each memory may have a shadow.
pub(crate) const TABLES_COMPILED_MAX: u32 = TABLES_MAX + MEMORIES_MAX;

/// Wasm functions kept in a backtrace.
pub(crate) const FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(32).expect("32 is not 0");

/// Memory slots kept warm for rules that ran before, beyond the runs at one
/// moment: about the number of rules that are hot together.
const WARM_SLOTS: u32 = 128;

/// What stays resident of a memory between two runs, in bytes, reset by
/// copying instead of by the kernel. With 0 a run took twice as long.
const MEMORY_KEEP_RESIDENT: usize = 256 * 1024;
/// The same for a table.
const TABLE_KEEP_RESIDENT: usize = 32 * 1024;

/// Slots reset with one system call.
const DECOMMIT_BATCH: usize = 16;

/// How wasmtime is configured for these limits. Public so that what the
/// sandbox adds to bare wasmtime can be measured.
pub fn engine_config(config: &SandboxConfig) -> Config {
    let mut engine = Config::new();
    engine
        .wasm_component_model(true)
        .consume_fuel(true)
        .operator_cost(operator_cost())
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES as usize)
        .wasm_backtrace_max_frames(Some(FRAMES_MAX))
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    // Of what this wasmtime was built with. Threads, exceptions, function
    // references and the component model's async are not built in at all.
    engine
        .wasm_multi_memory(true)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_shared_everything_threads(false)
        .wasm_stack_switching(false)
        .wasm_gc(false)
        .gc_support(false)
        .shared_memory(false)
        .concurrency_support(false);
    engine
}

fn pool(config: &SandboxConfig) -> PoolingAllocationConfig {
    let runs = config.concurrent_runs.max(1);
    let memory = usize::try_from(config.memory_bytes_max)
        .unwrap_or(usize::MAX)
        .saturating_add(RESERVE_PAGES as usize * PAGE_BYTES);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(runs)
        .total_core_instances(runs.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(runs.saturating_mul(MEMORIES_MAX).saturating_add(WARM_SLOTS))
        .total_tables(
            runs.saturating_mul(TABLES_COMPILED_MAX)
                .saturating_add(WARM_SLOTS),
        )
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_component(TABLES_COMPILED_MAX)
        .max_tables_per_module(TABLES_COMPILED_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(memory)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .max_unused_warm_slots(WARM_SLOTS)
        .decommit_batch_size(DECOMMIT_BATCH)
        .pagemap_scan(if swap_is_on() {
            Enabled::No
        } else {
            Enabled::Auto
        });
    pool
}

/// Whether pages can be swapped out. The kernel's scan for dirty pages does
/// not report those, so a reset that trusts it would leave them as they were:
/// one run's bytes for the next to read. If it cannot be told, yes. Asked once,
/// at the start: swap is not to be turned on under a running host.
fn swap_is_on() -> bool {
    std::fs::read_to_string("/proc/swaps").map_or(true, |swaps| may_swap(&swaps))
}

/// Reads `/proc/swaps`: a heading, and a line for each place to swap to. What
/// does not look like that says nothing, and nothing is not "no".
fn may_swap(swaps: &str) -> bool {
    let mut lines = swaps.lines();
    let heading = lines.next().unwrap_or_default();
    !heading.starts_with("Filename") || lines.any(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_heading_alone_says_that_there_is_no_swap() {
        let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        let with = |rest: &str| format!("{heading}{rest}");
        for (swaps, swap) in [
            (heading.to_owned(), false),
            (heading.trim_end().to_owned(), false),
            (with("\n"), false),
            (with("/dev/sda2 partition 8388604 0 -2\n"), true),
            (
                with("/dev/zram0 partition 1024 1024 100\n/swapfile file 1 0 -2\n"),
                true,
            ),
            (with("/swap\\040file\\011(deleted) file 1 0 -2"), true),
            // What the file cannot be, or what hides it.
            (String::new(), true),
            ("\n".into(), true),
            ("/dev/sda2 partition 8388604 0 -2\n".into(), true),
            ("\0\0\0".into(), true),
            ("dateiname typ\n".into(), true),
        ] {
            assert_eq!(may_swap(&swaps), swap, "{swaps:?}");
        }
    }
}
