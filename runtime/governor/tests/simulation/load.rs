//! Who sends what to the simulated host.

use ringfence_model::Limits;

/// What a run costs the host beside its fuel, in microseconds of a core.
pub(crate) const OVERHEAD_US: f64 = 50.0;

/// When a tenant's events come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sends {
    /// So many per second, independently of each other.
    PerSecond(f64),
    /// So that always so many wait.
    Backlog(usize),
}

/// What a tenant's rules do on an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runs {
    /// Rules that want it.
    pub(crate) rules: u32,
    /// What a run takes, in microseconds of a core: the mean of an exponential
    /// distribution. None: it does not end before its fuel does.
    pub(crate) mean_us: Option<f64>,
    /// Events that each run sets off, for the same rules.
    pub(crate) follow_ups: u32,
}

/// A simulated tenant.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) sends: Sends,
    pub(crate) runs: Runs,
    /// Events are about one of so many subjects, or about none.
    pub(crate) subjects: Option<u64>,
    pub(crate) limits: Limits,
}

impl Tenant {
    /// Sends so many events per second, with one cheap run each.
    pub(crate) fn calm(per_second: f64) -> Self {
        Self {
            sends: Sends::PerSecond(per_second),
            runs: Runs {
                rules: 1,
                mean_us: Some(100.0),
                follow_ups: 0,
            },
            subjects: Some(1_000),
            limits: Limits::default(),
        }
    }

    /// Has work waiting all the time, with runs of this mean.
    pub(crate) fn backlogged(weight: u64, mean_us: f64) -> Self {
        let mut tenant = Self::calm(0.0);
        // More than may run at once and wait for the disk.
        tenant.sends = Sends::Backlog(16);
        tenant.runs.mean_us = Some(mean_us);
        tenant.subjects = None;
        tenant.limits.weight = weight;
        tenant
    }

    /// Runs of its rule never end by themselves, and many wait.
    pub(crate) fn endless() -> Self {
        let mut tenant = Self::backlogged(1, 0.0);
        tenant.runs.mean_us = None;
        tenant
    }

    /// Sends ten times as fast as it may.
    pub(crate) fn flood() -> Self {
        let mut tenant = Self::calm(5_000.0);
        tenant.limits.events_per_second = 500;
        tenant.limits.events_burst = 1_000;
        tenant
    }

    /// Its rule sets itself off, several times over, until the cascade's
    /// budget is used up.
    pub(crate) fn cascading() -> Self {
        let mut tenant = Self::calm(5.0);
        tenant.runs.follow_ups = 4;
        tenant
    }

    /// What it asks for, in cores.
    fn demand(&self) -> f64 {
        let Some(mean_us) = self.runs.mean_us else {
            return f64::INFINITY;
        };
        match self.sends {
            _ if self.runs.follow_ups > 0 => f64::INFINITY,
            Sends::Backlog(_) => f64::INFINITY,
            Sends::PerSecond(rate) => {
                let admitted = rate.min(self.limits.events_per_second as f64);
                admitted * f64::from(self.runs.rules) * (mean_us + OVERHEAD_US) / 1e6
            }
        }
    }
}

/// Calm tenants that together ask for so many cores, of sizes as Zipf's law
/// has them: the n-th sends one n-th of what the first does.
pub(crate) fn zipf(tenants: usize, cores: f64) -> Vec<Tenant> {
    let harmonic: f64 = (1..=tenants).map(|n| 1.0 / n as f64).sum();
    let one_per_second = Tenant::calm(1.0).demand();
    (1..=tenants)
        .map(|n| Tenant::calm(cores / one_per_second / harmonic / n as f64))
        .collect()
}

/// What a tenant of weight 1 gets where all compete for so many cores, and
/// what one does not ask for is the others' (max-min fairness), in cores.
pub(crate) fn fair_level(tenants: &[Tenant], cores: f64) -> f64 {
    let mut demands: Vec<f64> = tenants.iter().map(Tenant::demand).collect();
    demands.sort_by(f64::total_cmp);
    let mut left = cores;
    for (at, demand) in demands.iter().enumerate() {
        let level = left / (demands.len() - at) as f64;
        if *demand >= level {
            return level;
        }
        left -= demand;
    }
    f64::INFINITY
}

/// Which tenants ask for less than half of what is theirs anyway.
pub(crate) fn calm(tenants: &[Tenant], cores: f64) -> Vec<usize> {
    let level = fair_level(tenants, cores);
    let asks = tenants.iter().map(Tenant::demand).enumerate();
    asks.filter(|(_, demand)| *demand < level / 2.0)
        .map(|(at, _)| at)
        .collect()
}
