//! Uploads are compiled in a process that has limits and no rights, and
//! nobody waits for a hostile one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ringfence_tests::{PATIENCE, Server, event, guest};
use serde_json::json;
use tokio::time::{sleep, timeout};

/// A component that takes the compiler this many functions, each of hundreds
/// of operations that depend on one another.
pub(super) fn laborious(functions: usize) -> Vec<u8> {
    let mut text = String::from("(component (core module (memory 1)");
    for function in 0..functions {
        text.push_str("(func (param i32) (result i32) (local i32) local.get 0 ");
        for step in 0..400 {
            let at = step + function;
            write!(
                text,
                "i32.const {at} i32.add local.tee 1 local.get 1 i32.mul i32.load local.get 0 \
                 i32.rotl local.get 1 i32.xor "
            )
            .expect("a text can be written to");
        }
        text.push(')');
    }
    text.push_str(
        r#")
        (core module $m (func (export "f") (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func $f (result u32) (canon lift (core func $i "f")))
        (export "describe" (func $f))
        (export "handle" (func $f)))"#,
    );
    wat::parse_str(&text).expect("the test's component is well-formed")
}

#[tokio::test]
async fn what_takes_the_compiler_too_long_is_refused() {
    let server = Server::start().await;
    let acme = server.tenant_with("acme", json!({"compile_ms": 100})).await;
    let component = laborious(500);
    // The second refusal is the first one's: it is the same upload.
    for _ in 0..2 {
        let problem = acme.upload("slow", component.clone()).await;
        let problem = problem.problem(422, "compile-limit");
        assert_eq!(problem["limit"], 100, "{problem}");
        assert!(problem["hint"].is_string(), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("milliseconds"), "{detail}");
    }
    assert_eq!(acme.get("/rules").await["items"], json!([]));
}

#[tokio::test]
async fn what_takes_the_compiler_too_much_memory_is_refused() {
    let server = Server::start().await;
    let bytes = 128 << 20;
    // However busy the machine is: memory is what ends it.
    let limits = json!({
        "compile_memory_bytes": bytes,
        "compile_ms": 120_000,
        "component_bytes": 32 << 20,
    });
    let acme = server.tenant_with("acme", limits).await;
    let problem = acme.upload("hungry", laborious(1_500)).await;
    let problem = problem.problem(422, "compile-limit");
    assert_eq!(problem["limit"], bytes, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("bytes of memory"), "{detail}");
    assert_eq!(acme.get("/rules").await["items"], json!([]));
    // An ordinary rule needs less.
    acme.activate("escalate-urgent").await;
}

/// While a hostile upload is compiled, other tenants' events are run, and the
/// compiler's process has nothing that it could misuse.
#[tokio::test]
async fn nobody_waits_for_a_hostile_upload() {
    let server = Server::start().await;
    let calm = server.tenant("calm").await;
    calm.activate("escalate-urgent").await;
    let hostile = server
        .tenant_with(
            "hostile",
            json!({"compile_ms": 10_000, "component_bytes": 32 << 20}),
        )
        .await;
    let upload = tokio::spawn(async move { hostile.upload("slow", laborious(1_000)).await });

    let child = child_of(server.id()).await;
    check_rights(&child);
    let urgent = |n: u32| {
        let subject = format!("c-{n}");
        event(
            "conversation.created",
            &subject,
            json!({"priority": "urgent"}),
        )
    };
    let batch: Vec<_> = (0..50).map(urgent).collect();
    for story in calm.run(&batch).await {
        assert_eq!(story["state"], "done", "{story}");
    }
    assert!(
        child.exists(),
        "the events were done before the upload was compiled"
    );
    upload.abort();
}

/// Who goes away while his upload waits leaves the queue, and nothing comes of
/// the upload.
#[tokio::test]
async fn who_goes_away_leaves_the_queue() {
    let server = Server::start().await;
    let acme = server
        .tenant_with("acme", json!({"component_bytes": 32 << 20}))
        .await;
    let sender = acme.clone();
    let slow = tokio::spawn(async move { sender.upload("slow", laborious(1_000)).await });
    let child = child_of(server.id()).await;
    let sender = acme.clone();
    let component = guest("escalate-urgent");
    let waiting = tokio::spawn(async move { sender.upload("late", component).await });
    metric(&server, "ringfence_uploads_waiting 1").await;
    waiting.abort();
    metric(&server, "ringfence_uploads_waiting 0").await;
    assert!(child.exists(), "its turn came before it left");
    // Ends the other one, after which its turn would have come.
    kill(&child);
    slow.await
        .expect("the upload is answered")
        .problem(503, "compiler-unavailable");
    acme.activate("fan-out").await;
    let rules = acme.get("/rules").await;
    let names: Vec<_> = rules["items"].as_array().expect("a list").iter().collect();
    assert!(names.iter().all(|rule| rule["rule"] != "late"), "{rules}");
    assert_eq!(names.len(), 1, "{rules}");
}

/// Waits until the server's metrics have this line.
async fn metric(server: &Server, line: &str) {
    let seen = async {
        while !server
            .operator()
            .get("/metrics")
            .await
            .text()
            .lines()
            .any(|there| there == line)
        {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let seen = timeout(PATIENCE, seen).await;
    assert!(seen.is_ok(), "the metrics do not come to `{line}`");
}

fn kill(process: &Path) {
    signal(process, "-KILL");
}

fn signal(process: &Path, signal: &str) {
    let id = process.file_name().expect("a process has an id");
    let killed = Command::new("kill").arg(signal).arg(id).status();
    assert!(killed.is_ok_and(|status| status.success()));
}

/// Who is not to blame is not told so, and can try again.
#[tokio::test]
async fn a_killed_compiler_is_no_fault_of_the_upload() {
    let server = Server::start().await;
    let acme = server
        .tenant_with("acme", json!({"component_bytes": 32 << 20}))
        .await;
    let sender = acme.clone();
    let upload = tokio::spawn(async move { sender.upload("slow", laborious(1_000)).await });
    let child = child_of(server.id()).await;
    kill(&child);
    let answer = upload.await.expect("the upload is answered");
    let problem = answer.problem(503, "compiler-unavailable");
    assert!(problem["hint"].is_string(), "{problem}");
    assert!(!answer.header("retry-after").is_empty());
    acme.activate("escalate-urgent").await;
}

/// What asks a whole group of processes to end is left to the server: the
/// compiler goes on.
#[tokio::test]
async fn a_compiler_does_not_end_by_what_asks_its_server_to() {
    let server = Server::start().await;
    let limits = json!({"compile_ms": 60_000, "component_bytes": 32 << 20});
    let acme = server.tenant_with("acme", limits).await;
    let sender = acme.clone();
    let upload = tokio::spawn(async move { sender.upload("slow", laborious(500)).await });
    let child = child_of(server.id()).await;
    for name in ["-TERM", "-INT", "-HUP"] {
        signal(&child, name);
    }
    let answer = upload.await.expect("the upload is answered");
    // It was compiled, and only then looked at.
    answer.problem(422, "wrong-type");
}

/// The folder in /proc of the server's child that compiles, once it has
/// confined itself.
async fn child_of(server: u32) -> Box<Path> {
    let found = async {
        loop {
            let processes = fs::read_dir("/proc").expect("processes can be listed");
            for process in processes.flatten() {
                let path = process.path();
                let read = |name| fs::read_to_string(path.join(name)).unwrap_or_default();
                let status = read("status");
                if status.contains(&format!("\nPPid:\t{server}\n"))
                    && read("cmdline").ends_with("\0child\0compile\0")
                    && status.contains("\nSeccomp:\t2\n")
                {
                    return path.into_boxed_path();
                }
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, found)
        .await
        .expect("the server starts a child that compiles and confines itself")
}

fn check_rights(child: &Path) {
    let read = |name| fs::read_to_string(child.join(name)).expect("the child lives");
    let status = read("status");
    assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    let environment = fs::read(child.join("environ")).expect("the child lives");
    assert_eq!(environment, b"", "the child has an environment");
    for (limit, value) in [
        ("Max cpu time", "10"),
        ("Max core file size", "0"),
        ("Max file size", "0"),
    ] {
        let limits = read("limits");
        let line = limits.lines().find(|line| line.starts_with(limit));
        let line = line.unwrap_or_else(|| panic!("no {limit}: {limits}"));
        assert_eq!(line[limit.len()..].split_whitespace().next(), Some(value));
    }
    let space = read("limits");
    let space = space
        .lines()
        .find(|line| line.starts_with("Max address space"));
    assert!(space.is_some_and(|line| !line.contains("unlimited")));

    let descriptors = fs::read_dir(child.join("fd")).expect("the child lives");
    for descriptor in descriptors.flatten() {
        let Ok(target) = fs::read_link(descriptor.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        let expected = target.starts_with("socket:")
            || target.starts_with("pipe:")
            || target == "/dev/null"
            || target.ends_with("/status");
        assert!(expected, "the child holds {target}");
    }
}
