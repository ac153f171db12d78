//! A client that costs little: one connection, one request at a time, bytes
//! that were made before.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer is waited for. Longer than the server lets a body take.
const PATIENCE: Duration = Duration::from_secs(40);
/// Read at once.
const READ_BYTES: usize = 16 * 1024;

/// A connection that is kept, and made again when it is gone.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// What the server said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A problem's code; else the status.
    pub(crate) fn code(&self) -> String {
        let problem = (self.status >= 400).then(|| self.json()).flatten();
        let code = problem.and_then(|problem| Some(problem["code"].as_str()?.to_owned()));
        code.unwrap_or_else(|| self.status.to_string())
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// A request's head, with the empty line. `length` is of the body; none where
/// it is not declared, but chunked.
pub(crate) fn head(
    method: &str,
    path: &str,
    token: &str,
    media_type: &str,
    length: Option<usize>,
) -> String {
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nhost: ringfence\r\nauthorization: Bearer {token}\r\n");
    // A `String` takes all that it is given.
    let _ = match length {
        Some(0) if method == "GET" => write!(head, "\r\n"),
        Some(length) => write!(
            head,
            "content-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
        ),
        None => write!(
            head,
            "content-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        ),
    };
    head
}

/// A whole request.
pub(crate) fn request(
    method: &str,
    path: &str,
    token: &str,
    media_type: &str,
    body: &[u8],
) -> Vec<u8> {
    let mut request = head(method, path, token, media_type, Some(body.len())).into_bytes();
    request.extend_from_slice(body);
    request
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            buffer: Vec::new(),
        }
    }

    /// Sends a request and waits for its answer. A connection that was kept may
    /// have been closed meanwhile; then another one is tried, once. That is
    /// harmless: the same event sent twice is one event.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.ask_with(|stream| stream.write_all(request))
    }

    /// The same, of a request that is written piece by piece.
    pub(crate) fn ask_with(
        &mut self,
        write: impl Fn(&mut TcpStream) -> io::Result<()>,
    ) -> io::Result<Answer> {
        let kept = self.stream.is_some();
        match self.attempt(&write) {
            Err(error) if kept && !is_timeout(&error) => self.attempt(&write),
            answer => answer,
        }
    }

    fn attempt(&mut self, write: &impl Fn(&mut TcpStream) -> io::Result<()>) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        // Who refuses a body may answer before it has all of it, and close.
        let written = write(&mut stream);
        let (answer, keep) = match self.answer(&mut stream) {
            Ok(answered) => answered,
            Err(error) => return Err(written.err().unwrap_or(error)),
        };
        self.stream = (keep && written.is_ok()).then_some(stream);
        Ok(answer)
    }

    /// Reads an answer, and whether the connection may be used again.
    fn answer(&mut self, stream: &mut TcpStream) -> io::Result<(Answer, bool)> {
        let buffer = &mut self.buffer;
        buffer.clear();
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            more(stream, buffer)?;
        };
        let (status, length, keep) = parse(&buffer[..head])?;
        while buffer.len() < head + length {
            more(stream, buffer)?;
        }
        let body = buffer[head..head + length].to_vec();
        Ok((Answer { status, body }, keep))
    }
}

pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    let before = buffer.len();
    buffer.resize(before + READ_BYTES, 0);
    let read = stream.read(&mut buffer[before..]);
    buffer.truncate(before + read.as_ref().map_or(0, |read| *read));
    match read? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// An answer's status, its body's length in bytes, and whether the connection
/// is kept. The server's answers all have a length.
fn parse(head: &[u8]) -> io::Result<(u16, usize, bool)> {
    let strange = || io::Error::other("an answer that is not understood");
    let head = std::str::from_utf8(head).map_err(|_| strange())?;
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let (mut length, mut keep) = (0, true);
    for line in head.lines().skip(1) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| strange())?;
        } else if name.eq_ignore_ascii_case("connection") {
            keep = !value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(strange());
        }
    }
    Ok((status.ok_or_else(strange)?, length, keep))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn heads_of_answers() {
        let head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 17\r\n\r\n";
        assert_eq!(parse(head).unwrap(), (202, 17, true));
        let head = b"HTTP/1.1 413 Too Large\r\nconnection: close\r\n\r\n";
        assert_eq!(parse(head).unwrap(), (413, 0, false));
        assert!(parse(b"\r\n\r\n").is_err());
    }

    #[test]
    fn a_problem_is_told_by_its_code() {
        let answer = |status, body: &str| Answer {
            status,
            body: body.as_bytes().to_vec(),
        };
        assert_eq!(answer(429, r#"{"code":"too-fast"}"#).code(), "too-fast");
        assert_eq!(answer(502, "").code(), "502");
        assert_eq!(answer(202, "{}").code(), "202");
    }

    #[test]
    fn a_connection_that_was_closed_is_made_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::new(listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            for body in ["one", "two"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4];
                stream.read_exact(&mut request).unwrap();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).unwrap();
                // And closes it.
            }
        });
        assert_eq!(client.ask(b"ping").unwrap().body, b"one");
        assert_eq!(client.ask(b"ping").unwrap().body, b"two");
        server.join().unwrap();
    }
}
