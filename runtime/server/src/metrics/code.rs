//! Rules' code in memory.

use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use ringfence_engine::CodeCounts;

/// How it came there, and how much of it is.
#[derive(Debug)]
pub(super) struct Code {
    compiled: Counter,
    loaded: Counter,
    versions: Gauge,
    bytes: Gauge,
}

impl Code {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let code = Self {
            compiled: Counter::default(),
            loaded: Counter::default(),
            versions: Gauge::default(),
            bytes: Gauge::default(),
        };
        registry.register(
            "components_compiled",
            "Components compiled: uploads, and what is not kept compiled any more",
            code.compiled.clone(),
        );
        registry.register(
            "components_loaded",
            "Compiled components read from the disk, because they were not in memory",
            code.loaded.clone(),
        );
        registry.register(
            "components_in_memory",
            "Compiled components in memory",
            code.versions.clone(),
        );
        registry.register(
            "components_memory_bytes",
            "What they take of `memory.code_bytes`",
            code.bytes.clone(),
        );
        code
    }

    /// They are counted elsewhere, and never less.
    pub(super) fn set(&self, counts: &CodeCounts) {
        for (counter, count) in [
            (&self.compiled, counts.compiled),
            (&self.loaded, counts.loaded),
        ] {
            counter.inner().fetch_max(count, Ordering::Relaxed);
        }
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.versions.set(signed(counts.versions));
        self.bytes.set(signed(counts.bytes));
    }
}
