//! What bounds a search for cycles: its steps, and how many it finds.

/// The search went beyond a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut;

/// Steps that a search may still take: looks at one edge, or the like.
#[derive(Debug)]
pub(super) struct Steps(pub(super) u64);

impl Steps {
    pub(super) fn take(&mut self, steps: usize) -> Result<(), Cut> {
        self.0 = self.0.checked_sub(steps as u64).ok_or(Cut)?;
        Ok(())
    }
}

/// Cycles that were found, as the numbers of their rules in order.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) cycles: Vec<Vec<u32>>,
    /// How many there may be.
    pub(super) most: usize,
    pub(super) steps: Steps,
}

impl Found {
    pub(super) fn new(most: usize, steps: u64) -> Self {
        Self {
            cycles: Vec::new(),
            most,
            steps: Steps(steps),
        }
    }

    pub(super) fn add(&mut self, cycle: &[u32]) -> Result<(), Cut> {
        if self.cycles.len() == self.most {
            return Err(Cut);
        }
        self.steps.take(cycle.len())?;
        self.cycles.push(cycle.to_vec());
        Ok(())
    }
}

/// Who is led to by each rule, by number, without itself.
pub(super) type Links = [Vec<u32>];
