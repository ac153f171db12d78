//! How a version is in force: configuration, mode, share, limits, and since
//! when.

use ringfence_tests::{Server, event};
use serde_json::{Value, json};

fn urgent(subject: &str) -> Value {
    event(
        "conversation.created",
        subject,
        json!({"priority": "urgent", "text": "refund"}),
    )
}

#[tokio::test]
async fn a_run_is_given_its_configuration() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    for team in ["finance", "treasury"] {
        let config = json!({
            "fallback": "triage",
            "skills": [{"skill": "billing", "team": team, "words": ["refund"]}],
        });
        acme.activate_with("assign-by-skill", json!({ "config": config }))
            .await;
        let story = acme.run(&[urgent("c-1")]).await.remove(0);
        let execution = acme.execution(&story["rules"][0]["execution"]).await;
        assert_eq!(execution["effects"][0]["act"]["payload"]["team"], team);
        assert_eq!(execution["config"], config);
    }
}

#[tokio::test]
async fn a_shadow_is_run_and_changes_nothing() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    let shadow = json!({"mode": "shadow"});
    for rule in ["escalate-urgent", "three-strikes", "countdown"] {
        acme.activate_with(rule, shadow.clone()).await;
    }
    let spam = || {
        event(
            "message.received",
            "a",
            json!({"from": "a@b.org", "spam": true}),
        )
    };
    let tick = event("countdown.tick", "t", json!({"n": 3}));
    let stories = acme
        .run(&[urgent("c-1"), spam(), spam(), spam(), tick])
        .await;
    for story in &stories {
        let ran = story["rules"].as_array().unwrap().iter();
        let ran = ran.filter(|rule| rule["outcome"] == "ran").count();
        assert_eq!((story["state"].as_str(), ran), (Some("done"), 1), "{story}");
    }
    let executions = acme.executions("").await;
    assert_eq!(executions.len(), 5);
    for execution in &executions {
        assert_eq!(execution["mode"], "shadow");
        assert_eq!(execution["status"], "ok");
        assert_eq!(
            execution["effects"].as_array().unwrap().len(),
            1,
            "what it would do"
        );
        // None of the three saw what another would have remembered.
        if execution["rule"] == "three-strikes" {
            assert_eq!(execution["recalled"][0]["value"], Value::Null);
        }
    }
    assert!(acme.effects().await.is_empty());
    assert_eq!(acme.settle().await.done, 5, "no follow-up event");
}

#[tokio::test]
async fn a_share_of_events_is_decided_by_the_event() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate_with("escalate-urgent", json!({"percent": 30}))
        .await;

    // The ids are fixed, so the choice among them is, too.
    let fixed = |n: u32| {
        let mut event = urgent(&format!("c-{n}"));
        event["id"] = json!(format!("fixed-{n}"));
        event
    };
    let events: Vec<Value> = (0..300).map(fixed).collect();
    let stories = acme.run(&events).await;
    let mut ran = 0;
    for story in &stories {
        let rule = &story["rules"][0];
        match rule["outcome"].as_str() {
            Some("ran") => ran += 1,
            Some("skipped") => assert_eq!(rule["reason"], "percent"),
            _ => panic!("neither run nor skipped: {story}"),
        }
        assert_eq!(story["state"], "done");
    }
    assert!((45..=135).contains(&ran), "{ran} of 300 are not about 30 %");
    assert_eq!(acme.effects().await.len(), ran);
}

#[tokio::test]
async fn changes_apply_to_the_next_event() {
    let server = Server::start().await;
    let acme = server.tenant("acme").await;
    acme.activate("escalate-urgent").await;
    acme.run(&[urgent("c-1")]).await;
    assert_eq!(acme.effects().await.len(), 1);

    // The tenant's limits.
    let path = acme.path("");
    let fuel = |fuel: u64| json!({"limits": {"fuel": fuel}});
    server.operator().put(&path, &fuel(1_000)).await.expect(200);
    let story = acme.run(&[urgent("c-1")]).await.remove(0);
    assert_eq!(story["rules"][0]["stop"]["code"], "out-of-fuel", "{story}");
    assert_eq!(story["rules"][0]["stop"]["limit"], 1_000);
    server
        .operator()
        .put(&path, &fuel(10_000_000))
        .await
        .expect(200);

    // A rule may lower a limit, and never raise one.
    for (limit, state) in [(1_000, "dead-lettered"), (1_000_000_000, "done")] {
        let limits = json!({"limits": {"fuel": limit}});
        acme.activate_with("escalate-urgent", limits).await;
        let story = acme.run(&[urgent("c-1")]).await.remove(0);
        assert_eq!(story["state"], state, "{limit}: {story}");
    }

    // No version in force any more.
    let activation = acme.path("/rules/escalate-urgent/activation");
    acme.api.delete(&activation).await.expect(200);
    acme.api
        .delete(&activation)
        .await
        .problem(404, "no-activation");
    let story = acme.run(&[urgent("c-1")]).await.remove(0);
    assert_eq!(story["state"], "done");
    assert_eq!(story["rules"], json!([]));
    assert_eq!(acme.effects().await.len(), 2);
}
