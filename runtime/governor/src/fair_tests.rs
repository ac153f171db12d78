//! The scheduler beside a fluid model: a host whose workers make one fuel of
//! work in one moment each, and tenants of whom it is known what they should
//! have got of it.

use std::collections::VecDeque;

use proptest::prelude::*;
use ringfence_model::TenantId;

use super::*;
use crate::queue::{BRIEF_BUSY, CHEAP_FUEL};

/// One second of one worker.
const SECOND: u64 = 1_000_000 * FUEL_PER_MICROSECOND;

/// The longest run: 20 ms.
const LONG: u64 = 20_000 * FUEL_PER_MICROSECOND;

#[derive(Debug, Clone)]
struct Spec {
    weight: u64,
    concurrent: u64,
    /// Subjects of its work, one after the other; 0: work without one.
    subjects: usize,
    /// What its pieces of work cost, and what they are expected to cost, one
    /// after the other.
    costs: Vec<(u64, Option<u64>)>,
    /// Whether there is always more of its work.
    is_backlogged: bool,
}

impl Spec {
    fn backlogged(weight: u64, costs: Vec<(u64, Option<u64>)>) -> Self {
        Self {
            weight,
            concurrent: 100,
            subjects: 0,
            costs,
            is_backlogged: true,
        }
    }

    /// The most that one of its runs is charged or expected to be, in fuel.
    fn most(&self) -> u64 {
        let each = self.costs.iter();
        let most = each.map(|(cost, expected)| expected.unwrap_or(0).max(*cost));
        most.max().unwrap_or(0) + RUN_COST
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    owner: usize,
    subject: Option<usize>,
    serial: usize,
    cost: u64,
    expected: Option<u64>,
}

impl Piece {
    fn is_cheap(&self) -> bool {
        self.expected.is_some_and(|expected| expected <= CHEAP_FUEL)
    }

    fn is_blocked_by(&self, other: &Self) -> bool {
        self.subject.is_some() && (self.owner, self.subject) == (other.owner, other.subject)
    }
}

struct Run {
    began: u64,
    ends: u64,
    dispatch: Dispatch<Piece>,
}

struct Host {
    scheduler: Scheduler<Piece>,
    names: Vec<TenantId>,
    specs: Vec<Spec>,
    lanes: Vec<(Lane, Option<Run>)>,
    now: u64,
    serials: Vec<usize>,
    waiting: Vec<VecDeque<Piece>>,
    /// How many large runs there may be at one moment.
    large_max: usize,
    /// What the runs that ended cost.
    ended: Vec<u64>,
    /// When work of each was dispatched last, and the longest time between.
    latest: Vec<u64>,
    longest: Vec<u64>,
}

impl Host {
    fn new(workers: u32, express: usize, specs: Vec<Spec>) -> Self {
        let count = specs.len();
        let names: Vec<TenantId> = (0..count)
            .map(|index| format!("t{index}").parse().unwrap())
            .collect();
        let mut scheduler = Scheduler::default();
        for (name, spec) in names.iter().zip(&specs) {
            let share = Share {
                weight: spec.weight,
                concurrent: spec.concurrent,
                memory: u64::MAX,
                unreleased: 1_000,
            };
            scheduler.set_share(name, share);
        }
        let lanes = (0..workers).map(|index| Lane::Worker { index, of: workers });
        let lanes = lanes.chain(std::iter::repeat_n(Lane::Express { workers }, express));
        Self {
            scheduler,
            names,
            lanes: lanes.map(|lane| (lane, None)).collect(),
            now: 0,
            serials: vec![0; count],
            waiting: vec![VecDeque::new(); count],
            large_max: usize::MAX,
            ended: vec![0; count],
            latest: vec![0; count],
            longest: vec![0; count],
            specs,
        }
    }

    fn with_large_max(mut self, large_max: usize) -> Self {
        self.large_max = large_max;
        assert!(!self.scheduler.set_large_max(large_max), "it is not more");
        self
    }

    fn push(&mut self, owner: usize) {
        let spec = &self.specs[owner];
        let serial = self.serials[owner];
        self.serials[owner] += 1;
        let (cost, expected) = spec.costs[serial % spec.costs.len()];
        let piece = Piece {
            owner,
            subject: (spec.subjects > 0).then(|| serial % spec.subjects),
            serial,
            cost,
            expected,
        };
        let subject = piece.subject.map(|subject| format!("s{subject}"));
        let now_us = self.now / FUEL_PER_MICROSECOND;
        let name = &self.names[owner];
        let pushed = self
            .scheduler
            .push_at(name, subject.as_deref(), 0, now_us, piece);
        assert_eq!(pushed, Ok(()));
        self.waiting[owner].push_back(piece);
    }

    fn under_way(&self) -> impl Iterator<Item = &Piece> {
        let runs = self.lanes.iter().filter_map(|(_, run)| run.as_ref());
        runs.map(|run| &run.dispatch.item)
    }

    fn running(&self, owner: usize) -> u64 {
        self.under_way().filter(|run| run.owner == owner).count() as u64
    }

    /// Whether something may be dispatched, as the model sees it.
    fn may_go_on(&self) -> bool {
        self.waiting.iter().enumerate().any(|(owner, waiting)| {
            let is_free = |piece: &Piece| !self.under_way().any(|run| piece.is_blocked_by(run));
            self.running(owner) < self.specs[owner].concurrent && waiting.iter().any(is_free)
        })
    }

    /// Gives every lane work that may have some.
    fn fill(&mut self) {
        for owner in 0..self.specs.len() {
            while self.specs[owner].is_backlogged && self.waiting[owner].len() < 32 {
                self.push(owner);
            }
        }
        for at in 0..self.lanes.len() {
            if self.lanes[at].1.is_none() {
                self.dispatch(at);
            }
        }
    }

    fn dispatch(&mut self, at: usize) {
        let lane = self.lanes[at].0;
        let mut batch = self.scheduler.begin_batch(lane);
        let dispatch = self.scheduler.dispatch_into(&mut batch, |piece| Needs {
            memory: 0,
            expected: piece.expected,
            wanted: true,
        });
        let large = self.under_way().filter(|run| !run.is_cheap()).count();
        let Some(dispatch) = dispatch else {
            let must_work = matches!(lane, Lane::Worker { .. }) && large < self.large_max;
            assert!(!must_work || !self.may_go_on(), "a worker idles");
            return;
        };
        let piece = dispatch.item;
        if let Lane::Express { workers } = lane {
            let most = self.large_max.min(workers as usize);
            assert!(piece.is_cheap() && large == most, "{piece:?}");
        }
        assert!(piece.is_cheap() || large < self.large_max, "{piece:?}");
        assert!(self.running(piece.owner) < self.specs[piece.owner].concurrent);
        assert!(!self.under_way().any(|run| piece.is_blocked_by(run)));
        let waiting = &mut self.waiting[piece.owner];
        let place = waiting.iter().position(|other| *other == piece).unwrap();
        let is_first = |other: &Piece| !piece.is_blocked_by(other);
        assert!(waiting.iter().take(place).all(is_first), "out of order");
        waiting.remove(place);
        let waited = self.now - self.latest[piece.owner];
        self.latest[piece.owner] = self.now;
        self.longest[piece.owner] = self.longest[piece.owner].max(waited);
        let run = Run {
            began: self.now,
            ends: self.now + piece.cost + RUN_COST,
            dispatch,
        };
        self.lanes[at].1 = Some(run);
    }

    /// When the next run ends.
    fn next_end(&self) -> Option<u64> {
        let ends = self.lanes.iter().filter_map(|(_, run)| run.as_ref());
        ends.map(|run| run.ends).min()
    }

    /// Lets time pass up to a moment, without beginning anything.
    fn pass(&mut self, until: u64) {
        self.now = until;
        for at in 0..self.lanes.len() {
            if self.lanes[at].1.as_ref().is_none_or(|run| run.ends > until) {
                continue;
            }
            let Some(run) = self.lanes[at].1.take() else {
                continue;
            };
            let Dispatch {
                item, mut ticket, ..
            } = run.dispatch;
            self.ended[item.owner] += item.cost + RUN_COST;
            self.scheduler.ran(&mut ticket, item.cost, 0);
            self.scheduler
                .release(ticket, None, until / FUEL_PER_MICROSECOND);
        }
    }

    /// Works until a moment; `look` after each change.
    fn work(&mut self, until: u64, mut look: impl FnMut(&Self)) {
        while self.now < until {
            self.fill();
            look(self);
            let next = self.next_end().unwrap_or(until);
            self.pass(next.min(until));
        }
    }

    /// What a tenant's runs got by now, also those that are under way.
    fn served(&self, owner: usize) -> u64 {
        let runs = self.lanes.iter().filter_map(|(_, run)| run.as_ref());
        let of_owner = runs.filter(|run| run.dispatch.item.owner == owner);
        let under_way: u64 = of_owner.map(|run| self.now - run.began).sum();
        self.ended[owner] + under_way
    }
}

/// What a piece of work costs, and what was expected: rightly, wrongly, or not
/// at all.
fn costs() -> impl Strategy<Value = Vec<(u64, Option<u64>)>> {
    let small = 0..400 * FUEL_PER_MICROSECOND;
    let cost = prop_oneof![small, 0..LONG];
    let piece = (cost, 0u64..LONG, 0u8..5).prop_map(|(cost, wrong, kind)| match kind {
        0 => (cost, None),
        1 => (cost, Some(wrong)),
        _ => (cost, Some(cost)),
    });
    prop::collection::vec(piece, 1..6)
}

fn backlogged() -> impl Strategy<Value = Vec<Spec>> {
    let spec = (1u64..10, costs()).prop_map(|(weight, costs)| Spec::backlogged(weight, costs));
    prop::collection::vec(spec, 2..7)
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let parts = (1u64..10, 1u64..5, 0usize..4, costs());
    parts.prop_map(|(weight, concurrent, subjects, costs)| Spec {
        concurrent,
        subjects,
        is_backlogged: false,
        ..Spec::backlogged(weight, costs)
    })
}

/// How far any of two backlogged tenants may get ahead of where it was beside
/// the other, in fuel over weight.
///
/// Let l be the most that a run of a tenant costs, is charged or is taken for,
/// over its weight, and D the lanes. Who is dispatched has a start tag that is
/// ahead of another's by no more than the other's next piece counts, which is
/// l of the other, or twice that because of classes; where cheap work goes ahead, on
/// an express lane or on a worker that may take no large work, it may be ahead by
/// `AHEAD`, if that is more, and who has little to do may be by
/// `BRIEF_BUSY`, because something of it waits all the time. Before that, and
/// until the next dispatch, what was charged for runs under way may still be
/// corrected: up to l for each of them, and there are D. So the lead is at most
/// 2 l_g + D max(l_f, l_g), the lag the same with f and g exchanged, and the way from
/// one to the other their sum. (Of start-time fair queueing for D workers and
/// costs that are known, Jin et al. state (D + 1)(l_f + l_g).)
fn bound(all: &[Spec], pair: [usize; 2], lanes: usize, goes_ahead: bool) -> f64 {
    let specs = pair.map(|at| &all[at]);
    let brief = |spec: &Spec| BRIEF_BUSY as f64 / spec.weight as f64;
    let brief: f64 = specs.map(brief).iter().sum();
    let [f, g] = specs.map(|spec| spec.most() as f64 / spec.weight as f64);
    let ahead = |spec: &Spec| AHEAD as f64 / spec.weight as f64;
    let ahead = if goes_ahead {
        specs.map(ahead).iter().sum()
    } else {
        0.0
    };
    2.0 * (f + g) + 2.0 * lanes as f64 * f.max(g) + ahead + brief
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Over any stretch in which all are backlogged, what two tenants got over
    /// their weights differs by no more than the bound, whatever runs cost and
    /// were expected to cost.
    #[test]
    fn nobody_gets_ahead_by_more_than_the_bound(
        specs in backlogged(),
        workers in 1u32..5,
        express in 0usize..2,
        large_max in 1usize..5,
    ) {
        let host = Host::new(workers, express, specs.clone());
        let mut host = host.with_large_max(large_max);
        let count = specs.len();
        let mut range = vec![(f64::MAX, f64::MIN); count * count];
        host.work(3 * SECOND, |host| {
            let got = |owner: usize| host.ended[owner] as f64 / specs[owner].weight as f64;
            for (pair, range) in range.iter_mut().enumerate() {
                let ahead = got(pair / count) - got(pair % count);
                *range = (range.0.min(ahead), range.1.max(ahead));
            }
        });
        let lanes = workers as usize + express;
        for (pair, (least, most)) in range.into_iter().enumerate() {
            let pair = [pair / count, pair % count];
            let goes_ahead = express > 0 || large_max < workers as usize;
            let bound = bound(&specs, pair, lanes, goes_ahead);
            let got = most - least;
            prop_assert!(got <= bound, "{got} of {bound}: {pair:?} of {specs:?}");
        }
    }

    /// Over any 10 s each one's share is within 1 % of its weight's, and one
    /// run.
    #[test]
    fn shares_are_within_one_percent_over_ten_seconds(
        specs in backlogged(),
        workers in 1u32..3,
        express in 0usize..2,
        large_max in 1usize..3,
    ) {
        let host = Host::new(workers, express, specs.clone());
        let mut host = host.with_large_max(large_max);
        let weights: u64 = specs.iter().map(|spec| spec.weight).sum();
        for _ in 0..2 {
            let before: Vec<u64> = (0..specs.len()).map(|owner| host.served(owner)).collect();
            host.work(host.now + 10 * SECOND, |_| {});
            let got = before.iter().enumerate();
            let got: Vec<u64> = got.map(|(owner, before)| host.served(owner) - before).collect();
            let all: u64 = got.iter().sum();
            for (spec, got) in specs.iter().zip(&got) {
                let due = all as f64 * spec.weight as f64 / weights as f64;
                let off = (*got as f64 - due).abs();
                let allowed = all as f64 / 100.0 + spec.most() as f64;
                prop_assert!(off <= allowed, "{off} of {allowed}, {spec:?}");
            }
        }
    }

    /// Whatever comes and whenever: nobody has more runs at once than its share
    /// says, subjects are served one after the other and in order, no more large
    /// runs are made than may be, no worker idles otherwise while there is work, an
    /// express lane takes cheap work only (the host looks at each dispatch), and all
    /// is done in the end.
    #[test]
    fn whatever_comes_is_done_in_order_and_no_worker_idles(
        specs in prop::collection::vec(any_spec(), 1..6),
        workers in 1u32..5,
        express in 0usize..3,
        large_max in 1usize..5,
        arrivals in prop::collection::vec((0usize..6, 0u64..LONG, 1usize..8), 1..60),
    ) {
        let count = specs.len();
        let mut host = Host::new(workers, express, specs).with_large_max(large_max);
        for (owner, pause, pieces) in arrivals {
            for _ in 0..pieces {
                host.push(owner % count);
            }
            host.work(host.now + pause, |_| {});
        }
        while host.next_end().is_some() || host.may_go_on() {
            host.fill();
            let next = host.next_end().expect("something runs");
            host.pass(next);
        }
        prop_assert!(host.waiting.iter().all(VecDeque::is_empty));
        prop_assert_eq!(host.scheduler.ready(), 0);
        prop_assert!(!host.scheduler.is_express(workers));
    }

    /// Who idled, or was charged too much before it idled, gets no more than
    /// the others when it comes back.
    #[test]
    fn who_returns_has_no_credit(
        weight in 1u64..10,
        others in backlogged(),
        workers in 1u32..4,
        pieces in prop::collection::vec((0u64..LONG, 0u64..LONG), 1..6),
    ) {
        let costs = pieces.into_iter().map(|(cost, wrong)| (cost, Some(wrong))).collect();
        let mut specs = others;
        specs.push(Spec { is_backlogged: false, ..Spec::backlogged(weight, costs) });
        let mut host = Host::new(workers, 0, specs.clone());
        let back = specs.len() - 1;
        for _ in 0..20 {
            host.push(back);
        }
        host.work(2 * SECOND, |_| {});
        host.specs[back].is_backlogged = true;
        let before = host.ended.clone();
        let mut most = vec![f64::MIN; back];
        host.work(4 * SECOND, |host| {
            let got = |owner: usize| {
                let got = host.ended[owner] - before[owner];
                got as f64 / specs[owner].weight as f64
            };
            for (owner, most) in most.iter_mut().enumerate() {
                *most = most.max(got(back) - got(owner));
            }
        });
        // It begins at the least start tag, and whose that is may lag behind the
        // others by its next piece, or twice that because of classes.
        let lag = specs.iter().map(|spec| spec.most() as f64 / spec.weight as f64);
        let lag = 2.0 * lag.fold(0.0, f64::max);
        for (owner, most) in most.into_iter().enumerate() {
            let bound = lag + bound(&specs, [back, owner], workers as usize, false);
            prop_assert!(most <= bound, "{most} of {bound}");
        }
    }
}

/// With 100 tenants whose small runs come faster than the host can make them,
/// each when its last one ended: who has large ones has its turn.
#[test]
fn a_stream_of_small_work_starves_nobody() {
    for workers in [1, 2, 4] {
        let small = (0, Some(0));
        let large = Spec::backlogged(1, vec![(LONG, Some(LONG))]);
        let mut specs = vec![large.clone()];
        specs.extend((0..100).map(|_| Spec {
            concurrent: 1,
            ..Spec::backlogged(1, vec![small])
        }));
        let mut host = Host::new(workers, 1, specs);
        host.work(10 * SECOND, |_| {});
        let share = 10 * SECOND * u64::from(workers) / 101;
        let got = host.served(0);
        assert!(
            got + 2 * large.most() + BRIEF_AHEAD / 101 >= share,
            "{got} of {share}"
        );
        // A turn of all others, each as long as one of its runs, and what they
        // may be ahead.
        let others = 101 * large.most() + BRIEF_AHEAD;
        let bound = others / u64::from(workers) + 2 * large.most();
        assert!(host.longest[0] <= bound, "{} of {bound}", host.longest[0]);
    }
}

/// Half of 16 tenants have runs of 50 us, half of 20 ms, and all have always
/// more: on the later workers the small ones find no large one before them.
#[test]
fn small_work_is_served_smoothly_beside_large() {
    let cheap = 50 * FUEL_PER_MICROSECOND;
    let longest = |order| {
        let spec = |cost| Spec::backlogged(1, vec![(cost, Some(cost))]);
        let specs = [vec![spec(cheap); 16], vec![spec(LONG); 16]].concat();
        let mut host = Host::new(8, 0, specs);
        host.scheduler.order = order;
        host.work(SECOND, |_| {});
        // As of the beginning: all are there at once.
        host.longest.fill(0);
        host.work(4 * SECOND, |_| {});
        host.longest[..16].iter().max().copied().unwrap()
    };
    let (plain, fair) = (longest(Order::StartTime), longest(Order::Fair));
    assert!(plain > LONG / 2, "{plain}");
    assert!(fair < plain / 8, "{fair} of {plain}");
}

/// All that may make runs of 20 ms; a cheap run that comes does not wait for
/// one to end, where there is an express lane, or a worker may not make large ones.
#[test]
fn cheap_work_does_not_wait_for_large_to_end() {
    let cheap = 50 * FUEL_PER_MICROSECOND;
    let waits = |express, large_max| {
        let mut specs = vec![Spec::backlogged(1, vec![(LONG, Some(LONG))]); 4];
        specs.push(Spec {
            is_backlogged: false,
            ..Spec::backlogged(1, vec![(cheap, Some(cheap))])
        });
        let mut host = Host::new(2, express, specs).with_large_max(large_max);
        let mut most = 0;
        for _ in 0..200 {
            host.work(host.now + 7 * SECOND / 1_000, |_| {});
            host.push(4);
            let pushed = host.now;
            while !host.waiting[4].is_empty() {
                host.work(host.now + cheap, |_| {});
            }
            most = most.max(host.latest[4] - pushed);
        }
        most
    };
    assert!(waits(0, 2) > LONG / 4);
    assert_eq!((waits(1, 2), waits(0, 1), waits(1, 1)), (0, 0, 0));
}

/// Fuel does not count where work is served in the order in which it came.
#[test]
fn first_come_first_served_is_just_that() {
    let mut scheduler = Scheduler::new(Order::Fifo, 1);
    let names: [TenantId; 2] = ["a", "b"].map(|name| name.parse().unwrap());
    for name in &names {
        let share = Share {
            weight: 1,
            concurrent: 9,
            memory: u64::MAX,
            unreleased: 99,
        };
        scheduler.set_share(name, share);
    }
    for (time, owner) in [0, 0, 0, 1, 0, 1].into_iter().enumerate() {
        let pushed = scheduler.push_at(&names[owner], None, 0, time as u64, time);
        assert_eq!(pushed, Ok(()));
    }
    let mut express = scheduler.begin_batch(Lane::Express { workers: 0 });
    let cheap = |_: &usize| Needs {
        memory: 0,
        expected: Some(0),
        wanted: true,
    };
    assert!(scheduler.dispatch_into(&mut express, cheap).is_none());
    for time in 0..6 {
        let lane = Lane::Worker { index: 1, of: 2 };
        let mut batch = scheduler.begin_batch(lane);
        let mut next = scheduler.dispatch_into(&mut batch, cheap).unwrap();
        assert_eq!((next.item, next.ready_us), (time, time as u64));
        scheduler.ran(&mut next.ticket, LONG, 0);
        scheduler.release(next.ticket, None, 9);
    }
}
