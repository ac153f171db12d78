//! Runs guests, and measures them.

use anyhow::{Context as _, ensure};
use ringfence_benches::median;
use ringfence_benches::rule::{Rule, config, thread_cpu};
use ringfence_model::{Json, Limits};
use ringfence_sandbox::Sandbox;

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

/// Each guest [`TURN`] times in each round; the first round warms up and does
/// not count.
///
/// # Errors
/// When a guest is refused or stopped, or is not charged the same each time.
pub(crate) fn measure(guests: &[Guest], rounds: usize) -> anyhow::Result<Vec<Measured>> {
    let sandbox = Sandbox::new(config(), None)?;
    let ready = guests.iter().map(|guest| ready(&sandbox, guest));
    let ready = ready.collect::<anyhow::Result<Vec<_>>>()?;
    let mut fuel = vec![0; guests.len()];
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); guests.len()];
    for round in 0..=rounds {
        for (at, rule) in ready.iter().enumerate() {
            let name = guests[at].name;
            for _ in 0..TURN {
                let before = thread_cpu();
                let used = rule.used().context(name)?.fuel;
                let time = thread_cpu().saturating_sub(before);
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

fn ready(sandbox: &Sandbox, guest: &Guest) -> anyhow::Result<Rule> {
    // Enough for all of them: what is measured is work, not limits.
    let limits = Limits {
        fuel: 1_000_000_000,
        deadline_ms: 10_000,
        // CPython needs more than the standard plan allows.
        component_bytes: 32 << 20,
        memory_bytes: 64 << 20,
        ..Limits::default()
    };
    let mut rule = Rule::within(sandbox, &guest.bytes, limits).context(guest.name)?;
    rule.event.ty = guest.event.into();
    rule.event.data = Json::parse(&guest.data)?;
    rule.config = Json::parse(&guest.config)?;
    Ok(rule)
}
