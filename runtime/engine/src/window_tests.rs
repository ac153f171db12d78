use std::collections::VecDeque;
use std::sync::Arc;

use ringfence_model::{Ancestry, EventId, Json, Ledger, Lineage};
use tokio::sync::mpsc;

use super::*;

const TENANTS: usize = 40;
const EVENTS: Seq = 150;
const LEAST: u64 = 16 * 1024;

/// A small source of chance, the same each time.
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    *state >> 33
}

fn tenant(at: usize) -> TenantId {
    format!("t{at}").parse().unwrap()
}

fn event(at: usize, seq: Seq, bytes: usize) -> Arc<Event> {
    let tenant = tenant(at);
    let id = EventId::root(&tenant, "/t", &seq.to_string());
    Arc::new(Event {
        id,
        tenant,
        ce_id: seq.to_string(),
        source: "/t".into(),
        ty: "t".into(),
        subject: Some(format!("s-{}", seq % 7)),
        time: String::new(),
        data: Json::trusted("1".repeat(bytes)),
        accepted_us: 0,
        lineage: Lineage::root(id),
        ancestry: Ancestry::default(),
    })
}

/// A tenant's events: on disk, and in memory in the order in which they came.
#[derive(Default)]
struct Tenant {
    window: Window,
    disk: Vec<(Seq, Arc<Event>)>,
    memory: VecDeque<(Seq, Arc<Event>)>,
    done: Vec<Seq>,
}

impl Tenant {
    /// As the queue does with an event that became durable.
    fn feed(&mut self, seq: Seq, event: Arc<Event>, bounds: Bounds, space: &mut Space) {
        self.disk.push((seq, Arc::clone(&event)));
        self.window.seen = seq;
        if !self.window.unread && self.window.fits(&event, bounds, space) {
            self.window.loaded = seq;
            self.window.load(&event, space);
            self.memory.push_back((seq, event));
        } else {
            self.window.leave(seq, &event, space);
        }
    }

    /// As the pager and the queue do.
    fn page(&mut self, bounds: Bounds, space: &mut Space) {
        let request = self.window.begin_page(bounds, space);
        let (mut page, mut bytes) = (Vec::new(), 0);
        for (seq, event) in &self.disk {
            if *seq > request.after && page.len() < request.events as usize && bytes < request.bytes
            {
                bytes += event.size();
                page.push(Pending {
                    seq: *seq,
                    event: Arc::clone(event),
                    ledger: Ledger::default(),
                    decided: Vec::new(),
                    slept: false,
                });
            }
        }
        let mut whole = request.is_whole(&page);
        for pending in page {
            match self.window.takes(&pending, bounds, space) {
                Taken::Now => {
                    self.window.load(&pending.event, space);
                    self.memory.push_back((pending.seq, pending.event));
                }
                Taken::Before => panic!("nothing went ahead"),
                Taken::Not => {
                    whole = false;
                    break;
                }
            }
        }
        self.window.end_page(&request, whole, space);
    }

    fn finish(&mut self, space: &mut Space) {
        if let Some((seq, event)) = self.memory.pop_front() {
            self.window.unload(&event, space);
            self.disk.retain(|(on_disk, _)| *on_disk != seq);
            self.done.push(seq);
        }
    }
}

/// Whatever comes and is done in which order, with much room and with none:
/// the windows stay within their bound, and everything is done once, in order.
#[test]
fn windows_stay_within_their_bound_and_all_is_done_in_order() {
    for (seed, all_bytes) in [(1, 0), (2, 100_000), (3, 1_000_000), (4, 1 << 30)] {
        let bounds = Bounds {
            events: 50,
            bytes: 100_000,
        };
        let mut chance = seed;
        let mut space = Space::new(all_bytes);
        let (ask, mut asked) = mpsc::unbounded_channel();
        let mut tenants: Vec<Tenant> = (0..TENANTS).map(|_| Tenant::default()).collect();
        let (mut sent, mut largest) = (vec![0; TENANTS], 0);
        while tenants.iter().any(|one| one.done.len() < EVENTS as usize) {
            let at = next(&mut chance) as usize % TENANTS;
            let one = &mut tenants[at];
            if !next(&mut chance).is_multiple_of(3) && sent[at] < EVENTS {
                sent[at] += 1;
                let bytes = next(&mut chance) as usize % 30_000;
                one.feed(sent[at], event(at, sent[at], bytes), bounds, &mut space);
            } else {
                one.finish(&mut space);
            }
            one.window.ask_for_page(&ask, bounds, &tenant(at), &space);
            let waits = one.window.unread && one.memory.is_empty();
            assert!(!waits || one.window.paging, "nobody brings it in");
            if next(&mut chance).is_multiple_of(2)
                && let Ok(asker) = asked.try_recv()
            {
                let at: usize = asker.as_str()[1..].parse().unwrap();
                tenants[at].page(bounds, &mut space);
                tenants[at]
                    .window
                    .ask_for_page(&ask, bounds, &asker, &space);
            }
            let held: u64 = tenants.iter().map(|one| one.window.held).sum();
            assert_eq!(space.held(), held);
            let one_event = 30_000 + JOB_BYTES + 100;
            assert!(held <= all_bytes + TENANTS as u64 * one_event.max(LEAST));
            largest = largest.max(held);
            let largest_window = tenants.iter().map(|one| one.window.events).max();
            assert!(largest_window <= Some(bounds.events));
        }
        for one in &tenants {
            assert!(one.done.is_sorted() && one.done.len() == EVENTS as usize);
            assert_eq!((one.window.held, one.window.events), (0, 0));
        }
        assert_eq!(space.held(), 0);
        assert!(
            largest > all_bytes.min(1_000_000) / 4,
            "{largest}: room is used"
        );
    }
}

/// Who has nothing in memory is given little at first, and asks again.
#[test]
fn the_first_page_is_short_and_those_after_it_are_not() {
    let bounds = Bounds {
        events: 1_000,
        bytes: 4 << 20,
    };
    let mut space = Space::new(256 << 20);
    let mut window = Window::default();
    assert_eq!(
        u64::from(window.begin_page(bounds, &space).events),
        FIRST_PAGE_EVENTS
    );
    window.load(&event(0, 1, 100), &mut space);
    let request = window.begin_page(bounds, &space);
    assert_eq!(u64::from(request.events), PAGE_EVENTS);
    assert!(request.bytes > 3 << 20);
    // Others fill the memory.
    space.take(256 << 20);
    let request = window.begin_page(bounds, &space);
    assert!(
        request.events <= 10 && request.bytes <= LEAST,
        "{request:?}"
    );
}
