//! The governor's machines put together as the engine does, on virtual time:
//! ten thousand tenants on more cores than any test has, the same each time.
//!
//! Real are the scheduler, the batches, the cascades' budgets, the expected
//! costs and the admission. Simulated are events (Poisson arrivals from a
//! seed, sizes by Zipf's law), runs (each takes its cost of a core), the disk
//! (group commits that take a millisecond) and the windows of what is in
//! memory. No assertion depends on the time that the test takes.

#![allow(clippy::unwrap_used)] // a test that meets what it does not expect fails there
#![allow(clippy::vec_box)] // boxed as they come and go

mod figures;
mod host;
mod load;
mod random;
mod report;

use host::{Config, Host};
use load::{Tenant, calm, zipf};
use report::Report;
use ringfence_governor::Order;
use ringfence_model::{FUEL_PER_MICROSECOND, Limits};

/// Of the host in the tests about a storm.
const CORES: usize = 8;
const SECONDS: usize = 5;
const TENANTS: usize = 10_000;
const HOSTILE: usize = 100;

fn simulate(config: Config, tenants: Vec<Tenant>, seconds: usize) -> Report {
    let mut host = Host::new(config, tenants, seconds);
    host.run(seconds);
    host.report
}

/// The same, with how long runs waited after the first second: then it is known
/// what those of each tenant cost.
fn simulate_known(config: Config, tenants: Vec<Tenant>, seconds: usize) -> Report {
    let mut host = Host::new(config, tenants, seconds);
    host.run(1);
    for tenant in &mut host.report.tenants {
        tenant.waits_us.clear();
    }
    host.run(seconds);
    host.report
}

/// Hostile tenants, of three kinds in turns.
fn storm(tenants: usize) -> impl Iterator<Item = Tenant> {
    (0..tenants).map(|at| match at % 10 {
        0 => Tenant::flood(),
        1..6 => Tenant::endless(),
        _ => Tenant::cascading(),
    })
}

/// Calm tenants that use half of the host, and beside them hostile ones.
fn calm_and_storm() -> Vec<Tenant> {
    let mut tenants = zipf(TENANTS - HOSTILE, CORES as f64 / 2.0);
    tenants.extend(storm(HOSTILE));
    tenants
}

/// The longest run that the limits allow, in microseconds, with what it costs
/// beside its fuel.
fn longest_run_us() -> u64 {
    Limits::default().fuel / FUEL_PER_MICROSECOND + load::OVERHEAD_US as u64
}

/// A tenant that asks for less than its share waits for no more than the rest
/// of a run that cannot be interrupted, beside what it waited for alone.
#[test]
fn calm_tenants_wait_one_run_longer_beside_a_storm() {
    let tenants = calm_and_storm();
    let calm = calm(&tenants, CORES as f64);
    assert!(calm.len() > TENANTS * 95 / 100, "only {} calm", calm.len());
    let config = Config::of_cores(CORES);
    let alone = tenants[..TENANTS - HOSTILE].to_vec();
    let alone = simulate_known(config, alone, SECONDS);
    let beside = simulate_known(config, tenants, SECONDS);
    // It is a storm: all of the host is used.
    let busy = beside.busy_ns / (CORES * SECONDS) as f64 / 1e9;
    assert!(busy > 0.99, "{busy}");
    for of_thousand in [500, 990] {
        let [alone_us, beside_us] = [&alone, &beside].map(|it| it.wait_us(&calm, of_thousand));
        assert!(
            beside_us <= alone_us + longest_run_us(),
            "{of_thousand} of 1,000: {alone_us} us alone, {beside_us} us beside"
        );
    }
    for at in calm {
        let (alone, beside) = (&alone.tenants[at], &beside.tenants[at]);
        assert_eq!(alone.refused + beside.refused, 0, "tenant {at}");
    }
}

/// Without fair queueing they wait for all that came before: the test above can
/// fail.
#[test]
fn first_come_first_served_is_worse_by_far() {
    let tenants = calm_and_storm();
    let calm = calm(&tenants, CORES as f64);
    let config = Config::of_cores(CORES);
    let [fair_us, fifo_us] = [config, config.ordered(Order::Fifo)].map(|config| {
        let report = simulate_known(config, tenants.clone(), 2);
        report.wait_us(&calm, 990)
    });
    assert!(fifo_us > 20 * fair_us, "{fair_us} us, {fifo_us} us");
}

/// Over any ten seconds in which all have work waiting, what each took is
/// within 1 % of its weight's part, and so many runs of its own.
fn check_shares(tenants: Vec<Tenant>, cores: usize, runs: impl Fn(u64) -> f64) -> Report {
    const WINDOW: usize = 10;
    let seconds = WINDOW + 1;
    let weights: Vec<u64> = tenants.iter().map(|tenant| tenant.limits.weight).collect();
    let all_weights: u64 = weights.iter().sum();
    let report = simulate(Config::of_cores(cores), tenants, seconds);
    let one_run = (longest_run_us() * FUEL_PER_MICROSECOND) as f64;
    for from in 0..=seconds - WINDOW {
        let took = |at| report.took(at, from, WINDOW) as f64;
        let all: f64 = (0..weights.len()).map(took).sum();
        for (at, weight) in weights.iter().enumerate() {
            let fair = all * *weight as f64 / all_weights as f64;
            let off = (took(at) - fair).abs();
            assert!(
                off <= fair / 100.0 + runs(*weight) * one_run,
                "tenant {at} of weight {weight} from second {from}: {}, not {fair}",
                took(at)
            );
        }
    }
    report
}

#[test]
fn shares_are_within_a_hundredth_of_the_weights() {
    let tenants = (0..50).map(|at| {
        let mean_us = [60.0, 300.0, 900.0, 1_500.0, 50_000.0][at % 5];
        Tenant::backlogged(1 + at as u64 / 5, mean_us)
    });
    check_shares(tenants.collect(), 4, |_| 1.0);
}

#[test]
fn ten_thousand_backlogged_tenants_share_and_none_starves() {
    let tenants: Vec<_> = (0..TENANTS as u64)
        .map(|at| Tenant::backlogged(1 + at % 4, 100.0 + (at % 13) as f64 * 100.0))
        .collect();
    let cores = 16;
    let all_weights: u64 = tenants.iter().map(|tenant| tenant.limits.weight).sum();
    // Here one run is half of what some get in ten seconds, and the bound of
    // start-time fair queueing shows: a run of one's own, and one of the others
    // by weight.
    let by_weight = (1..=4).map(|weight| 1.0 / f64::from(weight)).sum::<f64>() / 4.0;
    let report = check_shares(tenants, cores, |weight| 1.0 + weight as f64 * by_weight);
    // So long takes the longest run on its tenant's part of the host, if that
    // has weight 1; and before it, another one may have taken more than it was
    // expected to.
    let longest_us = longest_run_us() * all_weights / cores as u64;
    for (at, tenant) in report.tenants.iter().enumerate() {
        assert!(tenant.runs > 0, "tenant {at}");
        assert!(
            tenant.gap_us < 2 * longest_us,
            "tenant {at}: {}",
            tenant.gap_us
        );
    }
}

/// Everything at once, with windows that are soon full.
fn everything() -> (Config, Vec<Tenant>) {
    let mut tenants = zipf(200, 1.0);
    for (at, tenant) in tenants.iter_mut().enumerate() {
        tenant.runs.rules = 1 + at as u32 % 3;
        tenant.subjects = [None, Some(3), Some(50)][at % 3];
    }
    tenants.extend(storm(20));
    tenants.extend((0..10).map(|_| Tenant {
        subjects: Some(2),
        ..Tenant::cascading()
    }));
    let config = Config {
        window: 50,
        ..Config::of_cores(2)
    };
    (config, tenants)
}

#[test]
fn nothing_accepted_is_lost_and_subjects_keep_their_order() {
    let (config, tenants) = everything();
    let mut host = Host::new(config, tenants, 2);
    host.run(2);
    host.drain();
    for (at, tenant) in host.report.tenants.iter().enumerate() {
        assert_eq!(
            tenant.accepted + tenant.follow_ups,
            tenant.done,
            "tenant {at}"
        );
    }
    let follow_ups = host.report.tenants.iter().map(|tenant| tenant.follow_ups);
    assert!(follow_ups.sum::<u64>() > 1_000);
    assert_eq!(host.report.out_of_order, 0);
}

#[test]
fn the_same_seed_gives_the_same_result() {
    let (config, tenants) = everything();
    let first = simulate(config, tenants.clone(), 1);
    let again = simulate(config, tenants.clone(), 1);
    assert_eq!(first, again);
    let other = simulate(Config { seed: 2, ..config }, tenants, 1);
    assert_ne!(first.digest, other.digest);
}
