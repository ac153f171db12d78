//! Overload: whether the host as a whole is behind, and who is turned away.
//!
//! With fair queueing a calm tenant has its turn at once, however long the
//! queue of another is. So, as in CoDel (Nichols and Jacobson, "Controlling
//! Queue Delay", 2012), it is the minimum that says whether the host is late: if
//! for some time nobody's turn came within the target, everybody is late. What
//! is measured is how long a tenant waits for its turn, not how long an event
//! waits behind others of its own tenant.
//!
//! While the host is behind, tenants above their share are turned away; only if
//! that does not help, or if memory runs out, is everybody. A tenant's demand is
//! the fuel that it used lately and the fuel that what waits of it is expected
//! to take, over its weight. Its share ends halfway between two averages of the
//! demand: that over all active tenants, and that over all demand (what the
//! tenant wants to whom a unit of demand belongs: the sum of squares over the
//! sum). Below the first nobody is turned away. The second is near the greatest
//! demand where a few want far more than all others; so those few are above,
//! and not who wants somewhat more than many small ones. Where all want the
//! same, or one is alone, nobody is. All sums are kept up to date as things
//! happen, so that to decide about a request costs the same with any number of
//! tenants.

use ringfence_model::FUEL_PER_MICROSECOND;

/// Fuel used so long ago counts half, in microseconds.
const HALF_LIFE_US: u64 = 5_000_000;

/// Fuel is summed up with a weight that doubles with each half-life (forward
/// decay, as in `pulse`), counted from the begin of an era of so many.
const ERA_HALF_LIVES: u64 = 64;
const ERA_US: u64 = ERA_HALF_LIVES * HALF_LIFE_US;

/// A tenant is active from when something of it happens until the end of the
/// next epoch, in microseconds.
const EPOCH_US: u64 = 10_000_000;

/// What an event is expected to take of whose runs nothing is known, in fuel:
/// some 50 us.
const UNKNOWN_COST: f64 = (50 * FUEL_PER_MICROSECOND) as f64;

/// A tenant is above its share if it is by this part of it: what sums of floats
/// may be wrong by, and differences that nobody would call unfair.
const TOLERANCE: f64 = 1.0 / 16.0;

/// The host is hopelessly late if nobody's turn comes within so many targets.
const HOPELESS_TARGETS: u64 = 5;

/// Bounds of what a client is told to wait, in microseconds; and the least
/// where everybody is turned away, since that does not end at once.
const WAIT_US_MIN: u64 = 1_000_000;
const OVERLOADED_WAIT_US_MIN: u64 = 5_000_000;
const WAIT_US_MAX: u64 = 30_000_000;

/// When the host is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverloadConfig {
    /// How long a tenant may wait for its turn, in microseconds.
    pub target_us: u64,
    /// For how long everybody has to wait longer before the host is behind, in
    /// microseconds; it is not any more after twice as long without that.
    pub interval_us: u64,
    /// For how long the host has to be hopelessly behind, although tenants
    /// above their share are turned away, before everybody is; in
    /// microseconds.
    pub hopeless_us: u64,
    /// The memory of all processes from which on the host is behind, in bytes.
    pub memory_bytes: u64,
    /// The same from which on everybody is turned away.
    pub memory_bytes_max: u64,
}

impl Default for OverloadConfig {
    /// 200 ms for 1 s; hopeless after 10 s; no bound of memory, because the
    /// machine's is not known here.
    fn default() -> Self {
        Self {
            target_us: 200_000,
            interval_us: 1_000_000,
            hopeless_us: 10_000_000,
            memory_bytes: u64::MAX,
            memory_bytes_max: u64::MAX,
        }
    }
}

/// How the host is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everybody is served in time.
    #[default]
    Fine,
    /// Everybody is late, or memory is short: who is above its share is turned
    /// away.
    Behind,
    /// That did not help: everybody is turned away.
    Overloaded,
}

impl Level {
    /// Its name, in answers and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Behind => "behind",
            Self::Overloaded => "overloaded",
        }
    }
}

/// What is looked at now and then, beside what is told when it happens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signs {
    /// Whether there is work that nothing but a worker is missing for.
    pub is_work_due: bool,
    /// Memory of all processes, in bytes.
    pub memory_bytes: u64,
}

/// Why a tenant is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnedAway {
    /// How the host is.
    pub level: Level,
    /// The tenant's part of the demand of all, in percent.
    pub demand_percent: u64,
    /// The part above which tenants of its weight are turned away, in percent.
    pub share_percent: u64,
    /// When to try again, in microseconds from now: 1 to 30 seconds.
    pub retry_after_us: u64,
}

/// How the host is, with what that is known from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// How the host is.
    pub level: Level,
    /// The least that a tenant waited for its turn at the latest look, in
    /// microseconds; 0 if nobody waits.
    pub queueing_us: u64,
    /// From when on that is too long.
    pub queueing_target_us: u64,
    /// Memory of all processes at the latest look, in bytes.
    pub memory_bytes: u64,
    /// From when on that is too much.
    pub memory_watermark_bytes: u64,
}

/// One tenant's part. Kept by who knows the tenant.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    weight: u64,
    /// Fuel used, as of the begin of an era.
    used: f64,
    era: u64,
    /// What one run takes, in fuel: a moving average. An event that waits is
    /// taken for one run.
    cost: f64,
    waiting_events: u64,
    /// The latest epoch in which something happened.
    epoch: u64,
    /// When something of it was last begun or ended.
    moved_us: u64,
    /// When something of it was last begun.
    begun_us: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            weight: 1,
            used: 0.0,
            era: 0,
            cost: UNKNOWN_COST,
            waiting_events: 0,
            epoch: 0,
            moved_us: 0,
            begun_us: 0,
        }
    }
}

impl Load {
    /// What waits is expected to take, in fuel.
    fn waiting_fuel(&self) -> f64 {
        self.waiting_events as f64 * self.cost
    }

    /// Makes an era the present one.
    fn turn(&mut self, era: u64) {
        self.used *= faded(era.saturating_sub(self.era));
        self.era = self.era.max(era);
    }
}

/// What is left of fuel after so many eras.
fn faded(eras: u64) -> f64 {
    if eras == 0 {
        return 1.0;
    }
    let half_lives = eras.saturating_mul(ERA_HALF_LIVES);
    (-(half_lives as f64)).exp2()
}

/// What all tenants want, with fuel that was used as of the begin of an era.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    era: u64,
    used: f64,
    /// Over weight: the square of what was used, that times what waits, and
    /// the square of what waits.
    used_used: f64,
    used_waiting: f64,
    waiting_waiting: f64,
    waiting: f64,
    waiting_events: u64,
}

impl Sums {
    /// Adds a tenant, or takes it out (`sign` -1).
    fn count(&mut self, load: &Load, sign: f64) {
        let (used, waiting) = (load.used, load.waiting_fuel());
        let part = sign / load.weight as f64;
        self.used += sign * used;
        self.used_used += part * used * used;
        self.used_waiting += part * used * waiting;
        self.waiting += sign * waiting;
        self.waiting_waiting += part * waiting * waiting;
    }

    fn turn(&mut self, era: u64) {
        let faded = faded(era.saturating_sub(self.era));
        self.used *= faded;
        self.used_used *= faded * faded;
        self.used_waiting *= faded;
        self.era = self.era.max(era);
    }
}

/// What a tenant wants beside the others, in fuel.
struct Demand {
    own: f64,
    all: f64,
    /// Above which a tenant of its weight is turned away.
    share: f64,
}

/// That something holds, once it has held for some time; and no more, once it
/// has not for some time.
#[derive(Debug, Clone, Copy, Default)]
struct Lasting {
    holds: bool,
    differs_since_us: Option<u64>,
}

impl Lasting {
    fn look(&mut self, holds: bool, begins_us: u64, ends_us: u64, now_us: u64) {
        if holds == self.holds {
            self.differs_since_us = None;
            return;
        }
        let since_us = *self.differs_since_us.get_or_insert(now_us);
        let lasts_us = if holds { begins_us } else { ends_us };
        if now_us.saturating_sub(since_us) >= lasts_us {
            self.holds = holds;
            self.differs_since_us = None;
        }
    }
}

/// The host, with the sums over all tenants.
#[derive(Debug, Default)]
pub struct Overload {
    config: OverloadConfig,
    level: Level,
    is_late: Lasting,
    is_hopeless: Lasting,
    is_memory_short: Lasting,
    is_memory_out: Lasting,
    sums: Sums,
    /// Weights of who was active in this epoch, and in the one before and not
    /// in this.
    epoch: u64,
    weights: [u64; 2],
    /// Since the latest look: the least wait for a turn.
    least_us: Option<u64>,
    /// Since when work is due and nothing is dispatched.
    stalled_since_us: Option<u64>,
    /// As of the latest look.
    queueing_us: u64,
    memory_bytes: u64,
}

impl Overload {
    /// A host on which nothing has happened.
    pub fn new(config: OverloadConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// A tenant's weight, which may have changed.
    pub fn set_weight(&mut self, load: &mut Load, weight: u64, now_us: u64) {
        let weight = weight.max(1);
        self.turn_epoch(now_us);
        if let Some(sum) = self.weights_of(load.epoch) {
            *sum = sum.saturating_sub(load.weight).saturating_add(weight);
        }
        self.change(load, now_us, |load, _| load.weight = weight);
    }

    /// A tenant is gone.
    pub fn forget(&mut self, load: &Load, now_us: u64) {
        let mut load = *load;
        self.turn_epoch(now_us);
        if let Some(sum) = self.weights_of(load.epoch) {
            *sum = sum.saturating_sub(load.weight);
        }
        self.change(&mut load, now_us, |load, _| {
            load.used = 0.0;
            load.waiting_events = 0;
        });
    }

    /// So many events of a tenant wait.
    pub fn waits(&mut self, load: &mut Load, events: u64, now_us: u64) {
        self.touch(load, now_us);
        self.change(load, now_us, |load, _| load.waiting_events = events);
    }

    /// A tenant's work, which was ready since then, begins.
    pub fn dispatched(&mut self, load: &mut Load, ready_us: u64, now_us: u64) {
        // More of it at the same moment, in one batch, is of the same turn.
        if load.begun_us != now_us {
            let since_us = ready_us.max(load.moved_us);
            let waited_us = now_us.saturating_sub(since_us);
            self.least_us = Some(self.least_us.map_or(waited_us, |us| us.min(waited_us)));
        }
        load.begun_us = now_us;
        load.moved_us = now_us;
        self.touch(load, now_us);
    }

    /// A tenant's run is over; it took this much of the host, in fuel.
    pub fn ran(&mut self, load: &mut Load, fuel: u64, now_us: u64) {
        let fuel = fuel as f64;
        self.touch(load, now_us);
        self.change(load, now_us, |load, scale| {
            load.used += fuel * scale;
            load.cost += (fuel - load.cost) / 8.0;
            load.moved_us = now_us;
        });
    }

    /// Looks at the host, which is to be done some times a second. Answers the
    /// level if it is another now.
    pub fn look(&mut self, signs: Signs, now_us: u64) -> Option<Level> {
        let queueing_us = self.queueing(signs, now_us);
        self.queueing_us = queueing_us;
        self.memory_bytes = signs.memory_bytes;
        let config = self.config;
        let lag_us = config.interval_us.saturating_mul(2);
        let is_late = queueing_us > config.target_us;
        self.is_late
            .look(is_late, config.interval_us, lag_us, now_us);
        let hopeless_us = config.target_us.saturating_mul(HOPELESS_TARGETS);
        let is_hopeless = self.is_late.holds && queueing_us > hopeless_us;
        self.is_hopeless
            .look(is_hopeless, config.hopeless_us, lag_us, now_us);
        for (short, bytes) in [
            (&mut self.is_memory_short, config.memory_bytes),
            (&mut self.is_memory_out, config.memory_bytes_max),
        ] {
            // What is freed only to be taken again is not free.
            let enough = if short.holds {
                bytes - bytes / 16
            } else {
                bytes
            };
            short.look(signs.memory_bytes >= enough, 0, lag_us, now_us);
        }
        let level = if self.is_hopeless.holds || self.is_memory_out.holds {
            Level::Overloaded
        } else if self.is_late.holds || self.is_memory_short.holds {
            Level::Behind
        } else {
            Level::Fine
        };
        let before = std::mem::replace(&mut self.level, level);
        (level != before).then_some(level)
    }

    /// The least that anybody waited for a turn since the latest look.
    fn queueing(&mut self, signs: Signs, now_us: u64) -> u64 {
        if let Some(least_us) = self.least_us.take() {
            self.stalled_since_us = None;
            return least_us;
        }
        if !signs.is_work_due {
            self.stalled_since_us = None;
            return 0;
        }
        // It may have become due just now.
        let since_us = *self.stalled_since_us.get_or_insert(now_us);
        now_us.saturating_sub(since_us)
    }

    /// How the host is.
    pub fn pressure(&self) -> Pressure {
        Pressure {
            level: self.level,
            queueing_us: self.queueing_us,
            queueing_target_us: self.config.target_us,
            memory_bytes: self.memory_bytes,
            memory_watermark_bytes: self.config.memory_bytes,
        }
    }

    /// Whether a tenant may add work.
    pub fn admits(&mut self, load: &Load, now_us: u64) -> Result<(), TurnedAway> {
        if self.level == Level::Fine {
            return Ok(());
        }
        self.turn_epoch(now_us);
        let Demand { own, all, share } = self.demand(load, now_us);
        let most = (share * (1.0 + TOLERANCE)).max(UNKNOWN_COST);
        if self.level == Level::Behind && own <= most {
            return Ok(());
        }
        // What was used counts half after a half-life.
        let half_lives = (own / most).log2().max(0.0);
        let least_us = match self.level {
            Level::Overloaded => OVERLOADED_WAIT_US_MIN,
            Level::Fine | Level::Behind => WAIT_US_MIN,
        };
        let percent = |part: f64| ((part / all.max(1.0) * 100.0).round() as u64).min(100);
        Err(TurnedAway {
            level: self.level,
            demand_percent: percent(own),
            share_percent: percent(share),
            retry_after_us: ((half_lives * HALF_LIFE_US as f64) as u64)
                .clamp(least_us, WAIT_US_MAX),
        })
    }

    fn demand(&self, load: &Load, now_us: u64) -> Demand {
        let (mut load, mut sums) = (*load, self.sums);
        let scale = turn(&mut load, &mut sums, now_us);
        let own = load.used / scale + load.waiting_fuel();
        let all = (sums.used / scale + sums.waiting).max(own);
        let squares = sums.used_used / (scale * scale)
            + 2.0 * sums.used_waiting / scale
            + sums.waiting_waiting;
        let met = if all > 0.0 { squares / all } else { 0.0 };
        let [now, before] = self.weights;
        let average = all / (now + before).max(load.weight) as f64;
        // Who wants something and was not active lately is in the second only.
        let share = (average.min(met).midpoint(met) * load.weight as f64).min(all);
        Demand { own, all, share }
    }

    /// Whether what takes much memory at once, as compiling an upload does,
    /// may begin. It is not turned away only because the host is late: what is
    /// uploaded may be the cure.
    pub fn admits_memory(&self) -> bool {
        self.level != Level::Overloaded && !self.is_memory_short.holds
    }

    /// Something of a tenant happens.
    fn touch(&mut self, load: &mut Load, now_us: u64) {
        self.turn_epoch(now_us);
        if load.epoch == self.epoch {
            return;
        }
        if let Some(sum) = self.weights_of(load.epoch) {
            *sum = sum.saturating_sub(load.weight);
        }
        load.epoch = self.epoch;
        self.weights[0] = self.weights[0].saturating_add(load.weight);
    }

    /// Epochs are counted from 1, so that none is 0.
    fn turn_epoch(&mut self, now_us: u64) {
        let epoch = 1 + now_us / EPOCH_US;
        if epoch == self.epoch + 1 {
            self.weights = [0, self.weights[0]];
        } else if epoch > self.epoch {
            self.weights = [0, 0];
        }
        self.epoch = self.epoch.max(epoch);
    }

    /// The sum in which the weight of a tenant is that was active last in this
    /// epoch.
    fn weights_of(&mut self, epoch: u64) -> Option<&mut u64> {
        if epoch == 0 || epoch > self.epoch {
            return None;
        }
        let ago = usize::try_from(self.epoch - epoch).unwrap_or(usize::MAX);
        self.weights.get_mut(ago)
    }

    /// Changes a tenant's load, in the sums of all, too. `change` is told what
    /// fuel counts now, as of the begin of the era.
    fn change(&mut self, load: &mut Load, now_us: u64, change: impl FnOnce(&mut Load, f64)) {
        let scale = turn(load, &mut self.sums, now_us);
        let events = load.waiting_events;
        self.sums.count(load, -1.0);
        change(load, scale);
        self.sums.count(load, 1.0);
        let sums = &mut self.sums;
        sums.waiting_events = sums.waiting_events.saturating_sub(events) + load.waiting_events;
        if sums.waiting_events == 0 {
            // Rounding would leave a little.
            (sums.waiting, sums.used_waiting, sums.waiting_waiting) = (0.0, 0.0, 0.0);
        }
    }
}

/// Brings both to the present era; answers what fuel counts now that is used
/// now.
fn turn(load: &mut Load, sums: &mut Sums, now_us: u64) -> f64 {
    let era = (now_us / ERA_US).max(sums.era);
    load.turn(era);
    sums.turn(era);
    let since_us = now_us.saturating_sub(era.saturating_mul(ERA_US));
    (since_us as f64 / HALF_LIFE_US as f64).exp2()
}

#[cfg(test)]
#[path = "overload_tests.rs"]
mod tests;
