//! Stops: an execution or a cascade ended by a limit.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{RuleName, VersionId};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)*) => {
        /// Why something was stopped. The codes are stable: programs match
        /// on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum StopCode {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $name,)*
        }

        impl StopCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// What it means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+),)*
                }
            }
        }
    };
}

codes! {
    /// The event's data are larger than the rule may be given.
    InputTooLarge = "input-too-large";
    /// The run used up its fuel.
    OutOfFuel = "out-of-fuel";
    /// The run took longer than its wall-clock deadline.
    Deadline = "deadline";
    /// The run asked for more memory than it may have.
    OutOfMemory = "out-of-memory";
    /// The run's call stack outgrew its limit.
    StackOverflow = "stack-overflow";
    /// The run's effects are larger than allowed.
    OutputTooLarge = "output-too-large";
    /// The run returned more effects than allowed.
    TooManyEffects = "too-many-effects";
    /// The rule would remember more than allowed.
    StateTooLarge = "state-too-large";
    /// The rule's code trapped.
    Trap = "trap";
    /// The rule returned a failure.
    RuleFailed = "rule-failed";
    /// The run returned an effect that the rule's manifest does not declare.
    UndeclaredEffect = "undeclared-effect";
    /// The run returned an effect that is not well-formed.
    InvalidEffect = "invalid-effect";
    /// The cascade reached its greatest depth.
    CascadeDepth = "cascade-depth";
    /// The cascade used up its executions.
    CascadeExecutions = "cascade-executions";
    /// The cascade used up its fuel.
    CascadeFuel = "cascade-fuel";
    /// The cascade used up its follow-up events.
    CascadeEvents = "cascade-events";
    /// The cascade used up its bytes of follow-up events.
    CascadeBytes = "cascade-bytes";
    /// The run would have done what one of its ancestors did: a loop.
    Revisit = "revisit";
    /// The rule was in quarantine for too long, or what waited for it was
    /// discarded.
    Quarantined = "quarantined";
    /// The rule was paused, and as many events waited for it as may.
    Paused = "paused";
    /// What the run recalled kept changing until its repetitions were used up.
    StateConflict = "state-conflict";
    /// The run ended the process that ran it, twice.
    CrashedWorker = "crashed-worker";
    /// The rule's component cannot be run by this host any more.
    VersionUnavailable = "version-unavailable";
}

impl fmt::Display for StopCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for StopCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a stop code"))
    }
}

/// That something was stopped, why, and what its author can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Stable, for programs.
    pub code: StopCode,
    /// What happened, in one sentence, for people.
    pub message: String,
    /// The limit that was reached, in its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What was used or asked for, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<u64>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// For a trap: the wasm functions that were active, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<Frame>,
    /// For what ended a cascade: who took part, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<Evidence>>,
}

/// Who took part in what was stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// For a loop: one full turn of it, the run that was stopped last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<CycleStep>,
    /// For a budget: the runs from the root on along which most of it was
    /// used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<CycleStep>,
    /// What each rule used of the cascade's budget, the most first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<RuleShare>,
}

/// One run of a loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleStep {
    /// Which rule.
    pub rule: RuleName,
    /// Which version of it.
    pub version: VersionId,
    /// The type of the event that it was run on.
    pub event_type: String,
    /// The record that the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// What one rule used of a cascade's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleShare {
    /// Which rule.
    pub rule: RuleName,
    /// Its executions.
    pub executions: u64,
    /// Their fuel.
    pub fuel: u64,
    /// Follow-up events that they set off.
    pub events: u64,
    /// Stops of its own.
    pub stops: u64,
}

/// One active wasm function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its name, demangled, or its index where the component has no names.
    pub function: String,
    /// The offset within the module, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

impl Stop {
    /// With a sentence only.
    pub fn new(code: StopCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            limit: None,
            usage: None,
            hint: None,
            backtrace: Vec::new(),
            evidence: None,
        }
    }

    /// Adds the limit and what was used or asked for.
    #[must_use]
    pub fn at(mut self, limit: u64, usage: u64) -> Self {
        self.limit = Some(limit);
        self.usage = Some(usage);
        self
    }

    /// Adds who took part.
    #[must_use]
    pub fn with_evidence(mut self, evidence: Evidence) -> Self {
        self.evidence = Some(Box::new(evidence));
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
