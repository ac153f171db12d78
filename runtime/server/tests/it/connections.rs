//! Connections and shutdown.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::guest::Guest;
use crate::world::{OPERATOR, Setup, World, event};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_answered_at_shutdown() {
    let world = World::new().await;
    world.tenant("acme").await;
    let body = event("e1", "x").to_string();
    let (first, rest) = body.split_at(40);
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /v1/tenants/acme/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR}\r\ncontent-type: application/cloudevents+json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // An idle connection does not keep the server from stopping.
    let idle = TcpStream::connect(world.address).await.unwrap();
    let poll_path = "/v1/tenants/acme/effects?wait_ms=30000";
    let mut poll = TcpStream::connect(world.address).await.unwrap();
    let request =
        format!("GET {poll_path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR}\r\n\r\n");
    poll.write_all(request.as_bytes()).await.unwrap();
    // So that the requests are likely to be begun when the shutdown begins.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopping = tokio::spawn(world.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(rest.as_bytes()).await.unwrap();
    let (mut accepted, mut polled) = (String::new(), String::new());
    stream.read_to_string(&mut accepted).await.unwrap();
    poll.read_to_string(&mut polled).await.unwrap();
    assert!(accepted.starts_with("HTTP/1.1 202 "), "{accepted}");
    assert!(polled.starts_with("HTTP/1.1 200 "), "{polled}");
    drop(idle);
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_done_after_a_restart() {
    let world = World::new().await;
    world.tenant("acme").await;
    world.rule("acme", "act", Guest::acting().module()).await;
    let batch: Vec<_> = (0..500)
        .map(|id| event(&id.to_string(), "ticket.new"))
        .collect();
    let answer = world.events("acme", &json!(batch)).await.expect(202);
    assert_eq!(answer["accepted"].as_array().unwrap().len(), 500);
    let world = world.restart().await;
    let usage = world
        .eventually("/v1/tenants/acme/usage", |usage| {
            usage["events"]["waiting"] == 0
        })
        .await;
    assert_eq!(usage["events"]["done"], 500);
    let again = world.events("acme", &json!(batch)).await.expect(202);
    let accepted = again["accepted"].as_array().unwrap();
    assert!(accepted.iter().all(|event| event["duplicate"] == true));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_large_are_refused() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "GET /healthz HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    // The server may close before all is sent; what it said counts.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    world.get("/healthz").await.expect(200);
    world.stop().await;
}

/// A client that sends many bytes to be refused reads why, and goes on with
/// the same connection.
#[tokio::test(flavor = "multi_thread")]
async fn an_early_refusal_leaves_the_connection_usable() {
    const BODY_BYTES: usize = 4 << 20;
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let body = vec![b'x'; BODY_BYTES];
    for _ in 0..3 {
        // No token, so the body is not looked at.
        let head = format!(
            "POST /v1/tenants/acme/events HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).to_lowercase();
        assert!(answer.starts_with("http/1.1 401 "), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
    }
    world.stop().await;
}

/// Clients that hold connections and ask nothing keep nobody out.
#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_make_room_for_others() {
    const CONNECTIONS: usize = 8;
    let world = World::with(Setup {
        connections: CONNECTIONS,
        ..Setup::default()
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..3 * CONNECTIONS {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        // It may have been closed again already.
        let _ = stream.write_all(b"GET /v1/tenants HTTP/1.1\r\nhost:").await;
        held.push(stream);
    }
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let request = format!(
            "GET /v1/tenants HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    // The oldest of them had to go.
    let read = held[0].read(&mut [0]).await;
    assert!(!matches!(read, Ok(1..)), "{read:?}");
    world.get("/healthz").await.expect(200);
    world.stop().await;
}

/// A client that asks for much and reads nothing is given up.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_its_answers_is_given_up() {
    const REQUESTS: usize = 2_000;
    let world = World::with(Setup {
        answer_time: Duration::from_millis(300),
        ..Setup::default()
    })
    .await;
    let request = format!(
        "GET /openapi.json HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR}\r\n\r\n"
    );
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let asking = async {
        for _ in 0..REQUESTS {
            writing.write_all(request.as_bytes()).await?;
        }
        // Until the server has had enough.
        loop {
            writing.write_all(request.as_bytes()).await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        #[allow(unreachable_code)]
        Ok::<(), std::io::Error>(())
    };
    asking.await.unwrap_err();
    // What it might have had is far more than what it gets now.
    let mut answers = Vec::new();
    let _ = reading.read_to_end(&mut answers).await;
    let whole = world.get("/openapi.json").await.expect(200).to_string();
    assert!(answers.len() < whole.len() * REQUESTS / 2);
    world.stop().await;
}
