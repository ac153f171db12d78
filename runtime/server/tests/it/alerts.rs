//! Alerts reach who is to know, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use ringfence_model::Webhook;
use ringfence_server::AlertsConfig;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::anomalies::{ANOMALIES, growing, metrics, quick};
use crate::world::{Setup, World};

const KEYS: [&[u8; 24]; 2] = [b"the-operator's-very-key.", b"the-tenant's-own-secret."];

fn secret(key: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

/// A delivery whose signature was checked.
struct Received {
    id: String,
    body: Value,
}

fn checked(key: &[u8], headers: &HeaderMap, body: &Bytes) -> Received {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let signature = header("webhook-signature");
    let signature = STANDARD.decode(signature.strip_prefix("v1,").unwrap());
    mac.verify_slice(&signature.unwrap()).unwrap();
    assert!(timestamp.parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(header("content-type"), "application/json");
    Received {
        id,
        body: serde_json::from_slice(body).unwrap(),
    }
}

/// A receiver that answers 500 so many times first.
async fn receiver(
    key: &'static [u8],
    failures: usize,
) -> (String, mpsc::UnboundedReceiver<Received>) {
    let (received, deliveries) = mpsc::unbounded_channel();
    let asked = Arc::new(AtomicUsize::new(0));
    let hook = move |headers: HeaderMap, body: Bytes| async move {
        let _ = received.send(checked(key, &headers, &body));
        if asked.fetch_add(1, Ordering::SeqCst) < failures {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        StatusCode::NO_CONTENT
    };
    (
        listen(Router::new().route("/hook", post(hook))).await,
        deliveries,
    )
}

async fn listen(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/hook")
}

fn setup(url: String) -> Setup {
    Setup {
        alerts: AlertsConfig {
            webhook: Some(Webhook {
                url,
                secret: secret(KEYS[0]),
            }),
            attempt: Duration::from_millis(500),
            pauses: vec![Duration::from_millis(50); 2],
        },
        ..quick()
    }
}

fn tenant(url: &str) -> Value {
    json!({"webhook": {"url": url, "secret": secret(KEYS[1])}})
}

/// Waits until the metrics hold this line.
async fn counted(world: &World, line: &str) {
    for _ in 0..1_000 {
        if metrics(world).await.lines().any(|known| known == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{line} is not in {}", metrics(world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_and_the_end_reach_operator_and_tenant() {
    let (operators, mut at_operator) = receiver(KEYS[0], 0).await;
    let (tenants, mut at_tenant) = receiver(KEYS[1], 2).await;
    let world = World::with(setup(operators)).await;
    growing(&world, tenant(&tenants)).await;
    let began = at_operator.recv().await.unwrap();
    assert_eq!(began.body["type"], "ringfence.anomaly.began");
    let data = &began.body["data"];
    assert_eq!(
        (&data["tenant"], &data["anomaly"]["kind"]),
        (&json!("acme"), &json!("reproduction"))
    );
    assert!(began.body["timestamp"].as_str().unwrap().ends_with('Z'));
    // The tenant's receiver fails twice, and is told the same again.
    for _ in 0..3 {
        let again = at_tenant.recv().await.unwrap();
        assert_eq!(
            (again.id, again.body),
            (began.id.clone(), began.body.clone())
        );
    }
    for receiver in [&mut at_operator, &mut at_tenant] {
        let ended = receiver.recv().await.unwrap();
        assert_eq!(ended.body["type"], "ringfence.anomaly.ended");
        assert_ne!(ended.id, began.id);
        let over = &ended.body["data"]["anomaly"];
        assert_eq!(over["seq"], data["anomaly"]["seq"]);
        assert_eq!(over["ended"], "calm");
        let kept = world.get(ANOMALIES).await.expect(200);
        assert_eq!(kept["items"][0], *over);
    }
    counted(&world, r#"ringfence_alerts_total{result="delivered"} 4"#).await;
    counted(&world, r#"ringfence_alerts_total{result="failed"} 0"#).await;
    world.stop().await;
    assert!(
        at_operator.try_recv().is_err() && at_tenant.try_recv().is_err(),
        "once each"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_keeps_nobody_waiting() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hanging.local_addr().unwrap();
    let connections = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = hanging.accept().await {
            held.push(stream);
        }
    });
    let (operators, mut at_operator) = receiver(KEYS[0], 0).await;
    let world = World::with(setup(operators)).await;
    growing(&world, tenant(&format!("http://{address}/hook"))).await;
    let began = at_operator.recv().await.unwrap();
    assert_eq!(began.body["type"], "ringfence.anomaly.began");
    counted(&world, r#"ringfence_alerts_total{result="failed"} 1"#).await;
    let ended = at_operator.recv().await.unwrap();
    assert_eq!(ended.body["type"], "ringfence.anomaly.ended");
    world.stop().await;
    connections.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_elsewhere_does_not_go() {
    let (elsewhere, mut at_elsewhere) = receiver(KEYS[0], 0).await;
    let hook = move || async move { Redirect::temporary(&elsewhere).into_response() };
    let redirecting = listen(Router::new().route("/hook", post(hook))).await;
    let gone = listen(Router::new().route("/hook", post(|| async { StatusCode::GONE }))).await;
    let world = World::with(setup(redirecting)).await;
    growing(&world, tenant(&gone)).await;
    counted(&world, r#"ringfence_alerts_total{result="failed"} 2"#).await;
    world.stop().await;
    assert!(at_elsewhere.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_sign_is_refused() {
    let world = World::new().await;
    for secret in ["whsec_c2hvcnQ=", "whsec_not base64, however long it may be"] {
        let body = json!({"webhook": {"url": "https://a.example/hook", "secret": secret}});
        let answer = world.call("PUT", "/v1/tenants/acme", Some(body)).await;
        let problem = answer.refused(422, "invalid-policy");
        assert!(!problem.to_string().contains("c2hvcnQ"), "{problem}");
    }
    world.stop().await;
}
