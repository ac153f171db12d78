//! What a simulation shows.

/// What became of one tenant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OfTenant {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    /// Events that its runs set off, within their cascades' budgets.
    pub(crate) follow_ups: u64,
    /// Events that have come to their end.
    pub(crate) done: u64,
    pub(crate) runs: u64,
    /// What its runs took of the host, in fuel, in each virtual second.
    pub(crate) took: Vec<u64>,
    /// How long each of its runs waited for its turn only, in microseconds.
    pub(crate) waits_us: Vec<u64>,
    /// The longest time without a run, in microseconds, after the first.
    pub(crate) gap_us: u64,
    pub(crate) ran_us: Option<u64>,
}

/// What became of all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) tenants: Vec<OfTenant>,
    /// Runs of one subject that were made at the same time, or not in the
    /// order in which their events were accepted.
    pub(crate) out_of_order: u64,
    /// Of everything that happened, in its order.
    pub(crate) digest: u64,
    /// What the cores did, in nanoseconds.
    pub(crate) busy_ns: f64,
}

impl Report {
    pub(crate) fn new(tenants: usize, seconds: usize) -> Self {
        let of_tenant = OfTenant {
            took: vec![0; seconds + 1],
            ..OfTenant::default()
        };
        Self {
            tenants: vec![of_tenant; tenants],
            digest: 0xcbf2_9ce4_8422_2325,
            ..Self::default()
        }
    }

    /// Adds to the digest (FNV-1a, word by word).
    pub(crate) fn note(&mut self, words: [u64; 3]) {
        for word in words {
            self.digest = (self.digest ^ word).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// So many of 1,000 runs of these tenants waited no longer, in
    /// microseconds.
    pub(crate) fn wait_us(&self, tenants: &[usize], of_thousand: usize) -> u64 {
        let waits = tenants.iter().flat_map(|at| &self.tenants[*at].waits_us);
        let mut waits: Vec<u64> = waits.copied().collect();
        waits.sort_unstable();
        assert!(waits.len() >= 1_000, "only {} runs", waits.len());
        waits[(waits.len() * of_thousand / 1_000).min(waits.len() - 1)]
    }

    /// What a tenant took in the seconds from this one on, in fuel.
    pub(crate) fn took(&self, tenant: usize, from: usize, seconds: usize) -> u64 {
        self.tenants[tenant].took[from..from + seconds].iter().sum()
    }
}
