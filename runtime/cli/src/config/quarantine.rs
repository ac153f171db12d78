//! `[quarantine]`: when rules are not run for a while.

use anyhow::{Result, ensure};
use ringfence_engine::{BreakerConfig, EngineConfig};
use serde::Deserialize;

/// A year, in seconds; a million events.
const SECONDS_MAX: u64 = 366 * 24 * 60 * 60;
const EVENTS_MAX: u64 = 1_000_000;
const MICROS_PER_SECOND: u64 = 1_000_000;

/// When rules are quarantined, how long, and how long events wait for them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct QuarantineConfig {
    /// 0: none is.
    runs: Option<u64>,
    stopped_percent: Option<u64>,
    loops: Option<u64>,
    window_s: Option<u64>,
    first_s: Option<u64>,
    longest_s: Option<u64>,
    parked_s: Option<u64>,
    parked_events: Option<u64>,
}

impl QuarantineConfig {
    pub(super) fn check(&self) -> Result<()> {
        for (name, given, min, max) in [
            ("runs", self.runs, 0, EVENTS_MAX),
            ("stopped_percent", self.stopped_percent, 1, 100),
            ("loops", self.loops, 1, EVENTS_MAX),
            ("window_s", self.window_s, 1, SECONDS_MAX),
            ("first_s", self.first_s, 1, SECONDS_MAX),
            ("longest_s", self.longest_s, 1, SECONDS_MAX),
            ("parked_s", self.parked_s, 1, SECONDS_MAX),
            ("parked_events", self.parked_events, 0, EVENTS_MAX),
        ] {
            if let Some(given) = given {
                ensure!(
                    (min..=max).contains(&given),
                    "`quarantine.{name}` may be {min} to {max}; {given} was given"
                );
            }
        }
        let default_s = BreakerConfig::default().first_us / MICROS_PER_SECOND;
        let first_s = self.first_s.unwrap_or(default_s);
        if let Some(longest_s) = self.longest_s {
            ensure!(
                longest_s >= first_s,
                "`quarantine.longest_s` may be {first_s} (`first_s`) or more; {longest_s} was given"
            );
        }
        Ok(())
    }

    pub(super) fn apply(&self, engine: &mut EngineConfig) {
        let default = BreakerConfig::default();
        let us = |seconds: Option<u64>, default_us| {
            seconds.map_or(default_us, |seconds| seconds * MICROS_PER_SECOND)
        };
        let first_us = us(self.first_s, default.first_us);
        engine.quarantine = BreakerConfig {
            runs: match self.runs {
                Some(0) => None,
                Some(runs) => Some(runs),
                None => default.runs,
            },
            stopped_percent: self.stopped_percent.unwrap_or(default.stopped_percent),
            loops: self.loops.unwrap_or(default.loops),
            window_us: us(self.window_s, default.window_us),
            first_us,
            longest_us: us(self.longest_s, default.longest_us).max(first_us),
        };
        let parking = &mut engine.parking;
        parking.seconds = self.parked_s.unwrap_or(parking.seconds);
        parking.events = self.parked_events.unwrap_or(parking.events);
    }
}
