//! With what the loop is met.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What stands against a loop in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in super::super) enum Protection {
    /// Nothing but fair shares and rate limits.
    Off,
    /// All, and the application passes lineage on.
    On,
    /// All, and lineage is inferred.
    Inferred,
    /// All, but nobody knows what caused an event.
    Unlinked,
}

impl Protection {
    const ALL: [Self; 4] = [Self::Off, Self::On, Self::Inferred, Self::Unlinked];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Inferred => "inferred",
            Self::Unlinked => "unlinked",
        }
    }

    /// What it means.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Off => {
                "fair shares and rate limits only: loops allowed, budgets out of reach, no quarantine"
            }
            Self::On => "as it is without being asked; the application passes lineage on",
            Self::Inferred => "the application passes nothing on; lineage is inferred",
            Self::Unlinked => "lineage is neither passed on nor inferred",
        }
    }

    /// Whether the application passes lineage on.
    pub(super) fn passes_lineage(self) -> bool {
        matches!(self, Self::Off | Self::On)
    }

    /// Whether rules may be quarantined.
    pub(super) fn quarantines(self) -> bool {
        self != Self::Off
    }

    /// What the operator says about a tenant.
    pub(super) fn policy(self, loops: bool) -> Value {
        let causes = json!({"conversation.update": ["conversation.updated"]});
        match self {
            // The greatest values that there may be.
            Self::Off if loops => json!({
                "loops": "allow",
                "limits": {
                    "cascade_depth": 1_000_000,
                    "cascade_executions": 100_000_000,
                    "cascade_fuel": 1_000_000_000_000_u64,
                    "cascade_events": 100_000_000,
                    "cascade_bytes": 1_u64 << 40,
                },
            }),
            Self::Inferred if loops => json!({"infer": "adopt", "causes": causes}),
            Self::Off | Self::On | Self::Inferred | Self::Unlinked => json!({}),
        }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One or several, in the order of the runs.
#[derive(Debug, Clone)]
pub(in super::super) struct Protections(Vec<Protection>);

impl Protections {
    /// Each of them.
    pub(super) fn each(&self) -> &[Protection] {
        &self.0
    }
}

impl FromStr for Protections {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(Protection::ALL.to_vec()));
        }
        let mut chosen = Vec::new();
        for name in text.split(',') {
            let known = Protection::ALL
                .into_iter()
                .find(|known| known.name() == name);
            let known = known.ok_or_else(|| {
                let names = Protection::ALL.map(Protection::name).join(", ");
                format!("`{name}` is none of {names}; `all` stands for all of them")
            })?;
            if chosen.contains(&known) {
                return Err(format!("`{name}` is there twice"));
            }
            chosen.push(known);
        }
        Ok(Self(chosen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protections_are_chosen_by_name() {
        for (text, expected) in [
            ("on", Some(&[Protection::On][..])),
            ("off,on", Some(&[Protection::Off, Protection::On])),
            ("all", Some(&Protection::ALL)),
            ("", None),
            ("on,on", None),
            ("on,full", None),
        ] {
            let chosen = text.parse::<Protections>();
            assert_eq!(
                chosen.as_ref().ok().map(Protections::each),
                expected,
                "{text}"
            );
        }
    }
}
