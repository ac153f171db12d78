//! What counts as an anomaly, as the file says it.

use anyhow::{Result, ensure};
use ringfence_engine::EngineConfig;
use serde::Deserialize;

/// An hour.
const HALF_LIFE_MS_MAX: u64 = 60 * 60 * 1_000;
const FACTOR_MAX: f64 = 1_000_000.0;
const COUNT_MAX: u64 = 1_000_000_000;
/// A day; the long window is half an hour.
const HISTORY_S_MAX: u64 = 24 * 60 * 60;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AnomaliesConfig {
    half_life_ms: Option<u64>,
    threshold: Option<f64>,
    executions: Option<u64>,
    sustained_ms: Option<u64>,
    rate_factor: Option<f64>,
    rate_events: Option<u64>,
    rate_history_s: Option<u64>,
}

impl AnomaliesConfig {
    pub(super) fn check(&self) -> Result<()> {
        for (name, given, min, max) in [
            ("half_life_ms", self.half_life_ms, 100, HALF_LIFE_MS_MAX),
            ("executions", self.executions, 1, COUNT_MAX),
            ("sustained_ms", self.sustained_ms, 0, HALF_LIFE_MS_MAX),
            ("rate_events", self.rate_events, 1, COUNT_MAX),
            ("rate_history_s", self.rate_history_s, 1, HISTORY_S_MAX),
        ] {
            if let Some(given) = given {
                ensure!(
                    (min..=max).contains(&given),
                    "`anomalies.{name}` may be {min} to {max}; {given} was given"
                );
            }
        }
        // Below 1, a countdown would be growth.
        for (name, given, min) in [
            ("threshold", self.threshold, 1.0),
            ("rate_factor", self.rate_factor, 2.0),
        ] {
            if let Some(given) = given {
                ensure!(
                    (min..=FACTOR_MAX).contains(&given),
                    "`anomalies.{name}` may be {min} to {FACTOR_MAX}; {given} was given"
                );
            }
        }
        Ok(())
    }

    pub(super) fn apply(&self, engine: &mut EngineConfig) {
        fn set<T: Copy>(place: &mut T, given: Option<T>) {
            *place = given.unwrap_or(*place);
        }
        let us = |ms: Option<u64>| ms.map(|ms| ms.saturating_mul(1_000));
        let (pulse, rates) = (&mut engine.pulse, &mut engine.rates);
        set(&mut pulse.half_life_us, us(self.half_life_ms));
        set(&mut pulse.threshold, self.threshold);
        set(&mut pulse.executions, self.executions);
        set(&mut pulse.sustained_us, us(self.sustained_ms));
        set(&mut rates.sustained_us, us(self.sustained_ms));
        set(&mut rates.factor, self.rate_factor);
        set(&mut rates.events, self.rate_events);
        let history_s = self.rate_history_s;
        set(
            &mut rates.history_us,
            history_s.map(|seconds| seconds.saturating_mul(1_000_000)),
        );
    }
}
