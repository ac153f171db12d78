//! Figures for docs/measurements.md: `cargo test -p ringfence-governor --test
//! simulation -- --ignored --nocapture --test-threads 1`.

use ringfence_governor::Order;

use super::*;

/// By which order calm tenants wait how long beside a storm.
#[test]
#[ignore = "prints figures"]
fn how_long_calm_tenants_wait() {
    let tenants = calm_and_storm();
    let calm = calm(&tenants, CORES as f64);
    let config = Config::of_cores(CORES);
    let print = |name: &str, config, tenants| {
        let report = simulate_known(config, tenants, SECONDS);
        let waits = [500, 990, 999].map(|part| report.wait_us(&calm, part));
        println!("{name}: {waits:?} us");
    };
    print("alone", config, tenants[..TENANTS - HOSTILE].to_vec());
    print("fair", config, tenants.clone());
    for order in [Order::Fair, Order::StartTime, Order::Fifo] {
        let name = format!("{order:?}, no express lane");
        print(&name, config.ordered(order), tenants.clone());
    }
}

/// Where the calm tenants' part of the host ends. As many calm tenants as
/// endless ones, on two cores: with half of the host, each calm one asks for
/// all of its share.
#[test]
#[ignore = "prints figures"]
fn how_much_calm_tenants_may_ask_for() {
    let (cores, many) = (2, 20);
    let which: Vec<_> = (0..many).collect();
    for (percent, weight) in [
        (10, 1),
        (20, 1),
        (30, 1),
        (40, 1),
        (50, 1),
        (50, 2),
        (50, 4),
    ] {
        let per_second = f64::from(percent) / 100.0 * cores as f64 / many as f64 / 150e-6;
        let mut calm = Tenant::calm(per_second);
        calm.limits.weight = weight;
        let alone = vec![calm; many];
        let mut tenants = alone.clone();
        tenants.extend((0..many).map(|_| Tenant::endless()));
        let waits = |tenants: Vec<Tenant>| {
            let report = simulate_known(Config::of_cores(cores), tenants, SECONDS);
            [500, 990, 999].map(|part| report.wait_us(&which, part))
        };
        let (alone, beside) = (waits(alone), waits(tenants));
        println!("{percent} %, weight {weight}: alone {alone:?}, beside {beside:?} us");
    }
}
