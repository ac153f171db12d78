//! Which problem each error of the engine, the store and the sandbox is.

use ringfence_engine::{EngineError, Level, NoPlace, TurnedAway};
use ringfence_model::{LimitError, PolicyError};
use ringfence_sandbox::UploadError;
use ringfence_store::StoreError;

use crate::graph::closes_cycle;
use crate::problem::{Kind, Problem};

/// How long a client waits before it tries again what the host could not take
/// now, in seconds.
const RETRY_AFTER_S: u64 = 1;
/// The same for an upload: about what compiling one takes.
const UPLOAD_RETRY_AFTER_S: u64 = 5;
const MICROS_PER_SECOND: u64 = 1_000_000;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoTenant => no_tenant("There is no such tenant.".into()),
            StoreError::Full { limit, max } => Self::new(Kind::LIMIT_REACHED, error.to_string())
                .over(max, max)
                .hint(format!(
                    "Delete what is not needed any more, or ask the operator to raise `{limit}`."
                )),
            StoreError::Closed => shutting_down(),
            StoreError::Storage { .. } | StoreError::Damaged { .. } => {
                // The cause may name files of the host: it is for the
                // operator, not for tenants.
                tracing::error!(%error, "storage failed");
                Self::new(
                    Kind::STORAGE_FAILED,
                    "The storage could not do what was asked. Nothing was half-done.",
                )
                .hint("Try again; if it persists, the server's log says why.")
                .retry_after(RETRY_AFTER_S)
            }
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        let refused = Kind {
            status: 422,
            code: error.code(),
            title: "The upload is refused.",
        };
        let detail = error.to_string();
        let (place, hint) = (error.place(), error.hint());
        let problem = match error {
            UploadError::ComponentTooLarge { size, limit } => {
                Self::new(Kind::COMPONENT_TOO_LARGE, detail).over(limit, size)
            }
            UploadError::CompileLimit { limit, .. } => Self::new(refused, detail).limit(limit),
            UploadError::Unavailable(_) => {
                Self::new(Kind::COMPILER_UNAVAILABLE, detail).retry_after(RETRY_AFTER_S)
            }
            _ => Self::new(refused, detail),
        };
        let problem = match place {
            Some(place) => problem.at(place),
            None => problem,
        };
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let detail = || error.to_string();
        match error {
            EngineError::NoTenant(_) => no_tenant(detail()),
            EngineError::NoPlan(_) => Self::new(Kind::NO_PLAN, detail())
                .hint("Plans are set in the server's configuration; `standard` always exists."),
            EngineError::Limit(ref limit) => invalid_limit(detail(), limit),
            EngineError::Policy(ref policy) => {
                invalid_policy(detail(), policy)
            }
            EngineError::NoVersion { .. } => Self::new(Kind::NO_VERSION, detail())
                .hint("`GET .../versions` lists the rule's versions."),
            EngineError::ClosesCycle { ref cycles, .. } => closes_cycle(detail(), cycles),
            EngineError::CyclesUnknown(_) => Self::new(Kind::CYCLES_UNKNOWN, detail())
                .at("version")
                .hint("Let rules declare narrower triggers and emits, end activations, or ask the operator to set the tenant's `cycles` to `warn`."),
            EngineError::Percent(_) => Self::new(Kind::INVALID_PERCENT, detail()).at("percent"),
            EngineError::Upload(upload) => upload.into(),
            EngineError::Event { index, ref error } => {
                Self::new(Kind::INVALID_EVENT, error.to_string()).at(format!("events[{index}]"))
            }
            EngineError::EventTooLarge {
                index,
                bytes,
                limit,
            } => Self::new(Kind::EVENT_TOO_LARGE, detail())
                .at(format!("events[{index}].data"))
                .over(limit, bytes)
                .hint("Send a reference to what is large, or ask the operator to raise `event_bytes`."),
            EngineError::TooMuchWaiting {
                waiting,
                limit,
                retry_after_us,
                ..
            } => match retry_after_us {
                Some(micros) => Self::new(Kind::TOO_MUCH_WAITING, detail())
                    .over(limit, waiting)
                    .retry_after(seconds(micros))
                    .hint("Nothing of this request was accepted; send it again later."),
                None => batch_too_large(detail(), limit),
            },
            EngineError::TurnedAway(ref away) => turned_away(detail(), away),
            EngineError::NoMemory => Self::new(Kind::OVERLOADED, detail())
                .retry_after(UPLOAD_RETRY_AFTER_S)
                .hint("Nothing was kept; try again later."),
            EngineError::TooFast {
                rate,
                burst,
                retry_after_us,
            } => too_fast(detail(), rate, burst, retry_after_us),
            EngineError::UploadsWaiting(ref crowded) => {
                Self::new(Kind::UPLOADS_WAITING, detail())
                    .over(crowded.limit, crowded.usage)
                    .retry_after(UPLOAD_RETRY_AFTER_S)
                    .hint("Nothing was kept; upload it again later.")
            }
            EngineError::EvaluationsWaiting(refused) => too_many_evaluations(detail(), refused),
            EngineError::EvaluateDeadline { limit_ms, .. } => {
                Self::new(Kind::EVALUATE_DEADLINE, detail())
                    .limit(limit_ms)
                    .retry_after(RETRY_AFTER_S)
                    .hint("What had not begun is not run. Ask for fewer at a time, or the operator to raise `evaluate_ms` or `concurrent_executions`.")
            }
            EngineError::Paused(_) => Self::new(Kind::PAUSED, detail()).hint(
                "Events are accepted all the same, and wait. `POST .../resume` lets what is paused go on.",
            ),
            EngineError::PausedByOperator(_) => Self::new(Kind::PAUSED_BY_OPERATOR, detail())
                .hint("Only the operator can resume what the operator has paused."),
            EngineError::Draining => shutting_down(),
            EngineError::Thread(_) => {
                tracing::error!(%error, "the engine failed");
                Self::new(Kind::INTERNAL, "The engine failed.")
            }
            EngineError::Store(store) => store.into(),
        }
    }
}

fn invalid_limit(detail: String, limit: &LimitError) -> Problem {
    let problem = Problem::new(Kind::INVALID_LIMIT, detail).at(format!("limits.{}", limit.name()));
    match limit {
        LimitError::OutOfBounds { max, given, .. } => problem.over(*max, *given),
        LimitError::OfTenant { .. } => {
            problem.hint("The operator sets it with `PUT /v1/tenants/{tenant}`.")
        }
    }
}

fn invalid_policy(detail: String, policy: &PolicyError) -> Problem {
    let problem = Problem::new(Kind::INVALID_POLICY, detail).at(policy.place().to_owned());
    match policy {
        PolicyError::UnknownAction { .. } => problem.hint(
            "It would never match. Correct the action's name, or upload first the rule whose `acts` declare it.",
        ),
        PolicyError::Pattern { .. } => problem.hint(
            "It would never match. Name each action and each event type.",
        ),
        _ => problem,
    }
}

fn too_fast(detail: String, rate: u64, burst: u64, retry_after_us: Option<u64>) -> Problem {
    match retry_after_us {
        Some(micros) => Problem::new(Kind::TOO_FAST, detail)
            .limit(rate)
            .retry_after(seconds(micros))
            .hint("Nothing of this request was accepted; send it again later."),
        None => batch_too_large(detail, burst),
    }
}

fn too_many_evaluations(detail: String, refused: NoPlace) -> Problem {
    let (kind, limit, usage) = match refused {
        NoPlace::OfTenant { limit } => (Kind::TOO_MANY_EVALUATIONS, limit, limit),
        NoPlace::OfHost { taken, limit, .. } => (Kind::OVERLOADED, limit, taken),
    };
    Problem::new(kind, detail)
        .over(limit, usage)
        .retry_after(RETRY_AFTER_S)
        .hint("Nothing was run. Wait for answers before you ask for more, or send events instead: they wait.")
}

/// More at once than the limit would ever allow.
fn batch_too_large(detail: String, limit: u64) -> Problem {
    Problem::new(Kind::BATCH_TOO_LARGE, detail)
        .limit(limit)
        .hint("Nothing was accepted. Send the events in several batches.")
}

/// When to try again, rounded up so that it is not too early.
fn seconds(micros: u64) -> u64 {
    micros.div_ceil(MICROS_PER_SECOND).max(RETRY_AFTER_S)
}

fn turned_away(detail: String, away: &TurnedAway) -> Problem {
    let problem = match away.level {
        Level::Overloaded => Problem::new(Kind::HOST_OVERLOADED, detail),
        Level::Fine | Level::Behind => {
            Problem::new(Kind::HOST_BEHIND, detail).over(away.share_percent, away.demand_percent)
        }
    };
    problem
        .retry_after(seconds(away.retry_after_us))
        .hint("Nothing of this request took effect; send it again later. What was accepted before is done.")
}

fn no_tenant(detail: String) -> Problem {
    Problem::new(Kind::NO_TENANT, detail)
        .hint("The operator creates a tenant with `PUT /v1/tenants/{tenant}`.")
}

pub(crate) fn shutting_down() -> Problem {
    Problem::new(
        Kind::SHUTTING_DOWN,
        "The server is shutting down and takes nothing more.",
    )
    .retry_after(RETRY_AFTER_S)
}

pub(crate) fn overloaded(detail: &str) -> Problem {
    Problem::new(Kind::OVERLOADED, detail).retry_after(RETRY_AFTER_S)
}
