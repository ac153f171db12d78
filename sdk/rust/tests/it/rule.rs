//! Rules, run natively.

use ringfence::prelude::*;
use ringfence::testing::{Fixture, check_fixtures};
use ringfence::{Effect, Entry, Level, Rule, Trigger};

mod greeting {
    use super::*;

    #[derive(Deserialize)]
    pub(super) struct Conversation<'a> {
        from: &'a str,
    }

    #[derive(Deserialize, Schema)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Config {
        #[serde(default)]
        word: Option<String>,
    }

    /// Greets people,
    /// by name.
    ///
    /// And more.
    #[rule(
        on = ["conversation.created", "visit.*"],
        ignore = ["/updated_at"],
        on("tick", ignore = "/a~1b"),
        emits = "greeted",
        acts = ["message.send", "audit.*"],
    )]
    pub(super) fn greet(data: Conversation, config: Config, ctx: &mut Context) -> Result<()> {
        let count = ctx.recall::<u32>("count")?.unwrap_or(0) + 1;
        ctx.remember("count", &count)?;
        let word = config.word.as_deref().unwrap_or("Hello");
        ctx.act(
            "message.send",
            &json!({"text": format!("{word}, {}", data.from)}),
        )?;
        ctx.emit("greeted", ctx.subject(), &count)?;
        ctx.info(format!("greeted at {}", ctx.now()));
        Ok(())
    }
}
use greeting::greet;

#[test]
fn the_attribute_is_the_declaration() {
    let manifest = greet::MANIFEST;
    assert_eq!(manifest.summary, "Greets people, by name.");
    assert_eq!(
        manifest.triggers,
        [
            Trigger {
                ty: "tick",
                ignore: &["/a~1b"]
            },
            Trigger {
                ty: "conversation.created",
                ignore: &["/updated_at"]
            },
            Trigger {
                ty: "visit.*",
                ignore: &["/updated_at"]
            },
        ]
    );
    assert_eq!(manifest.emits, ["greeted"]);
    assert_eq!(manifest.acts, ["message.send", "audit.*"]);
}

#[test]
fn a_run_asks_for_effects() {
    let run = Harness::<greet>::new()
        .subject("c-1")
        .data(json!({"from": "Ada", "more": [1, 2]}))
        .config(json!({"word": "Hi"}))
        .recall("count", json!(4))
        .now_ms(17)
        .run();
    assert_eq!(
        run.actions(),
        [("message.send", json!({"text": "Hi, Ada"}))]
    );
    assert_eq!(run.emitted(), [("greeted", Some("c-1"), json!(5))]);
    assert_eq!(run.remembered("count"), Some(json!(5)));
    assert_eq!(run.log, [(Level::Info, "greeted at 17".to_owned())]);
    assert!(run.asked_now && !run.asked_random);
}

#[test]
fn what_does_not_fit_is_a_failure_of_its_kind() {
    let good = Harness::<greet>::new().data(json!({"from": "Ada"}));
    assert_eq!(good.run().effects().len(), 3);
    for (harness, code, part) in [
        (
            good.clone().data(json!({})),
            "invalid-event",
            "missing field `from`",
        ),
        (good.clone().data(json!(null)), "invalid-event", "data: "),
        (
            good.clone().config(json!({"wrod": "Hi"})),
            "invalid-config",
            "`wrod`",
        ),
        (
            good.clone().config(json!([7])),
            "invalid-config",
            "config: ",
        ),
        (good.recall("count", json!("four")), "internal", "`count`"),
    ] {
        let run = harness.run();
        assert_eq!(run.error().kind().code(), code);
        assert!(run.error().message().contains(part), "{}", run.error());
    }
}

/// Does what its data say.
#[rule(on = "do", emits = "done", acts = "fine.*")]
fn perform(what: Value, ctx: &mut Context) -> Result<()> {
    match what.as_str() {
        Some("act") => ctx.act("fine.thing", &1)?,
        Some("act-undeclared") => ctx.act("other", &1)?,
        Some("emit-undeclared") => ctx.emit("done.more", None, &1)?,
        Some("remember") => {
            ctx.remember("a", &1)?;
            ctx.forget("a");
        }
        Some("random") => ctx.act("fine", &[ctx.random(), ctx.random()])?,
        Some("not-json") => ctx.act("fine.x", &std::collections::BTreeMap::from([([1], 2)]))?,
        Some("number") => {
            "x".parse::<u32>()?;
        }
        _ => bail!("cannot {what}"),
    }
    Ok(())
}

#[test]
fn failures_and_undeclared_effects_reach_the_author() {
    for (what, part) in [
        ("fly", "internal: cannot \"fly\""),
        (
            "act-undeclared",
            "`other` is not among the attribute's `acts`",
        ),
        (
            "emit-undeclared",
            "`done.more` is not among the attribute's `emits`",
        ),
        ("not-json", "act `fine.x`: cannot be written as JSON"),
        ("number", "internal: invalid digit found in string"),
    ] {
        let error = Harness::<perform>::new().data(json!(what)).run();
        assert!(
            error.error().to_string().contains(part),
            "{what}: {}",
            error.error()
        );
    }
    assert_eq!(
        Harness::<perform>::new()
            .data(json!("act"))
            .run()
            .actions()
            .len(),
        1
    );
}

#[test]
fn forgetting_is_an_effect() {
    let run = Harness::<perform>::new().data(json!("remember")).run();
    let forgotten = Effect::Remember(Entry {
        key: "a".to_owned(),
        value: None,
    });
    assert_eq!(run.effects().last(), Some(&forgotten));
    assert_eq!(run.remembered("a"), None);
}

#[test]
fn randomness_follows_the_seed() {
    let run = |seed| {
        let harness = Harness::<perform>::new().data(json!("random")).seed(seed);
        // `fine` alone is not within `fine.*`.
        assert!(
            harness
                .run()
                .error()
                .message()
                .contains("undeclared-effect")
        );
        harness.run().asked_random
    };
    assert!(run(1) && run(2));
}

#[test]
fn a_fixture_checks() {
    let fixture = |expect: Value| -> Fixture {
        let event = json!({"id": "1", "source": "/", "type": "do", "data": "act"});
        ringfence::serde_json::from_value(json!({"name": "x", "event": event, "expect": expect}))
            .unwrap()
    };
    let act = json!({"act": {"name": "fine.thing", "payload": 1}});
    for (expect, fine) in [
        (json!({"effects": [act]}), true),
        (json!({"effects": []}), false),
        (json!({"failure": "internal"}), false),
        (json!({"stop": "trap"}), true),
        (json!({}), false),
        (json!({"effects": [act], "stop": "trap"}), false),
    ] {
        let checked = fixture(expect.clone()).check::<perform>();
        assert_eq!(checked.is_ok(), fine, "{expect}: {checked:?}");
    }
}

#[test]
#[should_panic(expected = "holds no fixture")]
fn a_folder_without_fixtures_is_no_test() {
    check_fixtures::<perform>(env!("CARGO_MANIFEST_DIR"));
}
