//! What is published, and that it is what is documented.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn stop_codes_are_listed_in_the_order_of_their_definition() {
    for (index, code) in StopCode::ALL.iter().enumerate() {
        assert_eq!(*code as usize, index, "{code}");
    }
}

/// Whoever reads a number finds what it means, and finds all there are.
#[test]
fn metrics_are_those_of_the_document() {
    let metrics = Metrics::default();
    let signs = VitalSigns {
        numbers: vec![("acme".parse().unwrap(), 1.0)],
        ..VitalSigns::default()
    };
    let shares = Shares {
        leaders: vec![shares::tests::leader("acme", 1, 0)],
        ages_us: BTreeMap::from([("acme".parse().unwrap(), 1)]),
        ..Shares::default()
    };
    metrics.answered(&axum::http::Method::GET, "/x", 404, Some("no-path"), None);
    let text = metrics.text(Stats::default(), &signs, &shares).unwrap();
    let published: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| match line.split_once(' ') {
            Some((name, "counter")) => format!("{name}_total"),
            Some((name, _)) => name.to_owned(),
            None => panic!("{line}"),
        })
        .collect();
    let path = format!("{}/../../docs/metrics.md", env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(path).unwrap();
    let listed: BTreeSet<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `ringfence_")?.split_once('`'))
        .map(|(name, _)| format!("ringfence_{name}"))
        .collect();
    assert_eq!(published, listed);
}

#[test]
fn what_happens_is_counted() {
    let metrics = Metrics::default();
    let (tenant, rule) = ("acme".parse().unwrap(), "r".parse().unwrap());
    let usage = Usage {
        fuel: 20_000,
        wall_us: 70,
        ..Usage::default()
    };
    metrics.executed(&tenant, &rule, &usage, None);
    metrics.executed(&tenant, &rule, &usage, Some(StopCode::OutOfFuel));
    metrics.dead_lettered(&tenant, StopCode::OutOfFuel);
    metrics.done(&EventDone {
        tenant: &tenant,
        event: ringfence_model::EventId::from_bytes([0; 16]),
        depth: 0,
        accepted_us: 1_000,
        durable_us: 3_000,
    });
    metrics.accepted(3, 1);
    metrics.answered(
        &axum::http::Method::PATCH,
        "/x",
        404,
        Some("no-path"),
        Some(10),
    );
    let text = metrics
        .text(
            Stats {
                waiting: 5,
                ..Stats::default()
            },
            &VitalSigns::default(),
            &Shares::default(),
        )
        .unwrap();
    for line in [
        r#"ringfence_executions_total{result="ok"} 1"#,
        r#"ringfence_dead_letters_total{code="out-of-fuel"} 1"#,
        r#"ringfence_dead_letters_total{code="trap"} 0"#,
        "ringfence_fuel_used_total 40000",
        r#"ringfence_execution_wall_seconds_bucket{le="0.0001"} 2"#,
        r#"ringfence_event_latency_seconds_bucket{le="0.0025",source="outside"} 1"#,
        "ringfence_events_accepted_total 3",
        "ringfence_events_duplicate_total 1",
        "ringfence_events_waiting 5",
        r#"ringfence_refusals_total{code="no-path"} 1"#,
        r#"ringfence_http_requests_total{method="other",route="/x",status="404"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
