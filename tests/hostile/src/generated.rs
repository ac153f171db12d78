//! Attacks that no text can hold.

use crate::Attack;

/// All of them.
pub(crate) fn attacks() -> Vec<Attack> {
    Vec::new()
}
