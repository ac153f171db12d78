//! HTTP API, authentication, problem responses, OpenAPI and metrics.
//!
//! One file per resource holds its handlers. Around them:
//! - `serve` bounds connections and drains them at shutdown; `connections`
//!   says who goes when there are too many, `patience` how long answers may
//!   take, `portions` what one tenant's requests may hold;
//! - `router` lists the routes, from which the OpenAPI document is made;
//! - `auth` decides who calls and what they may do, before any handler runs;
//! - `body`, `path`, `page` and `cloudevents` read what clients send, each
//!   with its bounds;
//! - `lineage` signs where effects come from, and reads it on events that
//!   they cause;
//! - `alerts` tells tenants and the operator of anomalies;
//! - `drawing` writes graphs and cascades for programs that draw;
//! - `problem` is the one shape of every refusal, and `refusals` says which
//!   problem each error of the rooms below is.
//!
//! It decides nothing about rules: it validates, asks the engine or the
//! store, and answers.

mod activations;
mod alerts;
mod anomalies;
mod app;
mod arrival;
mod auth;
mod body;
mod bundle;
mod cascades;
mod cloudevents;
mod config_schema;
mod connections;
mod dead_letters;
mod drawing;
mod effects;
mod evaluate;
mod events;
mod executions;
mod graph;
mod health;
mod histogram;
mod insistence;
mod leftover;
mod lineage;
mod lineage_keys;
mod memory;
mod metrics;
mod openapi;
mod page;
mod path;
mod patience;
mod pausing;
mod peer;
mod portions;
mod problem;
mod pulse;
mod quarantine;
mod ratelimit;
mod refusals;
mod router;
mod rules;
mod serve;
mod tenants;
mod time;
mod tokens;
mod turns;
mod usage;
mod wire;

pub use alerts::{AlertsConfig, check as check_webhook};
pub use metrics::Metrics;
pub use serve::{ServerConfig, serve};
