//! Limits: a bound on everything that a tenant can grow or use up.

use serde::{Deserialize, Serialize};

/// A limit was set that cannot be set so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The host does not allow this value.
    #[error("`{name}` may be {min} to {max}; {given} was given")]
    OutOfBounds {
        /// Which limit.
        name: &'static str,
        /// The value.
        given: u64,
        /// The least allowed.
        min: u64,
        /// The greatest allowed.
        max: u64,
    },
    /// A rule has no such limit of its own.
    #[error("`{name}` bounds a tenant as a whole, so a rule cannot lower it")]
    OfTenant {
        /// Which limit.
        name: &'static str,
    },
}

impl LimitError {
    /// Which limit.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OutOfBounds { name, .. } | Self::OfTenant { name } => name,
        }
    }
}

/// What a limit bounds one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitScope {
    /// An execution, or what one rule remembers.
    Run,
    /// A cascade.
    Cascade,
    /// An upload.
    Upload,
    /// A tenant, with all its rules.
    Tenant,
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
    /// One of what it bounds.
    pub scope: LimitScope,
    /// What it bounds.
    pub meaning: &'static str,
}

impl LimitInfo {
    /// Whether a rule may lower it.
    pub const fn is_of_rules(&self) -> bool {
        !matches!(self.scope, LimitScope::Tenant)
    }
}

macro_rules! limits {
    ($($scope:ident {
        $($(#[doc = $doc:literal])+ $name:ident = $default:expr, $min:expr, $max:expr;)*
    })*) => {
        /// The limits in force for a tenant or a rule. The defaults are the
        /// plan `standard`.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($($(#[doc = $doc])+ pub $name: u64,)*)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($($name: $default,)*)* }
            }
        }

        /// Changes to some limits; what is none stays as it is.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct LimitOverrides {
            $($(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<u64>,
            )*)*
        }

        impl LimitOverrides {
            /// Refuses values that the host cannot keep.
            pub fn check(&self) -> Result<(), LimitError> {
                $($(
                    if let Some(given) = self.$name
                        && !($min..=$max).contains(&given)
                    {
                        return Err(LimitError::OutOfBounds {
                            name: stringify!($name),
                            given,
                            min: $min,
                            max: $max,
                        });
                    }
                )*)*
                Ok(())
            }

            /// The same for a rule's own, and refuses what no rule has of its
            /// own: it would change nothing.
            pub fn check_of_rule(&self) -> Result<(), LimitError> {
                $($(
                    if self.$name.is_some() && matches!(LimitScope::$scope, LimitScope::Tenant) {
                        return Err(LimitError::OfTenant { name: stringify!($name) });
                    }
                )*)*
                self.check()
            }
        }

        impl Limits {
            /// These limits with an operator's overrides.
            #[must_use]
            pub fn with(&self, overrides: &LimitOverrides) -> Self {
                Self { $($($name: overrides.$name.unwrap_or(self.$name),)*)* }
            }

            /// These limits as lowered by a rule; a rule never raises one.
            #[must_use]
            pub fn lowered(&self, overrides: &LimitOverrides) -> Self {
                Self {
                    $($($name: overrides.$name.map_or(self.$name, |value| value.min(self.$name)),)*)*
                }
            }

            /// All limits that exist.
            pub const ALL: &'static [LimitInfo] = &[
                $($(LimitInfo {
                    name: stringify!($name),
                    default: $default,
                    max: $max,
                    scope: LimitScope::$scope,
                    meaning: concat!($($doc),+),
                },)*)*
            ];
        }
    };
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

limits! {
    Run {
        /// Fuel per execution. 4,000 fuel are about a microsecond of CPU time.
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
    }
    Upload {
        /// One uploaded component, in bytes.
        component_bytes = 4 * MIB, KIB, 32 * MIB;
        /// Time to compile one upload, in milliseconds, of the clock and of the CPU.
        compile_ms = 20_000, 100, 600_000;
        /// Memory that compiling one upload may take, in bytes.
        compile_memory_bytes = GIB, 128 * MIB, 16 * GIB;
    }
    Tenant {
        /// Uploads of a tenant that are compiled at one moment; more wait.
        concurrent_compiles = 1, 1, 64;
        /// Rules of a tenant.
        rules = 200, 0, 10_000;
        /// Versions kept of one rule.
        versions = 50, 1, 1_000;
        /// Share of the host where tenants compete: twice the weight, twice the fuel.
        weight = 1, 1, 1_000;
        /// Executions of a tenant at one moment.
        concurrent_executions = 4, 1, 1_024;
        /// Memory of a tenant's executions at one moment, in bytes: the sum of
        /// what each may take. `memory_bytes` is never more than this.
        running_memory_bytes = 128 * MIB, 64 * KIB, 1024 * GIB;
        /// Events of a tenant that wait.
        waiting_events = 100_000, 1, 100_000_000;
        /// Events of a tenant that wait, in bytes.
        waiting_bytes = 256 * MIB, 1, 1024 * GIB;
        /// Events accepted from a tenant per second.
        events_per_second = 5_000, 1, 1_000_000;
        /// Events accepted from a tenant at once, beyond that rate.
        events_burst = 10_000, 1, 1_000_000;
        /// Evaluations of a tenant that somebody waits for at one moment.
        evaluations_waiting = 16, 1, 1_024;
        /// Time of an evaluation, in milliseconds, from when its event has
        /// arrived to its answer.
        evaluate_ms = 5_000, 10, 60_000;
    }
    Cascade {
        /// Executions between a cascade's root event and its furthest leaf.
        cascade_depth = 32, 0, 1_000_000;
        /// Executions of one cascade.
        cascade_executions = 1_000, 1, 100_000_000;
        /// Fuel of one cascade.
        cascade_fuel = 200_000_000, 1_000, 1_000_000_000_000;
        /// Follow-up events of one cascade.
        cascade_events = 1_000, 0, 100_000_000;
        /// Follow-up events of one cascade, in bytes.
        cascade_bytes = 4 * MIB, 0, 1024 * GIB;
    }
}

impl Limits {
    /// These limits without what contradicts itself: an execution alone fits
    /// into what all of the tenant may take together.
    #[must_use]
    pub fn consistent(mut self) -> Self {
        self.memory_bytes = self.memory_bytes.min(self.running_memory_bytes);
        self
    }
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
        assert_eq!(error.name(), "memory_bytes");
        assert!(serde_json::from_str::<LimitOverrides>(r#"{"feul": 1}"#).is_err());
    }

    #[test]
    fn what_bounds_a_tenant_is_not_a_rules_to_lower() {
        for info in Limits::ALL {
            let overrides = serde_json::json!({ info.name: info.default });
            let overrides: LimitOverrides = serde_json::from_value(overrides).unwrap();
            let refused = LimitError::OfTenant { name: info.name };
            let expected = if info.is_of_rules() {
                Ok(())
            } else {
                Err(refused)
            };
            assert_eq!(overrides.check_of_rule(), expected, "{}", info.name);
        }
    }

    #[test]
    fn one_run_always_fits_into_what_all_may_take() {
        let limits = Limits {
            running_memory_bytes: MIB,
            ..Limits::default()
        };
        assert_eq!(limits.consistent().memory_bytes, MIB);
        assert_eq!(Limits::default().consistent(), Limits::default());
    }
}
