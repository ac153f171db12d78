//! Evaluations: somebody waits for each, and they share the host with all
//! else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ringfence_tests::{Answer, PATIENCE, Server, Tenant, event, guest};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How often a test tries to be faster than half a second of a loop.
const ATTEMPTS: usize = 20;

const STRUCTURED: &str = "application/cloudevents+json";

/// Runs one after the other, and loops that end after half a second of CPU
/// time.
fn slowly() -> Value {
    json!({
        "fuel": 2_000_000_000_u64,
        "deadline_ms": 30_000,
        "cascade_fuel": 100_000_000_000_u64,
        "concurrent_executions": 1,
        "evaluate_ms": 60_000,
    })
}

/// An event for `infinite-loop`.
fn spin() -> Value {
    event("conversation.created", "c", json!({}))
}

/// An event for `use-up`, which does nothing with it.
fn calm() -> Value {
    event("limits.use", "c", json!({}))
}

async fn evaluate(tenant: &Tenant, event: &Value) -> Answer {
    let kind = [("content-type", STRUCTURED)];
    let path = tenant.path("/evaluate");
    tenant
        .api
        .call("POST", &path, &kind, event.to_string())
        .await
}

/// Puts `infinite-loop` in force under another name.
async fn activate_loop(tenant: &Tenant, rule: &str) {
    let version = tenant.upload(rule, guest("infinite-loop")).await;
    let path = tenant.path(&format!("/rules/{rule}/activation"));
    let body = json!({"version": version.json()["version"]});
    tenant.api.put(&path, &body).await.expect(200);
}

/// A request of which so many bytes of the body were sent.
fn ask(tenant: &Tenant, event: &Value, sent: Option<usize>) -> TcpStream {
    let body = event.to_string();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n\
         content-type: {STRUCTURED}\r\ncontent-length: {}\r\n\r\n",
        tenant.path("/evaluate"),
        tenant.api.token(),
        body.len()
    );
    let mut stream = TcpStream::connect(tenant.api.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let sent = sent.unwrap_or(body.len());
    stream.write_all(&body.as_bytes()[..sent]).unwrap();
    stream
}

/// The sum of all metrics of which the line begins so.
async fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.operator().get("/metrics").await;
    let text = metrics.text();
    let lines = text.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

async fn wait_until(server: &Server, name: &str, value: u64) {
    let reached = async {
        while metric(server, name).await != value {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let reached = timeout(PATIENCE, reached).await;
    assert!(reached.is_ok(), "{name} is never {value}");
}

const WAITING: &str = "ringfence_evaluations_waiting ";
const RUNNING: &str = "ringfence_executions_running ";
const EVALUATED: &str = "ringfence_evaluated_executions_total{";

#[tokio::test]
async fn who_goes_away_while_it_waits_is_not_run() {
    let server = Server::start().await;
    let acme = server.tenant_with("acme", slowly()).await;
    acme.activate("infinite-loop").await;
    acme.activate("use-up").await;
    for _ in 0..ATTEMPTS {
        let id = acme.send(&[spin()]).await.remove(0);
        wait_until(&server, RUNNING, 1).await;
        let asked = ask(&acme, &calm(), None);
        wait_until(&server, WAITING, 1).await;
        drop(asked);
        wait_until(&server, WAITING, 0).await;
        let in_time = acme.story(&id).await["state"] == "waiting";
        acme.settle().await;
        if in_time {
            assert_eq!(metric(&server, EVALUATED).await, 0);
            evaluate(&acme, &calm()).await.expect(200);
            assert_eq!(metric(&server, EVALUATED).await, 1);
            return;
        }
    }
    panic!("each loop ended before its client was gone");
}

#[tokio::test]
async fn who_goes_away_while_it_runs_ends_with_that_run() {
    let server = Server::start().await;
    let acme = server.tenant_with("acme", slowly()).await;
    activate_loop(&acme, "a-loop").await;
    activate_loop(&acme, "b-loop").await;
    acme.activate("use-up").await;
    for _ in 0..ATTEMPTS {
        let before = metric(&server, EVALUATED).await;
        let asked = ask(&acme, &spin(), None);
        wait_until(&server, RUNNING, 1).await;
        drop(asked);
        wait_until(&server, WAITING, 0).await;
        let in_time = metric(&server, EVALUATED).await == before;
        // What goes on is before what comes later.
        let answer = evaluate(&acme, &calm()).await.expect(200);
        assert_eq!(answer["executions"][0]["status"], "ok", "{answer}");
        if in_time {
            let runs = metric(&server, EVALUATED).await - before;
            // The loop that was under way is ended, if it is not just over.
            assert!((1..=2).contains(&runs), "{runs}");
            return;
        }
    }
    panic!("each loop ended before its client was gone");
}

#[tokio::test]
async fn what_is_not_done_in_time_is_given_up() {
    let server = Server::start().await;
    let mut limits = slowly();
    limits["evaluate_ms"] = json!(100);
    let acme = server.tenant_with("acme", limits).await;
    activate_loop(&acme, "a-loop").await;
    activate_loop(&acme, "b-loop").await;
    acme.activate("use-up").await;
    let answer = evaluate(&acme, &spin()).await;
    let problem = answer.problem(503, "evaluate-deadline");
    assert_eq!(problem["limit"], 100, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("0 of 2 rules had been run"), "{detail}");
    assert!(problem["hint"].is_string(), "{problem}");
    assert!(answer.header("retry-after").parse::<u64>().is_ok());
    // One that waits behind it is given up, too, or is done in time.
    let behind = evaluate(&acme, &calm()).await;
    if behind.status != 200 {
        behind.problem(503, "evaluate-deadline");
    }
    let again = timeout(PATIENCE, async {
        while evaluate(&acme, &calm()).await.status != 200 {}
    });
    again.await.expect("it goes on afterwards");
}

#[tokio::test]
async fn a_tenant_waits_for_no_more_than_its_limit() {
    let server = Server::start().await;
    let limits = json!({"evaluations_waiting": 2});
    let acme = server.tenant_with("acme", limits).await;
    acme.activate("use-up").await;
    let held = [(); 2].map(|()| ask(&acme, &calm(), Some(10)));
    wait_until(&server, WAITING, 2).await;
    // It is refused before any of its event is there.
    let mut third = ask(&acme, &calm(), Some(0));
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    third.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    third.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 429"), "{said}");
    let answer = evaluate(&acme, &calm()).await;
    let problem = answer.problem(429, "too-many-evaluations");
    assert_eq!(
        (&problem["limit"], &problem["usage"]),
        (&json!(2), &json!(2))
    );
    assert!(answer.header("retry-after").parse::<u64>().is_ok());
    drop(held);
    wait_until(&server, WAITING, 0).await;
    evaluate(&acme, &calm()).await.expect(200);
}

#[tokio::test]
async fn a_host_has_a_place_for_who_has_none() {
    let server = Server::start_with("evaluations.places = 4").await;
    let flood = server.tenant("flood").await;
    let other = server.tenant("other").await;
    other.activate("use-up").await;
    let held = [(); 2].map(|()| ask(&flood, &calm(), Some(10)));
    wait_until(&server, WAITING, 2).await;
    let answer = evaluate(&flood, &calm()).await;
    let problem = answer.problem(503, "overloaded");
    assert_eq!(
        (&problem["limit"], &problem["usage"]),
        (&json!(4), &json!(2))
    );
    assert!(answer.header("retry-after").parse::<u64>().is_ok());
    evaluate(&other, &calm()).await.expect(200);
    drop(held);
}

/// One tenant asks for loops as fast as it is answered; its own events and
/// another's evaluations and events are done all the while.
#[tokio::test]
async fn a_flood_of_evaluations_stays_in_its_tenant() {
    let server = Server::start_with("workers = 2").await;
    let flood = server.tenant("flood").await;
    let other = server.tenant("other").await;
    for rule in ["a-loop", "b-loop", "c-loop"] {
        activate_loop(&flood, rule).await;
    }
    flood.activate("use-up").await;
    other.activate("use-up").await;
    let ended = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut asking = JoinSet::new();
    for _ in 0..16 {
        let (flood, ended, answered) = (flood.clone(), ended.clone(), answered.clone());
        asking.spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                let answer = evaluate(&flood, &spin()).await;
                if answer.status == 200 {
                    let stop = &answer.json()["executions"][2]["stop"]["code"];
                    assert_eq!(stop, "out-of-fuel");
                } else {
                    answer.problem(503, "evaluate-deadline");
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let floods = async {
        while metric(&server, WAITING).await < 8 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, floods).await.expect("more wait than run");
    let of_flood = flood.send(&[calm(), calm(), calm()]).await;
    let calm_ones: Vec<Value> = (0..20).map(|_| calm()).collect();
    let of_other = other.send(&calm_ones).await;
    for _ in 0..50 {
        let answer = evaluate(&other, &calm()).await.expect(200);
        assert_eq!(answer["executions"][0]["status"], "ok", "{answer}");
    }
    for story in other.wait_until_done(&of_other).await {
        assert_eq!(story["state"], "done", "{story}");
    }
    for story in flood.wait_until_done(&of_flood).await {
        assert_eq!(story["state"], "done", "{story}");
    }
    assert!(metric(&server, WAITING).await > 0, "the flood goes on");
    ended.store(true, Ordering::Relaxed);
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    assert!(answered.load(Ordering::Relaxed) >= 16);
}
