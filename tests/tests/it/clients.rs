//! The official CloudEvents clients can send to us, in each form.

use std::path::{Path, PathBuf};
use std::process::Command;

use ringfence_tests::{Server, clients, workspace};
use serde_json::Value;

fn script(name: &str) -> PathBuf {
    workspace().join("tests/clients").join(name)
}

async fn check(interpreter: &Path, script: &Path) {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    let output = Command::new(interpreter)
        .arg(script)
        .env("URL", acme.api.url(&acme.path("/events")))
        .env("TOKEN", acme.api.token())
        .env("CLIENTS_DIR", clients())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", interpreter.display()));
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{errors}");

    let mut forms = Vec::new();
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let accepted = line["answer"]["accepted"].as_array();
        let accepted = accepted.unwrap_or_else(|| panic!("not accepted: {line}"));
        let sent = line["sent"].as_array().unwrap();
        assert_eq!(accepted.len(), sent.len(), "{line}");
        for (accepted, sent) in accepted.iter().zip(sent) {
            let id = accepted["id"].as_str().unwrap().to_owned();
            let story = acme.wait_until_done(&[id]).await.remove(0);
            assert_eq!(story["state"], "done", "{story}");
            assert_eq!(story["rules"][0]["outcome"], "ran", "{story}");
            for (ours, theirs) in [
                ("ce_id", "id"),
                ("source", "source"),
                ("type", "type"),
                ("subject", "subject"),
                ("time", "time"),
                ("data", "data"),
            ] {
                assert_eq!(
                    story["event"][ours], sent[theirs],
                    "{}: {line}",
                    line["form"]
                );
            }
        }
        forms.push(line["form"].as_str().unwrap().to_owned());
    }
    assert_eq!(forms, ["structured", "binary", "batch"]);
    assert_eq!(acme.effects().await.len(), 5);
}

#[tokio::test]
async fn the_javascript_client_can_send() {
    check(Path::new("node"), &script("send.mjs")).await;
}

#[tokio::test]
async fn the_python_client_can_send() {
    check(&clients().join("python/bin/python"), &script("send.py")).await;
}
