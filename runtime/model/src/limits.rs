//! Limits: a bound on everything that a tenant can grow or use up.

use serde::{Deserialize, Serialize};

/// A limit was set to a value that the host does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` may be {min} to {max}; {given} was given")]
pub struct LimitError {
    /// Which limit.
    pub name: &'static str,
    /// The value.
    pub given: u64,
    /// The least allowed.
    pub min: u64,
    /// The greatest allowed.
    pub max: u64,
}

/// What is known about a limit, for documentation and answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitInfo {
    /// Its name in JSON; the unit is its last word.
    pub name: &'static str,
    /// Its value in the plan `standard`.
    pub default: u64,
    /// The greatest value that an operator may set.
    pub max: u64,
    /// What it bounds.
    pub meaning: &'static str,
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident = $default:expr, $min:expr, $max:expr;)*) => {
        /// The limits in force for a tenant or a rule. The defaults are the
        /// plan `standard`.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// Changes to some limits; what is none stays as it is.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct LimitOverrides {
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<u64>,
            )*
        }

        impl LimitOverrides {
            /// Refuses values that the host cannot keep.
            pub fn check(&self) -> Result<(), LimitError> {
                $(
                    if let Some(given) = self.$name
                        && !($min..=$max).contains(&given)
                    {
                        return Err(LimitError {
                            name: stringify!($name),
                            given,
                            min: $min,
                            max: $max,
                        });
                    }
                )*
                Ok(())
            }
        }

        impl Limits {
            /// These limits with an operator's overrides.
            #[must_use]
            pub fn with(&self, overrides: &LimitOverrides) -> Self {
                Self { $($name: overrides.$name.unwrap_or(self.$name),)* }
            }

            /// These limits as lowered by a rule; a rule never raises one.
            #[must_use]
            pub fn lowered(&self, overrides: &LimitOverrides) -> Self {
                Self {
                    $($name: overrides.$name.map_or(self.$name, |value| value.min(self.$name)),)*
                }
            }

            /// All limits that exist.
            pub const ALL: &'static [LimitInfo] = &[
                $(LimitInfo {
                    name: stringify!($name),
                    default: $default,
                    max: $max,
                    meaning: concat!($($doc),+),
                },)*
            ];
        }
    };
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

limits! {
    /// Fuel per execution. 1 fuel is about one wasm instruction.
    fuel = 10_000_000, 1_000, 10_000_000_000;
    /// Wall-clock time per execution, in milliseconds; a backstop behind fuel.
    deadline_ms = 250, 5, 30_000;
    /// Memory per execution, in bytes: all linear memories and tables together.
    memory_bytes = 32 * MIB, 64 * KIB, 256 * MIB;
    /// One event's data, in bytes.
    event_bytes = 256 * KIB, 1, 4 * MIB;
    /// All effects of one execution together, in bytes.
    output_bytes = 64 * KIB, 1, 4 * MIB;
    /// Effects per execution.
    effects = 64, 0, 4096;
    /// Log per execution, in bytes; beyond it the log is cut and marked.
    log_bytes = 8 * KIB, 0, MIB;
    /// One remembered value, in bytes.
    state_value_bytes = 16 * KIB, 0, MIB;
    /// All that one rule remembers, in bytes.
    state_rule_bytes = MIB, 0, 64 * MIB;
    /// One uploaded component, in bytes.
    component_bytes = 4 * MIB, KIB, 32 * MIB;
    /// Compiling one component, in milliseconds: wall-clock time and CPU time.
    compile_ms = 20_000, 100, 600_000;
    /// Memory that compiling one component may take, in bytes.
    compile_memory_bytes = 1024 * MIB, 128 * MIB, 16 * 1024 * MIB;
    /// Rules of a tenant.
    rules = 200, 0, 10_000;
    /// Versions kept of one rule.
    versions = 50, 1, 1_000;
    /// Share of the host where tenants compete: twice the weight, twice the fuel.
    weight = 1, 1, 1_000;
    /// Executions of a tenant at one moment.
    concurrent_executions = 4, 1, 1_024;
    /// Events of a tenant that wait.
    waiting_events = 100_000, 1, 100_000_000;
    /// Events of a tenant that wait, in bytes.
    waiting_bytes = 256 * MIB, 1, 1024 * 1024 * MIB;
    /// Events accepted from a tenant per second.
    events_per_second = 5_000, 1, 1_000_000;
    /// Events accepted from a tenant at once, beyond that rate.
    events_burst = 10_000, 1, 1_000_000;
    /// Executions between a cascade's root event and its furthest leaf.
    cascade_depth = 32, 0, 1_000_000;
    /// Executions of one cascade.
    cascade_executions = 1_000, 1, 100_000_000;
    /// Fuel of one cascade.
    cascade_fuel = 200_000_000, 1_000, 1_000_000_000_000;
    /// Follow-up events of one cascade.
    cascade_events = 1_000, 0, 100_000_000;
    /// Follow-up events of one cascade, in bytes.
    cascade_bytes = 4 * MIB, 0, 1024 * 1024 * MIB;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_lowers_and_never_raises() {
        let tenant = Limits::default();
        let rule = LimitOverrides {
            fuel: Some(5_000),
            deadline_ms: Some(10_000),
            ..LimitOverrides::default()
        };
        let limits = tenant.lowered(&rule);
        assert_eq!(limits.fuel, 5_000);
        assert_eq!(limits.deadline_ms, tenant.deadline_ms);
    }

    #[test]
    fn defaults_are_within_bounds() {
        for info in Limits::ALL {
            assert!(info.default <= info.max, "{}", info.name);
        }
    }

    #[test]
    fn values_that_the_host_cannot_keep_are_refused() {
        let error = LimitOverrides {
            memory_bytes: Some(u64::MAX),
            ..LimitOverrides::default()
        }
        .check()
        .unwrap_err();
        assert_eq!(error.name, "memory_bytes");
        assert!(serde_json::from_str::<LimitOverrides>(r#"{"feul": 1}"#).is_err());
    }
}
