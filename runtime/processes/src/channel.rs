//! The channel to a child: frames over a socket.
//!
//! A frame is its length in bytes (4 bytes, little-endian) and then itself. A
//! descriptor may come with one.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::timer::Timer;

const LENGTH_BYTES: usize = 4;

/// Read at once, at least.
const READ_BYTES: usize = 64 * 1024;

/// What a buffer may keep allocated when it is empty.
const KEPT_BYTES: usize = 1024 * 1024;

/// How much longer than the timer says one read or write may wait, so that the
/// socket need not be told anew each time.
const SLACK: Duration = Duration::from_millis(250);

/// One end. Writes are collected until [`Channel::flush`].
#[derive(Debug)]
pub(crate) struct Channel {
    socket: UnixStream,
    frame_bytes_max: usize,
    inbox: Vec<u8>,
    /// What of the inbox was received, and not handed out yet.
    read: usize,
    received: usize,
    outbox: Vec<u8>,
    /// Descriptors that came and were not taken, if any may come.
    descriptors: Option<VecDeque<OwnedFd>>,
    /// Until when all reads and writes are done, if that is bounded.
    timer: Option<Timer>,
    /// How long the socket lets one of them wait.
    timeout: Option<Duration>,
}

impl Channel {
    /// Over this socket; a longer frame from the other side is an error.
    pub(crate) fn new(socket: UnixStream, frame_bytes_max: usize) -> Self {
        Self {
            socket,
            frame_bytes_max,
            inbox: Vec::new(),
            read: 0,
            received: 0,
            outbox: Vec::new(),
            descriptors: None,
            timer: None,
            timeout: None,
        }
    }

    /// The same, for an end that is given descriptors.
    pub(crate) fn with_descriptors(socket: UnixStream, frame_bytes_max: usize) -> Self {
        Self {
            descriptors: Some(VecDeque::new()),
            ..Self::new(socket, frame_bytes_max)
        }
    }

    /// Bounds how long all reads and writes from now on take together.
    pub(crate) fn set_timer(&mut self, timer: Timer) {
        self.timer = Some(timer);
    }

    /// Bounds the frames that come next.
    pub(crate) fn set_frame_bytes_max(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// Before each read or write: what is left is what it may take.
    fn arm(&mut self) -> io::Result<()> {
        let Some(timer) = self.timer else {
            return Ok(());
        };
        let left = timer.left().ok_or(ErrorKind::TimedOut)?;
        let fits = |timeout: Duration| left <= timeout && timeout <= left + SLACK;
        if !self.timeout.is_some_and(fits) {
            self.timeout = None;
            self.socket.set_read_timeout(Some(left))?;
            self.socket.set_write_timeout(Some(left))?;
            self.timeout = Some(left);
        }
        Ok(())
    }

    /// Ends both directions: whoever waits on the other side goes on.
    pub(crate) fn close(&self) {
        // Fails only where the other side is gone, which is what is wanted.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// What ends it from another thread.
    pub(crate) fn socket(&self) -> io::Result<UnixStream> {
        self.socket.try_clone()
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

    /// Bytes that were pushed and not sent.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.len()
    }

    /// Sends what was pushed, and with its last frame, which must be short, a
    /// descriptor.
    pub(crate) fn flush_with(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.arm()?;
        let descriptors = [descriptor];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let all = [IoSlice::new(&self.outbox)];
        let sent = loop {
            match sendmsg(&self.socket, &all, &mut control, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                sent => break sent?,
            }
        };
        self.outbox.drain(..sent);
        self.flush()
    }

    /// Takes the descriptor that came first.
    pub(crate) fn descriptor(&mut self) -> io::Result<OwnedFd> {
        let first = self.descriptors.as_mut().and_then(VecDeque::pop_front);
        first.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a descriptor is missing"))
    }

    /// Whether the next frame is here already.
    pub(crate) fn has_next(&self) -> bool {
        matches!(self.whole_frame(), Ok(Some(_)))
    }

    /// Sends what was pushed.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let sent = self.send();
        self.outbox.clear();
        self.outbox.shrink_to(KEPT_BYTES);
        sent
    }

    fn send(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.outbox.len() {
            self.arm()?;
            match rustix::net::send(&self.socket, &self.outbox[sent..], SendFlags::NOSIGNAL) {
                Ok(more) => sent += more,
                // Whether the time is over is seen next.
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
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
        let waiting = &self.inbox[self.read..self.received];
        let Some(length) = waiting.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > self.frame_bytes_max {
            return Err(too_long(length));
        }
        let start = self.read + LENGTH_BYTES;
        let end = start + length;
        Ok((self.received >= end).then_some(start..end))
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.inbox.copy_within(self.read..self.received, 0);
        self.received -= self.read;
        self.read = 0;
        if self.received == 0 {
            self.inbox.truncate(KEPT_BYTES);
            self.inbox.shrink_to(KEPT_BYTES);
        }
        // A long frame is read in steps that double, not byte by byte.
        let wanted = self.received + READ_BYTES.max(self.received);
        if self.inbox.len() < wanted {
            self.inbox.resize(wanted, 0);
        }
        let got = self.receive()?;
        self.received += got;
        Ok(got > 0)
    }

    fn receive(&mut self) -> io::Result<usize> {
        loop {
            self.arm()?;
            let room = &mut self.inbox[self.received..];
            let got = match &mut self.descriptors {
                None => (&self.socket).read(room),
                Some(descriptors) => receive_with(&self.socket, room, descriptors),
            };
            match got {
                // Whether the time is over is seen next.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
                got => return got,
            }
        }
    }
}

fn receive_with(
    socket: &UnixStream,
    room: &mut [u8],
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut room = [IoSliceMut::new(room)];
    let got = recvmsg(socket, &mut room, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if got.flags.contains(ReturnFlags::CTRUNC) {
        // None left in this process: what was to be handed over is gone.
        return Err(io::Error::other("a descriptor could not be taken"));
    }
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(came) = message {
            descriptors.extend(came);
        }
    }
    Ok(got.bytes)
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("a frame of {length} bytes is too long"),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::mpsc::channel;

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

    /// Who says a little at a time does not get more time for it.
    #[test]
    fn the_whole_frame_has_to_come_in_time() {
        let (one, mut other) = pair(1 << 20);
        let (over, is_over) = channel::<()>();
        let dripping = std::thread::spawn(move || {
            let pause = Duration::from_millis(5);
            (&one.socket).write_all(&[0, 0, 1, 0]).unwrap();
            while is_over.recv_timeout(pause).is_err() {
                (&one.socket).write_all(&[7]).unwrap();
            }
        });
        other.set_timer(Timer::after(Duration::from_millis(50)));
        assert_eq!(other.next().unwrap_err().kind(), ErrorKind::TimedOut);
        over.send(()).unwrap();
        dripping.join().unwrap();
    }

    /// The same for who takes a little at a time.
    #[test]
    fn all_that_is_sent_has_to_be_taken_in_time() {
        let (mut one, other) = pair(1 << 20);
        let (over, is_over) = channel::<()>();
        let slow = std::thread::spawn(move || {
            let pause = Duration::from_millis(5);
            while is_over.recv_timeout(pause).is_err() {
                // The end comes when there is nothing left to take.
                if (&other.socket).read_exact(&mut [0; 1024]).is_err() {
                    return;
                }
            }
        });
        one.push(|out| out.resize(64 << 20, 7)).unwrap();
        one.set_timer(Timer::after(Duration::from_millis(50)));
        assert_eq!(one.flush().unwrap_err().kind(), ErrorKind::TimedOut);
        // It may wait for more, where little was sent before the time was over.
        drop(one);
        // Unless it has seen the end.
        let _ = over.send(());
        slow.join().unwrap();
    }
}
