//! Headroom: how many large runs at one moment leave the server the cores that it
//! needs.
//!
//! What a host does around runs (requests, the log, results) is many short pieces of
//! work one after the other, in threads that wait for each other. Where runs fill
//! all cores, each piece waits for one first, however the operating system prefers
//! it: it looks for a core when a thread wakes, and finds none free. So runs that
//! are not cheap leave as many cores free as the server uses, and half as many
//! again.

use crate::decayed::Decayed;

/// The cores that are left to the server, for each that it uses.
const LEFT: f64 = 1.5;

/// How long it takes until what was used counts half, in microseconds.
const HALF_US: u64 = 1_000_000;

/// How busy the server is, and what that leaves to large runs.
#[derive(Debug, Default)]
pub struct Headroom {
    used: Decayed,
    passed: Decayed,
    /// The time, and what had been used then.
    seen: Option<(u64, u64)>,
}

impl Headroom {
    /// The server's threads have used so much CPU time since the process began,
    /// in microseconds, without what runs took; 0 if that is not known. Answers how
    /// many large runs may be under way, with so many workers and cores: at least one.
    pub fn large_max(&mut self, used_us: u64, (workers, cores): (u32, u32), now_us: u64) -> usize {
        let workers = workers.max(1);
        if used_us == 0 {
            return workers as usize;
        }
        if let Some((seen_us, seen_used_us)) = self.seen.replace((now_us, used_us)) {
            let of = |now: u64, before: u64| now.saturating_sub(before) as f64;
            self.used.add(of(used_us, seen_used_us), HALF_US, now_us);
            self.passed.add(of(now_us, seen_us), HALF_US, now_us);
        }
        let passed = self.passed.get(HALF_US, now_us);
        let left = match passed > 0.0 {
            true => LEFT * self.used.get(HALF_US, now_us) / passed,
            false => 0.0,
        };
        if left < 0.5 {
            return workers as usize;
        }
        // It is at least one, and at most the workers.
        let most = (f64::from(cores) - left).round();
        most.clamp(1.0, f64::from(workers)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    /// With so many workers and cores, and a server that has used this much of a core
    /// for ten seconds.
    fn settled(headroom: &mut Headroom, there: (u32, u32), used: f64, from_us: u64) -> usize {
        let mut most = 0;
        for quarter in 0..40 {
            let now_us = from_us + quarter * S / 4;
            let before = headroom.seen.map_or(1, |(_, used_us)| used_us);
            let used_us = before + (used * (S / 4) as f64) as u64;
            most = headroom.large_max(used_us, there, now_us);
        }
        most
    }

    #[test]
    fn a_server_that_works_has_cores_of_its_own() {
        for (there, used, expected) in [
            ((2, 2), 0.0, 2),
            ((2, 2), 0.3, 2),
            ((2, 2), 0.5, 1),
            ((2, 2), 1.9, 1),
            ((1, 1), 0.9, 1),
            ((8, 8), 0.2, 8),
            ((8, 8), 2.0, 5),
            ((8, 8), 8.0, 1),
            // Fewer workers than cores leave some anyway, and more leave none.
            ((2, 16), 2.0, 2),
            ((8, 4), 0.2, 8),
            ((8, 4), 1.0, 3),
        ] {
            let most = settled(&mut Headroom::default(), there, used, 0);
            assert_eq!(most, expected, "{there:?} {used}");
        }
    }

    #[test]
    fn it_follows_what_the_server_does_within_seconds() {
        let (mut headroom, there) = (Headroom::default(), (2, 2));
        assert_eq!(headroom.large_max(0, there, 76 * S), 2, "it is not known");
        let first = headroom.large_max(50 * S, there, 77 * S);
        assert_eq!(first, 2, "nobody knows since when");
        assert_eq!(settled(&mut headroom, there, 1.0, 78 * S), 1);
        assert_eq!(settled(&mut headroom, there, 0.1, 88 * S), 2);
    }
}
