//! Admission and overload: what clients are told, what is refused before it is
//! read, and who is turned away when the host is behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ringfence_tests::{Answer, PATIENCE, Server, Tenant, event};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// Requests that one tenant may have at once.
const REQUESTS_MAX: usize = 256;

fn events(count: usize) -> Vec<Value> {
    (0..count)
        .map(|_| event("conversation.created", "c-1", json!({"priority": "low"})))
        .collect()
}

/// So many events may wait, and each run may take some seconds.
fn busy(waiting_events: u64) -> Value {
    json!({
        "waiting_events": waiting_events, "fuel": 10_000_000_000_u64, "deadline_ms": 30_000,
        "cascade_fuel": 1_000_000_000_000_u64,
    })
}

/// A list of strings with integer parameters: of structured fields (RFC 9651)
/// all that these headers may hold.
#[track_caller]
fn policies(header: &str) -> Vec<(String, Vec<(String, u64)>)> {
    let item = |item: &str| {
        let mut parts = item.split(';');
        let name = parts.next().unwrap().strip_prefix('"').unwrap();
        let name = name.strip_suffix('"').unwrap().to_owned();
        let parameter = |part: &str| {
            let (key, value) = part.split_once('=').unwrap();
            assert!(key.bytes().all(|byte| byte.is_ascii_lowercase()), "{key}");
            assert!(value.len() <= 15, "{value}");
            (key.to_owned(), value.parse().unwrap())
        };
        (name, parts.map(parameter).collect())
    };
    header.split(", ").map(item).collect()
}

#[track_caller]
fn told(answer: &Answer, header: &str, policy: &str, parameter: &str) -> u64 {
    let header = answer.header(header);
    let all = policies(header);
    let of_policy = all.iter().find(|(name, _)| name == policy);
    let (_, parameters) = of_policy.unwrap_or_else(|| panic!("no {policy}: {header}"));
    let found = parameters.iter().find(|(key, _)| key == parameter);
    found
        .unwrap_or_else(|| panic!("no {parameter}: {header}"))
        .1
}

#[tokio::test]
async fn clients_are_told_what_they_may_send_and_that_is_true() {
    let server = Server::start().await;
    let limits = json!({"events_per_second": 1, "events_burst": 10, "waiting_events": 1_000});
    let acme = server.tenant_with("acme", limits).await;
    // Nobody could ever send so many at once.
    acme.batch(&events(11))
        .await
        .problem(413, "batch-too-large");
    let first = acme.batch(&events(4)).await;
    first.expect(202);
    assert_eq!(told(&first, "ratelimit-policy", "events", "q"), 10);
    assert_eq!(told(&first, "ratelimit-policy", "events", "w"), 10);
    assert_eq!(told(&first, "ratelimit-policy", "waiting", "q"), 1_000);
    let left = told(&first, "ratelimit", "events", "r");
    assert!((6..10).contains(&left), "{left}");
    assert!(told(&first, "ratelimit", "events", "t") >= 1);
    assert!(told(&first, "ratelimit", "waiting", "r") <= 1_000);

    // A batch that is too large for now is refused whole.
    let batch = events(10);
    let refused = acme.batch(&batch).await;
    refused.problem(429, "too-fast");
    let retry_after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&retry_after), "{retry_after}");
    assert!(told(&refused, "ratelimit", "events", "t") <= retry_after);
    let counts = acme.settle().await;
    assert_eq!((counts.waiting, counts.done), (0, 4));

    // It is accepted after that time, and not more is told than there is.
    sleep(Duration::from_secs(retry_after)).await;
    let accepted = acme.batch(&batch).await;
    accepted.expect(202);
    assert!(told(&accepted, "ratelimit", "events", "r") <= 1);
}

#[tokio::test]
async fn too_much_waiting_says_when_there_may_be_room() {
    let server = Server::start().await;
    let acme = server.tenant_with("acme", busy(20)).await;
    acme.activate("infinite-loop").await;
    // Nobody could ever send so many.
    acme.batch(&events(21))
        .await
        .problem(413, "batch-too-large");
    acme.send(&events(20)).await;
    let refused = acme.batch(&events(15)).await;
    let problem = refused.problem(429, "too-much-waiting");
    assert_eq!(problem["limit"], 20);
    let retry_after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&retry_after), "{retry_after}");
    assert!(told(&refused, "ratelimit", "waiting", "r") < 15);
}

fn head(tenant: &Tenant, length: usize, more: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/cloudevents-batch+json\r\ncontent-length: {length}\r\n{more}\r\n",
        tenant.path("/events"),
        tenant.api.token()
    )
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.operator().address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// One answer's head and what comes with it.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 16 * 1024];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn what_is_certain_to_be_refused_is_not_read() {
    let server = Server::start().await;
    let acme = server.tenant_with("acme", busy(1)).await;
    acme.activate("infinite-loop").await;
    acme.send(&events(1)).await;
    tokio::task::spawn_blocking(move || {
        // Its client asks before it sends, and is told to go on only by a
        // server that reads.
        for _ in 0..3 {
            let mut stream = connect(&server);
            let head = head(&acme, 20 << 20, "expect: 100-continue\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let answer = read_answer(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
            assert!(answer.contains("too-much-waiting"), "{answer}");
        }
        // Who has sent all is answered on a connection that can be used again.
        let mut stream = connect(&server);
        let body = vec![b' '; 1 << 20];
        for _ in 0..3 {
            stream
                .write_all(head(&acme, body.len(), "").as_bytes())
                .unwrap();
            stream.write_all(&body).unwrap();
            let answer = read_answer(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
            assert!(!answer.to_lowercase().contains("connection: close"));
        }
    })
    .await
    .unwrap();
}

/// A flood of batches is not read again and again while it is too fast.
#[tokio::test]
async fn batches_as_long_as_one_refused_are_not_read() {
    let server = Server::start().await;
    let limits = json!({"events_per_second": 1, "events_burst": 1_000});
    let acme = server.tenant_with("acme", limits).await;
    acme.batch(&events(900)).await.expect(202);
    let refused = acme.batch(&events(300)).await;
    refused.problem(429, "too-fast");
    let retry_after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=200).contains(&retry_after), "{retry_after}");
    // It would not be taken if it were read.
    let kind = [("content-type", "application/cloudevents-batch+json")];
    let noise = vec![b'?'; 1 << 20];
    let answer = acme
        .api
        .call("POST", &acme.path("/events"), &kind, noise)
        .await;
    answer.problem(429, "too-fast");
    let again: u64 = answer.header("retry-after").parse().unwrap();
    assert!(again <= retry_after, "{again}");
    // What is shorter is, and one event.
    acme.batch(&events(10)).await.expect(202);
    let one = events(1).remove(0).to_string();
    let kind = [("content-type", "application/cloudevents+json")];
    let path = acme.path("/events");
    acme.api.call("POST", &path, &kind, one).await.expect(202);
}

/// Requests that never end hold a tenant's places, and not those of others.
#[tokio::test]
async fn one_tenant_cannot_take_all_connections() {
    let server = Server::start().await;
    let hostile = server.tenant("hostile").await;
    let calm = server.tenant("calm").await;
    let head = head(&hostile, 1_000, "");
    let hold = || {
        let mut stream = connect(&server);
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut held: Vec<TcpStream> = (0..REQUESTS_MAX).map(|_| hold()).collect();
    let refused = timeout(PATIENCE, async {
        loop {
            let answer = hostile.api.get(&hostile.path("/usage")).await;
            if answer.status != 200 {
                return answer;
            }
            // This one may have had the place that one of those wanted.
            held.push(hold());
        }
    });
    let refused = refused.await.expect("its places are taken at some time");
    refused.problem(429, "too-many-requests");
    assert_eq!(refused.header("retry-after"), "1");
    calm.run(&events(1)).await;
    drop(held);
}

async fn readiness(server: &Server, status: &str) -> Answer {
    let anonymous = server.operator().with_token(None);
    let answer = timeout(PATIENCE, async {
        loop {
            let answer = anonymous.get("/readyz").await;
            if answer.json()["status"] == status {
                return answer;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    answer.await.expect("the server says how it is")
}

/// Memory is never as small as this, so the host stays as it is.
#[tokio::test]
async fn who_is_above_its_share_is_turned_away_first_and_everybody_last() {
    let mut server = Server::start().await;
    let calm = server.tenant("calm").await;
    let wild = server.tenant("wild").await;
    for tenant in [&calm, &wild] {
        tenant.activate("escalate-urgent").await;
    }
    let ready = readiness(&server, "ready").await;
    assert_eq!(ready.status, 200);
    assert!(ready.json()["queueing_target_us"].as_u64() > Some(0));

    let behind = "[overload]\nmemory_bytes = 1_048_576\nmemory_bytes_max = 1_000_000_000_000";
    server.kill();
    server.restart_with(behind).await;
    let answer = readiness(&server, "behind").await;
    assert_eq!(answer.status, 200);
    assert!(answer.json()["memory_bytes"].as_u64() > Some(1 << 20));
    calm.run(&events(1)).await;
    wild.send(&events(3_000)).await;
    let refused = wild.batch(&events(1)).await;
    let problem = refused.problem(503, "host-behind");
    assert!(problem["usage"].as_u64() > problem["limit"].as_u64());
    let retry_after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&retry_after), "{retry_after}");
    told(&refused, "ratelimit", "events", "r");
    // So are its evaluations. Its uploads are, and everybody's, for memory.
    let one = events(1).remove(0).to_string();
    let kind = [("content-type", "application/cloudevents+json")];
    let path = wild.path("/evaluate");
    let answer = wild.api.call("POST", &path, &kind, one).await;
    answer.problem(503, "host-behind");
    let upload = calm.upload("another", vec![0; 10]).await;
    upload.problem(503, "overloaded");
    // The other is served, and what was accepted is done.
    calm.run(&events(5)).await;
    assert_eq!(wild.settle().await.done, 3_000);

    let overloaded = "[overload]\nmemory_bytes = 1_048_576\nmemory_bytes_max = 1_048_576";
    server.kill();
    server.restart_with(overloaded).await;
    assert_eq!(readiness(&server, "overloaded").await.status, 503);
    let refused = calm.batch(&events(1)).await;
    refused.problem(503, "host-overloaded");
    assert!(!refused.header("retry-after").is_empty());
    // Questions are answered all the same.
    assert_eq!(calm.counts().await.done, 6);
    let metrics = server.operator().get("/metrics").await.text();
    assert!(
        metrics.contains("ringfence_overload_level 2\n"),
        "{metrics}"
    );

    server.kill();
    server.restart_with("").await;
    readiness(&server, "ready").await;
    wild.send(&events(1)).await;
}
