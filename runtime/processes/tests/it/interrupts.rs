//! Runs that are ended from another thread.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ringfence_model::Limits;
use ringfence_sandbox::{Interrupter, Prepared, RunError, Runner, Runners, Sandbox, Threads};

use crate::world::{Given, Told, built, config, prepare, sandbox_with, workers, workers_config};

/// A run that ends by nothing else.
fn endless(number: usize) -> Given {
    let mut given = Given::new(number, "conversation.created", r#"{"priority": "urgent"}"#);
    given.limits = Limits {
        fuel: 1_000_000_000_000,
        deadline_ms: 30_000,
        ..given.limits
    };
    given
}

/// Both places where rules run: their runner, and the code of guests for it.
fn places() -> Vec<(&'static str, Box<dyn Runner>, Prepared, Prepared)> {
    let workers = workers(workers_config());
    let apart = sandbox_with(&workers);
    let here = Sandbox::new(config(), None).unwrap();
    let of = |sandbox: &Sandbox| {
        let guest = |name| prepare(sandbox, &built(name));
        (guest("escalate-urgent"), guest("infinite-loop"))
    };
    let (calm, wild) = of(&apart);
    let in_workers = workers.runner().unwrap();
    let (calm_here, wild_here) = of(&here);
    let on_threads = Threads(here).runner().unwrap();
    vec![
        ("worker process", in_workers, calm, wild),
        ("thread", on_threads, calm_here, wild_here),
    ]
}

/// The run that is ended is told as such, and nobody else's is touched: neither
/// those before nor those after it, nor the next batch.
#[test]
fn one_run_of_a_batch_is_ended() {
    for (place, mut runner, calm, wild) in places() {
        let given: Vec<_> = (0..6).map(endless).collect();
        let tasks = given.iter().enumerate();
        let is_wild = |at: usize| at == 2;
        let tasks: Vec<_> = tasks
            .map(|(at, given)| given.task(if is_wild(at) { &wild } else { &calm }))
            .collect();
        let interrupter = runner.interrupter();
        for _ in 0..3 {
            interrupter.begin();
            let ends = Arc::clone(&interrupter);
            let mut told = Told {
                after: Some(Box::new(move |at| {
                    if at == 1 {
                        // It is told by the time that the next runs.
                        let ends = Arc::clone(&ends);
                        thread::spawn(move || {
                            thread::sleep(Duration::from_millis(20));
                            ends.interrupt(2);
                        });
                    }
                })),
                ..Told::default()
            };
            runner.run(&tasks, &mut told);
            for (at, result) in told.results.into_iter().enumerate() {
                match result {
                    Ok(report) => assert!(report.outcome.is_ok() && !is_wild(at), "{place}"),
                    Err(RunError::Interrupted { fuel }) => {
                        assert!(is_wild(at) && fuel > 0, "{place} {at}");
                    }
                    Err(error) => panic!("{place} {at}: {error:?}"),
                }
            }
        }
    }
}

/// What has not begun is not begun, and what was asked for is forgotten with
/// its batch.
#[test]
fn runs_that_were_not_begun_are_not() {
    for (place, mut runner, calm, _) in places() {
        let given: Vec<_> = (0..3).map(endless).collect();
        let tasks: Vec<_> = given.iter().map(|given| given.task(&calm)).collect();
        let interrupter = runner.interrupter();
        interrupter.begin();
        interrupter.interrupt(0);
        interrupter.interrupt(2);
        let mut told = Told::default();
        runner.run(&tasks, &mut told);
        let unwanted = |at: usize| told.results[at].as_ref().err() == Some(&RunError::Unwanted);
        assert!(
            unwanted(0) && told.results[1].is_ok() && unwanted(2),
            "{place}"
        );
        interrupter.begin();
        let mut told = Told::default();
        runner.run(&tasks, &mut told);
        assert!(told.results.iter().all(Result::is_ok), "{place}");
    }
}

/// A worker whose run does not end is ended itself; the others' runs are made
/// by the next.
#[test]
fn a_worker_that_does_not_listen_is_ended() {
    let workers = workers(workers_config());
    let sandbox = sandbox_with(&workers);
    let (calm, wild) = (
        prepare(&sandbox, &built("escalate-urgent")),
        prepare(&sandbox, &built("infinite-loop")),
    );
    let mut runner = workers.runner().unwrap();
    let interrupter = runner.interrupter();
    let given: Vec<_> = (0..3).map(endless).collect();
    let tasks = [
        given[0].task(&calm),
        given[1].task(&wild),
        given[2].task(&calm),
    ];
    interrupter.begin();
    let ends: Arc<dyn Interrupter> = Arc::clone(&interrupter);
    let mut told = Told {
        after: Some(Box::new(move |at| {
            if at == 0 {
                // As if it had been asked to, and had not.
                ends.force();
                ends.interrupt(1);
            }
        })),
        ..Told::default()
    };
    runner.run(&tasks, &mut told);
    assert!(told.results[0].is_ok() && told.results[2].is_ok());
    let ended = told.results[1].as_ref().unwrap_err();
    assert!(
        matches!(ended, RunError::Unwanted | RunError::Interrupted { .. }),
        "{ended:?}"
    );
}

/// How long it takes, which is printed: `--no-capture` shows it.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "measures, and asserts nothing about it"
)]
fn how_long_it_takes_to_end_a_run() {
    for (place, mut runner, _, wild) in places() {
        let given = endless(0);
        let tasks = [given.task(&wild)];
        let interrupter = runner.interrupter();
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..20 {
            interrupter.begin();
            let ends = Arc::clone(&interrupter);
            let asked = thread::spawn(move || {
                thread::sleep(Duration::from_millis(15));
                let asked = Instant::now();
                ends.interrupt(0);
                asked
            });
            let mut told = Told::default();
            runner.run(&tasks, &mut told);
            let ended = Instant::now();
            assert!(matches!(
                told.results[0],
                Err(RunError::Interrupted { .. } | RunError::Unwanted)
            ));
            took.push(ended.saturating_duration_since(asked.join().unwrap()));
        }
        took.sort_unstable();
        println!(
            "{place}: from the call to the end of the run: median {:?}, most {:?}",
            took[took.len() / 2],
            took[took.len() - 1]
        );
    }
}
