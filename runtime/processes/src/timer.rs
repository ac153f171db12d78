//! The one place here that looks at the clock: how long to wait for a child.

use std::time::{Duration, Instant};

/// A moment until which something is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer(Instant);

impl Timer {
    /// So long from now.
    #[allow(
        clippy::disallowed_methods,
        reason = "bounds how long a child is waited for; decides nothing about a run"
    )]
    pub(crate) fn after(wait: Duration) -> Self {
        Self(Instant::now() + wait)
    }

    /// What is left; none if it is over.
    #[allow(
        clippy::disallowed_methods,
        reason = "bounds how long a child is waited for; decides nothing about a run"
    )]
    pub(crate) fn left(self) -> Option<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}
