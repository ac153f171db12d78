//! When something that is measured begins to be an anomaly, and when it ends.

/// What is measured, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// At or above the threshold.
    High,
    /// Neither: an anomaly does not begin, and one that goes on does not end.
    Between,
    /// Below.
    Low,
}

/// What a look changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Began,
    /// One that began at this time is over.
    Ended {
        since_us: u64,
    },
}

/// Begins only what is high all the time for a while, ends only what is low
/// all the time for a while (hysteresis): what hovers about the threshold does
/// not begin and end again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Watch {
    #[default]
    Calm,
    Suspected {
        since_us: u64,
    },
    Ongoing {
        since_us: u64,
        low_since_us: Option<u64>,
    },
}

impl Watch {
    /// A look at what is measured. `begins_us` and `ends_us` are how long it
    /// has to be high and low.
    pub(super) fn look(
        &mut self,
        level: Level,
        now_us: u64,
        begins_us: u64,
        ends_us: u64,
    ) -> Change {
        match self {
            Self::Calm | Self::Suspected { .. } if level != Level::High => *self = Self::Calm,
            Self::Calm => {
                *self = Self::Suspected { since_us: now_us };
                if begins_us == 0 {
                    return self.look(level, now_us, begins_us, ends_us);
                }
            }
            Self::Suspected { since_us } if now_us.saturating_sub(*since_us) >= begins_us => {
                *self = Self::Ongoing {
                    since_us: *since_us,
                    low_since_us: None,
                };
                return Change::Began;
            }
            Self::Ongoing { low_since_us, .. } if level != Level::Low => *low_since_us = None,
            Self::Ongoing {
                since_us,
                low_since_us,
            } => {
                let since_us = *since_us;
                let low_since_us = *low_since_us.get_or_insert(now_us);
                if now_us.saturating_sub(low_since_us) >= ends_us {
                    *self = Self::Calm;
                    return Change::Ended { since_us };
                }
            }
            Self::Suspected { .. } => {}
        }
        Change::None
    }

    /// Whether nothing is suspected or goes on.
    pub(super) fn is_calm(&self) -> bool {
        *self == Self::Calm
    }

    /// Since when one goes on, in microseconds since 1970.
    pub(super) fn since_us(&self) -> Option<u64> {
        match self {
            Self::Ongoing { since_us, .. } => Some(*since_us),
            Self::Calm | Self::Suspected { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_takes_a_while_to_begin_and_to_end() {
        use Level::{Between, High, Low};
        let mut watch = Watch::default();
        for (now, level, change) in [
            (0, High, Change::None),
            (9, High, Change::None),
            (10, Between, Change::None),
            (11, High, Change::None),
            (21, High, Change::Began),
            (22, Low, Change::None),
            (26, Between, Change::None),
            (27, Low, Change::None),
            (31, Low, Change::None),
            (32, Low, Change::Ended { since_us: 11 }),
        ] {
            assert_eq!(watch.look(level, now, 10, 5), change, "at {now}");
        }
        assert_eq!(watch.look(High, 40, 0, 0), Change::Began);
        assert_eq!(watch.look(Low, 41, 0, 0), Change::Ended { since_us: 40 });
    }

    proptest! {
        /// Beginnings and ends take turns, and only after what they ask for.
        #[test]
        fn beginnings_and_ends_take_turns(
            looks in prop::collection::vec((0u64..5, 0u8..3), 1..200),
            begins in 0u64..8, ends in 0u64..8,
        ) {
            let mut watch = Watch::default();
            let (mut now, mut ongoing) = (0, false);
            let (mut high_since, mut low_since) = (None, None);
            for (later, level) in looks {
                now += later;
                let level = [Level::High, Level::Between, Level::Low][usize::from(level)];
                high_since = (level == Level::High).then(|| high_since.unwrap_or(now));
                low_since = (level == Level::Low).then(|| low_since.unwrap_or(now));
                match watch.look(level, now, begins, ends) {
                    Change::None => {}
                    Change::Began => {
                        prop_assert!(!ongoing);
                        prop_assert!(high_since.is_some_and(|since| now - since >= begins));
                        ongoing = true;
                    }
                    Change::Ended { since_us } => {
                        prop_assert!(ongoing && since_us <= now);
                        prop_assert!(low_since.is_some_and(|since| now - since >= ends));
                        ongoing = false;
                    }
                }
                prop_assert_eq!(watch.since_us().is_some(), ongoing);
            }
        }
    }
}
