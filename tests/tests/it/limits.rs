//! Limits: each trips at its value and not below, for plan, tenant and rule,
//! from the next run on.

use std::io::Write;
use std::net::TcpStream;

use ringfence_tests::{PATIENCE, Server, Tenant, event, guest};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::compiling::laborious;

const RULE: &str = "use-up";

/// One limit on an execution, and a run that uses it.
struct Case {
    limit: &'static str,
    uses: Value,
    /// How much that run uses; none if its record says so.
    amount: Option<u64>,
    /// How much less is not enough: fuel is looked at from loop to loop.
    step: u64,
    /// How the run then ends; none if its log is cut.
    code: Option<&'static str>,
    /// What the plan of the limit's name says.
    tight: u64,
}

fn cases() -> Vec<Case> {
    let case = |limit, uses, code, tight| Case {
        limit,
        uses,
        amount: None,
        step: 1,
        code,
        tight,
    };
    vec![
        Case {
            step: 10_000,
            ..case(
                "fuel",
                json!({"turns": 100_000}),
                Some("out-of-fuel"),
                50_000,
            )
        },
        case(
            "memory_bytes",
            json!({"memory": 4 << 20}),
            Some("out-of-memory"),
            1 << 20,
        ),
        case(
            "output_bytes",
            json!({"output": 1_000}),
            Some("output-too-large"),
            1_000,
        ),
        case(
            "effects",
            json!({"effects": 10}),
            Some("too-many-effects"),
            0,
        ),
        case("log_bytes", json!({"log": 1_000}), None, 0),
        Case {
            // With its quotation marks.
            amount: Some(1_002),
            ..case(
                "state_value_bytes",
                json!({"remember": 1_000}),
                Some("state-too-large"),
                0,
            )
        },
    ]
}

/// A plan per limit, called like it.
fn plans() -> String {
    let plan = |case: Case| {
        let Case { limit, tight, .. } = case;
        format!("[plans.{}]\n{limit} = {tight}\n", limit.replace('_', "-"))
    };
    cases().into_iter().map(plan).collect()
}

/// Runs the rule once; answers the execution.
async fn run(tenant: &Tenant, uses: &Value) -> Value {
    let story = tenant.run(&[event("limits.use", "s", uses.clone())]).await;
    tenant.execution(&story[0]["rules"][0]["execution"]).await
}

async fn set(server: &Server, tenant: &Tenant, plan: &str, limits: Value) {
    let body = json!({"plan": plan, "limits": limits});
    let answer = server.operator().put(&tenant.path(""), &body).await;
    answer.expect(200);
}

impl Case {
    fn holds(&self, execution: &Value, limit: u64) {
        let name = self.limit;
        assert_eq!(execution["status"], "ok", "{name}: {execution}");
        assert!(!self.is_cut(execution), "{name}: {execution}");
        if self.amount.is_none() {
            assert_eq!(execution["limits"][name], limit, "{execution}");
        }
    }

    fn trips(&self, execution: &Value, limit: u64, where_: &str) {
        let name = self.limit;
        let Some(code) = self.code else {
            assert!(self.is_cut(execution), "{name} of {where_}: {execution}");
            return;
        };
        let stop = &execution["stop"];
        assert_eq!(stop["code"], code, "{name} of {where_}: {execution}");
        assert_eq!(stop["limit"], limit, "{name} of {where_}: {stop}");
        assert!(stop["usage"].as_u64() >= Some(limit), "{name}: {stop}");
        assert!(execution["near_limits"].is_null(), "{execution}");
    }

    fn is_cut(&self, execution: &Value) -> bool {
        execution["log"]["truncated"] == true
    }
}

#[tokio::test]
async fn each_limit_trips_at_its_value_for_plan_tenant_and_rule() {
    let server = Server::start_with(&plans()).await;
    for case in cases() {
        let (limit, uses) = (case.limit, &case.uses);
        let tenant = server.tenant(&limit.replace('_', "-")).await;
        tenant.activate(RULE).await;
        let first = run(&tenant, uses).await;
        assert_eq!(first["status"], "ok", "{limit}: {first}");
        let amount = case.amount.or(first["usage"][limit].as_u64());
        let amount = amount.unwrap_or_else(|| panic!("{limit}: {first}"));
        let less = amount - case.step;

        // The tenant's, from the next run on.
        set(&server, &tenant, "standard", json!({limit: amount})).await;
        case.holds(&run(&tenant, uses).await, amount);
        set(&server, &tenant, "standard", json!({limit: less})).await;
        case.trips(&run(&tenant, uses).await, less, "a tenant");
        // A rule does not raise it.
        tenant
            .activate_with(RULE, json!({"limits": {limit: amount}}))
            .await;
        case.trips(&run(&tenant, uses).await, less, "a tenant");

        // A rule lowers it.
        set(&server, &tenant, "standard", json!({})).await;
        case.holds(&run(&tenant, uses).await, amount);
        tenant
            .activate_with(RULE, json!({"limits": {limit: less}}))
            .await;
        case.trips(&run(&tenant, uses).await, less, "a rule");
        tenant.activate(RULE).await;

        // The plan's.
        let plan = limit.replace('_', "-");
        set(&server, &tenant, &plan, json!({})).await;
        case.trips(&run(&tenant, uses).await, case.tight, "a plan");

        // What was recorded stays as it was.
        assert_eq!(tenant.execution(&first["id"]).await, first);
    }
}

/// What a rule remembers already, it may go on remembering; so each is tried
/// by a tenant that remembers nothing.
#[tokio::test]
async fn what_a_rule_remembers_is_bounded_by_plan_tenant_and_rule() {
    // Key, text and quotation marks.
    const BYTES: u64 = 4 + 1_002;
    let plans = format!("[plans.state]\nstate_rule_bytes = {}", BYTES - 1);
    let server = Server::start_with(&plans).await;
    let of = |bytes: u64| json!({"state_rule_bytes": bytes});
    for (name, plan, tenants, rules) in [
        ("plan", "state", json!({}), json!({})),
        ("tenant", "standard", of(BYTES - 1), json!({})),
        ("rule", "standard", of(BYTES), of(BYTES - 1)),
        ("both", "standard", of(BYTES - 1), of(BYTES)),
    ] {
        let tenant = server.tenant(name).await;
        set(&server, &tenant, plan, tenants).await;
        tenant.activate_with(RULE, json!({"limits": rules})).await;
        let uses = json!({"remember": 1_000});
        let stopped = run(&tenant, &uses).await;
        let stop = &stopped["stop"];
        assert_eq!(stop["code"], "state-too-large", "{name}: {stopped}");
        assert_eq!(stop["limit"], BYTES - 1, "{name}: {stop}");
        assert_eq!(stop["usage"], BYTES, "{name}: {stop}");
        set(&server, &tenant, "standard", of(BYTES)).await;
        tenant.activate(RULE).await;
        assert_eq!(run(&tenant, &uses).await["status"], "ok", "{name}");
    }
}

#[tokio::test]
async fn a_deadline_ends_what_has_fuel_enough() {
    let server = Server::start().await;
    let tenant = server.tenant("acme").await;
    tenant.activate(RULE).await;
    let uses = json!({"turns": 3_000_000_000u64});
    let limits = |deadline: u64| json!({"fuel": 10_000_000_000u64, "cascade_fuel": 1_000_000_000_000u64, "deadline_ms": deadline});
    let check = |execution: &Value| {
        assert_eq!(execution["stop"]["code"], "deadline", "{execution}");
        assert_eq!(execution["stop"]["limit"], 5);
        assert!(execution["usage"]["wall_us"].as_u64() >= Some(5_000));
        assert_eq!(execution["limits"]["deadline_ms"], 5);
    };
    set(&server, &tenant, "standard", limits(5)).await;
    check(&run(&tenant, &uses).await);
    set(&server, &tenant, "standard", limits(30_000)).await;
    assert_eq!(run(&tenant, &json!({"turns": 1_000})).await["status"], "ok");
    tenant
        .activate_with(RULE, json!({"limits": {"deadline_ms": 5}}))
        .await;
    check(&run(&tenant, &uses).await);
}

#[tokio::test]
async fn an_event_is_no_larger_than_tenant_and_rule_allow() {
    let server = Server::start().await;
    let tenant = server.tenant("acme").await;
    tenant.activate(RULE).await;
    let data = json!({"pad": "x".repeat(100)});
    let bytes = data.to_string().len();
    let of = |limit: usize| json!({"limits": {"event_bytes": limit}});
    for (limit, outcome) in [(bytes, "ran"), (bytes - 1, "dead-lettered")] {
        tenant.activate_with(RULE, of(limit)).await;
        let story = tenant.run(&[event("limits.use", "s", data.clone())]).await;
        let rule = &story[0]["rules"][0];
        assert_eq!(rule["outcome"], outcome, "{rule}");
        if outcome == "dead-lettered" {
            let stop = &rule["stop"];
            assert_eq!(stop["code"], "input-too-large", "{stop}");
            assert_eq!(
                (&stop["limit"], &stop["usage"]),
                (&json!(limit), &json!(bytes))
            );
        }
        set(&server, &tenant, "standard", json!({"event_bytes": limit})).await;
        let answer = tenant
            .batch(&[event("limits.use", "s", data.clone())])
            .await;
        match outcome {
            "ran" => drop(answer.expect(202)),
            _ => drop(answer.problem(413, "event-too-large")),
        }
        set(&server, &tenant, "standard", json!({})).await;
    }
}

#[tokio::test]
async fn an_upload_is_no_larger_than_plan_tenant_and_rule_allow() {
    let server = Server::start_with("[plans.small]\ncomponent_bytes = 2_000").await;
    let tenant = server.tenant("acme").await;
    let component = guest("escalate-urgent");
    let size = component.len();
    let refused = |answer: ringfence_tests::Answer, limit: usize| {
        let problem = answer.problem(413, "component-too-large");
        assert_eq!(
            (&problem["limit"], &problem["usage"]),
            (&json!(limit), &json!(size))
        );
    };
    set(&server, &tenant, "small", json!({})).await;
    refused(tenant.upload("r", component.clone()).await, 2_000);
    set(
        &server,
        &tenant,
        "small",
        json!({"component_bytes": size - 1}),
    )
    .await;
    refused(tenant.upload("r", component.clone()).await, size - 1);
    set(&server, &tenant, "small", json!({"component_bytes": size})).await;
    tenant.upload("r", component.clone()).await.expect(201);

    set(&server, &tenant, "standard", json!({})).await;
    let limits = json!({"limits": {"component_bytes": size - 1}});
    tenant.activate_with(RULE, limits).await;
    refused(tenant.upload(RULE, component.clone()).await, size - 1);
    // It is that rule's own.
    tenant.upload("other", component).await.expect(201);
}

#[tokio::test]
async fn an_upload_takes_no_longer_than_plan_tenant_and_rule_allow() {
    let server = Server::start_with("[plans.hasty]\ncompile_ms = 100").await;
    let hasty = || json!({"compile_ms": 100});
    for (name, plan, tenants, rules) in [
        ("plan", "hasty", json!({}), json!({})),
        ("tenant", "standard", hasty(), json!({})),
        ("rule", "standard", json!({}), hasty()),
    ] {
        let tenant = server.tenant(name).await;
        tenant.activate_with(RULE, json!({"limits": rules})).await;
        set(&server, &tenant, plan, tenants).await;
        let answer = tenant.upload(RULE, laborious(500)).await;
        let problem = answer.problem(422, "compile-limit");
        assert_eq!(problem["limit"], 100, "{name}: {problem}");
    }
}

#[tokio::test]
async fn a_run_near_a_limit_is_marked_and_found() {
    let server = Server::start().await;
    let tenant = server.tenant("acme").await;
    tenant.activate(RULE).await;
    let uses = json!({"effects": 8});
    let mut marked = Vec::new();
    for (limit, near) in [(11, false), (10, true), (8, true), (7, false)] {
        set(&server, &tenant, "standard", json!({"effects": limit})).await;
        let execution = run(&tenant, &uses).await;
        let expected = if near {
            json!(["effects"])
        } else {
            Value::Null
        };
        assert_eq!(
            execution["near_limits"], expected,
            "of {limit}: {execution}"
        );
        if near {
            marked.insert(0, execution["id"].clone());
        }
    }
    let listed = tenant.executions("status=near-limit").await;
    let listed: Vec<Value> = listed.iter().map(|item| item["id"].clone()).collect();
    assert_eq!(listed, marked);
    let path = tenant.path("/evaluate");
    let kind = [("content-type", "application/cloudevents+json")];
    set(&server, &tenant, "standard", json!({"effects": 10})).await;
    let body = event("limits.use", "s", uses).to_string();
    let answer = tenant
        .api
        .call("POST", &path, &kind, body)
        .await
        .expect(200);
    let part = &answer["executions"][0];
    assert_eq!(part["near_limits"], json!(["effects"]), "{part}");
    assert_eq!(part["limits"]["effects"], 10, "{part}");
}

#[tokio::test]
async fn a_rule_lowers_only_what_bounds_rules() {
    let server = Server::start().await;
    let tenant = server.tenant("acme").await;
    let version = tenant.upload(RULE, guest(RULE)).await.expect(201);
    let in_force = tenant.get("").await["limits_in_force"].clone();
    let path = tenant.path(&format!("/rules/{RULE}/activation"));
    let document = server.operator().get("/openapi.json").await.expect(200);
    let of_rules = &document["components"]["schemas"]["RuleLimits"]["properties"];
    let mut refused = 0;
    for (limit, value) in in_force.as_object().unwrap() {
        let body = json!({"version": version["version"], "limits": {limit: value}});
        let answer = tenant.api.put(&path, &body).await;
        if of_rules[limit].is_object() {
            answer.expect(200);
            continue;
        }
        let problem = answer.problem(422, "invalid-limit");
        assert_eq!(problem["at"], format!("limits.{limit}"));
        assert!(problem["hint"].is_string(), "{problem}");
        refused += 1;
    }
    assert_eq!(refused, 12, "{of_rules}");
}

/// Runs that fill the tenant's memory go one after the other, and all are
/// done; an evaluation finds room among them.
#[tokio::test]
async fn what_a_tenant_runs_at_once_fits_into_its_memory() {
    const MEMORY: u64 = 1 << 20;
    let server = Server::start().await;
    let limits = json!({"running_memory_bytes": MEMORY, "concurrent_executions": 8});
    let tenant = server.tenant_with("acme", limits).await;
    tenant.activate(RULE).await;
    let in_force = &tenant.get("").await["limits_in_force"];
    assert_eq!(in_force["memory_bytes"], MEMORY, "{in_force}");
    let too_much = run(&tenant, &json!({"memory": MEMORY})).await;
    assert_eq!(too_much["stop"]["code"], "out-of-memory", "{too_much}");
    assert_eq!(too_much["limits"]["memory_bytes"], MEMORY);

    let uses = json!({"memory": MEMORY / 2, "turns": 10_000});
    let one = |index: usize| event("limits.use", &format!("s{index}"), uses.clone());
    let batch: Vec<Value> = (0..200).map(one).collect();
    let ids = tenant.send(&batch).await;
    let path = tenant.path("/evaluate");
    let kind = [("content-type", "application/cloudevents+json")];
    for index in 0..5 {
        let body = one(index).to_string();
        let answer = tenant
            .api
            .call("POST", &path, &kind, body)
            .await
            .expect(200);
        assert_eq!(answer["executions"][0]["status"], "ok", "{answer}");
    }
    for story in tenant.wait_until_done(&ids).await {
        assert_eq!(story["state"], "done", "{story}");
    }
}

/// An upload whose body stops in its midst; it has its place already.
fn half_an_upload(tenant: &Tenant, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(tenant.api.address()).unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n\
         content-type: application/wasm\r\ncontent-length: {}\r\n\r\n",
        tenant.path("/rules/half/versions"),
        tenant.api.token(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..body.len() / 2]).unwrap();
    stream
}

#[tokio::test]
async fn uploads_that_find_no_place_are_refused_for_now() {
    let server = Server::start_with("[uploads]\nplaces = 8").await;
    let flood = server.tenant("flood").await;
    let calm = server.tenant("calm").await;
    let component = guest("escalate-urgent");
    // Known bytes are answered without being compiled, and so at once.
    flood.upload("whole", component.clone()).await.expect(201);
    let answer = timeout(PATIENCE, async {
        loop {
            // A quarter of the places, and no more.
            let held = [0, 1].map(|_| half_an_upload(&flood, &component));
            let answer = flood.upload("whole", component.clone()).await;
            if answer.status == 429 {
                return (answer, held);
            }
            // Its head was read before theirs.
            answer.expect(200);
        }
    });
    let (answer, held) = answer.await.expect("the places are taken at last");
    let problem = answer.problem(429, "uploads-waiting");
    assert_eq!(
        (&problem["limit"], &problem["usage"]),
        (&json!(2), &json!(2))
    );
    assert!(problem["hint"].is_string(), "{problem}");
    assert!(answer.header("retry-after").parse::<u64>().is_ok());
    // Others find room, and so does it when the bodies end.
    calm.upload("whole", component.clone()).await.expect(201);
    drop(held);
    let again = timeout(PATIENCE, async {
        while flood.upload("whole", component.clone()).await.status != 200 {}
    });
    again.await.expect("places come back");
}

#[tokio::test]
async fn uploads_of_many_at_once_are_all_answered() {
    let server = Server::start_with("[uploads]\nat_once = 2").await;
    let names = [
        "assign-by-skill",
        "countdown",
        "escalate-urgent",
        "sla-breach",
        "tag-sync",
    ];
    let mut uploads = tokio::task::JoinSet::new();
    for index in 0..3 {
        let tenant = server.tenant(&format!("t{index}")).await;
        for name in names {
            let tenant = tenant.clone();
            uploads.spawn(async move { tenant.upload(name, guest(name)).await });
        }
    }
    while let Some(answer) = uploads.join_next().await {
        answer.unwrap().expect(201);
    }
}
