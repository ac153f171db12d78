//! What is large and waits for the writer: it comes one by one, and has a
//! quarter of the time as long as others come, too.

use std::collections::VecDeque;

/// How much longer than a large request took the next one waits while others
/// come.
const REST: u64 = 3;

/// Large requests, in the order in which they came. Times are in microseconds.
pub(super) struct Bulk<R> {
    waiting: VecDeque<R>,
    rests_until_us: u64,
    /// Whether others came since the latest one.
    others: bool,
}

impl<R> Default for Bulk<R> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            rests_until_us: 0,
            others: false,
        }
    }
}

impl<R> Bulk<R> {
    pub(super) fn push(&mut self, request: R) {
        self.waiting.push_back(request);
    }

    /// Others were served.
    pub(super) fn others(&mut self) {
        self.others = true;
    }

    /// How long the next one waits from now on; none if there is none.
    pub(super) fn due_in_us(&self, now_us: u64) -> Option<u64> {
        let rests_us = self.rests_until_us.saturating_sub(now_us);
        let wait_us = if self.others { rests_us } else { 0 };
        (!self.waiting.is_empty()).then_some(wait_us)
    }

    /// The next one, if it need not wait.
    pub(super) fn next(&mut self, now_us: u64) -> Option<R> {
        if self.due_in_us(now_us)? > 0 {
            return None;
        }
        self.waiting.pop_front()
    }

    /// One was served.
    pub(super) fn took(&mut self, begun_us: u64, ended_us: u64) {
        let took_us = ended_us.saturating_sub(begun_us);
        self.rests_until_us = ended_us.saturating_add(took_us.saturating_mul(REST));
        self.others = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk() -> Bulk<u32> {
        let mut bulk = Bulk::default();
        for request in 1..=3 {
            bulk.push(request);
        }
        bulk
    }

    #[test]
    fn alone_they_come_one_after_the_other() {
        let mut bulk = bulk();
        for request in 1..=3 {
            assert_eq!(bulk.due_in_us(0), Some(0));
            assert_eq!(bulk.next(0), Some(request));
            bulk.took(0, 1_000);
        }
        assert_eq!((bulk.due_in_us(0), bulk.next(0)), (None, None));
    }

    #[test]
    fn beside_others_they_have_a_quarter_of_the_time() {
        let mut bulk = bulk();
        bulk.others();
        assert_eq!(bulk.next(100), Some(1));
        bulk.took(100, 1_100);
        // Until others come there is nobody to wait for.
        assert_eq!(bulk.due_in_us(1_100), Some(0));
        bulk.others();
        assert_eq!(bulk.due_in_us(1_200), Some(2_900));
        assert_eq!(bulk.next(4_099), None);
        assert_eq!(bulk.next(4_100), Some(2));
        bulk.took(4_100, 4_200);
        assert_eq!(bulk.next(4_200), Some(3));
    }
}
