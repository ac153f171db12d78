//! Runs and their results as bytes, for a channel between two processes of
//! the same binary. Compact, and read without copying texts first: this is on
//! the way of every event.

use std::sync::Arc;

use ringfence_model::{
    Ancestry, Event, EventId, Json, Limits, Lineage, Log, LogLine, Manifest, Recalled, RuleName,
    Stop, TenantId, Usage,
};
use serde::{Deserialize, Serialize};

use crate::bindings::{Effect, Failure};
use crate::engine::FRAMES_MAX;
use crate::raw::{GivenUp, Raw};
use crate::{Recall, Run, RunReport};

/// What is said is not understood: the other side is broken, or hostile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message cannot be read: {0}")]
pub struct WireError(String);

impl WireError {
    /// With what was wrong.
    pub(crate) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }
}

/// A run, on its way.
#[derive(Serialize, Deserialize)]
struct Order<'a> {
    id: [u8; 16],
    #[serde(borrow)]
    texts: Texts<'a>,
    accepted_us: u64,
    depth: u32,
    fuel: u64,
    deadline_ms: u64,
    memory_bytes: u64,
    output_bytes: u64,
    log_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Texts<'a> {
    tenant: &'a str,
    rule: &'a str,
    config: &'a str,
    id: &'a str,
    source: &'a str,
    ty: &'a str,
    subject: Option<&'a str>,
    time: &'a str,
    data: &'a str,
}

/// What a run left, on its way. Rare things are JSON, because their types are
/// made for that.
#[derive(Serialize, Deserialize)]
struct Answer {
    result: Returned,
    usage: Usage,
    lines: Vec<LogLine>,
    truncated: bool,
    asked_now: bool,
    asked_random: bool,
}

#[derive(Serialize, Deserialize)]
enum Returned {
    Effects(Vec<Effect>),
    Failure(Failure),
    /// As JSON.
    Stopped(String),
    /// What it recalled could not be read.
    Abandoned,
    /// It was to end; after so much fuel it has.
    Interrupted,
}

/// What is said about a run that is over.
#[derive(Debug)]
pub enum Left {
    /// How it went.
    Report(Box<RunReport>),
    /// What it recalled could not be read.
    Abandoned,
    /// It was to end, and has after so much fuel; 0 if it had not begun.
    Interrupted {
        /// At most what it had.
        fuel: u64,
    },
}

/// Appends a run to a message.
///
/// # Errors
/// None that depend on a guest.
pub fn write_run(run: &Run<'_>, out: &mut Vec<u8>) -> Result<(), WireError> {
    let event = run.event;
    let order = Order {
        id: *event.id.as_bytes(),
        texts: Texts {
            tenant: run.tenant.as_str(),
            rule: run.rule.as_str(),
            config: run.config.as_str(),
            id: &event.ce_id,
            source: &event.source,
            ty: &event.ty,
            subject: event.subject.as_deref(),
            time: &event.time,
            data: event.data.as_str(),
        },
        accepted_us: event.accepted_us,
        depth: event.lineage.depth,
        fuel: run.fuel,
        deadline_ms: run.limits.deadline_ms,
        memory_bytes: run.limits.memory_bytes,
        output_bytes: run.limits.output_bytes,
        log_bytes: run.limits.log_bytes,
    };
    write(&order, out)
}

/// A run as it arrived. Kept and filled again, so that its texts need no new
/// memory each time.
#[derive(Debug)]
pub(crate) struct Received {
    event: Event,
    tenant: TenantId,
    rule: RuleName,
    config: Json,
    limits: Limits,
    fuel: u64,
}

impl Received {
    /// The first one.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let order: Order<'_> = postcard::from_bytes(bytes).map_err(error)?;
        let name = |text: &str| text.parse().map_err(error);
        let tenant: TenantId = name(order.texts.tenant)?;
        let id = EventId::from_bytes(order.id);
        let mut received = Self {
            event: Event {
                id,
                tenant: tenant.clone(),
                ce_id: String::new(),
                source: String::new(),
                ty: String::new(),
                subject: None,
                time: String::new(),
                data: Json::null(),
                accepted_us: 0,
                lineage: Lineage::root(id),
                ancestry: Ancestry::default(),
            },
            tenant,
            rule: order.texts.rule.parse().map_err(error)?,
            config: Json::null(),
            limits: Limits::default(),
            fuel: 0,
        };
        received.fill(&order)?;
        Ok(received)
    }

    /// The next one.
    pub(crate) fn read_again(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let order: Order<'_> = postcard::from_bytes(bytes).map_err(error)?;
        self.fill(&order)
    }

    fn fill(&mut self, order: &Order<'_>) -> Result<(), WireError> {
        let texts = &order.texts;
        if self.tenant.as_str() != texts.tenant {
            self.tenant = texts.tenant.parse().map_err(error)?;
            self.event.tenant = self.tenant.clone();
        }
        if self.rule.as_str() != texts.rule {
            self.rule = texts.rule.parse().map_err(error)?;
        }
        if self.config.as_str() != texts.config {
            self.config = Json::trusted(texts.config);
        }
        let event = &mut self.event;
        event.id = EventId::from_bytes(order.id);
        event.lineage = Lineage::root(event.id);
        event.lineage.depth = order.depth;
        for (text, now) in [
            (&mut event.ce_id, texts.id),
            (&mut event.source, texts.source),
            (&mut event.ty, texts.ty),
            (&mut event.time, texts.time),
        ] {
            text.clear();
            text.push_str(now);
        }
        event.subject = texts.subject.map(str::to_owned);
        event.data = Json::trusted(texts.data);
        event.accepted_us = order.accepted_us;
        self.fuel = order.fuel;
        self.limits.fuel = order.fuel;
        self.limits.deadline_ms = order.deadline_ms;
        self.limits.memory_bytes = order.memory_bytes;
        self.limits.output_bytes = order.output_bytes;
        self.limits.log_bytes = order.log_bytes;
        Ok(())
    }

    /// As a run.
    pub(crate) fn run<'a>(&'a self, recall: &'a Arc<dyn Recall>) -> Run<'a> {
        Run {
            event: &self.event,
            tenant: &self.tenant,
            rule: &self.rule,
            config: &self.config,
            limits: &self.limits,
            fuel: self.fuel,
            recall,
        }
    }
}

/// Appends what a run left to a message.
pub(crate) fn write_raw(raw: Result<Raw, GivenUp>, out: &mut Vec<u8>) -> Result<u64, WireError> {
    let raw = match raw {
        Ok(raw) => raw,
        // Why it could not be read is known where it was asked for.
        Err(GivenUp::Recall(_)) => return write_given_up(Returned::Abandoned, 0, out),
        Err(GivenUp::Interrupted { fuel }) => {
            return write_given_up(Returned::Interrupted, fuel, out);
        }
    };
    let wall_us = raw.usage.wall_us;
    let answer = Answer {
        result: match raw.result {
            Ok(Ok(effects)) => Returned::Effects(effects),
            Ok(Err(failure)) => Returned::Failure(failure),
            Err(stop) => Returned::Stopped(serde_json::to_string(&stop).map_err(error)?),
        },
        usage: raw.usage,
        lines: raw.log.lines,
        truncated: raw.log.truncated,
        asked_now: raw.asked_now,
        asked_random: raw.asked_random,
    };
    write(&answer, out).map(|()| wall_us)
}

fn write_given_up(result: Returned, fuel: u64, out: &mut Vec<u8>) -> Result<u64, WireError> {
    let answer = Answer {
        result,
        usage: Usage {
            fuel,
            ..Usage::default()
        },
        lines: Vec::new(),
        truncated: false,
        asked_now: false,
        asked_random: false,
    };
    write(&answer, out).map(|()| 0)
}

/// Reads what a run left, from a process that is not trusted, and checks it.
/// What was recalled is known to who answered it.
///
/// # Errors
/// When it cannot be read, or is more than a run can have left.
pub fn read_report(
    bytes: &[u8],
    run: &Run<'_>,
    manifest: &Manifest,
    recalled: Vec<Recalled>,
) -> Result<Left, WireError> {
    Ok(match read_raw(bytes, run, recalled)? {
        Ok(raw) => Left::Report(Box::new(raw.report(manifest, run.limits, run.fuel))),
        Err(left) => left,
    })
}

/// What a run cannot have used is cut: what it is charged and shown as must
/// stay in its limits.
fn read_raw(
    bytes: &[u8],
    run: &Run<'_>,
    recalled: Vec<Recalled>,
) -> Result<Result<Raw, Left>, WireError> {
    let answer: Answer = postcard::from_bytes(bytes).map_err(error)?;
    let result = match answer.result {
        Returned::Effects(effects) => Ok(Ok(effects)),
        Returned::Failure(failure) => Ok(Err(failure)),
        Returned::Stopped(stop) => Err(read_stop(&stop)?),
        Returned::Abandoned => return Ok(Err(Left::Abandoned)),
        Returned::Interrupted => {
            let fuel = answer.usage.fuel.min(run.fuel);
            return Ok(Err(Left::Interrupted { fuel }));
        }
    };
    let log = Log {
        lines: answer.lines,
        truncated: answer.truncated,
    };
    check_log(&log, run.limits)?;
    Ok(Ok(Raw {
        result,
        usage: Usage {
            fuel: answer.usage.fuel.min(run.fuel),
            memory_bytes: answer.usage.memory_bytes.min(run.limits.memory_bytes),
            wall_us: answer.usage.wall_us.min(longest_us(run.limits)),
            cpu_us: answer.usage.cpu_us.min(longest_us(run.limits)),
            log_bytes: answer.usage.log_bytes.min(LOGGED_BYTES_MAX),
            ..Usage::default()
        },
        log,
        recalled,
        asked_now: answer.asked_now,
        asked_random: answer.asked_random,
    }))
}

/// How much longer than its deadline a run can have been, in microseconds,
/// before its process is given up.
const OVERRUN_US: u64 = 10_000_000;

/// More than a run can write to its log, which is counted before it is cut.
const LOGGED_BYTES_MAX: u64 = 1 << 40;

fn longest_us(limits: &Limits) -> u64 {
    let deadline = limits.deadline_ms.saturating_mul(1_000);
    deadline.saturating_add(OVERRUN_US)
}

/// What a stop may take at most as JSON, in bytes: texts from the guest are cut
/// to 2 KiB, and there are not more than [`FRAMES_MAX`] frames.
const STOP_BYTES_MAX: usize = 128 * 1024;

fn read_stop(text: &str) -> Result<Stop, WireError> {
    if text.len() > STOP_BYTES_MAX {
        return Err(WireError(format!("a stop of {} bytes", text.len())));
    }
    let stop: Stop = serde_json::from_str(text).map_err(error)?;
    match stop.backtrace.len() {
        frames if frames > FRAMES_MAX.get() => {
            Err(WireError(format!("a stop with {frames} frames")))
        }
        _ => Ok(stop),
    }
}

fn check_log(log: &Log, limits: &Limits) -> Result<(), WireError> {
    let bytes: usize = log.lines.iter().map(|line| line.message.len()).sum();
    let lines = log.lines.len();
    if bytes as u64 > limits.log_bytes || lines > crate::log::LINES_MAX {
        return Err(WireError(format!("a log of {lines} lines, {bytes} bytes")));
    }
    Ok(())
}

fn write(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), WireError> {
    // Takes the buffer and gives it back, so nothing is copied.
    let buffer = std::mem::take(out);
    *out = postcard::to_extend(value, buffer).map_err(error)?;
    Ok(())
}

fn error(error: impl std::fmt::Display) -> WireError {
    WireError(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringfence_model::{LogLevel, StopCode};

    use super::*;
    use crate::NothingRemembered;
    use crate::bindings::Action;

    fn event() -> Event {
        let tenant: TenantId = "acme".parse().unwrap();
        let id = EventId::root(&tenant, "/t", "1");
        let mut lineage = Lineage::root(id);
        lineage.depth = 7;
        Event {
            id,
            tenant,
            ce_id: "1".into(),
            source: "/t".into(),
            ty: "a.b".into(),
            subject: Some("é".into()),
            time: "2026-01-01T00:00:00Z".into(),
            data: Json::parse(r#"{"a": [1]}"#).unwrap(),
            accepted_us: 17,
            lineage,
            ancestry: Ancestry::default(),
        }
    }

    /// With a run of this event.
    fn with_run<R>(event: &Event, work: impl FnOnce(&Run<'_>) -> R) -> R {
        let recall: Arc<dyn Recall> = Arc::new(NothingRemembered);
        let (rule, config) = ("r".parse().unwrap(), Json::empty_object());
        let limits = Limits {
            log_bytes: 100,
            ..Limits::default()
        };
        work(&Run {
            event,
            tenant: &event.tenant,
            rule: &rule,
            config: &config,
            limits: &limits,
            fuel: 1_000,
            recall: &recall,
        })
    }

    fn raw(result: Result<Result<Vec<Effect>, Failure>, Stop>) -> Raw {
        Raw {
            result,
            usage: Usage {
                fuel: 5_000,
                memory_bytes: u64::MAX,
                ..Usage::default()
            },
            log: Log::default(),
            recalled: Vec::new(),
            asked_now: true,
            asked_random: false,
        }
    }

    fn told(raw: Result<Raw, GivenUp>) -> Result<Result<Raw, Left>, WireError> {
        let mut bytes = Vec::new();
        write_raw(raw, &mut bytes).unwrap();
        with_run(&event(), |run| read_raw(&bytes, run, Vec::new()))
    }

    #[test]
    fn a_run_arrives_as_it_was_sent_again_and_again() {
        let mut other = event();
        (other.subject, other.data) = (None, Json::null());
        other.ty = "c".into();
        let mut received: Option<Received> = None;
        for event in [event(), other.clone(), event()] {
            let mut bytes = Vec::new();
            with_run(&event, |run| write_run(run, &mut bytes)).unwrap();
            match &mut received {
                Some(received) => received.read_again(&bytes).unwrap(),
                None => received = Some(Received::read(&bytes).unwrap()),
            }
            let received = received.as_ref().unwrap();
            assert_eq!(received.event, event);
            assert_eq!((received.fuel, received.limits.log_bytes), (1_000, 100));
        }
    }

    #[test]
    fn what_a_run_cannot_have_used_is_cut_and_what_it_cannot_have_left_refused() {
        let action = Action {
            name: "a".into(),
            payload: "{}".into(),
        };
        let fine = told(Ok(raw(Ok(Ok(vec![Effect::Act(action)])))))
            .unwrap()
            .unwrap();
        assert_eq!(fine.usage.fuel, 1_000);
        assert_eq!(fine.usage.memory_bytes, Limits::default().memory_bytes);
        assert!(fine.asked_now && matches!(fine.result, Ok(Ok(effects)) if effects.len() == 1));

        let long = Stop::new(StopCode::Trap, "x".repeat(STOP_BYTES_MAX + 1));
        assert!(told(Ok(raw(Err(long)))).is_err());
        let mut chatty = raw(Ok(Ok(Vec::new())));
        chatty.log.lines.push(LogLine {
            level: LogLevel::Info,
            message: "x".repeat(101),
        });
        assert!(told(Ok(chatty)).is_err());

        let interrupted = told(Err(GivenUp::Interrupted { fuel: 5_000 })).unwrap();
        assert!(matches!(
            interrupted,
            Err(Left::Interrupted { fuel: 1_000 })
        ));
    }

    proptest! {
        /// Whatever a worker says, the server reads it or refuses it.
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let read = with_run(&event(), |run| {
                read_report(&bytes, run, &Manifest::default(), Vec::new())
            });
            if let Ok(Left::Interrupted { fuel }) = read {
                prop_assert!(fuel <= 1_000);
            }
            if let Ok(Left::Report(report)) = read {
                prop_assert!(report.usage.fuel <= 1_000);
                prop_assert!(report.outcome.is_err() || report.usage.output_bytes <= 200);
            }
        }
    }
}
