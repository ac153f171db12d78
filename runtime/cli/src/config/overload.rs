//! `[overload]`: when the host is behind, and turns tenants away.

use anyhow::{Result, ensure};
use ringfence_engine::{EngineConfig, OverloadConfig};
use serde::Deserialize;

use crate::memory;

/// A minute, in milliseconds; an hour, in seconds.
const QUEUEING_MS_MAX: u64 = 60_000;
const HOPELESS_S_MAX: u64 = 3_600;
const MIB: u64 = 1024 * 1024;

/// When the host is behind.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OverloadFile {
    queueing_ms: Option<u64>,
    interval_ms: Option<u64>,
    hopeless_s: Option<u64>,
    memory_bytes: Option<u64>,
    memory_bytes_max: Option<u64>,
}

impl OverloadFile {
    pub(super) fn check(&self) -> Result<()> {
        for (name, given, min, max) in [
            ("queueing_ms", self.queueing_ms, 1, QUEUEING_MS_MAX),
            ("interval_ms", self.interval_ms, 1, QUEUEING_MS_MAX),
            ("hopeless_s", self.hopeless_s, 1, HOPELESS_S_MAX),
            ("memory_bytes", self.memory_bytes, MIB, u64::MAX),
            (
                "memory_bytes_max",
                self.memory_bytes_max,
                self.memory_bytes.unwrap_or(MIB),
                u64::MAX,
            ),
        ] {
            if let Some(given) = given {
                ensure!(
                    (min..=max).contains(&given),
                    "`overload.{name}` may be {min} to {max}; {given} was given"
                );
            }
        }
        Ok(())
    }

    pub(super) fn apply(&self, engine: &mut EngineConfig) {
        let default = OverloadConfig::default();
        let us = |given: Option<u64>, unit, default_us| given.map_or(default_us, |n| n * unit);
        // Four fifths of what there is, and an eighth more: nine tenths.
        let most = self.memory_bytes_max.unwrap_or(u64::MAX);
        let memory_bytes = self.memory_bytes.unwrap_or_else(|| {
            memory::available()
                .map_or(u64::MAX, |all| all - all / 5)
                .min(most)
        });
        engine.overload = OverloadConfig {
            target_us: us(self.queueing_ms, 1_000, default.target_us),
            interval_us: us(self.interval_ms, 1_000, default.interval_us),
            hopeless_us: us(self.hopeless_s, 1_000_000, default.hopeless_us),
            memory_bytes,
            memory_bytes_max: self
                .memory_bytes_max
                .unwrap_or(memory_bytes.saturating_add(memory_bytes / 8)),
        };
    }
}
