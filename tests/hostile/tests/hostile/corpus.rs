//! Every attack ends as it must, and a calm rule beside it notices nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;

use ringfence_hostile::{Attack, Stage, corpus};
use ringfence_sandbox::Prepared;

/// Runs of each attack on each thread.
const ROUNDS: usize = 3;

#[test]
fn the_corpus_is_whole() {
    let corpus = corpus();
    let names: BTreeSet<_> = corpus.iter().map(|attack| &attack.name).collect();
    assert_eq!(names.len(), corpus.len(), "two attacks have one name");
    assert!(corpus.len() >= 60, "only {} attacks", corpus.len());
}

/// What went wrong first with each, on both threads.
#[derive(Default)]
struct Faults(Mutex<BTreeMap<String, String>>);

impl Faults {
    fn note(&self, name: &str, judged: Result<(), String>) {
        if let Err(fault) = judged {
            let mut faults = self.0.lock().unwrap();
            faults.entry(name.to_owned()).or_insert(fault);
        }
    }

    fn check(self) {
        let faults = self.0.into_inner().unwrap();
        let faults: Vec<_> = faults
            .iter()
            .map(|(name, fault)| format!("{name}: {fault}"))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// On each core an attacker and a calm rule take turns; the attackers go
/// through the corpus in opposite orders, so that all sorts meet.
#[test]
fn every_attack_ends_as_it_must_and_nobody_notices() {
    let corpus = corpus();
    let stage = Stage::new(2);
    let calm = stage.calm();
    let faults = Faults::default();

    let halves: Vec<Vec<_>> = corpus
        .chunks(corpus.len().div_ceil(2))
        .map(|half| half.iter().collect())
        .collect();
    let upload = |half: &[&Attack]| -> Vec<Option<Prepared>> {
        let upload = |(turn, attack): (usize, &&Attack)| {
            let uploaded = stage.upload(&attack.upload, &attack.limits);
            faults.note(&attack.name, attack.judge_upload(&uploaded));
            faults.note("calm", calm.turn(&stage, turn));
            uploaded.ok()
        };
        half.iter().enumerate().map(upload).collect()
    };
    let prepared: Vec<_> = thread::scope(|scope| {
        let threads = halves.iter().map(|half| scope.spawn(|| upload(half)));
        let threads: Vec<_> = threads.collect();
        let halves = threads.into_iter().map(|thread| thread.join().unwrap());
        halves.flatten().collect()
    });

    let ready = corpus.iter().zip(&prepared);
    let ready = ready.filter_map(|(attack, prepared)| Some((attack, prepared.as_ref()?)));
    let forth: Vec<_> = ready.collect();
    let back: Vec<_> = forth.iter().rev().copied().collect();
    thread::scope(|scope| {
        for order in [&forth, &back] {
            scope.spawn(|| {
                for turn in 0..ROUNDS * order.len() {
                    let (attack, prepared) = order[turn % order.len()];
                    let report = stage.attack(attack, prepared);
                    faults.note(&attack.name, attack.judge_run(&report));
                    faults.note("calm", calm.turn(&stage, turn));
                }
            });
        }
    });
    faults.check();
}
