//! Attacks by events: rules that run away, and floods.

use serde_json::{Value, json};

use super::{Gun, Tally};
use crate::http::request;

/// Events in a batch of rules that run away.
const BATCH: u64 = 10;
/// Batches a second, of those.
const BATCHES_S: u64 = 5;
/// What a flood may send, in events a second: of one by one, and in batches.
const ALLOWED_S: u64 = 2;
const ALLOWED_IN_BATCHES_S: u64 = 50;
/// How much more it sends.
const FLOOD: u64 = 100;
/// Of so many floods, one comes in batches.
const BATCHED: usize = 4;

const SECOND_US: u64 = 1_000_000;
const HEAD: &str = r#""specversion":"1.0","source":"/storm""#;

/// Endless loops: each takes all the fuel that a run has, 2.5 ms.
pub(super) fn loops(gun: &Gun<'_>, tally: &mut Tally) {
    batches(gun, tally, BATCHES_S, BATCH, "conversation.created", "{}");
}

/// Runs that take all the memory that a run has.
pub(super) fn memory(gun: &Gun<'_>, tally: &mut Tally) {
    batches(gun, tally, BATCHES_S, BATCH, "conversation.created", "{}");
}

/// Rules that set themselves off, as deep as cascades may be.
pub(super) fn self_trigger(gun: &Gun<'_>, tally: &mut Tally) {
    batches(gun, tally, BATCHES_S, BATCH, "conversation.updated", "{}");
}

/// Each event becomes ten, until its cascade's budget is used up: 1,000 events.
pub(super) fn fan_out(gun: &Gun<'_>, tally: &mut Tally) {
    batches(gun, tally, 2, 1, "task.created", "{}");
}

/// So many batches a second, of events that are about as many subjects.
fn batches(gun: &Gun<'_>, tally: &mut Tally, a_second: u64, size: u64, ty: &str, data: &str) {
    let path = gun.tenant.path("/events");
    gun.paced(SECOND_US / a_second, |client, turn| {
        let events = (0..size).map(|index| {
            let id = format!("{}-{turn}-{index}", gun.thread);
            format!(r#"{{{HEAD},"id":"{id}","type":"{ty}","subject":"s-{id}","data":{data}}}"#)
        });
        let body = format!("[{}]", events.collect::<Vec<_>>().join(","));
        let media = "application/cloudevents-batch+json";
        let request = request("POST", &path, &gun.tenant.token, media, body.as_bytes());
        tally.answered(client.ask(&request), size);
    });
}

/// The limits of a tenant that floods: low, so that a hundred times as much can
/// be sent by one machine.
pub(super) fn flood_limits(number: usize) -> Value {
    let allowed = match comes_in_batches(number) {
        true => ALLOWED_IN_BATCHES_S,
        false => ALLOWED_S,
    };
    json!({"limits": {"events_per_second": allowed, "events_burst": allowed}})
}

fn comes_in_batches(number: usize) -> bool {
    number.is_multiple_of(BATCHED)
}

/// A hundred times as many events as are allowed.
pub(super) fn flood(gun: &Gun<'_>, tally: &mut Tally) {
    let threads = super::Attack::Flood.threads() as u64;
    let (ty, data) = ("conversation.created", r#"{"priority":"low"}"#);
    if comes_in_batches(gun.number) {
        let batches_s = FLOOD / threads;
        batches(gun, tally, batches_s, ALLOWED_IN_BATCHES_S, ty, data);
        return;
    }
    let path = gun.tenant.path("/events");
    gun.paced(SECOND_US * threads / (FLOOD * ALLOWED_S), |client, turn| {
        let id = format!("{}-{turn}", gun.thread);
        let body = format!(r#"{{{HEAD},"id":"{id}","type":"{ty}","data":{data}}}"#);
        let media = "application/cloudevents+json";
        let request = request("POST", &path, &gun.tenant.token, media, body.as_bytes());
        tally.answered(client.ask(&request), 1);
    });
}
