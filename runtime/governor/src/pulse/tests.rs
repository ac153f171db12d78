use proptest::prelude::*;

use super::counts::LINKS_MAX;
use super::*;

const SECOND: u64 = 1_000_000;
const TICK: u64 = SECOND / 4;

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn rule(name: &str) -> RuleName {
    name.parse().unwrap()
}

/// Chance, the same each time (SplitMix64: Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Knuth's way, for small means.
    fn poisson(&mut self, mean: f64) -> usize {
        let (bound, mut product, mut count) = ((-mean).exp(), self.next(), 0);
        while product > bound {
            product *= self.next();
            count += 1;
        }
        count
    }

    fn binomial(&mut self, trials: usize, mean: f64) -> usize {
        let chance = mean / trials as f64;
        (0..trials).filter(|_| self.next() < chance).count()
    }
}

/// Runs of `ping` and `pong`, each of which sets off the other, and beside
/// them four times as many calm ones: the number after so many runs, one each
/// millisecond.
fn branching(seed: u64, means: [f64; 2], binomial: bool) -> (f64, usize) {
    let rules = [rule("ping"), rule("pong"), rule("calm")];
    let mut chance = Chance(seed);
    let mut pulse = Pulse::new(PulseConfig::default());
    let mut began = 0;
    for at in 0..40_000_u64 {
        let now_us = at * 1_000;
        for _ in 0..4 {
            pulse.ran(&tenant(), &rules[2], now_us);
        }
        let one = usize::from(at % 2 == 1);
        pulse.ran(&tenant(), &rules[one], now_us);
        let children = if binomial {
            chance.binomial(4, means[one])
        } else {
            chance.poisson(means[one])
        };
        for _ in 0..children {
            pulse.caused(
                &tenant(),
                &rules[one],
                "ball",
                [&rules[1 - one]],
                now_us,
                now_us,
            );
        }
        if at % 250 == 0 {
            began += pulse
                .look(now_us)
                .iter()
                .filter(|change| !change.ended)
                .count();
        }
    }
    (pulse.view(&tenant(), 40 * SECOND).number, began)
}

#[test]
fn the_number_of_a_branching_process_is_its_mean() {
    for (means, expected) in [
        ([0.3, 0.3], 0.3),
        ([0.8, 0.8], 0.8),
        ([0.4, 1.6], 0.8),
        ([1.2, 1.2], 1.2),
        ([2.0, 0.9], 1.342),
        ([3.0, 3.0], 3.0),
    ] {
        for binomial in [false, true] {
            for seed in 0..4 {
                let (number, began) = branching(seed, means, binomial);
                let error = (number - expected).abs() / expected;
                assert!(error < 0.06, "{means:?} {binomial}: {number}");
                assert_eq!(began, usize::from(expected > 1.0), "{means:?} {binomial}");
            }
        }
    }
}

/// A loop whose every run sets off `fan` more; so many runs a second, looked
/// at four times a second. When it is known, and what is said.
fn epidemic(pulse: &mut Pulse, fan: usize, per_second: u64, from_us: u64) -> Option<PulseChange> {
    let grow = rule("grow");
    let mut next_look = from_us + TICK;
    for at in 0..per_second * 10 {
        let now_us = from_us + at * SECOND / per_second;
        pulse.ran(&tenant(), &grow, now_us);
        for _ in 0..fan {
            pulse.caused(&tenant(), &grow, "grow.again", [&grow], now_us, now_us);
        }
        if now_us >= next_look {
            next_look += TICK;
            let changes = pulse.look(now_us);
            if let Some(change) = changes.into_iter().next() {
                assert_eq!(change.tenant, tenant());
                return Some(change);
            }
        }
    }
    None
}

#[test]
fn a_loop_with_fan_out_two_is_known_in_less_than_two_seconds() {
    for per_second in [200, 300, 1_000, 5_000] {
        let mut pulse = Pulse::new(PulseConfig::default());
        // Much calm traffic of others, long before and while it begins.
        for at in 0..20_000 {
            pulse.ran(&tenant(), &rule("calm"), at * 1_000);
        }
        let from_us = 20 * SECOND;
        let found = epidemic(&mut pulse, 2, per_second, from_us).unwrap();
        assert!(!found.ended);
        let known_us = pulse.tenants[&tenant()].latest_us;
        assert!(
            known_us - from_us < 2 * SECOND,
            "{per_second}: {}",
            known_us - from_us
        );
        let cycle = &found.found.cycle;
        assert_eq!(found.found.path(), "grow → grow.again → grow");
        assert!((1.9..=2.0).contains(&cycle[0].number), "{cycle:?}");
        let view = pulse.view(&tenant(), known_us);
        assert_eq!(view.supercritical_since_us, Some(found.since_us));
        assert_eq!(pulse.near_threshold(9).len(), 1);
    }
}

#[test]
fn it_ends_when_the_loop_does() {
    let mut pulse = Pulse::new(PulseConfig::default());
    let began = epidemic(&mut pulse, 2, 300, 0).unwrap();
    let stopped_us = pulse.tenants[&tenant()].latest_us;
    let ended = (1..).map(|at| stopped_us + at * TICK).find_map(|now_us| {
        // Others go on.
        pulse.ran(&tenant(), &rule("calm"), now_us);
        let changes = pulse.look(now_us);
        Some((now_us, changes.into_iter().next()?))
    });
    let (ended_us, ended) = ended.unwrap();
    assert!(ended.ended && ended.since_us == began.since_us);
    assert!(ended.found.peak >= began.found.peak);
    // A half-life without a run that sets off another, and one more.
    assert!(
        ended_us - stopped_us <= 11 * SECOND,
        "{}",
        ended_us - stopped_us
    );
    assert!(pulse.look(ended_us + TICK).is_empty());
    assert_eq!(pulse.view(&tenant(), ended_us).supercritical_since_us, None);
}

#[test]
fn what_comes_back_late_counts_as_when_it_was_caused() {
    let mut pulse = Pulse::new(PulseConfig::default());
    let (sync, other) = (rule("sync"), rule("other"));
    for _ in 0..1_000 {
        pulse.ran(&tenant(), &sync, 0);
    }
    let late_us = 15 * SECOND;
    for _ in 0..1_000 {
        pulse.caused(&tenant(), &sync, "updated", [&sync, &other], 0, late_us);
    }
    let view = pulse.view(&tenant(), late_us);
    assert!(view.number < 1.0, "{view:?}");
    let later = pulse.view(&tenant(), 0);
    assert!((0.99..1.0).contains(&later.number), "{later:?}");
    let edges: Vec<_> = view.edges.iter().map(|edge| edge.causes.as_str()).collect();
    assert_eq!(edges.len(), 2);
}

#[test]
fn what_a_tenant_takes_is_bounded_and_forgotten() {
    let mut pulse = Pulse::new(PulseConfig::default());
    let rules: Vec<RuleName> = (0..100).map(|at| rule(&format!("r-{at}"))).collect();
    for (at, one) in rules.iter().enumerate() {
        pulse.ran(&tenant(), one, 0);
        for ty in 0..10 {
            let ty = format!("type.{at}.{ty}");
            pulse.caused(&tenant(), one, &ty, &rules, 0, 0);
        }
    }
    let view = pulse.view(&tenant(), 0);
    assert!(view.truncated && view.rules.len() == 100 && view.edges.len() == 100);
    // The first rules' pairs found room, each with as many as there were.
    assert!(view.number > 10.0, "{}", view.number);
    pulse.look(TICK);
    let looked = pulse.view(&tenant(), TICK);
    assert!(looked.edges.len() < LINKS_MAX);
    // A rule that is another one now begins anew.
    pulse.forget(&tenant(), &rules[0]);
    let names = |view: &PulseView| view.rules.iter().any(|known| known.rule == rules[0]);
    assert!(!names(&pulse.view(&tenant(), TICK)));
    for at in 2..1_000 {
        pulse.look(at * TICK);
    }
    assert!(pulse.is_empty(), "{pulse:?}");
    pulse.ran(&tenant(), &rules[0], 1_000 * TICK);
    pulse.look(1_001 * TICK);
    assert_eq!(pulse.len(), 1);
    pulse.look(1_000 * TICK + 20 * 5 * SECOND);
    assert!(pulse.is_empty());
}

#[test]
fn event_types_that_are_never_the_same_hide_nothing() {
    let mut pulse = Pulse::new(PulseConfig::default());
    let grow = rule("grow");
    for at in 0..2_000_u64 {
        let now_us = at * 2_000;
        pulse.ran(&tenant(), &grow, now_us);
        for child in 0..2 {
            let ty = format!("t.{at}.{child}");
            pulse.caused(&tenant(), &grow, &ty, [&grow], now_us, now_us);
        }
    }
    let view = pulse.view(&tenant(), 4 * SECOND);
    assert!((1.99..=2.0).contains(&view.number), "{view:?}");
    assert!(view.edges.len() <= 4);
}

proptest! {
    /// However many, however long, however they are interleaved and through
    /// however many rules they go: each run sets off one more at most, and
    /// both are counted at once.
    #[test]
    fn countdowns_are_never_an_anomaly(
        lengths in prop::collection::vec(1u32..3_000, 1..30),
        rules in 1usize..5, calm in 0usize..3,
        picks in prop::collection::vec((0usize..1_000, 0u64..20_000), 500..1_500),
        threshold in 1.0f64..1.2, executions in 1u64..100,
    ) {
        let config = PulseConfig { threshold, executions, sustained_us: 0, ..PulseConfig::default() };
        let mut pulse = Pulse::new(config);
        let names: Vec<RuleName> = (0..rules).map(|at| rule(&format!("r-{at}"))).collect();
        let mut left = lengths;
        let (mut now_us, mut next_look) = (0, 0);
        for (pick, later) in picks {
            now_us += later;
            if left.is_empty() {
                break;
            }
            let pick = pick % left.len();
            let one = left[pick] as usize % rules;
            pulse.ran(&tenant(), &names[one], now_us);
            if left[pick] > 1 {
                left[pick] -= 1;
                let next = &names[left[pick] as usize % rules];
                pulse.caused(&tenant(), &names[one], "step", [next], now_us, now_us);
            } else {
                left.swap_remove(pick);
            }
            for _ in 0..calm {
                pulse.ran(&tenant(), &rule("calm"), now_us);
            }
            if now_us >= next_look {
                next_look = now_us + 50_000;
                prop_assert_eq!(pulse.look(now_us), vec![]);
                let number = pulse.view(&tenant(), now_us).number;
                prop_assert!(number <= 1.0, "{}", number);
            }
        }
    }
}
