//! What of a commit can be made before it reaches the writer, on the asker's
//! thread: the writer is one, the askers are many.

use ringfence_model::{ExecutionId, RuleName, Stop, StopCode, VersionId};

use crate::sqlite::fault::encode;
use crate::{Outcome, Result, RunCommit, StoreError};

/// A commit with its records as text.
pub(in crate::sqlite) struct Prepared {
    pub(super) commit: RunCommit,
    /// The execution.
    pub(super) record: Option<String>,
    /// The decisions, with commas between them.
    pub(super) decisions: String,
    /// The dead letters among the decisions.
    pub(super) letters: Vec<Letter>,
    /// The time of what this commit leaves behind.
    pub(super) since_us: u64,
}

/// A dead letter without its event.
pub(super) struct Letter {
    pub(super) rule: Option<RuleName>,
    pub(super) version: Option<VersionId>,
    pub(super) execution: Option<ExecutionId>,
    pub(super) code: StopCode,
    /// As JSON.
    pub(super) stop: String,
}

impl Letter {
    /// Of an event as a whole.
    pub(super) fn of_event(stop: &Stop) -> Result<Self> {
        Ok(Self {
            rule: None,
            version: None,
            execution: None,
            code: stop.code,
            stop: encode("writing a stop", stop)?,
        })
    }
}

impl Prepared {
    pub(in crate::sqlite) fn new(commit: RunCommit) -> Result<Self> {
        let execution = commit.execution.as_deref();
        if execution.is_none() && !commit.effects.is_empty() {
            return Err(StoreError::Storage {
                doing: "committing effects",
                cause: "they come from a run, and the commit names none".into(),
            });
        }
        let record = execution.map(|execution| encode("writing an execution", execution));
        let mut decisions = String::new();
        let mut letters = Vec::new();
        for decision in &commit.decisions {
            if !decisions.is_empty() {
                decisions.push(',');
            }
            decisions.push_str(&encode("writing a decision", decision)?);
            if let Outcome::DeadLettered { execution, stop } = &decision.outcome {
                letters.push(Letter {
                    rule: Some(decision.rule.clone()),
                    version: Some(decision.version),
                    execution: *execution,
                    ..Letter::of_event(stop)?
                });
            }
        }
        let since_us = match (commit.completion, execution) {
            (Some(completion), _) => completion.done_us,
            (None, Some(execution)) => execution.started_us,
            (None, None) => commit.event.accepted_us,
        };
        Ok(Self {
            record: record.transpose()?,
            decisions,
            letters,
            since_us,
            commit,
        })
    }

    /// About how much it holds and writes, in bytes.
    pub(in crate::sqlite) fn size(&self) -> u64 {
        let follow_ups: u64 = self.commit.follow_ups.iter().map(|f| f.event.size()).sum();
        let effects: u64 = self.commit.effects.iter().map(|(_, e)| e.size()).sum();
        let record = self.record.as_ref().map_or(0, String::len) + self.decisions.len();
        self.commit.event.size() + follow_ups + effects + record as u64
    }
}
