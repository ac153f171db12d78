//! The channel to a child: frames over a socket.
//!
//! A frame is its length in bytes (4 bytes, little-endian) and then itself.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const LENGTH_BYTES: usize = 4;

/// Read at once, at least.
const READ_BYTES: usize = 64 * 1024;

/// What a buffer may keep allocated when it is empty.
const KEPT_BYTES: usize = 1024 * 1024;

/// One end. Writes are collected until [`Channel::flush`].
#[derive(Debug)]
pub(crate) struct Channel {
    socket: UnixStream,
    frame_bytes_max: usize,
    inbox: Vec<u8>,
    read: usize,
    outbox: Vec<u8>,
}

impl Channel {
    /// Over this socket; a longer frame from the other side is an error.
    pub(crate) fn new(socket: UnixStream, frame_bytes_max: usize) -> Self {
        Self {
            socket,
            frame_bytes_max,
            inbox: Vec::new(),
            read: 0,
            outbox: Vec::new(),
        }
    }

    /// Bounds how long one read or write waits.
    pub(crate) fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)?;
        self.socket.set_write_timeout(timeout)
    }

    /// Ends both directions: whoever waits on the other side goes on.
    pub(crate) fn close(&self) {
        // Fails only where the other side is gone, which is what is wanted.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Adds a frame that `write` appends to a buffer.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let start = self.outbox.len();
        self.outbox.extend_from_slice(&[0; LENGTH_BYTES]);
        write(&mut self.outbox);
        let length = self.outbox.len() - start - LENGTH_BYTES;
        let length = u32::try_from(length).map_err(|_| too_long(length))?;
        self.outbox[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }

    /// Sends what was pushed.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let sent = (&self.socket).write_all(&self.outbox);
        self.outbox.clear();
        self.outbox.shrink_to(KEPT_BYTES);
        sent
    }

    /// The next frame. None when the other side is gone.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let frame = loop {
            if let Some(frame) = self.whole_frame()? {
                break frame;
            }
            if !self.fill()? {
                return Ok(None);
            }
        };
        self.read = frame.end;
        Ok(Some(&self.inbox[frame]))
    }

    fn whole_frame(&self) -> io::Result<Option<Range<usize>>> {
        let Some(length) = self.inbox[self.read..].first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > self.frame_bytes_max {
            return Err(too_long(length));
        }
        let start = self.read + LENGTH_BYTES;
        let end = start + length;
        Ok((self.inbox.len() >= end).then_some(start..end))
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.inbox.drain(..self.read);
        self.read = 0;
        if self.inbox.is_empty() {
            self.inbox.shrink_to(KEPT_BYTES);
        }
        let have = self.inbox.len();
        // A long frame is read in steps that double, not byte by byte.
        self.inbox.resize(have + READ_BYTES.max(have), 0);
        let got = self.receive(have);
        self.inbox
            .truncate(have + got.as_ref().map_or(0, |got| *got));
        Ok(got? > 0)
    }

    fn receive(&mut self, from: usize) -> io::Result<usize> {
        loop {
            match (&self.socket).read(&mut self.inbox[from..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("a frame of {length} bytes is too long"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(frame_bytes_max: usize) -> (Channel, Channel) {
        let (one, other) = UnixStream::pair().unwrap();
        (
            Channel::new(one, frame_bytes_max),
            Channel::new(other, frame_bytes_max),
        )
    }

    #[test]
    fn frames_of_all_lengths_arrive_in_order() {
        let (mut one, mut other) = pair(1 << 20);
        let lengths = [0, 1, 3, 4, 5, 1_000, READ_BYTES - 4, READ_BYTES, 700_000];
        let sender = std::thread::spawn(move || {
            for (byte, length) in (0..).zip(lengths) {
                one.push(|out| out.resize(out.len() + length, byte))
                    .unwrap();
                if byte % 2 == 0 {
                    one.flush().unwrap();
                }
            }
            one.flush().unwrap();
        });
        for (byte, length) in (0..).zip(lengths) {
            let frame = other.next().unwrap().unwrap();
            assert_eq!(frame.len(), length);
            assert!(frame.iter().all(|&b| b == byte));
        }
        sender.join().unwrap();
        assert!(other.next().unwrap().is_none());
    }

    #[test]
    fn a_frame_beyond_the_bound_is_an_error_before_it_is_read() {
        let (mut one, mut other) = pair(100);
        one.push(|out| out.extend_from_slice(&[7; 101])).unwrap();
        one.flush().unwrap();
        assert_eq!(other.next().unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn half_a_frame_is_no_frame() {
        let (one, mut other) = pair(100);
        (&one.socket).write_all(&[9, 0, 0, 0, 1, 2]).unwrap();
        drop(one);
        assert!(other.next().unwrap().is_none());
    }
}
