use proptest::prelude::*;

use super::*;

const LOOK_US: u64 = 250_000;
const START_US: u64 = 1_000_000_000;

fn config() -> OverloadConfig {
    OverloadConfig {
        memory_bytes: 1_000,
        memory_bytes_max: 2_000,
        ..OverloadConfig::default()
    }
}

/// A host with some tenants, and a clock.
struct Host {
    overload: Overload,
    loads: Vec<Load>,
    now_us: u64,
    memory_bytes: u64,
}

impl Host {
    fn new(weights: &[u64]) -> Self {
        let mut host = Self {
            overload: Overload::new(config()),
            loads: vec![Load::default(); weights.len()],
            now_us: START_US,
            memory_bytes: 0,
        };
        for (load, weight) in host.loads.iter_mut().zip(weights) {
            host.overload.set_weight(load, *weight, START_US);
        }
        host
    }

    fn waits(&mut self, tenant: usize, events: u64) {
        let load = &mut self.loads[tenant];
        self.overload.waits(load, events, self.now_us);
    }

    fn ran(&mut self, tenant: usize, fuel: u64) {
        let load = &mut self.loads[tenant];
        self.overload.ran(load, fuel, self.now_us);
    }

    /// A tenant whose turn comes after so long.
    fn dispatched(&mut self, tenant: usize, waited_us: u64) {
        let load = &mut self.loads[tenant];
        load.moved_us = 0;
        let ready_us = self.now_us - waited_us;
        self.overload.dispatched(load, ready_us, self.now_us);
    }

    fn look(&mut self) -> Level {
        self.look_with(false)
    }

    fn look_with(&mut self, is_work_due: bool) -> Level {
        self.now_us += LOOK_US;
        let signs = Signs {
            is_work_due,
            memory_bytes: self.memory_bytes,
        };
        self.overload.look(signs, self.now_us);
        self.overload.pressure().level
    }

    /// Everybody's turn comes after so long, for so many looks.
    fn late(&mut self, waited_us: u64, looks: usize) -> Level {
        for _ in 0..looks {
            for tenant in 0..self.loads.len() {
                self.dispatched(tenant, waited_us);
            }
            self.look();
        }
        self.overload.pressure().level
    }

    fn is_admitted(&mut self, tenant: usize) -> bool {
        let load = &self.loads[tenant];
        self.overload.admits(load, self.now_us).is_ok()
    }

    /// Until nothing can be remembered as late or short any more.
    fn calm_down(&mut self) -> Level {
        self.memory_bytes = 0;
        (0..9).map(|_| self.look()).last().unwrap()
    }
}

/// What a batch holds of a tenant beside the first is not another turn.
#[test]
fn who_has_two_pieces_in_one_batch_has_waited_all_the_same() {
    let mut host = Host::new(&[1, 1]);
    for _ in 0..9 {
        for tenant in [0, 1] {
            host.dispatched(tenant, 300_000);
            let (load, now_us) = (&mut host.loads[tenant], host.now_us);
            host.overload.dispatched(load, now_us - 300_000, now_us);
        }
        host.look();
    }
    assert_eq!(host.overload.pressure().level, Level::Behind);
}

#[test]
fn the_host_is_behind_when_nobody_has_a_turn_in_time_and_not_for_ever() {
    let mut host = Host::new(&[1, 1]);
    assert_eq!(host.late(300_000, 4), Level::Fine);
    assert_eq!(host.late(300_000, 1), Level::Behind);
    // Late, but not hopelessly.
    assert_eq!(host.late(300_000, 400), Level::Behind);
    assert_eq!(host.late(0, 8), Level::Behind);
    assert_eq!(host.late(0, 1), Level::Fine);
}

#[test]
fn one_turn_in_time_is_enough() {
    let mut host = Host::new(&[1, 1]);
    for _ in 0..400 {
        host.dispatched(0, 60_000_000);
        host.dispatched(1, 100_000);
        assert_eq!(host.look(), Level::Fine);
    }
}

/// What is behind others of its own tenant has not its turn yet.
#[test]
fn a_backlog_of_its_own_keeps_nobody_waiting() {
    let mut host = Host::new(&[1]);
    host.waits(0, 100_000);
    for _ in 0..400 {
        for _ in 0..5 {
            let (load, now_us) = (&mut host.loads[0], host.now_us);
            host.overload.dispatched(load, START_US, now_us);
            host.overload.ran(load, 1_000_000, now_us + LOOK_US / 5);
            host.now_us += LOOK_US / 5;
        }
        host.now_us -= LOOK_US;
        assert_eq!(host.look_with(true), Level::Fine);
    }
}

#[test]
fn work_that_nobody_begins_counts_as_late() {
    let mut host = Host::new(&[1]);
    let levels: Vec<_> = (0..10).map(|_| host.look_with(true)).collect();
    assert_eq!(levels[4], Level::Fine);
    assert_eq!(levels[9], Level::Behind);
    assert!(host.overload.pressure().queueing_us > 1_000_000);
}

#[test]
fn everybody_is_turned_away_only_when_it_is_hopeless() {
    let mut host = Host::new(&[1, 1]);
    host.ran(0, 1_000_000_000);
    assert_eq!(host.late(2_000_000, 8), Level::Behind);
    assert!(host.is_admitted(1) && !host.is_admitted(0));
    assert_eq!(host.late(2_000_000, 30), Level::Behind);
    assert_eq!(host.late(2_000_000, 8), Level::Overloaded);
    assert!(!host.is_admitted(0) && !host.is_admitted(1));
    // It gets better by steps.
    assert_eq!(host.late(300_000, 9), Level::Behind);
    assert!(host.is_admitted(1));
    assert_eq!(host.calm_down(), Level::Fine);
}

#[test]
fn memory_counts_at_once_and_is_free_when_there_is_some() {
    let mut host = Host::new(&[1]);
    for (bytes, level, admits_memory) in [
        (999, Level::Fine, true),
        (1_000, Level::Behind, false),
        (2_000, Level::Overloaded, false),
    ] {
        host.memory_bytes = bytes;
        assert_eq!(host.look(), level);
        assert_eq!(host.overload.admits_memory(), admits_memory);
    }
    for _ in 0..100 {
        host.memory_bytes = 1_950;
        assert_eq!(host.look(), Level::Overloaded);
    }
    assert_eq!(host.calm_down(), Level::Fine);
    host.late(300_000, 8);
    assert!(host.overload.admits_memory());
}

#[test]
fn who_is_turned_away_is_told_when_to_come_back() {
    let mut host = Host::new(&[1, 3]);
    host.ran(0, 1_000_000_000);
    host.ran(1, 1_000_000_000);
    host.late(300_000, 8);
    let refused = host.overload.admits(&host.loads[0], host.now_us);
    let refused = refused.unwrap_err();
    // By weight a quarter is its; and half of the demand belongs to who wants
    // all of it for its weight, half to who wants a third: two thirds of half.
    assert_eq!(
        (refused.demand_percent, refused.share_percent),
        (50, 29),
        "{refused:?}"
    );
    // Somewhat less than a half-life.
    assert!((3_000_000..4_000_000).contains(&refused.retry_after_us));
    assert!(host.is_admitted(1));
}

/// A tenant that is gone, or whose weight is another, leaves the sums right.
#[test]
fn tenants_come_and_go() {
    let mut host = Host::new(&[1, 1, 5]);
    for tenant in 0..3 {
        host.waits(tenant, 10);
        host.ran(tenant, 1_000_000);
    }
    let gone = host.loads.pop().unwrap();
    host.overload.forget(&gone, host.now_us);
    host.overload.set_weight(&mut host.loads[0], 3, host.now_us);
    let mut expected = Sums {
        era: host.overload.sums.era,
        waiting_events: 20,
        ..Sums::default()
    };
    host.loads.iter().for_each(|load| expected.count(load, 1.0));
    assert_eq!(host.overload.weights, [4, 0]);
    let sums = host.overload.sums;
    assert_eq!((sums.era, sums.waiting_events), (expected.era, 20));
    for (sum, expected) in [
        (sums.used, expected.used),
        (sums.used_used, expected.used_used),
        (sums.used_waiting, expected.used_waiting),
        (sums.waiting, expected.waiting),
        (sums.waiting_waiting, expected.waiting_waiting),
    ] {
        assert!((sum / expected - 1.0).abs() < 1e-9, "{sum}, {expected}");
    }
}

/// One that wants somewhat more than many small ones is not the one to turn
/// away where another wants far more than all.
#[test]
fn who_wants_most_is_turned_away_first() {
    let mut host = Host::new(&[1; 100]);
    for tenant in 0..100 {
        host.ran(tenant, 1_000_000);
    }
    host.ran(1, 9_000_000);
    host.ran(0, 150_000_000);
    host.memory_bytes = 1_500;
    host.look();
    let admitted: Vec<_> = (0..100).map(|tenant| host.is_admitted(tenant)).collect();
    assert!(!admitted[0]);
    assert!(admitted[1..].iter().all(|is| *is));
}

#[derive(Debug, Clone)]
enum Step {
    Waits(usize, u64),
    Ran(usize, u64),
    Pause(u64),
}

const TENANTS: usize = 4;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..TENANTS, 0u64..2_000).prop_map(|(tenant, events)| Step::Waits(tenant, events)),
        (0..TENANTS, 1u64..20_000_000).prop_map(|(tenant, fuel)| Step::Ran(tenant, fuel)),
        (0u64..3_000_000).prop_map(Step::Pause),
        (0u64..2_000).prop_map(|seconds| Step::Pause(seconds * 1_000_000)),
    ];
    prop::collection::vec(step, 1..80)
}

/// Demand and share worked out anew from all that happened.
#[derive(Debug, Default, Clone)]
struct Model {
    runs: Vec<(u64, u64)>,
    waiting: u64,
    touched_us: Option<u64>,
}

impl Model {
    fn demand(&self, now_us: u64) -> f64 {
        let decayed = |(at_us, fuel): &(u64, u64)| {
            let half_lives = (now_us - at_us) as f64 / HALF_LIFE_US as f64;
            *fuel as f64 * 0.5f64.powf(half_lives)
        };
        let average = |cost: f64, (_, fuel): &(u64, u64)| cost + (*fuel as f64 - cost) / 8.0;
        let cost = self.runs.iter().fold(UNKNOWN_COST, average);
        self.runs.iter().map(decayed).sum::<f64>() + self.waiting as f64 * cost
    }

    fn is_active(&self, now_us: u64) -> bool {
        let recent = |at_us: u64| at_us / EPOCH_US + 1 >= now_us / EPOCH_US;
        self.touched_us.is_some_and(recent)
    }
}

proptest! {
    /// At `behind` nobody at most at the average is turned away, whoever is
    /// well above its share is, and so not everybody is.
    #[test]
    fn who_is_above_its_share_is_turned_away_and_nobody_else(
        weights in prop::collection::vec(1u64..10, TENANTS), steps in steps(),
    ) {
        let mut host = Host::new(&weights);
        let mut models = vec![Model::default(); TENANTS];
        for step in steps {
            match step {
                Step::Waits(tenant, events) => {
                    host.waits(tenant, events);
                    models[tenant].waiting = events;
                    models[tenant].touched_us = Some(host.now_us);
                }
                Step::Ran(tenant, fuel) => {
                    host.ran(tenant, fuel);
                    models[tenant].runs.push((host.now_us, fuel));
                    models[tenant].touched_us = Some(host.now_us);
                }
                Step::Pause(us) => host.now_us += us,
            }
            let now_us = host.now_us;
            host.overload.look(Signs { memory_bytes: 1_500, ..Signs::default() }, now_us);
            prop_assert_eq!(host.overload.pressure().level, Level::Behind);
            let demands: Vec<f64> = models.iter().map(|model| model.demand(now_us)).collect();
            let all: f64 = demands.iter().sum();
            let squares = demands.iter().zip(&weights).map(|(demand, weight)| demand * demand / *weight as f64);
            let met = squares.sum::<f64>() / all;
            let active: u64 = models.iter().zip(&weights)
                .filter(|(model, _)| model.is_active(now_us))
                .map(|(_, weight)| *weight).sum();
            let mut admitted = 0;
            for tenant in 0..TENANTS {
                let demand = demands[tenant] / weights[tenant] as f64;
                let average = (all / active.max(weights[tenant]) as f64).min(met);
                let share = average.midpoint(met);
                let is_admitted = host.is_admitted(tenant);
                admitted += u64::from(is_admitted);
                if demand <= average || demand <= share {
                    prop_assert!(is_admitted, "{} of {}, {}", demand, share, average);
                } else if demand > share * 1.07 && demands[tenant] > UNKNOWN_COST * 1.01 {
                    prop_assert!(!is_admitted, "{} of {}", demand, share);
                }
            }
            prop_assert!(admitted > 0);
        }
    }

    /// However late some are: while somebody's turn comes in time in each
    /// look, or nobody waits, the host is fine.
    #[test]
    fn calm_input_never_trips_it(
        looks in prop::collection::vec((prop::option::of(0u64..=200_000), prop::collection::vec(0u64..100_000_000, 0..5)), 1..200),
    ) {
        let mut host = Host::new(&[1, 1]);
        for (in_time, late) in looks {
            if let Some(waited_us) = in_time {
                late.iter().for_each(|waited_us| host.dispatched(0, *waited_us));
                host.dispatched(1, waited_us);
            }
            prop_assert_eq!(host.look(), Level::Fine);
        }
    }

    /// It begins when it has to, goes up one step before the next, and ends.
    #[test]
    fn it_begins_and_ends(late_us in 200_001u64..5_000_000, looks in 6usize..200, memory in 0u64..3_000) {
        let mut host = Host::new(&[1, 1]);
        host.memory_bytes = memory;
        prop_assert!(host.late(late_us, looks) >= Level::Behind);
        if late_us <= 1_000_000 && memory < 2_000 {
            prop_assert_eq!(host.overload.pressure().level, Level::Behind);
        }
        prop_assert_eq!(host.calm_down(), Level::Fine);
    }

    /// With more memory in use, and all else the same, the host is never
    /// better off.
    #[test]
    fn more_memory_is_never_better(
        looks in prop::collection::vec((0u64..2_500, 0u64..1_000, 0u64..2_000_000), 1..100),
    ) {
        let (mut less, mut more) = (Host::new(&[1]), Host::new(&[1]));
        for (bytes, added, waited_us) in looks {
            less.memory_bytes = bytes;
            more.memory_bytes = bytes + added;
            let levels = [less.late(waited_us, 1), more.late(waited_us, 1)];
            prop_assert!(levels[0] <= levels[1], "{:?}", levels);
        }
    }
}
