//! Runs guests, and measures them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use ringfence_benches::median;
use ringfence_model::{Event, EventId, Json, Limits, Lineage, RuleName, TenantId};
use ringfence_sandbox::{NothingRemembered, Prepared, Recall, Run, Sandbox, SandboxConfig};
use rustix::time::{ClockId, clock_gettime};

use crate::guests::{Guest, Kind};

/// Runs of a guest before the next has its turn. The middle one of these finds
/// the slots, the caches and the branch predictor as it left them: rules that
/// are busy enough to be worth metering are warm.
const TURN: usize = 15;

/// What one guest took.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Charged for a run; the same each time.
    pub(crate) fuel: u64,
    /// CPU time of a run, in nanoseconds: the median.
    pub(crate) cpu_ns: f64,
}

impl Measured {
    pub(crate) fn ns_per_fuel(&self) -> f64 {
        self.cpu_ns / self.fuel as f64
    }
}

/// A sandbox, and what every run is given.
pub(crate) struct Lab {
    sandbox: Sandbox,
    tenant: TenantId,
    rule: RuleName,
    limits: Limits,
    recall: Arc<dyn Recall>,
}

impl Lab {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let sandbox = Sandbox::new(
            SandboxConfig {
                concurrent_runs: 2,
                memory_bytes_max: 64 << 20,
                cache_bytes: 256 << 20,
                artifact_bytes: 0,
                artifact_key: [0; 32],
                tenant_data: None,
                reserve_growth: true,
            },
            None,
        )?;
        Ok(Self {
            sandbox,
            tenant: "acme".parse()?,
            rule: "calibrate".parse()?,
            // Enough for all of them: what is measured is work, not limits.
            limits: Limits {
                fuel: 1_000_000_000,
                // CPython needs more than the standard plan allows.
                component_bytes: 32 << 20,
                memory_bytes: 64 << 20,
                deadline_ms: 10_000,
                ..Limits::default()
            },
            recall: Arc::new(NothingRemembered),
        })
    }

    /// Each guest [`TURN`] times in each round; the first round warms up and does
    /// not count.
    pub(crate) fn measure(&self, guests: &[Guest], rounds: usize) -> anyhow::Result<Vec<Measured>> {
        let ready = guests.iter().map(|guest| self.ready(guest));
        let ready = ready.collect::<anyhow::Result<Vec<_>>>()?;
        let mut fuel = vec![0; guests.len()];
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); guests.len()];
        for round in 0..=rounds {
            for (at, (prepared, event)) in ready.iter().enumerate() {
                let name = guests[at].name;
                for _ in 0..TURN {
                    let (used, time) = self.run(prepared, event, &guests[at])?;
                    ensure!(
                        fuel[at] == 0 || used == fuel[at],
                        "{name}: {used} fuel, and {} before",
                        fuel[at]
                    );
                    fuel[at] = used;
                    if round > 0 {
                        times[at].push(time.as_nanos() as f64);
                    }
                }
            }
        }
        let measured = guests.iter().zip(fuel).zip(times);
        Ok(measured
            .map(|((guest, fuel), mut times)| Measured {
                name: guest.name,
                kind: guest.kind,
                fuel,
                cpu_ns: median(&mut times),
            })
            .collect())
    }

    fn ready(&self, guest: &Guest) -> anyhow::Result<(Prepared, Event)> {
        let limits = &self.limits;
        let inspected = self
            .sandbox
            .inspect(&guest.bytes, limits)
            .with_context(|| guest.name)?;
        let bytes = || Ok(Some(guest.bytes.clone()));
        let prepared =
            self.sandbox
                .prepare(inspected.version, &inspected.manifest, limits, &bytes)?;
        let id = EventId::root(&self.tenant, "/bench", "e1");
        let event = Event {
            id,
            tenant: self.tenant.clone(),
            ce_id: "e1".into(),
            source: "/bench".into(),
            ty: guest.event.into(),
            subject: Some("s-1".into()),
            time: "2026-01-01T00:00:00Z".into(),
            data: Json::parse(&guest.data)?,
            accepted_us: 1_767_225_600_000_000,
            lineage: Lineage::root(id),
        };
        Ok((prepared, event))
    }

    fn run(
        &self,
        prepared: &Prepared,
        event: &Event,
        guest: &Guest,
    ) -> anyhow::Result<(u64, Duration)> {
        let config = Json::parse(&guest.config)?;
        let run = Run {
            event,
            tenant: &self.tenant,
            rule: &self.rule,
            config: &config,
            limits: &self.limits,
            fuel: self.limits.fuel,
            recall: &self.recall,
        };
        let before = thread_cpu();
        let report = self.sandbox.run(prepared, &run)?;
        let time = thread_cpu().saturating_sub(before);
        match report.outcome {
            Ok(_) => Ok((report.usage.fuel, time)),
            Err(stop) => bail!("{}: {}: {}", guest.name, stop.code, stop.message),
        }
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let whole = u64::try_from(time.tv_sec).expect("a thread's time is not negative");
    let nanos = u32::try_from(time.tv_nsec).expect("a fraction is not negative");
    Duration::new(whole, nanos)
}
