//! Runs are the same, wherever they take place.

use std::sync::Arc;

use ringfence_model::{Json, StopCode};
use ringfence_sandbox::{Recall, RecallError, RunError, RunReport, Runners as _, Sandbox, Threads};

use crate::world::{
    Given, Notes, Told, built, config, prepare, sandbox_with, workers, workers_config,
};

/// What must be equal: everything but time, and the fuel of a run that is
/// charged by the CPU time that it took.
fn comparable(mut report: RunReport) -> String {
    report.usage.wall_us = 0;
    report.usage.cpu_us = 0;
    if let Err(stop) = &report.outcome
        && stop.code != StopCode::OutOfFuel
    {
        report.usage.fuel = 0;
    }
    format!("{report:?}")
}

fn reports(told: Told) -> Vec<String> {
    let results = told.results.into_iter();
    results
        .map(|result| comparable(result.expect("the run took place")))
        .collect()
}

#[test]
fn rules_of_all_kinds_run_the_same_in_a_worker() {
    let workers = workers(workers_config());
    let (here, there) = (
        Sandbox::new(config(), None).unwrap(),
        sandbox_with(&workers),
    );
    let mut given = Vec::new();
    for (name, ty, data) in [
        (
            "escalate-urgent",
            "conversation.created",
            r#"{"priority": "urgent"}"#,
        ),
        (
            "without-sdk",
            "conversation.created",
            r#"{"priority": "urgent"}"#,
        ),
        ("fan-out", "fan.out", r#"{"n": 3}"#),
        ("infinite-loop", "a", "{}"),
        ("memory-bomb", "a", "{}"),
        ("deep-recursion", "a", "{}"),
        ("huge-output", "a", "{}"),
        ("trap-late", "a", "{}"),
        (
            "escalate-urgent",
            "conversation.created",
            "[1, \"é\", null]",
        ),
        (
            "sla-breach",
            "conversation.updated",
            r#"{"priority": "low"}"#,
        ),
        (
            "label-issue",
            "issues",
            r#"{"action": "opened", "issue": {"title": "crash"}}"#,
        ),
    ] {
        given.push((built(name), Given::new(given.len(), ty, data)));
    }
    let of = |sandbox: &Sandbox| -> Vec<_> {
        let components = given.iter();
        components
            .map(|(bytes, _)| prepare(sandbox, bytes))
            .collect()
    };
    let (in_threads, in_workers) = (of(&here), of(&there));
    for (one, other) in in_threads.iter().zip(&in_workers) {
        assert_eq!(one.manifest(), other.manifest());
    }
    let run = |prepared: &[_], runner: &mut dyn ringfence_sandbox::Runner| {
        let tasks = given.iter().zip(prepared);
        let tasks: Vec<_> = tasks
            .map(|((_, given), prepared)| given.task(prepared))
            .collect();
        let mut told = Told::default();
        runner.run(&tasks, &mut told);
        reports(told)
    };
    let threads = run(&in_threads, &mut *Threads(here).runner().unwrap());
    let lane = run(&in_workers, &mut *workers.runner().unwrap());
    assert_eq!(threads.len(), given.len());
    for (one, other) in threads.iter().zip(&lane) {
        assert_eq!(one, other);
    }
}

/// What one run of a batch remembers, the next recalls.
#[test]
fn runs_recall_what_those_before_them_remembered() {
    let workers = workers(workers_config());
    let (here, there) = (
        Sandbox::new(config(), None).unwrap(),
        sandbox_with(&workers),
    );
    let component = built("three-strikes");
    let run = |sandbox: &Sandbox, runner: &mut dyn ringfence_sandbox::Runner| {
        let prepared = prepare(sandbox, &component);
        let notes = Arc::new(Notes::default());
        let given: Vec<_> = (0..8)
            .map(|number| Given {
                recall: notes.clone(),
                ..Given::new(
                    number,
                    "message.received",
                    r#"{"from": "a@b.org", "spam": true}"#,
                )
            })
            .collect();
        let tasks: Vec<_> = given.iter().map(|given| given.task(&prepared)).collect();
        let mut told = Told {
            notes: notes.clone(),
            ..Told::default()
        };
        runner.run(&tasks, &mut told);
        let values: Vec<Json> = notes.0.lock().unwrap().values().cloned().collect();
        (reports(told), values)
    };
    let threads = run(&here, &mut *Threads(here.clone()).runner().unwrap());
    let lane = run(&there, &mut *workers.runner().unwrap());
    assert!(
        threads.0[7].contains("recalled: [Recalled"),
        "{:?}",
        threads.0
    );
    assert_eq!(threads.1.len(), 1);
    assert_eq!(threads, lane);
}

/// Values that cannot be read now.
struct Unreadable;

impl Recall for Unreadable {
    fn recall(&self, _key: &str) -> Result<Option<Json>, RecallError> {
        Err(RecallError("the disk is away".into()))
    }
}

/// The run is to be repeated, and is not to blame; its neighbours are made.
#[test]
fn a_run_whose_values_cannot_be_read_is_given_up() {
    let workers = workers(workers_config());
    let (here, there) = (
        Sandbox::new(config(), None).unwrap(),
        sandbox_with(&workers),
    );
    let component = built("three-strikes");
    let run = |sandbox: &Sandbox, runner: &mut dyn ringfence_sandbox::Runner| {
        let prepared = prepare(sandbox, &component);
        let spam = r#"{"from": "a@b.org", "spam": true}"#;
        let mut given = [0, 1, 2].map(|number| Given::new(number, "message.received", spam));
        given[1].recall = Arc::new(Unreadable);
        let tasks: Vec<_> = given.iter().map(|given| given.task(&prepared)).collect();
        let mut told = Told::default();
        runner.run(&tasks, &mut told);
        let results = told.results.into_iter();
        results
            .map(|result| result.map(comparable))
            .collect::<Vec<_>>()
    };
    let threads = run(&here, &mut *Threads(here.clone()).runner().unwrap());
    let lane = run(&there, &mut *workers.runner().unwrap());
    let error = RecallError("the disk is away".into());
    assert_eq!(lane[1], Err(RunError::Recall(error)));
    assert!(lane[0].is_ok() && lane[2].is_ok(), "{lane:?}");
    assert_eq!(threads, lane);
}

#[test]
fn one_lane_runs_more_rules_than_it_holds() {
    let mut config = workers_config();
    config.code_bytes_max = 1;
    let workers = workers(config);
    let there = sandbox_with(&workers);
    let rules = ["escalate-urgent", "without-sdk", "countdown"];
    let rules = rules.map(|name| prepare(&there, &built(name)));
    let given: Vec<_> = (0..9)
        .map(|number| Given::new(number, "conversation.created", r#"{"priority": "urgent"}"#))
        .collect();
    let tasks = given.iter().enumerate();
    let tasks: Vec<_> = tasks
        .map(|(at, given)| given.task(&rules[at % 3]))
        .collect();
    let mut told = Told::default();
    workers.runner().unwrap().run(&tasks, &mut told);
    let reports = reports(told);
    assert_eq!(reports.len(), 9);
}
