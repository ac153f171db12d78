//! The rule attribute of the Ringfence SDK.

use proc_macro::TokenStream;

mod case;
mod declaration;
mod expand;
mod schema;
mod signature;

/// Makes a function a rule.
///
/// ```ignore
/// /// Moves urgent conversations to the escalations team.
/// #[rule(on = "conversation.created", acts = "conversation.update")]
/// fn escalate(conversation: Conversation, ctx: &mut Context) -> Result<()> { ... }
/// ```
///
/// The first paragraph of the function's documentation becomes the rule's
/// summary.
///
/// The attribute declares, and the host enforces:
/// - `on`: the event types that the rule wants, a string or a list of
///   strings; a final `*` stands for any ending. Required.
/// - `ignore`: JSON pointers to data that do not count when two events are
///   compared to recognize a loop, for example `/updated_at`. They apply to
///   all of `on`.
/// - `on("type", ignore = ["/updated_at"])`: one more wanted type, with
///   pointers of its own; may be repeated.
/// - `emits`: the event types that it may emit; patterns as in `on`.
/// - `acts`: the actions that it may ask for; patterns as in `on`.
///
/// The function takes, in this order, the event's data, its configuration,
/// and `&mut Context`; the first two may be left out:
/// `(ctx)`, `(data, ctx)`, `(data, config, ctx)`. Data are any
/// `serde::Deserialize`; a configuration is `ringfence::Schema` too, and
/// its schema becomes part of the manifest. It returns nothing or a
/// `Result<()>`.
#[proc_macro_attribute]
pub fn rule(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::rule(attribute.into(), &item.into()).into()
}

/// Implements `ringfence::Schema`, whose documentation says for what.
#[proc_macro_derive(Schema, attributes(serde))]
pub fn schema(input: TokenStream) -> TokenStream {
    schema::derive(input.into()).into()
}
