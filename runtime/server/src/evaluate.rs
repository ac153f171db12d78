//! Evaluation: what would the rules do with this event?

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use ringfence_engine::Evaluated;
use ringfence_model::{
    Effect, Log, Meter, Mode, RuleName, RunLimits, Status, Stop, Usage, VersionId,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Access, EventsWrite};
use crate::cloudevents::{self, Form};
use crate::events;
use crate::peer::Peer;
use crate::problem::{Kind, Problem};
use crate::wire;

/// What the rules would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Evaluation {
    /// What the rules in force with mode `enforce` ask for, in the order of
    /// the rules' names.
    #[schema(value_type = Vec<wire::Effect>)]
    effects: Vec<Effect>,
    /// Each rule's run.
    executions: Vec<EvaluatedRule>,
}

/// One rule's run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvaluatedRule {
    /// Which rule.
    #[schema(value_type = String)]
    rule: RuleName,
    /// Which version.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    version: VersionId,
    /// In which mode it is in force.
    #[schema(value_type = wire::Mode)]
    mode: Mode,
    /// How it ended.
    #[schema(value_type = wire::Status)]
    status: Status,
    /// Why it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<wire::Stop>)]
    stop: Option<Stop>,
    /// What it asks for.
    #[schema(value_type = Vec<wire::Effect>)]
    effects: Vec<Effect>,
    /// What it used.
    #[schema(value_type = wire::Usage)]
    usage: Usage,
    /// What it might have used.
    #[schema(value_type = wire::RunLimits)]
    limits: RunLimits,
    /// The limits of which it used 80 % or more without being stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<wire::Meter>, required = false)]
    near_limits: Vec<Meter>,
    /// What it logged.
    #[schema(value_type = wire::Log)]
    log: Log,
}

impl From<Evaluated> for EvaluatedRule {
    fn from(evaluated: Evaluated) -> Self {
        let (status, effects, stop) = match evaluated.outcome {
            Ok(effects) => (Status::Ok, effects, None),
            Err(stop) => (Status::Stopped, Vec::new(), Some(stop)),
        };
        Self {
            rule: evaluated.rule,
            version: evaluated.version,
            mode: evaluated.mode,
            status,
            stop,
            effects,
            usage: evaluated.usage,
            limits: evaluated.limits,
            near_limits: evaluated.near_limits,
            log: evaluated.log,
        }
    }
}

/// Nobody reads it; it is in the log.
fn gone() -> Problem {
    Problem::new(
        Kind::BODY_INCOMPLETE,
        "The client closed the connection before its evaluation was done.",
    )
}

/// Run the matching rules on an event now
///
/// Answers what they would do. Nothing is queued, followed up, remembered or
/// delivered. The runs take their turns with the tenant's other runs, and use
/// its share like them. What is not answered within `evaluate_ms` is given up,
/// and so is what a client waits for that closes the connection. A tenant may
/// wait for `evaluations_waiting` at one moment.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/evaluate", operation_id = "evaluate", tag = "events",
    params(("tenant" = String, Path, description = "The tenant's name.")),
    request_body(
        description = "One event. In binary form the body is the event's data and its attributes are in `ce-` headers.",
        content(
            (wire::CloudEvent = "application/cloudevents+json"),
            ("application/json"),
            ("text/plain"),
        ),
    ),
    responses((status = 200, description = "What the rules would do.", body = Evaluation)),
)]
pub(crate) async fn evaluate(
    access: Access<EventsWrite>,
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Evaluation>, Problem> {
    let form = cloudevents::form(&headers)?;
    if form == Form::Batch {
        return Err(Problem::new(
            Kind::UNSUPPORTED_MEDIA_TYPE,
            "One event is evaluated at a time; a batch was sent.",
        )
        .hint("Send the event as `application/cloudevents+json`."));
    }
    let place = app.engine.evaluation_place(access.tenant())?;
    let (mut events, share) = events::read(&app, &access, form, headers, body).await?;
    let event = events
        .pop()
        .ok_or_else(|| Problem::new(Kind::INVALID_EVENT, "The request holds no event."))?;
    let evaluated = tokio::select! {
        evaluated = app.engine.evaluate(place, event) => evaluated,
        () = peer.gone() => return Err(gone()),
    };
    let evaluated = evaluated.map_err(|error| Problem::from(error).outside_batch())?;
    drop(share);
    let executions: Vec<EvaluatedRule> = evaluated.into_iter().map(Into::into).collect();
    let effects = executions
        .iter()
        .filter(|execution| execution.mode == Mode::Enforce)
        .flat_map(|execution| execution.effects.iter().cloned())
        .collect();
    Ok(Json(Evaluation {
        effects,
        executions,
    }))
}
