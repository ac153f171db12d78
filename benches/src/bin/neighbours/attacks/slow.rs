//! Attacks by slowness: connections that are held and hardly used.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Gun, Tally};
use crate::host::Tenant;
use crate::http::{Client, connect, head, request};

/// Connections of one tenant. Twenty of them hold 800; the server takes 1,024,
/// and the calm tenants have 64.
const CONNECTIONS: usize = 40;
/// Connections that are made again, of one tenant.
const AGAIN_MAX: u64 = 400;
/// Between two bytes of one connection.
const PAUSE: Duration = Duration::from_millis(500);
/// Executions that can be asked for and not read.
const EXECUTIONS: usize = 500;
/// Requests on one connection whose answers are not read.
const UNREAD: usize = 20;

/// What a connection does.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Sends a head that does not end.
    Head,
    /// Sends a body, a byte at a time.
    Body,
    /// Asks for much, and reads nothing.
    Unread,
    /// Waits for effects, and reads nothing.
    Poll,
}

const KINDS: [Kind; 4] = [Kind::Head, Kind::Body, Kind::Unread, Kind::Poll];

struct Held {
    kind: Kind,
    stream: TcpStream,
}

/// Makes executions that can be asked for.
pub(super) fn prepare(host: SocketAddr, tenant: &Tenant) -> Result<()> {
    let events = (0..EXECUTIONS).map(|index| {
        format!(
            r#"{{"specversion":"1.0","source":"/storm","id":"p-{index}","type":"conversation.created","data":{{"priority":"urgent"}}}}"#
        )
    });
    let body = format!("[{}]", events.collect::<Vec<_>>().join(","));
    let media = "application/cloudevents-batch+json";
    let path = tenant.path("/events");
    let request = request("POST", &path, &tenant.token, media, body.as_bytes());
    let answer = Client::new(host).ask(&request)?;
    ensure!(answer.status == 202, "{}: {}", path, answer.code());
    Ok(())
}

/// Holds connections, and makes those again that the server ends.
pub(super) fn slow(gun: &Gun<'_>, tally: &mut Tally) {
    let mut held: Vec<Held> = Vec::new();
    let mut again = 0;
    for number in 0..CONNECTIONS {
        held.extend(open(gun, KINDS[number % KINDS.len()], tally));
    }
    while gun.clock.now_us() < gun.until_us {
        thread::sleep(PAUSE);
        let mut over = Vec::new();
        held.retain_mut(|one| {
            let ended = one.step();
            over.extend(ended.map(|why| (one.kind, why)));
            ended.is_none()
        });
        for (kind, why) in over {
            tally.count(why);
            if again < AGAIN_MAX {
                again += 1;
                held.extend(open(gun, kind, tally));
            }
        }
    }
}

fn open(gun: &Gun<'_>, kind: Kind, tally: &mut Tally) -> Option<Held> {
    tally.requests += 1;
    let opened = connect(gun.host).and_then(|mut stream| {
        stream.set_nonblocking(true)?;
        // What does not fit is not sent, which is slow, too.
        match stream.write(&kind.first(gun.tenant)) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(Held { kind, stream }),
        }
    });
    match opened {
        Ok(held) => {
            tally.count("held");
            Some(held)
        }
        Err(error) => {
            tally.count(&format!("not held: {:?}", error.kind()));
            None
        }
    }
}

impl Kind {
    /// What is sent at first.
    fn first(self, tenant: &Tenant) -> Vec<u8> {
        let get = |path: &str| request("GET", &tenant.path(path), &tenant.token, "", b"");
        match self {
            Self::Head => b"POST /v1/tenants/x/events HTTP/1.1\r\nhost: ringfence\r\n".to_vec(),
            Self::Body => {
                let (path, media) = (tenant.path("/events"), "application/cloudevents+json");
                head("POST", &path, &tenant.token, media, Some(200_000)).into_bytes()
            }
            Self::Unread => get("/executions?limit=500").repeat(UNREAD),
            Self::Poll => get("/effects?after=1000000&wait_ms=30000"),
        }
    }
}

impl Held {
    /// Sends a little more; says why if the connection has ended.
    fn step(&mut self) -> Option<&'static str> {
        let more: &[u8] = match self.kind {
            Kind::Head => b"x-slow: 1\r\n",
            Kind::Body => b" ",
            // Whether they have ended is not known without reading.
            Kind::Unread | Kind::Poll => return None,
        };
        match self.stream.write(more) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Some("ended"),
            _ => {}
        }
        let mut answer = [0; 1024];
        match self.stream.read(&mut answer) {
            Ok(0) => Some("ended"),
            Ok(_) => Some("answered"),
            Err(error) if is_patient(&error) => None,
            Err(_) => Some("ended"),
        }
    }
}

fn is_patient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
