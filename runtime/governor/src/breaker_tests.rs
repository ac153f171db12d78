use proptest::prelude::*;

use super::*;

const S: u64 = 1_000_000;

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn rule() -> RuleName {
    "r".parse().unwrap()
}

fn version() -> VersionId {
    VersionId::of(b"v")
}

struct World {
    breakers: Breakers,
    now_us: u64,
}

impl World {
    fn new() -> Self {
        Self {
            breakers: Breakers::new(BreakerConfig::default()),
            now_us: 1_000 * S,
        }
    }

    fn ran(&mut self, sign: Sign) -> Option<Change> {
        self.breakers
            .ran(&tenant(), &rule(), version(), sign, self.now_us)
    }

    fn admit(&mut self) -> Admission {
        self.breakers
            .admit(&tenant(), &rule(), version(), self.now_us)
    }

    /// Opens it, and answers for how long.
    fn trip(&mut self) -> u64 {
        for _ in 0..20 {
            if let Some(Change::Quarantined { until_us, .. }) = self.ran(Sign::Stopped) {
                return until_us - self.now_us;
            }
        }
        panic!("it does not open");
    }
}

#[test]
fn twenty_runs_most_of_them_stopped_or_three_loops() {
    for (signs, opens_at) in [
        (vec![Sign::Stopped; 30], Some(20)),
        (vec![Sign::Fine; 30], None),
        // Half is not most.
        ([Sign::Fine, Sign::Stopped].repeat(20), None),
        (
            [Sign::Stopped, Sign::Stopped, Sign::Fine].repeat(9),
            Some(20),
        ),
        (vec![Sign::Loop; 5], Some(3)),
        (
            [vec![Sign::Fine; 1_000], vec![Sign::Loop; 3]].concat(),
            Some(1_003),
        ),
    ] {
        let mut world = World::new();
        let opened = signs.iter().position(|sign| world.ran(*sign).is_some());
        assert_eq!(opened.map(|at| at + 1), opens_at, "{signs:?}");
    }
}

#[test]
fn what_was_long_ago_does_not_count() {
    let mut world = World::new();
    for _ in 0..100 {
        assert_eq!(world.ran(Sign::Loop), None);
        world.now_us += 31 * S;
    }
    for _ in 0..17 {
        assert_eq!(world.ran(Sign::Stopped), None);
    }
    world.now_us += 66 * S;
    assert_eq!(world.ran(Sign::Stopped), None);
}

#[test]
fn one_probe_decides_and_the_time_doubles_to_an_hour() {
    let mut world = World::new();
    let mut length = world.trip();
    for round in 1..12u32 {
        assert_eq!(length, ((30 * S) << (round - 1)).min(3_600 * S), "{round}");
        assert_eq!(world.admit(), Admission::Wait);
        // What had begun before does not count.
        assert_eq!(world.ran(Sign::Fine), None);
        world.now_us += length;
        assert_eq!(world.admit(), Admission::Probe);
        assert_eq!(world.admit(), Admission::Wait, "one only");
        let Some(Change::Quarantined { until_us, times }) = world.ran(Sign::Loop) else {
            panic!("a probe that fails opens it again");
        };
        assert_eq!(times, round + 1);
        length = until_us - world.now_us;
    }
    world.now_us += length;
    assert_eq!(world.admit(), Admission::Probe);
    assert_eq!(world.ran(Sign::Fine), Some(Change::Recovered));
    assert_eq!(world.admit(), Admission::Run);
    // Soon after, it goes on where it was; later, it begins anew.
    assert_eq!(world.trip(), 3_600 * S);
    world.now_us += 3_600 * S;
    assert_eq!(world.admit(), Admission::Probe);
    assert_eq!(world.ran(Sign::Fine), Some(Change::Recovered));
    world.now_us += 3_601 * S;
    assert_eq!(world.trip(), 30 * S);
}

#[test]
fn a_probe_that_never_ends_is_not_the_last() {
    let mut world = World::new();
    let length = world.trip();
    world.now_us += length;
    assert_eq!(world.admit(), Admission::Probe);
    world.breakers.not_probed(&tenant(), &rule());
    assert_eq!(world.admit(), Admission::Probe);
    world.now_us += PROBE_US;
    assert_eq!(world.admit(), Admission::Probe);
}

#[test]
fn another_version_and_another_rule_have_nothing_to_do_with_it() {
    let mut world = World::new();
    world.trip();
    let (tenant, other) = (tenant(), VersionId::of(b"w"));
    let mut admit =
        |rule: RuleName, version| world.breakers.admit(&tenant, &rule, version, world.now_us);
    assert_eq!(admit("s".parse().unwrap(), version()), Admission::Run);
    assert_eq!(admit(rule(), version()), Admission::Wait);
    assert_eq!(admit(rule(), other), Admission::Run);
}

proptest! {
    /// Whatever happens: never more than one probe at a time, never a run
    /// while it is open, and never open without a reason of the rule's own.
    #[test]
    fn it_opens_for_the_rules_own_doing_only(steps in prop::collection::vec((0u8..4, 0u64..20 * S), 1..400)) {
        let mut world = World::new();
        let (mut open_until, mut probing, mut bad) = (None, false, 0u64);
        for (step, pause) in steps {
            world.now_us += pause;
            let sign = [Sign::Fine, Sign::Stopped, Sign::Loop, Sign::Fine][usize::from(step)];
            let admission = world.admit();
            match (admission, open_until) {
                (Admission::Run, open) => prop_assert_eq!(open, None),
                (Admission::Probe, Some(until)) => {
                    prop_assert!(world.now_us >= until);
                    probing = true;
                }
                (Admission::Wait, Some(until)) => prop_assert!(world.now_us < until || probing),
                (admission, None) => prop_assert!(false, "{:?}", admission),
            }
            if admission == Admission::Wait {
                continue;
            }
            bad += u64::from(sign != Sign::Fine);
            match world.ran(sign) {
                Some(Change::Quarantined { until_us, .. }) => {
                    prop_assert!(sign != Sign::Fine && bad > 0);
                    prop_assert!(until_us > world.now_us);
                    (open_until, probing, bad) = (Some(until_us), false, 0);
                }
                Some(Change::Recovered) => {
                    prop_assert_eq!(sign, Sign::Fine);
                    (open_until, probing) = (None, false);
                }
                None => prop_assert_eq!(open_until, None),
            }
        }
    }
}
