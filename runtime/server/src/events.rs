//! Accepting events, and what became of one.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use ringfence_engine::ActiveRule;
use ringfence_model::{Event, EventId, ExecutionId, Origin, RuleName, Stop, VersionId};
use ringfence_store::{EventRecord, EventState, Outcome, SkipReason};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Access, EventsWrite, Read};
use crate::body::{self, Bound, Share};
use crate::cloudevents::{self, Form, Taker};
use crate::path::IdPath;
use crate::portions::Portion;
use crate::problem::{Kind, Problem};
use crate::ratelimit;
use crate::wire;

/// A request's events together, in bytes.
const EVENTS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Larger bodies are parsed on a thread of their own, so that they keep no
/// other request waiting.
const PARSED_HERE_BYTES_MAX: usize = 512 * 1024;

/// Events that are durable now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub(crate) struct AcceptedView {
    /// In the order sent.
    accepted: Vec<AcceptedEvent>,
}

/// An event that is durable.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedEvent {
    /// Ringfence's id of it: derived from tenant, source and id, so that the
    /// same event sent twice is one.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    id: Hex,
    /// Its cascade: itself, or the one that the event which led to it belongs
    /// to. Of a duplicate, that of the event that was accepted first.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    cascade: Hex,
    /// How it came about: `root`, `returned` with the lineage of an effect, or
    /// `inferred` to be what an effect caused.
    #[schema(value_type = wire::Origin)]
    origin: Origin,
    /// Whether it had been accepted before; it is then not run again.
    duplicate: bool,
}

/// An event's id, written quickly: this is once per event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hex(EventId);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0.as_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        let text = std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }
}

/// Accept events
///
/// Takes CloudEvents 1.0 over HTTP in structured, batch or binary form: up
/// to 10,000 events and 2 MiB. All are accepted or none; when this answers,
/// they are on disk. An event with a (source, id) that was accepted before is
/// accepted again and not run again. An event that an effect caused belongs to
/// the effect's cascade if it has the effect's `lineage`, as extension
/// attribute `ringfencelineage` or by the header.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/events", operation_id = "acceptEvents", tag = "events",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("Ringfence-Lineage" = Option<String>, Header, description = "The `lineage` of the effect that caused the events of this request which have no `ringfencelineage` of their own."),
    ),
    request_body(
        description = "One event, or a batch. In binary form the body is the event's data and its attributes are in `ce-` headers.",
        content(
            (wire::CloudEvent = "application/cloudevents+json"),
            (Vec<wire::CloudEvent> = "application/cloudevents-batch+json"),
            ("application/json"),
            ("text/plain"),
        ),
    ),
    responses((
        status = 202, description = "They are durable.", body = AcceptedView,
        headers(
            ("RateLimit-Policy" = String, description = "What the tenant may send: `events` within a window, and `waiting` at all."),
            ("RateLimit" = String, description = "What of that is left, also on answers 429 and 503."),
        ),
    )),
)]
pub(crate) async fn accept(
    access: Access<EventsWrite>,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let accepted = take(&app, &access, headers, body).await;
    if accepted.as_ref().is_err_and(Problem::is_for_now) {
        hold_back(&app, &access).await;
    }
    let mut response = accepted.into_response();
    if let Some(allowance) = app.engine.allowance(access.tenant()) {
        ratelimit::tell(&mut response, &allowance);
    }
    response
}

/// Who goes on sending although it was told to wait, waits for its answer.
async fn hold_back(app: &App, access: &Access<EventsWrite>) {
    let refused = |portion: &Portion| portion.refused(app.now_us());
    if let Some((held, _place)) = access.portion().and_then(refused) {
        app.metrics.held_back();
        tokio::time::sleep(held).await;
    }
}

async fn take(
    app: &App,
    access: &Access<EventsWrite>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<AcceptedView>), Problem> {
    let form = cloudevents::form(&headers)?;
    // Of a length that is not known it may be of any.
    let length = body::declared(&headers).unwrap_or(u64::MAX);
    let batch = (form == Form::Batch).then_some(length);
    // What is certain to be refused is not read.
    app.engine.may_accept(access.tenant(), batch)?;
    let (events, share) = read(app, access, form, headers, body).await?;
    let receipts = app.engine.accept(access.tenant(), events).await;
    let receipts = receipts.map_err(|error| {
        if let Some(length) = batch {
            app.engine.batch_refused(access.tenant(), length, &error);
        }
        place(error.into(), form)
    })?;
    drop(share);
    let accepted: Vec<AcceptedEvent> = receipts
        .into_iter()
        .map(|receipt| AcceptedEvent {
            id: Hex(receipt.event),
            cascade: Hex(receipt.lineage.cascade),
            origin: receipt.lineage.origin,
            duplicate: receipt.is_duplicate(),
        })
        .collect();
    let duplicates = accepted.iter().filter(|event| event.duplicate).count();
    app.metrics
        .accepted((accepted.len() - duplicates) as u64, duplicates as u64);
    Ok((StatusCode::ACCEPTED, Json(AcceptedView { accepted })))
}

/// A place in a batch of one event that was not sent as a batch means
/// nothing to the sender.
fn place(problem: Problem, form: Form) -> Problem {
    match form {
        Form::Batch => problem,
        Form::Structured | Form::Binary => problem.outside_batch(),
    }
}

/// Reads a request's events, with the share of memory that they hold.
pub(crate) async fn read(
    app: &App,
    access: &Access<EventsWrite>,
    form: Form,
    headers: HeaderMap,
    body: Body,
) -> Result<(Vec<Event>, Share), Problem> {
    let bound = Bound {
        bytes: EVENTS_BYTES_MAX,
        kind: Kind::BODY_TOO_LARGE,
        hint: "Nothing was accepted. Send the events in several batches.",
    };
    let held = body::read(access.memory(app), &headers, body, bound).await?;
    let taker = Taker {
        tenant: access.tenant().clone(),
        now_us: app.now_us(),
        keys: app.lineage.keys(),
        of_request: None,
    };
    let events = parse(app, access, form, headers, held.bytes, taker).await?;
    Ok((events, held.share))
}

async fn parse(
    app: &App,
    access: &Access<EventsWrite>,
    form: Form,
    headers: HeaderMap,
    bytes: Bytes,
    taker: Taker,
) -> Result<Vec<Event>, Problem> {
    let here = bytes.len() <= PARSED_HERE_BYTES_MAX;
    let work = move || cloudevents::events(form, &headers, &bytes, taker);
    if here {
        return Ok(work()?);
    }
    let turn = app.turns.turn(access.portion()).await;
    let work = move || {
        let events = work();
        drop(turn);
        events
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(events) => Ok(events?),
        Err(error) => {
            tracing::error!(%error, "parsing events failed");
            Err(Problem::new(
                Kind::INTERNAL,
                "The events could not be parsed.",
            ))
        }
    }
}

/// What happened to an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventStory)]
pub(crate) struct EventView {
    /// The event.
    #[schema(value_type = wire::Event)]
    event: Event,
    /// Where it stands.
    #[schema(value_type = wire::EventState)]
    state: EventState,
    /// When it was finished, in microseconds since 1970.
    done_us: Option<u64>,
    /// Why the event as a whole was given up: a follow-up that its cascade's
    /// budget did not allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<wire::Stop>)]
    stop: Option<Stop>,
    /// For each rule that was or is in force, what became of it and why.
    rules: Vec<Fate>,
}

/// What became of one rule for one event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fate {
    /// Which rule.
    #[schema(value_type = String)]
    rule: RuleName,
    /// Which version was, or is, in force.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    version: VersionId,
    #[serde(flatten)]
    outcome: FateOutcome,
}

/// Whether a rule was run on an event, and why (not).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub(crate) enum FateOutcome {
    /// It was run.
    Ran {
        /// The record.
        #[schema(value_type = String)]
        execution: ExecutionId,
    },
    /// It was run and stopped, or a budget was used up; the event is in the
    /// dead letters for this rule.
    DeadLettered {
        /// The record, if it was run.
        #[schema(value_type = Option<String>)]
        execution: Option<ExecutionId>,
        /// Why.
        #[schema(value_type = wire::Stop)]
        stop: Stop,
    },
    /// It wants the event and was not run on it.
    Skipped {
        /// `percent`: the activation's share leaves this event out.
        /// `quarantined`: the rule ended the processes that ran it, and waits
        /// to be activated again; its activation says how. `deactivated`: it
        /// was taken out of force before the event's turn.
        #[schema(value_type = String)]
        reason: SkipReason,
    },
    /// It wants the event and is still to be run on it.
    Waiting,
    /// The rule is in quarantine or paused, or takes events first that came
    /// before and waited for it; the event waits for it.
    Parked {
        /// Until when at least, where it is in quarantine, in microseconds
        /// since 1970; missing if it ends any moment.
        #[serde(skip_serializing_if = "Option::is_none")]
        until_us: Option<u64>,
    },
    /// The event as a whole was given up; see its `stop`.
    GivenUp,
    /// It does not want events of this type.
    NotTriggered {
        /// The types that it wants.
        triggers: Vec<String>,
    },
    /// It wants such events, and was put in force after this one was
    /// finished.
    NotInForce {
        /// Since when it is in force, in microseconds since 1970.
        activated_us: u64,
    },
}

impl From<Outcome> for FateOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ran { execution } => Self::Ran { execution },
            Outcome::DeadLettered { execution, stop } => Self::DeadLettered { execution, stop },
            Outcome::Skipped { reason } => Self::Skipped { reason },
        }
    }
}

/// What happened to an event
///
/// For each rule: whether it ran, and if not, why not.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/events/{id}", operation_id = "getEvent", tag = "events",
    params(
        ("tenant" = String, Path, description = "The tenant's name."),
        ("id" = String, Path, description = "The event's id, as `accepted` gave it."),
    ),
    responses((status = 200, description = "Its story.", body = EventView)),
)]
pub(crate) async fn get(
    access: Access<Read, IdPath<EventId>>,
    State(app): State<Arc<App>>,
) -> Result<Json<EventView>, Problem> {
    let IdPath { tenant, id } = &access.path;
    let record = app.store().event(tenant, *id).await?.ok_or_else(|| {
        Problem::new(
            Kind::NO_EVENT,
            format!("Tenant `{tenant}` has no event {id}."),
        )
        .hint("Ids are those that `accepted` gave. Finished events are kept for a while only.")
    })?;
    let active = app.engine.activations(tenant)?;
    Ok(Json(story(record, &active)))
}

fn story(record: EventRecord, active: &[Arc<ActiveRule>]) -> EventView {
    let mut rules: Vec<Fate> = record
        .decisions
        .into_iter()
        .map(|decision| Fate {
            rule: decision.rule,
            version: decision.version,
            outcome: decision.outcome.into(),
        })
        .collect();
    for rule in active {
        let (activation, manifest) = (&rule.activation, &rule.manifest);
        if rules.iter().any(|fate| fate.rule == activation.rule) {
            continue;
        }
        // A follow-up that was given up is given to no rule.
        let given_up = record.stop.is_some();
        let outcome = if given_up {
            FateOutcome::GivenUp
        } else if manifest.trigger_for(&record.event.ty).is_none() {
            FateOutcome::NotTriggered {
                triggers: manifest
                    .triggers
                    .iter()
                    .map(|trigger| trigger.ty.clone())
                    .collect(),
            }
        } else if record.parked.contains(&activation.rule) {
            let quarantine = activation.quarantine.as_ref();
            FateOutcome::Parked {
                until_us: quarantine.and_then(|quarantine| quarantine.until_us),
            }
        } else if record.state == EventState::Waiting {
            FateOutcome::Waiting
        } else {
            FateOutcome::NotInForce {
                activated_us: activation.activated_us,
            }
        };
        rules.push(Fate {
            rule: activation.rule.clone(),
            version: activation.version,
            outcome,
        });
    }
    EventView {
        event: record.event,
        state: record.state,
        done_us: record.done_us,
        stop: record.stop,
        rules,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_the_same_however_they_are_written() {
        let id = EventId::root(&"acme".parse().unwrap(), "/crm", "e1");
        assert_eq!(
            serde_json::to_string(&Hex(id)).unwrap(),
            serde_json::to_string(&id).unwrap()
        );
    }
}
