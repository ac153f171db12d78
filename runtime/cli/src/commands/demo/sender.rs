//! The stream of events, as customers send it: at a fixed rate that does not
//! wait for answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use parking_lot::Mutex;
use ringfence_engine::Clock;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::api::Refused;
use super::stream::Stream;
use super::tenants::{Customer, Role};

/// Requests of one tenant at one moment; the stream then waits.
const REQUESTS_MAX: u32 = 64;
/// How much more the tenants send in which the storm is.
const STORM_FACTOR: u64 = 2;

/// All customers' streams.
pub(super) struct Sender {
    streams: JoinSet<Result<(&'static str, Sent)>>,
    accepted: Arc<AtomicU64>,
}

/// What became of one customer's stream.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The ids that the server acknowledged.
    pub(super) ids: Vec<String>,
    /// How many events it refused, by the problem's code.
    pub(super) refused: BTreeMap<String, u64>,
}

/// How one customer sends.
struct Plan {
    rate: u64,
    before_s: u64,
    storm_rate: u64,
    storm_s: u64,
}

impl Sender {
    /// Starts all streams.
    pub(super) fn start(
        customers: &[Arc<Customer>],
        rate: u64,
        before_s: u64,
        storm_s: u64,
        seed: u64,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let mut streams = JoinSet::new();
        let accepted = Arc::new(AtomicU64::new(0));
        for (index, customer) in customers.iter().enumerate() {
            let storm_rate = match customer.tenant.role() {
                Role::Calm => rate,
                Role::Storm => rate * STORM_FACTOR,
            };
            let plan = Plan {
                rate,
                before_s,
                storm_rate,
                storm_s,
            };
            let stream = Stream::new(seed.wrapping_add(index as u64), clock.clone());
            streams.spawn(send(customer.clone(), plan, stream, accepted.clone()));
        }
        Self { streams, accepted }
    }

    /// Events accepted so far.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Waits until all is sent and answered.
    pub(super) async fn finish(mut self) -> Result<BTreeMap<&'static str, Sent>> {
        let mut sent = BTreeMap::new();
        while let Some(finished) = self.streams.join_next().await {
            let (name, stream) = finished??;
            sent.insert(name, stream);
        }
        Ok(sent)
    }
}

async fn send(
    customer: Arc<Customer>,
    plan: Plan,
    mut stream: Stream,
    accepted: Arc<AtomicU64>,
) -> Result<(&'static str, Sent)> {
    let sent = Arc::new(Mutex::new(Sent::default()));
    let room = Arc::new(Semaphore::new(REQUESTS_MAX as usize));
    let failure = Arc::new(Mutex::new(None));
    for (rate, seconds) in [(plan.rate, plan.before_s), (plan.storm_rate, plan.storm_s)] {
        let mut ticks = interval(Duration::from_micros(1_000_000 / rate));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..rate * seconds {
            ticks.tick().await;
            let permit = room.clone().acquire_owned().await?;
            let event = stream.next_event();
            let (customer, sent) = (customer.clone(), sent.clone());
            let (accepted, failure) = (accepted.clone(), failure.clone());
            tokio::spawn(async move {
                match customer.api.send(&event).await {
                    Ok(Ok(id)) => {
                        accepted.fetch_add(1, Ordering::Relaxed);
                        sent.lock().ids.push(id);
                    }
                    Ok(Err(Refused { code })) => {
                        *sent.lock().refused.entry(code).or_default() += 1;
                    }
                    Err(error) => *failure.lock() = Some(error),
                }
                drop(permit);
            });
        }
    }
    // All permits are back when all answers are there.
    let _all = room.acquire_many(REQUESTS_MAX).await?;
    if let Some(error) = failure.lock().take() {
        return Err(error);
    }
    let sent = std::mem::take(&mut *sent.lock());
    Ok((customer.tenant.name, sent))
}
