//! `[memory]`: what is kept in memory of what could be read from the disk.

use anyhow::{Result, ensure};
use ringfence_engine::EngineConfig;
use serde::Deserialize;

const BYTES_MIN: u64 = 1024 * 1024;
/// A tebibyte.
const BYTES_MAX: u64 = 1 << 40;

/// Compiled components kept in memory, in bytes.
const CODE_BYTES: u64 = 256 * 1024 * 1024;

/// Bounds in bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MemoryConfig {
    windows_bytes: Option<u64>,
    code_bytes: Option<u64>,
}

impl MemoryConfig {
    pub(super) fn check(&self) -> Result<()> {
        for (name, given) in [
            ("windows_bytes", self.windows_bytes),
            ("code_bytes", self.code_bytes),
        ] {
            if let Some(given) = given {
                ensure!(
                    (BYTES_MIN..=BYTES_MAX).contains(&given),
                    "`memory.{name}` may be {BYTES_MIN} to {BYTES_MAX}; {given} was given"
                );
            }
        }
        Ok(())
    }

    pub(super) fn apply(&self, engine: &mut EngineConfig) {
        engine.windows_bytes = self.windows_bytes.unwrap_or(engine.windows_bytes);
    }

    pub(super) fn code_bytes(&self) -> u64 {
        self.code_bytes.unwrap_or(CODE_BYTES)
    }
}
