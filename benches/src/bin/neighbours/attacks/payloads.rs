//! Attacks by size: bodies at their bounds and beyond them.

use std::io::{self, Write};
use std::net::TcpStream;

use super::{Gun, Tally};
use crate::http::{Client, head};

/// Between two requests of one thread, if it did not have to wait.
const EVERY_US: u64 = 2_000_000;
/// The most that one event's data may have, and one request's events.
const EVENT_BYTES: usize = 256 * 1024;
const BODY_BYTES: usize = 2 * 1024 * 1024;
const MEDIA: &str = "application/cloudevents-batch+json";
const KINDS: u64 = 5;

/// In turns: an event as large as may be, one that is larger, a batch as large
/// as may be, and larger bodies, declared and chunked.
pub(super) fn giants(gun: &Gun<'_>, tally: &mut Tally) {
    let filler = vec![b'x'; EVENT_BYTES + 1];
    let path = gun.tenant.path("/events");
    let token = &gun.tenant.token;
    let head = |length| head("POST", &path, token, MEDIA, length);
    gun.paced(EVERY_US, |client, turn| {
        // In quotes.
        let largest = EVENT_BYTES - 2;
        // Tenants send different ones at the same time.
        let kind = turn + gun.number as u64;
        let (answer, events) = match kind % KINDS {
            0 => (batch(client, head, turn, 1, &filler[..largest]), 1),
            1 => (batch(client, head, turn, 1, &filler[..=largest]), 1),
            2 => {
                let count = BODY_BYTES / (EVENT_BYTES + 256);
                let answer = batch(client, head, turn, count, &filler[..largest]);
                (answer, count as u64)
            }
            3 => (declared(client, &head(Some(BODY_BYTES + 1)), &filler), 0),
            _ => (chunked(client, &head(None), &filler), 0),
        };
        tally.answered(answer, events);
    });
}

type Answered = io::Result<crate::http::Answer>;

/// A batch of so many events with this text.
fn batch(
    client: &mut Client,
    head: impl Fn(Option<usize>) -> String,
    turn: u64,
    count: usize,
    text: &[u8],
) -> Answered {
    let before = |index: usize| {
        let first = if index == 0 { '[' } else { ',' };
        format!(
            r#"{first}{{"specversion":"1.0","source":"/storm","type":"giant","id":"{turn:010}-{index:010}","data":""#
        )
    };
    let after = r#""}"#;
    let length = count * (before(0).len() + text.len() + after.len()) + 1;
    let head = head(Some(length));
    client.ask_with(|stream: &mut TcpStream| {
        stream.write_all(head.as_bytes())?;
        for index in 0..count {
            stream.write_all(before(index).as_bytes())?;
            stream.write_all(text)?;
            stream.write_all(after.as_bytes())?;
        }
        stream.write_all(b"]")
    })
}

/// A body that is declared to be too large, and of which some is sent.
fn declared(client: &mut Client, head: &str, filler: &[u8]) -> Answered {
    client.ask_with(|stream| {
        stream.write_all(head.as_bytes())?;
        stream.write_all(filler)
    })
}

/// A body that does not say how large it is, and is too large.
fn chunked(client: &mut Client, head: &str, filler: &[u8]) -> Answered {
    let size = format!("{:x}\r\n", filler.len());
    client.ask_with(|stream| {
        stream.write_all(head.as_bytes())?;
        for _ in 0..=BODY_BYTES / filler.len() {
            stream.write_all(size.as_bytes())?;
            stream.write_all(filler)?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")
    })
}
