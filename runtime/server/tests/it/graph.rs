//! The graph of rules: what is known before a rule is in force.

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::world::{Answer, World};

/// What tags customers whose conversation changed, and what writes the tags
/// into the conversation.
const TAG_VIP: &str =
    "tag-vip → vip.tagged → sync-tags → conversation.update (act) → conversation.updated → tag-vip";
const SYNC_TAGS: &str = "sync-tags → conversation.update (act) → conversation.updated → tag-vip → vip.tagged → sync-tags";

fn tag_vip() -> Vec<u8> {
    let triggers: &[(&str, &[&str])] = &[("conversation.updated", &["/updated_at"])];
    Guest::new()
        .declaring(triggers, &["vip.tagged"], &[])
        .module()
}

fn sync_tags() -> Vec<u8> {
    let triggers: &[(&str, &[&str])] = &[("vip.*", &[])];
    Guest::new()
        .declaring(triggers, &[], &["conversation.*"])
        .module()
}

async fn tenant(world: &World, policy: Value) {
    let answer = world.call("PUT", "/v1/tenants/acme", Some(policy)).await;
    assert!(answer.status.is_success(), "{}", answer.body);
}

fn causes() -> Value {
    json!({"conversation.update": ["conversation.updated"]})
}

async fn activate(world: &World, rule: &str, version: &Value, mode: &str) -> Answer {
    let path = format!("/v1/tenants/acme/rules/{rule}/activation");
    let body = json!({"version": version["version"], "mode": mode});
    world.call("PUT", &path, Some(body)).await
}

async fn upload(world: &World, rule: &str, wasm: Vec<u8>) -> Value {
    let answer = world.upload("acme", rule, wasm).await;
    assert!(answer.status.is_success(), "{}", answer.body);
    answer.body
}

fn paths(answer: &Value) -> Vec<&str> {
    let cycles = answer["cycles"].as_array().unwrap();
    cycles
        .iter()
        .map(|cycle| cycle["path"].as_str().unwrap())
        .collect()
}

async fn in_force(world: &World) -> Vec<String> {
    let rules = world.get("/v1/tenants/acme/rules").await.expect(200);
    let rules = rules["items"].as_array().unwrap().iter();
    let rules = rules.filter(|rule| rule["activation"]["mode"] == "enforce");
    rules
        .map(|rule| rule["rule"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenants_policy_decides_about_cycles() {
    let world = World::new().await;
    for (policy, names) in [
        ("allow", &["sync-tags", "tag-vip"][..]),
        ("warn", &["sync-tags", "tag-vip"]),
        ("refuse", &["sync-tags"]),
    ] {
        tenant(&world, json!({"cycles": policy, "causes": causes()})).await;
        let sync_tags = upload(&world, "sync-tags", sync_tags()).await;
        let activated = activate(&world, "sync-tags", &sync_tags, "enforce").await;
        let activated = activated.expect(200);
        assert_eq!(activated["warnings"], json!([]), "{policy}");

        let tag_vip = upload(&world, "tag-vip", tag_vip()).await;
        let answer = activate(&world, "tag-vip", &tag_vip, "enforce").await;
        match policy {
            "refuse" => {
                let problem = answer.refused(422, "closes-cycle");
                assert_eq!(problem["at"], "version");
                assert!(problem["detail"].as_str().unwrap().contains(TAG_VIP));
                let errors = json!([{"pointer": "/version", "detail": TAG_VIP}]);
                assert_eq!(problem["errors"], errors);
                let warning = tag_vip["warnings"][0].as_str().unwrap();
                assert!(warning.contains("would close a cycle"), "{warning}");
                assert!(warning.contains("refuses"), "{warning}");
            }
            "warn" => {
                let answer = answer.expect(200);
                assert_eq!(paths(&answer), [TAG_VIP]);
                assert_eq!(paths(&tag_vip), [TAG_VIP]);
                assert_eq!(answer["cycles_truncated"], false);
                let warning = format!("It closes a cycle of rules: {TAG_VIP}.");
                assert_eq!(answer["warnings"], json!([warning]));
                let steps = json!([
                    {"rule": "tag-vip", "event": "vip.tagged"},
                    {"rule": "sync-tags", "event": "conversation.updated", "action": "conversation.update"},
                ]);
                assert_eq!(answer["cycles"][0]["steps"], steps);
            }
            _ => {
                for answer in [answer.expect(200), tag_vip] {
                    assert_eq!(answer["warnings"], json!([]));
                    assert!(answer.get("cycles").is_none(), "{answer}");
                }
            }
        }
        assert_eq!(in_force(&world).await, names, "{policy}");
        world
            .call("DELETE", "/v1/tenants/acme", None)
            .await
            .expect(200);
    }
    world.stop().await;
}

/// A refused activation leaves what was in force, and the policy of a later
/// day undoes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_force_stays_in_force() {
    let world = World::new().await;
    tenant(&world, json!({"cycles": "refuse"})).await;
    let sync_tags = upload(&world, "sync-tags", sync_tags()).await;
    let harmless = Guest::new()
        .declaring(&[("conversation.updated", &[])], &[], &[])
        .module();
    let harmless = upload(&world, "tag-vip", harmless).await;
    let tag_vip = upload(&world, "tag-vip", tag_vip()).await;
    activate(&world, "sync-tags", &sync_tags, "enforce")
        .await
        .expect(200);
    activate(&world, "tag-vip", &harmless, "enforce")
        .await
        .expect(200);
    // As long as nobody says what the action comes back as, there is no cycle.
    assert_eq!(paths(&tag_vip), [""; 0]);
    tenant(&world, json!({"causes": causes()})).await;
    let refused = activate(&world, "tag-vip", &tag_vip, "enforce").await;
    refused.refused(422, "closes-cycle");
    let rule = world
        .get("/v1/tenants/acme/rules/tag-vip")
        .await
        .expect(200);
    assert_eq!(rule["activation"]["version"], harmless["version"]);

    // In shadow nothing takes place, so nothing is closed.
    let shadow = activate(&world, "tag-vip", &tag_vip, "shadow").await;
    assert_eq!(paths(&shadow.expect(200)), [""; 0]);
    let refused = activate(&world, "tag-vip", &tag_vip, "enforce").await;
    refused.refused(422, "closes-cycle");

    tenant(&world, json!({"cycles": "warn"})).await;
    let warned = activate(&world, "tag-vip", &tag_vip, "enforce").await;
    assert_eq!(paths(&warned.expect(200)), [TAG_VIP]);
    tenant(&world, json!({"cycles": "refuse"})).await;
    assert_eq!(in_force(&world).await, ["sync-tags", "tag-vip"]);
    // The next one is refused: it would close the cycle again.
    let again = activate(&world, "sync-tags", &sync_tags, "enforce").await;
    let problem = again.refused(422, "closes-cycle");
    assert!(problem["detail"].as_str().unwrap().contains(SYNC_TAGS));
    // Only what goes through the rule counts.
    let other = Guest::new()
        .declaring(&[("conversation.updated", &[])], &["vip.seen"], &[])
        .module();
    let other = upload(&world, "a-log", other).await;
    assert_eq!(paths(&other).len(), 1, "it would be in a cycle of its own");
    let outside = Guest::new()
        .declaring(&[("vip.*", &[])], &["log.written"], &[])
        .module();
    let outside = upload(&world, "z-log", outside).await;
    let activated = activate(&world, "z-log", &outside, "enforce").await;
    assert_eq!(paths(&activated.expect(200)), [""; 0]);
    let world = world.restart().await;
    let graph = world.get("/v1/tenants/acme/graph").await.expect(200);
    assert_eq!(paths(&graph), [SYNC_TAGS]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_is_answered_as_data_and_as_a_drawing() {
    let world = World::new().await;
    tenant(&world, json!({"causes": causes()})).await;
    let graph = world.get("/v1/tenants/acme/graph").await.expect(200);
    let nothing = json!({"nodes": [], "edges": [], "edges_truncated": false, "cycles": [], "truncated": false});
    assert_eq!(graph, nothing);

    let hostile = Guest::new()
        .declaring(
            &[("vip.*", &[])],
            &["a\"]; x --> y|<b>", "vip.again"],
            &["conversation.update"],
        )
        .module();
    world.rule("acme", "tag-vip", tag_vip()).await;
    world.rule("acme", "sync-tags", sync_tags()).await;
    let shadow = upload(&world, "watch", hostile.clone()).await;
    activate(&world, "watch", &shadow, "shadow")
        .await
        .expect(200);
    world.rule("acme", "hostile", hostile).await;
    let all = Guest::new().declaring(&[("*", &[])], &[], &[]).module();
    world.rule("acme", "log", all).await;

    let graph = world.get("/v1/tenants/acme/graph").await.expect(200);
    let nodes = graph["nodes"].as_array().unwrap();
    let nodes: Vec<_> = nodes.iter().map(|n| (&n["rule"], &n["mode"])).collect();
    let names = ["hostile", "log", "sync-tags", "tag-vip", "watch"].map(Value::from);
    assert!(nodes.iter().map(|node| node.0).eq(&names), "{nodes:?}");
    assert_eq!(nodes[4].1, "shadow");
    let edges = graph["edges"].as_array().unwrap();
    let edge = json!({
        "from": "sync-tags", "to": "tag-vip", "event": "conversation.updated",
        "action": "conversation.update", "cyclic": true,
    });
    assert!(edges.contains(&edge), "{graph:#}");
    let edge = json!({"from": "hostile", "to": "watch", "event": "vip.again", "cyclic": false});
    assert!(edges.contains(&edge), "{graph:#}");
    assert!(edges.iter().all(|edge| edge["from"] != "watch"));
    assert_eq!(graph["truncated"], false);
    let drawn = paths(&graph);
    assert_eq!(drawn[0], "hostile → vip.again → hostile");
    assert!(drawn.contains(&SYNC_TAGS), "{drawn:?}");

    let mermaid = world
        .get("/v1/tenants/acme/graph?format=mermaid")
        .await
        .expect(200);
    let mermaid = mermaid.as_str().unwrap();
    assert!(mermaid.starts_with("flowchart LR\n  n0[\"hostile\"]\n"));
    assert!(
        mermaid.contains("a#34;#93;#59; x --#62; y#124;#60;b#62;"),
        "{mermaid}"
    );
    assert!(
        mermaid.contains("n4([\"watch #40;shadow#41;\"])"),
        "{mermaid}"
    );
    let dot = world
        .get("/v1/tenants/acme/graph?format=dot")
        .await
        .expect(200);
    let dot = dot.as_str().unwrap();
    assert!(dot.starts_with("digraph rules {\n"), "{dot}");
    let edge = "n2 -> n3 [label=\"conversation.update → conversation.updated\", color=red];";
    assert!(dot.contains(edge), "{dot}");
    assert!(dot.contains("a&#34;&#93;&#59; x --&#62; y&#124;"), "{dot}");

    // More ways than are listed from one rule to another.
    let wide = Guest::new().declaring(
        &[("many", &[])],
        &[
            "m.1", "m.2", "m.3", "m.4", "m.5", "m.6", "m.7", "m.8", "m.9",
        ],
        &[],
    );
    world.rule("acme", "a-wide", wide.module()).await;
    let graph = world.get("/v1/tenants/acme/graph").await.expect(200);
    let edges = graph["edges"].as_array().unwrap().iter();
    assert_eq!(edges.filter(|edge| edge["from"] == "a-wide").count(), 8);
    assert_eq!(graph["edges_truncated"], true);

    for query in ["?format=svg", "?form=dot"] {
        let path = format!("/v1/tenants/acme/graph{query}");
        world.get(&path).await.refused(400, "invalid-query");
    }
    let nobody = world.get("/v1/tenants/nobody/graph").await;
    nobody.refused(404, "no-tenant");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_contradict_themselves_are_refused_with_the_place() {
    let world = World::new().await;
    world.tenant("acme").await;
    let place = |triggers: &[(&'static str, &'static [&'static str])],
                 emits: &[&'static str],
                 acts: &[&'static str]| {
        let wasm = Guest::new().declaring(triggers, emits, acts).module();
        let world = &world;
        async move {
            let answer = world.upload("acme", "bad", wasm).await;
            let problem = answer.refused(422, "invalid-manifest");
            assert!(problem["hint"].is_string(), "{problem}");
            let at = problem["at"].as_str().unwrap().to_owned();
            let detail = problem["detail"].as_str().unwrap();
            let in_manifest = at.strip_prefix("manifest.").unwrap();
            assert!(detail.contains(&format!("`{in_manifest}`")), "{problem}");
            at
        }
    };
    let a: (&str, &[&str]) = ("a", &[]);
    let at = place(&[a, ("a", &["/x"])], &[], &[]).await;
    assert_eq!(at, "manifest.triggers[1].type");
    let at = place(&[("a.*", &["/x"]), ("a.b", &[])], &[], &[]).await;
    assert_eq!(at, "manifest.triggers[1].type");
    let at = place(&[("a", &["/x", "/x"])], &[], &[]).await;
    assert_eq!(at, "manifest.triggers[0].ignore[1]");
    let at = place(&[a, ("b", &["/x", "updated_at"])], &[], &[]).await;
    assert_eq!(at, "manifest.triggers[1].ignore[1]");
    let at = place(&[a], &["b", "b"], &[]).await;
    assert_eq!(at, "manifest.emits[1]");
    let at = place(&[a], &[], &["c", "d.*", "c"]).await;
    assert_eq!(at, "manifest.acts[2]");
    let rules = world.get("/v1/tenants/acme/rules").await.expect(200);
    assert_eq!(rules["items"], json!([]));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_actions_is_about_those_that_rules_declare() {
    let world = World::new().await;
    // Before there are rules, nothing is known.
    tenant(&world, json!({"causes": {"anything": ["at.all"]}})).await;
    upload(&world, "sync-tags", sync_tags()).await;
    tenant(&world, json!({"causes": causes()})).await;
    let put = |causes: Value| {
        let body = json!({"causes": causes, "cycles": "refuse"});
        world.call("PUT", "/v1/tenants/acme", Some(body))
    };
    for (bad, at) in [
        (
            json!({"conversation.update": [], "ticket.close": []}),
            "causes.ticket.close",
        ),
        (json!({"conversation.*": ["x"]}), "causes.conversation.*"),
        (
            json!({"conversation.update": ["x", "y.*"]}),
            "causes.conversation.update[1]",
        ),
        (
            json!({"conversation.update": ["x\n"]}),
            "causes.conversation.update[0]",
        ),
    ] {
        let problem = put(bad).await.refused(422, "invalid-policy");
        assert_eq!(problem["at"], at, "{problem}");
    }
    let kept = world.get("/v1/tenants/acme").await.expect(200);
    assert_eq!(
        (&kept["causes"], &kept["cycles"]),
        (&causes(), &json!("warn"))
    );
    put(json!({})).await.expect(200);
    world.stop().await;
}
