//! Pauses: what is not run until somebody says so.

use serde::{Deserialize, Serialize};

/// That a rule, a tenant or the whole host runs nothing until it is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when, in microseconds since 1970.
    pub since_us: u64,
    /// By whom.
    pub by: PausedBy,
}

/// Who paused something. What the operator paused, a tenant cannot resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PausedBy {
    /// The tenant, by a token of its own.
    Tenant,
    /// The operator.
    Operator,
}

impl Paused {
    /// The pause that is in force after another one was asked for: since the
    /// first, and of who has more to say.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            since_us: self.since_us.min(other.since_us),
            by: self.by.max(other.by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_pause_does_not_make_the_first_shorter_or_weaker() {
        let of = |since_us, by| Paused { since_us, by };
        let (tenant, operator) = (of(1, PausedBy::Tenant), of(2, PausedBy::Operator));
        assert_eq!(tenant.with(operator), of(1, PausedBy::Operator));
        assert_eq!(operator.with(of(3, PausedBy::Tenant)), operator);
        let text = serde_json::to_string(&operator).unwrap();
        assert_eq!(text, r#"{"since_us":2,"by":"operator"}"#);
    }
}
