//! Kills at random moments under load: nothing that was acknowledged is lost,
//! and nothing takes effect twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringfence_tests::{Random, Server, Tenant, event};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::state::{blocks, check_strikes, spam};

const KILLS: usize = 5;
const SENDERS: usize = 3;
/// Ticks that a countdown sets off.
const TICKS: u64 = 3;

/// What one sender has sent, each with the id that the server gave.
#[derive(Default)]
struct Sent {
    messages: Vec<String>,
    countdowns: Vec<String>,
    urgent: Vec<String>,
    /// Sent without an answer, and never again: may be there, or not.
    unanswered: Vec<Value>,
}

/// Sends batches until told to stop. What is not answered is sent again until
/// it is, as a sender must; now and then it is given up instead.
async fn send(tenant: Tenant, sender: usize, stop: Arc<AtomicBool>) -> Sent {
    let mut sent = Sent::default();
    let address = address(sender);
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let tick = event(
            "countdown.tick",
            &format!("t-{sender}-{round}"),
            json!({"n": TICKS}),
        );
        let urgent = json!({"priority": "urgent"});
        let urgent = event("conversation.created", &format!("c-{round}"), urgent);
        let batch = [
            spam(&address, &address),
            tick,
            spam(&address, &address),
            urgent,
        ];
        let ids = send_until_answered(&tenant, &batch).await;
        sent.messages.extend([ids[0].clone(), ids[2].clone()]);
        sent.countdowns.push(ids[1].clone());
        sent.urgent.push(ids[3].clone());
        // One more, which is not sent again if it is not answered.
        let once = event(
            "conversation.created",
            "once",
            json!({"priority": "urgent"}),
        );
        match try_send(&tenant, std::slice::from_ref(&once)).await {
            Some(mut ids) => sent.urgent.append(&mut ids),
            None => sent.unanswered.push(once),
        }
    }
    sent
}

fn address(sender: usize) -> String {
    format!("s{sender}@example.org")
}

async fn try_send(tenant: &Tenant, events: &[Value]) -> Option<Vec<String>> {
    let body = serde_json::to_vec(events).unwrap();
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let path = tenant.path("/events");
    let answer = tenant
        .api
        .try_call("POST", &path, &batch, body)
        .await
        .ok()?;
    let accepted = answer.expect(202);
    let ids = accepted["accepted"].as_array().unwrap().iter();
    Some(
        ids.map(|event| event["id"].as_str().unwrap().to_owned())
            .collect(),
    )
}

async fn send_until_answered(tenant: &Tenant, events: &[Value]) -> Vec<String> {
    loop {
        match try_send(tenant, events).await {
            Some(ids) => return ids,
            None => sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test]
async fn kills_lose_nothing_and_repeat_nothing() {
    let mut random = Random::from_env(20_260_131);
    let mut server = Server::start().await;
    let acme = server.tenant("acme").await;
    for rule in ["three-strikes", "countdown", "escalate-urgent"] {
        acme.activate(rule).await;
    }

    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| tokio::spawn(send(acme.clone(), sender, Arc::clone(&stop))))
        .collect();
    for _ in 0..KILLS {
        sleep(Duration::from_millis(random.within(50, 1_200))).await;
        server.kill();
        server.restart().await;
    }
    sleep(Duration::from_millis(random.within(50, 500))).await;
    stop.store(true, Ordering::Relaxed);
    let mut sent = Vec::new();
    for sender in senders {
        sent.push(sender.await.unwrap());
    }
    // The last kill comes when nothing is sent any more, and much still waits.
    server.kill();
    server.restart().await;
    println!("after the last kill: {:?}", acme.counts().await);
    let counts = acme.settle().await;
    assert_eq!(counts.dead_lettered, 0, "{counts:?}");
    check(&acme, &sent).await;
}

async fn check(acme: &Tenant, sent: &[Sent]) {
    let executions = acme.executions("").await;
    let mut ids: Vec<String> = executions.iter().map(|e| e["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), executions.len(), "an execution is there twice");

    let blocks = blocks(acme).await;
    let (mut urgent, mut countdowns) = (0, 0);
    for (sender, sent) in sent.iter().enumerate() {
        assert!(
            !sent.messages.is_empty(),
            "sender {sender} was never answered"
        );
        let messages = acme.wait_until_done(&sent.messages).await;
        check_strikes(acme, &messages).await;
        let blocked = blocks.get(&address(sender)).copied();
        assert_eq!(blocked.unwrap_or(0), messages.len() / 3, "sender {sender}");

        for id in &sent.countdowns {
            let cascade = acme.cascade(id).await;
            assert_eq!(cascade["ledger"]["executions"], TICKS + 1, "{cascade}");
            assert_eq!(cascade["ledger"]["events"], TICKS, "{cascade}");
            let events = cascade["events"].as_array().unwrap();
            assert!(events.iter().all(|event| event["state"] == "done"));
        }
        countdowns += sent.countdowns.len();
        for story in acme.wait_until_done(&sent.urgent).await {
            assert_eq!(story["state"], "done", "{story}");
        }
        // What was not answered was accepted or not; sent again, it is
        // accepted now, and counts once.
        let again = acme.send(&sent.unanswered).await;
        acme.wait_until_done(&again).await;
        urgent += sent.urgent.len() + again.len();
    }
    let effects = acme.effects().await;
    let asked = |name: &str| {
        let named = effects
            .iter()
            .filter(|effect| effect["action"]["name"] == name);
        named.count()
    };
    assert_eq!(asked("countdown.done"), countdowns);
    assert_eq!(asked("conversation.update"), urgent);
    println!(
        "{KILLS} kills: {urgent} urgent, {countdowns} countdowns, {} executions",
        executions.len()
    );
}
