//! A server that is asked to stop finishes what it does and keeps what waits.

use ringfence_tests::{Server, event};
use serde_json::{Value, json};

use super::state::{blocks, check_strikes, spam};

#[tokio::test]
async fn what_waits_is_done_after_a_restart() {
    const EVENTS: usize = 1_500;
    let mut server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("three-strikes").await;
    acme.activate("countdown").await;

    let events: Vec<Value> = (0..EVENTS)
        .map(|n| match n % 10 {
            0 => event("countdown.tick", &format!("t-{n}"), json!({"n": 4})),
            _ => spam("a@example.org", "a@example.org"),
        })
        .collect();
    let ids = acme.send(&events).await;
    let status = server.stop().await;
    assert!(status.success(), "{status}");

    server.restart().await;
    let counts = acme.settle().await;
    let ticks = EVENTS.div_ceil(10);
    assert_eq!(
        (counts.done, counts.dead_lettered),
        ((EVENTS + 4 * ticks) as u64, 0)
    );
    let stories = acme.wait_until_done(&ids).await;
    let messages: Vec<Value> = stories
        .into_iter()
        .filter(|story| story["event"]["type"] == "message.received")
        .collect();
    check_strikes(&acme, &messages).await;
    assert_eq!(blocks(&acme).await["a@example.org"], messages.len() / 3);
}

#[tokio::test]
async fn a_request_that_was_begun_is_answered() {
    let mut server = Server::start().await;
    let acme = server.tenant("acme").await;
    // The poll waits for an effect that never comes; the shutdown ends it.
    let poll = tokio::spawn({
        let acme = acme.clone();
        async move { acme.api.get(&acme.path("/effects?wait_ms=30000")).await }
    });
    // Let the poll begin: whatever is answered after it was begun later.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    acme.counts().await;
    assert!(server.stop().await.success());
    assert_eq!(poll.await.unwrap().expect(200)["items"], json!([]));
    server.restart().await;
    acme.counts().await;
}
