//! Who takes work, and in which order tenants are served.

use crate::turns::Stagger;

/// In which order tenants are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// By what their runs cost, in proportion to their weights, and with small
    /// runs beside large ones.
    #[default]
    Fair,
    /// By what their runs cost, without regard to what is small. For
    /// comparison.
    StartTime,
    /// In the order in which their work became ready, whatever it costs. For
    /// comparison.
    Fifo,
}

/// Which lane of the host takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// One of so many workers, counted from 0: the further to the end, the
    /// smaller the work that it prefers.
    Worker {
        /// Which.
        index: u32,
        /// How many there are.
        of: u32,
    },
    /// One that takes cheap work only, while so many workers, or as many as may,
    /// make runs that are not cheap.
    Express {
        /// How many workers there are.
        workers: u32,
    },
}

impl Lane {
    /// How much of its cost counts in the order of work.
    pub(crate) fn stagger(self) -> Stagger {
        match self {
            Self::Worker { index, of } if of > 1 => Stagger {
                part: index.min(of - 1),
                of: of - 1,
            },
            Self::Worker { .. } => Stagger::START,
            Self::Express { .. } => Stagger::FINISH,
        }
    }
}
