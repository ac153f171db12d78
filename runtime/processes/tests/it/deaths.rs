//! What becomes of runs whose worker dies.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ringfence_model::{Json, Limits};
use ringfence_processes::{ChildCompiler, Program, Workers, WorkersConfig};
use ringfence_sandbox::{
    Prepared, Progress, Recall, RecallError, RunError, RunReport, Runner, Runners as _, UploadError,
};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::world::{Given, Told, binary, built, prepare, sandbox_with, workers_config};

const URGENT: &str = r#"{"priority": "urgent"}"#;

/// Workers that can be told from those of other tests in this process: their
/// program has a name of its own.
struct Own {
    folder: TempDir,
    workers: Arc<Workers>,
}

impl Own {
    fn start(config: WorkersConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("ringfence");
        symlink(binary(), &program).unwrap();
        let workers = Workers::start(Program::at(program), config).unwrap();
        Self {
            folder,
            workers: Arc::new(workers),
        }
    }

    fn prepare(&self, guest: &str) -> Prepared {
        prepare(&sandbox_with(&self.workers), &built(guest))
    }

    fn runner(&self) -> Box<dyn Runner> {
        self.workers.runner().unwrap()
    }

    /// What their command lines begin with.
    fn program(&self) -> String {
        self.folder.path().to_string_lossy().into_owned()
    }

    /// Their ids.
    fn ids(&self) -> Vec<i32> {
        ids_of(&self.program())
    }
}

fn ids_of(program: &str) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| {
            let read = |name| fs::read_to_string(process.path().join(name)).unwrap_or_default();
            // What has ended and was not waited for has no command line.
            read("cmdline").starts_with(program)
        })
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .collect()
}

fn kill(process: i32, signal: Signal) {
    let process = Pid::from_raw(process).expect("a process has an id");
    kill_process(process, signal).expect("the worker can be signalled");
}

/// The runs that a worker held when it was killed are made all the same, and
/// those before are not made again.
#[test]
fn nobody_elses_run_is_lost_or_told_twice() {
    let own = Own::start(workers_config());
    let calm = own.prepare("escalate-urgent");
    // What is before these in a batch is told while they run.
    let slow = own.prepare("infinite-loop");
    let others = own.ids();
    let mut lane = own.runner();
    let worker = own.ids().into_iter().find(|child| !others.contains(child));
    let worker = worker.expect("the lane has a worker");
    let given: Vec<_> = (0..40)
        .map(|number| Given::new(number, "conversation.created", URGENT))
        .collect();
    let is_slow = |number: usize| (4..20).contains(&number);
    let code = |number: usize| if is_slow(number) { &slow } else { &calm };
    let tasks = given.iter().enumerate();
    let tasks: Vec<_> = tasks.map(|(at, given)| given.task(code(at))).collect();
    let mut told = Told {
        after: Some(Box::new(move |index| {
            if index == 3 {
                kill(worker, Signal::ABORT);
            }
        })),
        ..Told::default()
    };
    lane.run(&tasks, &mut told);
    assert_eq!(told.results.len(), 40);
    for (number, result) in told.results.into_iter().enumerate() {
        let outcome = result.unwrap().outcome;
        match is_slow(number) {
            true => assert_eq!(outcome.unwrap_err().code.as_str(), "out-of-fuel"),
            false => assert_eq!(outcome.unwrap().len(), 1),
        }
    }
    assert!(!own.ids().contains(&worker));
}

/// Whoever kills a worker that has nothing to do is no rule.
#[test]
fn a_worker_that_was_idle_is_replaced() {
    let own = Own::start(workers_config());
    let prepared = own.prepare("escalate-urgent");
    let mut lane = own.runner();
    let given = Given::new(0, "conversation.created", URGENT);
    for tended in [true, false] {
        let killed = own.ids();
        for child in &killed {
            kill(*child, Signal::KILL);
        }
        // One that has only just been killed may still look alive.
        while tended && own.ids().iter().all(|child| killed.contains(child)) {
            lane.tend();
        }
        let mut told = Told::default();
        lane.run(&[given.task(&prepared)], &mut told);
        assert!(told.results.remove(0).unwrap().outcome.is_ok());
    }
    // An upload is described by another.
    own.prepare("escalate-urgent");
}

/// A worker that does nothing any more is ended, and its run made elsewhere.
#[test]
fn a_worker_that_hangs_is_replaced() {
    let own = Own::start(workers_config());
    let prepared = own.prepare("escalate-urgent");
    let others = own.ids();
    let mut lane = own.runner();
    let mut given = Given::new(0, "conversation.created", URGENT);
    given.limits.deadline_ms = 250;
    for child in own.ids() {
        if !others.contains(&child) {
            kill(child, Signal::STOP);
        }
    }
    let mut told = Told::default();
    lane.run(&[given.task(&prepared)], &mut told);
    assert!(told.results.remove(0).unwrap().outcome.is_ok());
}

/// A mistake of ours between a worker and its answers: what is said next is not
/// taken for the answer to what was asked before.
#[test]
fn a_lane_whose_thread_panicked_starts_anew() {
    let own = Own::start(workers_config());
    let calm = own.prepare("escalate-urgent");
    let slow = own.prepare("infinite-loop");
    let mut lane = own.runner();
    let given = [0, 1, 2].map(|number| Given::new(number, "conversation.created", URGENT));
    let tasks = [
        given[0].task(&calm),
        given[1].task(&slow),
        given[2].task(&slow),
    ];
    let mut panicking = Told {
        after: Some(Box::new(|_| panic!("on purpose"))),
        ..Told::default()
    };
    let run = || lane.run(&tasks, &mut panicking);
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    let mut told = Told::default();
    lane.run(&tasks[..1], &mut told);
    assert_eq!(told.results.remove(0).unwrap().outcome.unwrap().len(), 1);
}

/// What is started has to be a worker.
#[test]
fn what_does_not_speak_like_a_worker_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (script, says) in [
        (
            "echo no such kind >&2; exit 3",
            "exit status: 3, after: no such kind",
        ),
        ("exec cat", "an answer of a kind that is not known"),
        ("cat /dev/zero; exit 1", "an empty message"),
        (
            "printf '\\377\\377\\377\\377' >&0; exec sleep 60",
            "is too long",
        ),
    ] {
        let path = folder.path().join("program");
        fs::write(&path, format!("#!/bin/sh\nexec >&0\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let error = Workers::start(Program::at(&path), workers_config());
        let error = error.err().expect("it is no worker").to_string();
        assert!(error.contains(says), "{script}: {error}");
    }
}

/// A run that needs more memory than a worker has ends it; the second time
/// alone, and then it is to blame. Its neighbours are not.
#[test]
fn a_run_that_kills_two_workers_is_to_blame_alone() {
    let mut config = workers_config();
    config.headroom_bytes = 6 << 20;
    config.code_bytes_max = 1 << 20;
    let own = Own::start(config);
    let prepared = own.prepare("escalate-urgent");
    let mut given: Vec<_> = (0..5)
        .map(|number| Given::new(number, "conversation.created", URGENT))
        .collect();
    let text = "x".repeat(16 << 20);
    given[2] = Given::new(
        2,
        "conversation.created",
        &format!("{{\"text\": \"{text}\"}}"),
    );
    let tasks: Vec<_> = given.iter().map(|given| given.task(&prepared)).collect();
    let mut told = Told::default();
    own.runner().run(&tasks, &mut told);
    assert_eq!(told.results.len(), 5);
    for (at, result) in told.results.iter().enumerate() {
        match result {
            Err(RunError::Crashed(crash)) if at == 2 => {
                let stop = crash.stop();
                assert_eq!(stop.code.as_str(), "crashed-worker");
                assert!(stop.message.contains("memory allocation of"), "{stop:?}");
                assert!(stop.message.contains("signal: 6"), "{stop:?}");
            }
            Ok(report) if at != 2 => assert!(report.outcome.is_ok(), "{report:?}"),
            other => panic!("{at}: {other:?}"),
        }
    }
}

/// A server may have been given descriptors by whoever started it. Its workers
/// have none of them, and no capability.
#[test]
fn a_worker_keeps_nothing_that_its_server_inherited() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let inherited = rustix::fs::open(secret.path(), OFlags::RDONLY, Mode::empty()).unwrap();
    let own = Own::start(workers_config());
    drop(inherited);
    let ids = own.ids();
    assert_eq!(ids.len(), 1);
    for descriptor in fs::read_dir(format!("/proc/{}/fd", ids[0])).unwrap() {
        let target = fs::read_link(descriptor.unwrap().path()).unwrap();
        assert_ne!(target, secret.path());
    }
    let status = fs::read_to_string(format!("/proc/{}/status", ids[0])).unwrap();
    assert!(status.contains("\nCapEff:\t0000000000000000\n"), "{status}");
    assert!(status.contains("\nCapPrm:\t0000000000000000\n"), "{status}");
}

/// What ends a server ends its workers with the channel, not amid their work.
#[test]
fn workers_do_not_end_by_what_asks_their_server_to() {
    let own = Own::start(workers_config());
    let prepared = own.prepare("escalate-urgent");
    let mut lane = own.runner();
    let before = own.ids();
    for child in &before {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            kill(*child, signal);
        }
    }
    let given = Given::new(0, "conversation.created", URGENT);
    let mut told = Told::default();
    lane.run(&[given.task(&prepared)], &mut told);
    assert!(told.results.remove(0).unwrap().outcome.is_ok());
    // An upload is described by another.
    own.prepare("escalate-urgent");
    assert_eq!(own.ids(), before);
}

/// Ends the workers of a lane, some times, while a run waits for a remembered
/// value.
struct Deadly {
    /// The processes that are to live.
    others: Vec<i32>,
    program: String,
    signal: Signal,
    times: AtomicU32,
}

impl Deadly {
    fn new(own: &Own, others: &[i32], signal: Signal, times: u32) -> Arc<Self> {
        Arc::new(Self {
            others: others.to_vec(),
            program: own.program(),
            signal,
            times: AtomicU32::new(times),
        })
    }
}

impl Recall for Deadly {
    fn recall(&self, _key: &str) -> Result<Option<Json>, RecallError> {
        let less = |times: u32| times.checked_sub(1);
        let order = Ordering::SeqCst;
        if self.times.fetch_update(order, order, less).is_ok() {
            let workers = ids_of(&self.program);
            let workers = workers.iter().filter(|id| !self.others.contains(id));
            workers.for_each(|worker| kill(*worker, self.signal));
        }
        Ok(None)
    }
}

/// Runs that recall, of which one has its worker killed so often.
fn deadly_runs(at: usize, signal: Signal, times: u32) -> Vec<Result<(), RunError>> {
    let own = Own::start(workers_config());
    let prepared = own.prepare("three-strikes");
    let others = own.ids();
    let spam = r#"{"from": "a@b.org", "spam": true}"#;
    let mut given: Vec<_> = (0..4)
        .map(|number| Given::new(number, "message.received", spam))
        .collect();
    given[at].recall = Deadly::new(&own, &others, signal, times);
    // The worker of the whole batch ends with the first.
    if at > 0 {
        given[0].recall = Deadly::new(&own, &others, Signal::ABORT, 1);
    }
    let tasks: Vec<_> = given.iter().map(|given| given.task(&prepared)).collect();
    let mut told = Told::default();
    own.runner().run(&tasks, &mut told);
    let results = told.results.into_iter();
    let results = results.map(|result| result.map(|report| assert!(report.outcome.is_ok())));
    results.collect()
}

/// A worker that ran something else before it died says nothing about the run
/// that it died with: what it ran before may have broken it.
#[test]
fn who_is_not_alone_is_not_blamed() {
    assert_eq!(deadly_runs(2, Signal::ABORT, 1), [const { Ok(()) }; 4]);
    let blamed = deadly_runs(2, Signal::ABORT, 2);
    assert!(
        matches!(&blamed[2], Err(RunError::Crashed(_))),
        "{blamed:?}"
    );
    assert_eq!(blamed.iter().filter(|result| result.is_ok()).count(), 3);
}

/// A signal that somebody sends is no fault of the run, but it must not end
/// workers for ever.
#[test]
fn who_was_killed_is_not_blamed_at_once() {
    assert_eq!(deadly_runs(0, Signal::KILL, 5), [const { Ok(()) }; 4]);
    let blamed = deadly_runs(0, Signal::KILL, 6);
    let Err(RunError::Crashed(crash)) = &blamed[0] else {
        panic!("{blamed:?}");
    };
    let message = crash.stop().message;
    assert!(message.contains("short of memory"), "{message}");
    assert_eq!(blamed.iter().filter(|result| result.is_ok()).count(), 3);
}

/// Who answers a little at a time does not get more time for it.
#[test]
fn a_child_that_drips_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    let script = "printf '\\0\\0\\1\\0' >&0; while printf x >&0; do sleep 0.1; done";
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let limits = Limits {
        compile_ms: 1,
        ..Limits::default()
    };
    let compiler = ChildCompiler::new(Program::at(&path));
    let (built, _) = compiler.build_measured(b"", &limits);
    assert!(
        matches!(built, Err(UploadError::CompileLimit { limit: 1, .. })),
        "{built:?}"
    );
}

/// A worker that nobody uses is not left as a zombie.
#[test]
fn a_worker_that_nobody_uses_is_looked_after() {
    let own = Own::start(workers_config());
    let aside = own.ids();
    let mut lane = own.runner();
    for worker in &aside {
        kill(*worker, Signal::KILL);
        while fs::exists(format!("/proc/{worker}")).unwrap() {
            lane.tend();
        }
    }
    assert_eq!(aside.len(), 1);
}

/// Ends the worker when the first run is told, and wants no other.
struct OnlyTheFirst {
    worker: i32,
    results: Vec<Result<RunReport, RunError>>,
}

impl Progress for OnlyTheFirst {
    fn ended(&mut self, index: usize, result: Result<RunReport, RunError>) {
        self.results.push(result);
        if index == 0 {
            kill(self.worker, Signal::ABORT);
        }
    }

    fn is_wanted(&mut self, _index: usize) -> bool {
        false
    }
}

/// What a run left is told while the next of its batch runs on.
#[test]
fn a_calm_run_does_not_wait_for_a_wild_one() {
    let own = Own::start(workers_config());
    let calm = own.prepare("escalate-urgent");
    let wild = own.prepare("infinite-loop");
    let others = own.ids();
    let mut lane = own.runner();
    let worker = own.ids().into_iter().find(|child| !others.contains(child));
    let mut given = [0, 1].map(|number| Given::new(number, "conversation.created", URGENT));
    given[1].limits.fuel = u64::MAX / 4;
    given[1].limits.deadline_ms = 30_000;
    let tasks = [given[0].task(&calm), given[1].task(&wild)];
    let mut first = OnlyTheFirst {
        worker: worker.expect("the lane has a worker"),
        results: Vec::new(),
    };
    lane.run(&tasks, &mut first);
    assert!(first.results[0].is_ok());
    assert!(matches!(first.results[1], Err(RunError::Unwanted)));
}
