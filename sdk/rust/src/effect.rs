//! What a run asks for. Authors use the methods of [`crate::Context`]; tests
//! look at these.

/// One thing that a run asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A follow-up event.
    Emit(NewEvent),
    /// Something for the host application to do.
    Act(Action),
    /// A value to remember.
    Remember(Entry),
}

/// A follow-up event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Its type.
    pub ty: String,
    /// The record that it is about.
    pub subject: Option<String>,
    /// Its data, as JSON text.
    pub data: String,
}

/// Something for the host application to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What, for example `conversation.update`.
    pub name: String,
    /// With what, as JSON text.
    pub payload: String,
}

/// A key and the value to remember under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key; at most 256 bytes.
    pub key: String,
    /// The value as JSON text; none forgets the key.
    pub value: Option<String>,
}
