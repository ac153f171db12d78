//! The store beside a simple model of it, on random histories.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;
use ringfence_model::{
    Effect, EffectId, Entry, Event, EventId, ExecutionId, Json, Ledger, Lineage, Origin, Recalled,
    Stop, StopCode,
};
use ringfence_store::{
    Accepted, Append, Catalog, CommitOutcome, Completion, Counts, DeadLetterFilter, EventState,
    ExecutionFilter, FollowUp, Journal, Log, RunCommit, Sqlite,
};

use crate::records::{commit, event, execution, rule, tenant, tenant_id, version};

const RULES: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 2] = ["k1", "k2"];
const STATE_BYTES_MAX: u64 = 12;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u8>),
    Commit(Run),
    Acknowledge(usize),
    Prune(u64),
    /// So much of another tenant that what is in the log is listed.
    Others,
    Reopen,
}

/// Events of another tenant, and runs on them: more than is listed at once.
const OTHERS: u64 = 300;

#[derive(Debug, Clone)]
struct Run {
    event: prop::sample::Index,
    rule: usize,
    is_stopped: bool,
    /// Which key it recalled, and whether rightly.
    recalled: Option<(usize, bool)>,
    remember: Vec<(usize, Option<u16>)>,
    /// Whether each follow-up is given up.
    follow_ups: Vec<bool>,
    is_last: bool,
}

fn run() -> impl Strategy<Value = Run> {
    (
        any::<prop::sample::Index>(),
        0..RULES.len(),
        prop::bool::weighted(0.2),
        prop::option::of((0..KEYS.len(), prop::bool::weighted(0.8))),
        prop::collection::vec((0..KEYS.len(), prop::option::of(0..20_000_u16)), 0..3),
        prop::collection::vec(prop::bool::weighted(0.3), 0..3),
        prop::bool::weighted(0.6),
    )
        .prop_map(
            |(event, rule, is_stopped, recalled, remember, follow_ups, is_last)| Run {
                event,
                rule,
                is_stopped,
                recalled,
                remember,
                follow_ups,
                is_last,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0..30_u8, 0..5).prop_map(Step::Append),
        10 => run().prop_map(Step::Commit),
        1 => (0..5_usize).prop_map(Step::Acknowledge),
        1 => (0..10_u64).prop_map(Step::Prune),
        2 => Just(Step::Others),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone)]
struct Row {
    accepted: Accepted,
    state: EventState,
    done_us: u64,
    decided: Vec<usize>,
    dead: bool,
}

/// What the store is to hold, in the plainest form.
#[derive(Default)]
struct Model {
    /// As times for what is finished.
    now: u64,
    next_seq: u64,
    log: Vec<Row>,
    pruned: Vec<EventId>,
    executions: Vec<(EventId, ExecutionId)>,
    letters: Vec<(EventId, Option<usize>)>,
    outbox: Vec<String>,
    state: BTreeMap<(usize, usize), String>,
    ledgers: BTreeMap<EventId, Ledger>,
}

impl Model {
    fn append(&mut self, event: Event, given_up_us: Option<u64>) -> Append {
        if self.log.iter().any(|row| row.accepted.event.id == event.id) {
            return Append::Duplicate;
        }
        self.next_seq += 1;
        let is_given_up = given_up_us.is_some();
        if is_given_up {
            self.letters.push((event.id, None));
        }
        let event = Arc::new(event);
        self.log.push(Row {
            accepted: Accepted {
                ledger: Ledger::default(),
                seq: self.next_seq,
                event,
            },
            state: if is_given_up {
                EventState::DeadLettered
            } else {
                EventState::Waiting
            },
            done_us: given_up_us.unwrap_or(0),
            decided: Vec::new(),
            dead: is_given_up,
        });
        Append::Accepted
    }

    fn bytes(&self, rule: usize) -> u64 {
        let of_rule = self.state.iter().filter(|((of, _), _)| *of == rule);
        of_rule
            .map(|((_, key), value)| (KEYS[*key].len() + value.len()) as u64)
            .sum()
    }

    /// The commit to send, made of what the model knows.
    fn commit_of(&self, run: &Run, index: usize) -> RunCommit {
        let row = &self.log[index];
        let event = &row.accepted.event;
        let mut record = execution(event, &rule(RULES[run.rule]), run.is_stopped);
        if let Some((key, is_right)) = run.recalled {
            let value = self
                .state
                .get(&(run.rule, key))
                .map(|text| Json::trusted(text.as_str()));
            record.recalled = vec![Recalled {
                key: KEYS[key].into(),
                value: if is_right {
                    value
                } else {
                    Some(Json::trusted("false"))
                },
            }];
        }
        let mut sent = commit(&row.accepted, record);
        for (key, value) in &run.remember {
            let entry = Effect::Remember(Entry {
                key: KEYS[*key].into(),
                value: value.map(|number| Json::trusted(number.to_string())),
            });
            sent.effects.push((EffectId::from_bytes([0; 16]), entry));
        }
        let follow_up = |(index, stop): (u32, &bool)| FollowUp {
            event: Arc::new(follow_up(event, run.rule, index)),
            stop: stop.then(|| Stop::new(StopCode::CascadeEvents, "No.")),
        };
        sent.follow_ups = (0..).zip(&run.follow_ups).map(follow_up).collect();
        sent.draw.depth = u64::from(event.lineage.depth);
        sent.state_bytes_max = STATE_BYTES_MAX;
        sent.completion = run.is_last.then_some(Completion { done_us: self.now });
        sent
    }

    fn commit(&mut self, run: &Run, index: usize, sent: &RunCommit) -> CommitOutcome {
        let row = &self.log[index];
        if row.state != EventState::Waiting || row.decided.contains(&run.rule) {
            return CommitOutcome::Repeated;
        }
        if let Some((key, false)) = run.recalled {
            let key = KEYS[key].into();
            return CommitOutcome::Conflict { key };
        }
        let before = (self.state.clone(), self.bytes(run.rule));
        for (key, value) in &run.remember {
            match value {
                Some(value) => self.state.insert((run.rule, *key), value.to_string()),
                None => self.state.remove(&(run.rule, *key)),
            };
        }
        let bytes = self.bytes(run.rule);
        if bytes > STATE_BYTES_MAX && bytes > before.1 {
            self.state = before.0;
            return CommitOutcome::StateTooLarge { bytes };
        }
        let event = sent.event.clone();
        self.executions
            .push((event.id, sent.execution.as_ref().unwrap().id));
        self.outbox.push(RULES[run.rule].into());
        // Without a completion, when the run began.
        let since_us = sent.completion.map_or(2, |completion| completion.done_us);
        for follow_up in &sent.follow_ups {
            let given_up_us = follow_up.stop.is_some().then_some(since_us);
            self.append((*follow_up.event).clone(), given_up_us);
        }
        if run.is_stopped {
            self.letters.push((event.id, Some(run.rule)));
        }
        let ledger = self.ledgers.entry(event.lineage.cascade).or_default();
        *ledger = ledger.after(&sent.draw);
        let row = &mut self.log[index];
        row.decided.push(run.rule);
        row.dead |= run.is_stopped;
        if run.is_last {
            row.done_us = self.now;
            row.state = if row.dead {
                EventState::DeadLettered
            } else {
                EventState::Done
            };
        }
        CommitOutcome::Committed
    }

    fn prune(&mut self, before_us: u64) -> u64 {
        let is_old = |row: &Row| row.state != EventState::Waiting && row.done_us < before_us;
        let old: Vec<EventId> = self
            .log
            .iter()
            .filter(|row| is_old(row))
            .map(|row| row.accepted.event.id)
            .collect();
        self.log.retain(|row| !is_old(row));
        self.executions.retain(|(event, _)| !old.contains(event));
        self.letters.retain(|(event, _)| !old.contains(event));
        let log = &self.log;
        self.ledgers.retain(|cascade, _| {
            log.iter()
                .any(|row| row.accepted.event.lineage.cascade == *cascade)
        });
        self.pruned.extend(&old);
        old.len() as u64
    }
}

fn follow_up(parent: &Event, of: usize, index: u32) -> Event {
    let rule = rule(RULES[of]);
    let run = ExecutionId::of(parent, &rule, version());
    let id = EventId::follow_up(run, index);
    Event {
        id,
        ce_id: id.to_string(),
        ancestry: parent.ancestry.with(index),
        lineage: Lineage {
            cascade: parent.lineage.cascade,
            depth: parent.lineage.depth + 1,
            parent: Some(run),
            origin: Origin::Emitted,
        },
        ..parent.clone()
    }
}

/// Which action had which place in the outbox. Places are not given out twice,
/// also if the last one was removed: who asks for what is after one would miss it.
#[derive(Default)]
struct Places(BTreeMap<u64, EffectId>);

impl Places {
    fn look(&mut self, seen: impl Iterator<Item = (u64, EffectId)>) {
        for (place, id) in seen {
            let before = *self.0.entry(place).or_insert(id);
            assert_eq!(before, id, "{place} was given out twice");
        }
    }
}

/// The store and what its feed was told, over restarts.
struct Subject {
    store: Sqlite,
    fed: Arc<Mutex<Vec<u64>>>,
    places: Arc<Mutex<Places>>,
}

impl Subject {
    fn open(path: &Path, fed: Arc<Mutex<Vec<u64>>>, places: Arc<Mutex<Places>>) -> Self {
        let store = Sqlite::open(path).unwrap();
        let notes = fed.clone();
        store.attach(Box::new(move |events| {
            notes.lock().extend(events.iter().map(|one| one.seq));
        }));
        Self { store, fed, places }
    }

    async fn step(&self, model: &mut Model, step: &Step) {
        let t = tenant_id("t");
        model.now += 1;
        match step {
            Step::Append(names) => {
                let events = names.iter().map(|name| event("t", &name.to_string()));
                // An id that was pruned is new again, but a cascade of it may
                // go on: what its ledger is then, is not promised.
                let events: Vec<_> = events
                    .filter(|event| !model.pruned.contains(&event.id))
                    .collect();
                let answers = self.store.append(events.clone()).await.unwrap();
                let expected: Vec<_> = events
                    .into_iter()
                    .map(|event| model.append(event, None))
                    .collect();
                assert_eq!(answers, expected);
            }
            Step::Commit(run) if !model.log.is_empty() => {
                let index = run.event.index(model.log.len());
                let sent = model.commit_of(run, index);
                let outcomes = self.store.commit(vec![sent.clone()]).await.unwrap();
                assert_eq!(outcomes, [model.commit(run, index, &sent)]);
            }
            Step::Acknowledge(count) => {
                let read = self.store.outgoing(&t, 0, 1000).await.unwrap().items;
                let up_to = count.checked_sub(1).and_then(|last| read.get(last));
                let count = if up_to.is_some() { *count } else { 0 };
                let up_to = up_to.map_or(0, |one| one.seq);
                assert_eq!(
                    self.store.acknowledge(&t, up_to).await.unwrap(),
                    count as u64
                );
                model.outbox.drain(..count);
            }
            Step::Prune(age) => {
                let before_us = model.now.saturating_sub(*age);
                let removed = self.store.prune(before_us, u32::MAX).await.unwrap();
                assert_eq!(removed, model.prune(before_us));
            }
            Step::Others => {
                let first = model.next_seq + 1;
                model.next_seq += OTHERS;
                self.others(first).await;
            }
            Step::Commit(_) | Step::Reopen => {}
        }
    }

    async fn others(&self, first: u64) {
        let events = (first..first + OTHERS).map(|seq| event("u", &seq.to_string()));
        let events: Vec<_> = events.collect();
        self.store.append(events.clone()).await.unwrap();
        let run = |(seq, event): (u64, Event)| RunCommit {
            completion: None,
            ..commit(
                &Accepted {
                    seq,
                    ledger: Ledger::default(),
                    event: Arc::new(event.clone()),
                },
                execution(&event, &rule("a"), false),
            )
        };
        let commits = (first..).zip(events).map(run).collect();
        let outcomes = self.store.commit(commits).await.unwrap();
        assert!(outcomes.iter().all(|one| *one == CommitOutcome::Committed));
    }

    async fn compare(&self, model: &Model) {
        let (store, t) = (&self.store, tenant_id("t"));
        let in_state = |state| model.log.iter().filter(move |row| row.state == state);
        let count = |state| in_state(state).count() as u64;
        let expected = Counts {
            waiting: count(EventState::Waiting),
            done: count(EventState::Done),
            dead_lettered: count(EventState::DeadLettered),
        };
        assert_eq!(store.counts(&t).await.unwrap(), expected);
        let waiting = store.pending(&t, 0, u32::MAX, u64::MAX).await.unwrap();
        let ledger = |event: &Event| {
            model
                .ledgers
                .get(&event.lineage.cascade)
                .copied()
                .unwrap_or_default()
        };
        assert_eq!(waiting.len() as u64, expected.waiting);
        for (read, row) in waiting.iter().zip(in_state(EventState::Waiting)) {
            assert_eq!(
                (read.seq, &read.event),
                (row.accepted.seq, &row.accepted.event)
            );
            assert_eq!(read.ledger, ledger(&read.event));
            assert_eq!(read.decided.len(), row.decided.len());
        }
        let bytes: u64 = in_state(EventState::Waiting)
            .map(|row| row.accepted.event.size())
            .sum();
        let backlog = store.backlog().await.unwrap();
        let of_t = backlog.iter().find(|one| one.tenant == t);
        assert_eq!(of_t.map_or(0, |one| one.bytes), bytes);
        for row in &model.log {
            let record = store
                .event(&t, row.accepted.event.id)
                .await
                .unwrap()
                .unwrap();
            assert_eq!((record.seq, record.state), (row.accepted.seq, row.state));
            let decided: Vec<_> = record
                .decisions
                .iter()
                .map(|one| one.rule.to_string())
                .collect();
            let expected: Vec<_> = row.decided.iter().map(|index| RULES[*index]).collect();
            assert_eq!(decided, expected);
        }
        for event in &model.pruned {
            assert!(store.event(&t, *event).await.unwrap().is_none());
        }
        self.compare_lists(model).await;
    }

    async fn compare_lists(&self, model: &Model) {
        let (store, t) = (&self.store, tenant_id("t"));
        let filter = ExecutionFilter::default();
        let runs = store
            .executions(&t, &filter, None, 1000)
            .await
            .unwrap()
            .items;
        assert!(
            runs.iter()
                .map(|run| run.id)
                .eq(model.executions.iter().rev().map(|one| one.1))
        );
        let mut of_rules = 0;
        for name in RULES {
            let filter = ExecutionFilter {
                rule: Some(rule(name)),
                ..ExecutionFilter::default()
            };
            let page = store.executions(&t, &filter, None, 1000).await.unwrap();
            let ids: Vec<_> = page.items.iter().map(|run| run.id).collect();
            let same = runs.iter().filter(|run| run.rule == rule(name));
            assert!(same.map(|run| run.id).eq(ids.iter().copied()));
            of_rules += ids.len();
        }
        assert_eq!(of_rules, runs.len());
        let filter = DeadLetterFilter::default();
        let letters = store
            .dead_letters(&t, &filter, None, 1000)
            .await
            .unwrap()
            .items;
        let letters = letters
            .iter()
            .map(|one| (one.event, one.rule.as_ref().map(ToString::to_string)));
        let expected = model.letters.iter().rev();
        let name = |rule: &Option<usize>| rule.map(|index| RULES[index].to_owned());
        assert!(letters.eq(expected.map(|(event, rule)| (*event, name(rule)))));
        let outbox = store.outgoing(&t, 0, 1000).await.unwrap().items;
        assert!(outbox.iter().map(|one| &one.action.name).eq(&model.outbox));
        self.places
            .lock()
            .look(outbox.iter().map(|one| (one.seq, one.id)));
        for (of, name) in RULES.iter().enumerate() {
            for (key, text) in KEYS.iter().enumerate() {
                let value = store.recall(&t, &rule(name), text).unwrap();
                let expected = model.state.get(&(of, key)).map(String::as_str);
                assert_eq!(value.as_ref().map(Json::as_str), expected);
            }
        }
        for (cascade, ledger) in &model.ledgers {
            assert_eq!(store.ledger(&t, *cascade).await.unwrap(), *ledger);
        }
    }
}

async fn replay(steps: &[Step]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut model = Model::default();
    let mut subject = Subject::open(&path, Arc::default(), Arc::default());
    for name in ["t", "u"] {
        subject.store.put_tenant(tenant(name)).await.unwrap();
    }
    for step in steps {
        if matches!(step, Step::Reopen) {
            let (fed, places) = (subject.fed.clone(), subject.places.clone());
            drop(subject);
            subject = Subject::open(&path, fed, places);
        }
        subject.step(&mut model, step).await;
        subject.compare(&model).await;
    }
    let fed = subject.fed.lock().clone();
    assert!(
        fed.is_sorted_by(|a, b| a < b),
        "the feed is in order over restarts"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_does_what_the_model_does(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(replay(&steps));
    }
}
