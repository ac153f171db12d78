//! What a run is about and on whose behalf.

/// The attributes of the event that is handled. Its data are the rule
/// function's first parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The sender's id for it.
    pub id: String,
    /// Who sent it; `/ringfence/rules/RULE` for an event that a rule emitted.
    pub source: String,
    /// Its type, for example `conversation.created`.
    pub ty: String,
    /// The record that it is about, for example a conversation.
    pub subject: Option<String>,
    /// When it happened, RFC 3339; for an event that a rule emitted, when the
    /// event happened that set everything off.
    pub time: String,
}

/// On whose behalf a rule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Whose rule it is.
    pub tenant: String,
    /// The rule's name in that tenant.
    pub rule: String,
    /// How many rules stand between the event from outside that set
    /// everything off and this one; 0 for an event from outside.
    pub depth: u32,
}
