//! Which of a tenant's rules can set off which, and the cycles of them.

mod cycles;
mod draw;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ringfence_engine::{RuleGraph, Way};
use ringfence_model::{Mode, RuleName, VersionId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Access, Read};
use crate::drawing::{DOT, Format, MERMAID};
use crate::path::Asked;
use crate::problem::{Kind, Problem};
use crate::wire;
use cycles::CycleView;
pub(crate) use cycles::{Said, closes_cycle};

/// Edges that are listed, each way one.
const EDGES_MAX: usize = 5_000;
/// Ways that are listed from one rule to another.
const WAYS_MAX: usize = 8;

/// Which of a tenant's rules in force can set off which.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleGraph)]
pub(crate) struct GraphView {
    #[serde(flatten)]
    drawn: Drawn,
    /// All cycles, each from the rule on whose name is first; the shortest
    /// first, at most 100.
    cycles: Vec<CycleView>,
    /// Whether there may be more cycles than are listed.
    truncated: bool,
}

/// What of a graph is drawn.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleGraphDrawn)]
pub(crate) struct Drawn {
    /// The rules, by name.
    nodes: Vec<NodeView>,
    /// Where one can set off another or itself, and how; several where there
    /// are several ways.
    edges: Vec<EdgeView>,
    /// Whether there are more edges than are listed: more than 5,000, or more
    /// than 8 from one rule to another.
    edges_truncated: bool,
}

/// A rule in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleGraphNode)]
pub(crate) struct NodeView {
    /// Its name.
    #[schema(value_type = String)]
    rule: RuleName,
    /// The version in force.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    version: VersionId,
    /// A rule in shadow is set off, and sets nothing off.
    #[schema(value_type = wire::Mode)]
    mode: Mode,
}

/// How one rule can set off another, or itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RuleGraphEdge)]
pub(crate) struct EdgeView {
    /// The rule that sets off.
    #[schema(value_type = String)]
    from: RuleName,
    /// The rule that is set off.
    #[schema(value_type = String)]
    to: RuleName,
    /// The event type that leads there; a final `*` stands for any ending.
    event: String,
    /// The action that comes back as this event; missing if the rule emits
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    action: Option<String>,
    /// Whether this is part of a cycle, listed or not.
    cyclic: bool,
    #[serde(skip)]
    ends: (u32, u32),
}

impl GraphView {
    fn new(graph: &RuleGraph) -> Self {
        let cycles = graph.cycles();
        Self {
            drawn: Drawn::new(graph),
            cycles: cycles.list.iter().map(CycleView::from).collect(),
            truncated: cycles.truncated,
        }
    }
}

impl Drawn {
    fn new(graph: &RuleGraph) -> Self {
        let rules = graph.rules();
        let nodes = rules.iter().map(|rule| NodeView {
            rule: rule.rule.clone(),
            version: rule.version,
            mode: rule.mode,
        });
        let mut edges = Vec::new();
        let mut edges_truncated = !graph.is_complete();
        for (from, to) in graph.edges() {
            if edges.len() == EDGES_MAX {
                edges_truncated = true;
                break;
            }
            let room = WAYS_MAX.min(EDGES_MAX - edges.len());
            let mut ways = graph.ways(from, to, room + 1);
            edges_truncated |= ways.len() > room;
            ways.truncate(room);
            edges.extend(ways.into_iter().map(|Way { event, action }| EdgeView {
                from: rules[from as usize].rule.clone(),
                to: rules[to as usize].rule.clone(),
                event,
                action,
                cyclic: graph.is_cyclic(from, to),
                ends: (from, to),
            }));
        }
        Self {
            nodes: nodes.collect(),
            edges,
            edges_truncated,
        }
    }
}

/// How the graph is answered.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AskedGraph {
    /// `json`, `mermaid` or `dot`; JSON where it is not said.
    #[serde(default)]
    #[param(inline, required = false)]
    format: Format,
}

/// Which rules can set off which
///
/// From what the rules in force declare and what the tenant says that actions
/// come back as. Each loop of rules is a cycle of this graph; not each cycle
/// loops, for it may end on its own.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/graph", operation_id = "getGraph", tag = "rules",
    params(("tenant" = String, Path, description = "The tenant's name."), AskedGraph),
    responses((
        status = 200, description = "The graph.",
        content(
            (GraphView = "application/json"),
            (String = "text/plain; charset=utf-8"),
            (String = "text/vnd.graphviz; charset=utf-8"),
        ),
    )),
)]
pub(crate) async fn get(
    access: Access<Read>,
    Asked(query): Asked<AskedGraph>,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    let graph = app.engine.graph(access.tenant()).await?;
    let answer = move || match query.format {
        Format::Json => axum::Json(GraphView::new(&graph)).into_response(),
        Format::Mermaid => MERMAID.answer(draw::mermaid(&Drawn::new(&graph))),
        Format::Dot => DOT.answer(draw::dot(&Drawn::new(&graph))),
    };
    tokio::task::spawn_blocking(answer).await.map_err(|error| {
        tracing::error!(%error, "describing a graph failed");
        Problem::new(Kind::INTERNAL, "The graph could not be described.")
    })
}
