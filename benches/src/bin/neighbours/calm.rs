//! The calm tenants: who they are, how they send, and what became of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Result;
use ringfence_benches::rule::thread_cpu;
use ringfence_engine::Clock;
use ringfence_model::{EventId, TenantId};
use serde_json::json;

use crate::host::{Host, Tenant};
use crate::http::{Client, request};
use crate::pace::{Random, wait_until};

/// What their names begin with.
pub(crate) const NAME: &str = "calm-";
pub(crate) const TENANTS: usize = 20;
/// Threads that send, each with a connection of its own. If all of them wait
/// for answers, the next request is late, and its time runs all the same.
pub(crate) const SENDERS: usize = 64;
/// Records that a tenant's events are about.
const SUBJECTS: usize = 500;
const SOURCE: &str = "/bench";
/// Their rule: it reads its event, computes for some 70 us, and asks for one
/// action.
const RULE: &str = "use-up";
const EVENT: &str = "limits.use";
const TURNS: u32 = 30_000;

/// Signs them up.
pub(crate) fn sign_up(host: &mut Host) -> Result<Vec<Tenant>> {
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        let tenant = host.tenant(&format!("{NAME}{number}"), &json!({}))?;
        host.activate(&tenant, RULE)?;
        tenants.push(tenant);
    }
    Ok(tenants)
}

/// What is to be sent, in order.
pub(crate) struct Plan {
    /// When each event is meant to be sent, in microseconds since 1970.
    pub(crate) at_us: Vec<u64>,
    /// After this time nothing is sent any more.
    pub(crate) until_us: u64,
    pub(crate) seed: u64,
}

/// What became of one event.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) event: EventId,
    /// Which tenant's.
    pub(crate) tenant: usize,
    /// When it was meant to be sent, when it was, and when the answer came, in
    /// microseconds since 1970.
    pub(crate) meant_us: u64,
    pub(crate) sent_us: u64,
    pub(crate) answered_us: u64,
    /// Why it was not accepted.
    pub(crate) refused: Option<String>,
}

/// Sends all of a plan. Answers what became of it, in no order, and the CPU time
/// that it took, in microseconds.
pub(crate) fn send(
    host: std::net::SocketAddr,
    tenants: &[Tenant],
    plan: &Plan,
    clock: &dyn Clock,
) -> Result<(Vec<Sent>, u64)> {
    let next = AtomicUsize::new(0);
    let sender = || -> Result<(Vec<Sent>, u64)> {
        let mut client = Client::new(host);
        let mut sent = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(meant_us) = plan.at_us.get(number).copied() else {
                break;
            };
            wait_until(clock, meant_us);
            if clock.now_us() > plan.until_us {
                break;
            }
            sent.push(send_one(&mut client, tenants, plan, number, clock)?);
        }
        Ok((sent, micros(thread_cpu())))
    };
    thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(sender)).collect();
        let (mut all, mut cpu_us) = (Vec::new(), 0);
        for sender in senders {
            let (sent, took_us) = sender.join().expect("a sender panicked")?;
            all.extend(sent);
            cpu_us += took_us;
        }
        Ok((all, cpu_us))
    })
}

fn send_one(
    client: &mut Client,
    tenants: &[Tenant],
    plan: &Plan,
    number: usize,
    clock: &dyn Clock,
) -> Result<Sent> {
    let mut random = Random(plan.seed.wrapping_add((number as u64) << 20));
    let tenant = random.below(tenants.len());
    let subject = random.below(SUBJECTS);
    let id = format!("{}-{number}", plan.seed);
    let body = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"{SOURCE}","type":"{EVENT}","subject":"c-{subject}","data":{{"turns":{TURNS},"effects":1,"customer":{{"name":"Ada","plan":"gold"}},"text":"All our agents see an empty inbox since this morning."}}}}"#
    );
    let Tenant { name, token } = &tenants[tenant];
    let path = tenants[tenant].path("/events");
    let media = "application/cloudevents+json";
    let request = request("POST", &path, token, media, body.as_bytes());
    let sent_us = clock.now_us();
    let refused = match client.ask(&request) {
        Ok(answer) if answer.status == 202 => None,
        Ok(answer) => Some(answer.code()),
        Err(error) => Some(format!("no answer: {:?}", error.kind())),
    };
    let owner: TenantId = name.parse()?;
    Ok(Sent {
        event: EventId::root(&owner, SOURCE, &id),
        tenant,
        meant_us: plan.at_us[number],
        sent_us,
        answered_us: clock.now_us(),
        refused,
    })
}

pub(crate) fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
