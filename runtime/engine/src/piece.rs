//! Pieces of work: what there is to be run, of every kind.

use std::sync::Arc;

use ringfence_governor::ActiveRule;
use ringfence_model::Event;

use crate::evaluation::{Asked, Evaluation};
use crate::job::Job;
use crate::registry::TenantState;

/// What a worker is given: it makes one run of it at a time.
#[derive(Debug)]
pub(crate) enum Piece {
    /// An event of the log, with what becomes durable.
    Event(Box<Job>),
    /// An event that somebody asks about, without.
    Evaluation(Box<Evaluation>),
}

impl Piece {
    pub(crate) fn event(&self) -> &Event {
        match self {
            Self::Event(job) => &job.event,
            Self::Evaluation(evaluation) => &evaluation.event,
        }
    }

    /// What its next run may take, in bytes.
    pub(crate) fn memory(&self, tenant: &TenantState) -> u64 {
        match self {
            Self::Event(job) => tenant.memory_of(job),
            Self::Evaluation(evaluation) => tenant.heaviest(&evaluation.event, evaluation.left()),
        }
    }

    /// The rule that its next run is of, as far as is known before it.
    pub(crate) fn next_rule<'a>(&'a self, tenant: &'a TenantState) -> Option<&'a Arc<ActiveRule>> {
        match self {
            Self::Event(job) => tenant.next_rule(job),
            Self::Evaluation(evaluation) => evaluation.left().first(),
        }
    }

    /// Whether both are events of one cascade, whose budget they share. An
    /// evaluation has one of its own.
    pub(crate) fn is_of_cascade(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Event(job), Self::Event(other)) => {
                job.event.lineage.cascade == other.event.lineage.cascade
            }
            _ => false,
        }
    }

    /// Whether it is this evaluation.
    pub(crate) fn is_asked(&self, asked: &Arc<Asked>) -> bool {
        match self {
            Self::Event(_) => false,
            Self::Evaluation(evaluation) => Arc::ptr_eq(&evaluation.asked, asked),
        }
    }
}
