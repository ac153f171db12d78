//! How what is said about loops and the host application looks in JSON.

use utoipa::ToSchema;

/// What is done when a run would do again what one of its ancestors did.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum LoopPolicy {
    /// It is stopped.
    Stop,
    /// It is run, and its record shows the cycle.
    Warn,
    /// Nobody looks.
    Allow,
}

/// What is done when an activation closes a cycle of rules.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum CyclePolicy {
    /// Nothing.
    Allow,
    /// It takes place, and the answer names the cycles.
    Warn,
    /// It is refused.
    Refuse,
}

/// What is done about events that come back without lineage.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum Inference {
    /// They are root events.
    Off,
    /// An event that an earlier action on the same subject is declared to
    /// cause belongs to that action's cascade.
    Adopt,
}

/// Where alerts are delivered.
#[derive(ToSchema)]
pub(crate) struct Webhook {
    /// An `http` or `https` address.
    url: String,
    /// What deliveries are signed with: `whsec_` and base64 of 24 to 64
    /// bytes.
    secret: String,
}
