use std::collections::HashMap;

use proptest::prelude::*;
use ringfence_model::TenantId;

use super::*;

const SHARE: Share = Share {
    weight: 1,
    concurrent: 2,
    memory: u64::MAX,
    unreleased: 100,
};

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

#[test]
fn a_paused_tenant_waits_and_others_do_not() {
    let mut scheduler = Scheduler::default();
    let (acme, calm) = (tenant("acme"), tenant("calm"));
    for tenant in [&acme, &calm] {
        scheduler.set_share(tenant, SHARE);
        scheduler.push(tenant, None, tenant.to_string()).unwrap();
    }
    scheduler
        .push_awaited(&acme, 0, "asked".to_owned())
        .unwrap();
    scheduler.set_paused(&acme, true);
    assert!(scheduler.is_paused(&acme) && !scheduler.is_paused(&calm));
    let other = scheduler.dispatch(|_| 0).unwrap();
    assert_eq!(other.item, "calm");
    assert!(scheduler.dispatch(|_| 0).is_none());
    // Its share may change meanwhile.
    scheduler.set_share(&acme, Share { weight: 9, ..SHARE });
    assert!(scheduler.dispatch(|_| 0).is_none());
    scheduler.set_halted(true);
    scheduler.set_paused(&acme, false);
    assert!(scheduler.is_paused(&acme) && scheduler.is_paused(&calm));
    assert!(scheduler.dispatch(|_| 0).is_none());
    scheduler.set_halted(false);
    assert!(scheduler.dispatch(|_| 0).is_some());
    assert!(scheduler.dispatch(|_| 0).is_some());
    assert!(scheduler.dispatch(|_| 0).is_none());
}

/// What happens to a scheduler.
#[derive(Debug, Clone)]
enum Step {
    Push(usize, usize),
    Pause(usize, bool),
    Halt(bool),
    Dispatch,
    /// Of what is under way: ended, or to be done again.
    Release(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..3, 0usize..3).prop_map(|(tenant, subject)| Step::Push(tenant, subject)),
        1 => (0usize..3, any::<bool>()).prop_map(|(tenant, on)| Step::Pause(tenant, on)),
        1 => any::<bool>().prop_map(Step::Halt),
        4 => Just(Step::Dispatch),
        3 => (0usize..8, prop::bool::weighted(0.3)).prop_map(|(at, again)| Step::Release(at, again)),
    ]
}

proptest! {
    /// Whatever happens: nothing of a paused tenant is taken, nothing is
    /// lost, and each subject's work is finished in the order in which it came,
    /// however often it was begun.
    #[test]
    fn nothing_paused_is_taken_and_order_stays(steps in prop::collection::vec(step(), 0..300)) {
        let names = ["a", "b", "c"];
        let mut scheduler = Scheduler::default();
        for name in names {
            scheduler.set_share(&tenant(name), SHARE);
        }
        let mut paused = [false; 3];
        let mut halted = false;
        let mut under_way = Vec::new();
        let mut pushed = 0;
        let mut finished: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
        let resume = (0..3).map(|at| Step::Pause(at, false));
        let rest = std::iter::repeat_n([Step::Dispatch, Step::Release(0, false)], 400);
        let end = std::iter::once(Step::Halt(false)).chain(resume).chain(rest.flatten());
        for step in steps.into_iter().chain(end) {
            match step {
                Step::Push(of, subject) => {
                    let item = (of, subject, pushed);
                    pushed += 1;
                    let subject = subject.to_string();
                    scheduler.push(&tenant(names[of]), Some(&subject), item).unwrap();
                }
                Step::Pause(of, on) => {
                    paused[of] = on;
                    scheduler.set_paused(&tenant(names[of]), on);
                }
                Step::Halt(on) => {
                    halted = on;
                    scheduler.set_halted(on);
                }
                Step::Dispatch => {
                    if let Some(dispatch) = scheduler.dispatch(|_| 0) {
                        prop_assert!(!halted && !paused[dispatch.item.0], "{:?}", dispatch.item);
                        under_way.push(dispatch);
                    }
                }
                Step::Release(at, again) if at < under_way.len() => {
                    let Dispatch { item, mut ticket, .. } = under_way.remove(at);
                    scheduler.ran(&mut ticket, 1, 0);
                    if !again {
                        finished.entry((item.0, item.1)).or_default().push(item.2);
                    }
                    scheduler.release(ticket, again.then_some(item), 0);
                }
                Step::Release(..) => {}
            }
        }
        let done: usize = finished.values().map(Vec::len).sum();
        prop_assert_eq!(done, pushed);
        for order in finished.values() {
            prop_assert!(order.is_sorted(), "{:?}", order);
        }
    }
}
