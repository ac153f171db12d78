//! What the host keeps in memory has bounds, and what is not in memory is
//! there when it is needed.

use std::time::Duration;

use ringfence_tests::{Server, Tenant, event};
use serde_json::{Value, json};
use tokio::time::sleep;

const TENANTS: usize = 6;
const EVENTS: usize = 150;
const SUBJECTS: usize = 5;
const MIB: u64 = 1024 * 1024;

/// Tenants with backlogs of 2 MiB each, where 1 MiB may be in memory of all of
/// them: it is not more, and after a kill each subject goes on in its order.
#[tokio::test]
async fn backlogs_of_many_tenants_are_bounded_and_survive_in_order() {
    let configuration = "memory.windows_bytes = 1_048_576\nworkers = 2\n";
    let mut server = Server::start_with(configuration).await;
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        let tenant = server.tenant(&format!("t{number}")).await;
        tenant.activate("use-up").await;
        tenants.push(tenant);
    }
    let (mut sent, mut largest) = (vec![Vec::new(); TENANTS], 0);
    for from in (0..EVENTS).step_by(30) {
        for (tenant, sent) in tenants.iter().zip(&mut sent) {
            let events: Vec<Value> = (from..from + 30).map(large).collect();
            sent.extend(tenant.send(&events).await);
            largest = largest.max(server.metric("waiting_memory_bytes").await);
        }
    }
    server.kill();
    server.restart().await;
    while server.metric("events_waiting").await > 0 {
        largest = largest.max(server.metric("waiting_memory_bytes").await);
        sleep(Duration::from_millis(10)).await;
    }
    let least = TENANTS as u64 * 32 * 1024;
    assert!(largest <= MIB + least, "{largest} bytes in memory");
    assert!(largest > MIB / 4, "{largest} bytes: the memory is used");
    for (tenant, sent) in tenants.iter().zip(&sent) {
        let counts = tenant.settle().await;
        assert_eq!((counts.done, counts.dead_lettered), (EVENTS as u64, 0));
        is_in_order(tenant, sent).await;
    }
}

/// An event of 14 KB that takes half a millisecond.
fn large(number: usize) -> Value {
    let data = json!({"turns": 200_000, "text": "x".repeat(14_000)});
    event("limits.use", &format!("s-{}", number % SUBJECTS), data)
}

/// Whether the events of each subject were run in the order sent.
async fn is_in_order(tenant: &Tenant, sent: &[String]) {
    let mut run = tenant.executions("").await;
    run.reverse();
    for subject in 0..SUBJECTS {
        let of_subject = |id: &&str| {
            let at = sent.iter().position(|sent| sent == id);
            at.is_some_and(|at| at % SUBJECTS == subject)
        };
        let order = run
            .iter()
            .filter_map(|execution| execution["event"].as_str());
        let order: Vec<&str> = order.filter(of_subject).collect();
        let expected: Vec<&str> = sent.iter().map(String::as_str).filter(of_subject).collect();
        assert_eq!(order, expected, "{} s-{subject}", tenant.name);
    }
}

/// More rules than there is memory for their code: they take turns in it, and
/// none is compiled again, also not after a restart.
#[tokio::test]
async fn rules_leave_memory_and_come_back_without_being_compiled() {
    const RULES: [(&str, &str); 4] = [
        ("escalate-urgent", "conversation.created"),
        ("use-up", "limits.use"),
        ("three-strikes", "message.received"),
        ("countdown", "countdown.tick"),
    ];
    let mut server = Server::start_with("memory.code_bytes = 1_048_576\n").await;
    let acme = server.tenant("acme").await;
    for (rule, _) in RULES {
        acme.activate(rule).await;
    }
    assert_eq!(server.metric("components_compiled_total").await, 4);
    for compiled in [4, 0] {
        for _ in 0..3 {
            for (_, ty) in RULES {
                let data = json!({"n": 0, "priority": "urgent", "from": "eve", "spam": true});
                let stories = acme.run(&[event(ty, "s", data)]).await;
                assert_eq!(stories[0]["state"], "done", "{}", stories[0]);
                let bytes = server.metric("components_memory_bytes").await;
                assert!(bytes <= MIB, "{bytes} bytes of code in memory");
            }
        }
        assert_eq!(server.metric("components_compiled_total").await, compiled);
        let loaded = server.metric("components_loaded_total").await;
        assert!(loaded > 0, "there was room for all");
        server.stop().await;
        server.restart().await;
    }
}
