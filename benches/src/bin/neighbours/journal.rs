//! What the server says of itself: when each event's end was durable, and which
//! workers ended.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use ringfence_model::EventId;
use serde_json::Value;

/// Lines that are kept to be shown when something fails.
const LINES_MAX: usize = 40;
/// What an event's end is logged with; see `docs/configuration.md`.
const DONE: &str = "an event is done";
/// What the end of a worker is logged with.
const WORKER_ENDED: &str = "a worker process ended; another takes its place";

/// When an event was accepted, was ready to be run, taken by a worker and run,
/// and when its end was durable, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) accepted_us: u64,
    pub(crate) ready_us: u64,
    pub(crate) taken_us: u64,
    pub(crate) ran_us: u64,
    pub(crate) durable_us: u64,
}

impl Done {
    /// How long each of these took, in microseconds.
    pub(crate) fn stages_us(&self) -> [u64; 4] {
        let begins = [self.accepted_us, self.ready_us, self.taken_us, self.ran_us];
        let ends = [self.ready_us, self.taken_us, self.ran_us, self.durable_us];
        std::array::from_fn(|stage| ends[stage].saturating_sub(begins[stage]))
    }
}

/// The server's log, as far as it matters.
#[derive(Default)]
pub(crate) struct Journal(Mutex<State>);

#[derive(Default)]
struct State {
    done: HashMap<EventId, Done>,
    workers_ended: u64,
    end: VecDeque<String>,
}

impl Journal {
    /// Takes a line. Of events, those of calm tenants.
    pub(crate) fn add(&self, line: &str) {
        if let Some(done) = read_done(line) {
            if let Some((event, done)) = done {
                self.0.lock().done.insert(event, done);
            }
            return;
        }
        let state = &mut *self.0.lock();
        state.workers_ended += u64::from(line.contains(WORKER_ENDED));
        if state.end.len() == LINES_MAX {
            state.end.pop_front();
        }
        state.end.push_back(line.to_owned());
    }

    pub(crate) fn done(&self, event: EventId) -> Option<Done> {
        self.0.lock().done.get(&event).copied()
    }

    /// How many events were done within this time, from one microsecond since
    /// 1970 to another.
    pub(crate) fn done_within(&self, from_us: u64, to_us: u64) -> usize {
        let state = self.0.lock();
        let times = state.done.values().map(|done| done.durable_us);
        times
            .filter(|at_us| (from_us..to_us).contains(at_us))
            .count()
    }

    pub(crate) fn workers_ended(&self) -> u64 {
        self.0.lock().workers_ended
    }

    /// Its end, without what is said of events.
    pub(crate) fn end(&self) -> String {
        let state = self.0.lock();
        let lines: Vec<&str> = state.end.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}

/// Whether a line says that an event is done; and which, if a calm tenant's.
fn read_done(line: &str) -> Option<Option<(EventId, Done)>> {
    if !line.contains(DONE) {
        return None;
    }
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    if !fields["tenant"].as_str()?.starts_with(crate::calm::NAME) {
        return Some(None);
    }
    let event = fields["event"].as_str()?.parse().ok()?;
    let micros = |name: &str| fields[name].as_u64();
    let done = Done {
        accepted_us: micros("accepted_us")?,
        ready_us: micros("ready_us")?,
        taken_us: micros("taken_us")?,
        ran_us: micros("ran_us")?,
        durable_us: micros("durable_us")?,
    };
    Some(Some((event, done)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-01-01T00:00:00Z","level":"TRACE","fields":{"message":"an event is done","tenant":"calm-3","event":"00112233445566778899aabbccddeeff","accepted_us":1000,"ready_us":1500,"taken_us":2000,"ran_us":2600,"durable_us":3500},"target":"ringfence_engine::committer"}"#;

    #[test]
    fn ends_of_calm_events_are_kept() {
        let journal = Journal::default();
        journal.add(LINE);
        journal.add(&LINE.replace("calm-3", "storm-3").replace("0011", "ff11"));
        let event = "00112233445566778899aabbccddeeff".parse().unwrap();
        let done = journal.done(event).unwrap();
        assert_eq!((done.accepted_us, done.durable_us), (1_000, 3_500));
        assert_eq!(done.stages_us(), [500, 500, 600, 900]);
        assert_eq!(journal.done_within(0, 3_501), 1);
        assert_eq!(journal.done_within(0, 3_500), 0);
        assert_eq!(journal.end(), "");
    }

    #[test]
    fn ends_of_workers_are_counted() {
        let journal = Journal::default();
        journal.add(&format!(r#"{{"fields":{{"message":"{WORKER_ENDED}"}}}}"#));
        journal.add("listening on http://127.0.0.1:1");
        assert_eq!(journal.workers_ended(), 1);
        assert!(journal.end().contains("listening"));
    }
}
