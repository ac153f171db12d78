//! How limits look in JSON.

use std::borrow::Cow;

use ringfence_model::{LimitInfo, Limits};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The bounds on everything that a tenant can grow or use up. The last word
/// of a name is the unit.
#[derive(Serialize)]
pub(crate) struct LimitsInForce;

/// Changes to some limits; what is not named stays as it is.
#[derive(Serialize)]
pub(crate) struct LimitOverrides;

/// The same, of those that a rule may lower.
#[derive(Serialize)]
pub(crate) struct RuleLimits;

fn limits<'a>(
    description: &str,
    required: bool,
    limits: impl IntoIterator<Item = &'a LimitInfo>,
) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().description(Some(description));
    for limit in limits {
        let property = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some(limit.meaning.trim()))
            .minimum(Some(0))
            .maximum(Some(limit.max as f64));
        object = object.property(limit.name, property);
        if required {
            object = object.required(limit.name);
        }
    }
    RefOr::T(Schema::Object(object.build()))
}

impl PartialSchema for LimitsInForce {
    fn schema() -> RefOr<Schema> {
        let description = "The limits in force. The last word of a name is its unit.";
        limits(description, true, Limits::ALL)
    }
}

impl ToSchema for LimitsInForce {
    fn name() -> Cow<'static, str> {
        "Limits".into()
    }
}

impl PartialSchema for LimitOverrides {
    fn schema() -> RefOr<Schema> {
        limits(
            "Changes to some limits; what is not named stays as it is.",
            false,
            Limits::ALL,
        )
    }
}

impl ToSchema for LimitOverrides {
    fn name() -> Cow<'static, str> {
        "LimitOverrides".into()
    }
}

impl PartialSchema for RuleLimits {
    fn schema() -> RefOr<Schema> {
        limits(
            "Limits that a rule lowers; a value above the tenant's changes nothing.",
            false,
            Limits::ALL.iter().filter(|limit| limit.is_of_rules()),
        )
    }
}

impl ToSchema for RuleLimits {
    fn name() -> Cow<'static, str> {
        "RuleLimits".into()
    }
}
