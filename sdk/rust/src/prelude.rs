//! What nearly every rule needs: `use ringfence::prelude::*;`.

pub use crate::{Context, Error, Result, Schema, bail, rule};
pub use serde::{Deserialize, Serialize};
pub use serde_json::{Value, json};

#[cfg(not(target_arch = "wasm32"))]
pub use crate::testing::Harness;
