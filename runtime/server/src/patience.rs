//! How long an answer may take to be taken.
//!
//! A client that does not read its answer holds a connection, its tenant's
//! place and the answer's memory. It has some time, and more for each part
//! that it takes, so that a slow connection is enough for a large answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What a client has to take in a second, in bytes, once it has kept the
/// server waiting.
const BYTES_PER_SECOND_MIN: u64 = 16 * 1024;

/// A connection on whose client is not waited for ever.
#[derive(Debug)]
pub(crate) struct Patient<T> {
    connection: T,
    patience: Duration,
    /// While the client has not taken all that was written.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    began: Instant,
    taken: u64,
    ends: Pin<Box<Sleep>>,
}

impl<T> Patient<T> {
    pub(crate) fn new(connection: T, patience: Duration) -> Self {
        Self {
            connection,
            patience,
            waiting: None,
        }
    }

    /// What came of an attempt to write.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                let patience = self.patience;
                let waiting = self.waiting.get_or_insert_with(|| Waiting {
                    began: Instant::now(),
                    taken: 0,
                    ends: Box::pin(sleep(patience)),
                });
                ready!(waiting.ends.as_mut().poll(context));
                let error = "the client does not read its answer";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, error)))
            }
            Poll::Ready(Ok(bytes)) => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.taken += bytes as u64;
                    let earned = waiting.taken * 1_000 / BYTES_PER_SECOND_MIN;
                    let time = self.patience + Duration::from_millis(earned);
                    waiting.ends.as_mut().reset(waiting.began + time);
                }
                Poll::Ready(Ok(bytes))
            }
            failed => failed,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write_vectored(context, parts);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    /// Is called when all was written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.connection).poll_flush(context));
        self.waiting = None;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn who_does_not_read_is_given_up() {
        let (connection, mut client) = duplex(64);
        let mut connection = Patient::new(connection, Duration::from_millis(20));
        let error = connection.write_all(&[7; 1_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // What it had taken is there.
        let mut first = [0; 64];
        client.read_exact(&mut first).await.unwrap();
    }

    #[tokio::test]
    async fn who_reads_has_time_for_all() {
        let (connection, mut client) = duplex(64);
        let mut connection = Patient::new(connection, Duration::from_secs(60));
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        connection.write_all(&[7; 10_000]).await.unwrap();
        connection.flush().await.unwrap();
        assert!(connection.waiting.is_none());
        drop(connection);
        assert_eq!(reading.await.unwrap(), 10_000);
    }
}
