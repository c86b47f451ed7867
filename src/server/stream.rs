//! A TCP connection that is given up when nobody takes what it has to say.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::ticket::Ticket;

/// How long a connection may make no progress while something waits to be sent: 10 s.
const STALL_LIMIT: Duration = Duration::from_secs(10);

/// A TCP connection whose writes fail with `TimedOut` after [`STALL_LIMIT`] without progress.
pub(super) struct Patient {
    tcp: TcpStream,
    /// Given back when the connection ends, whatever has become of it.
    _ticket: Option<Ticket>,
    limit: Duration,
    /// Something came since this was asked last.
    heard: bool,
    /// Set while a write is blocked.
    stall: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    pub(super) fn new(tcp: TcpStream, ticket: Option<Ticket>) -> Self {
        Self { tcp, _ticket: ticket, limit: STALL_LIMIT, heard: false, stall: None }
    }

    /// Whether anything came since this was asked last.
    pub(super) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// Passes on what a write gave, and counts the time in which it gives nothing.
    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stall = None;
            return outcome;
        }
        let limit = self.limit;
        ready!(self.stall.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (this, before) = (self.get_mut(), buf.filled().len());
        let outcome = Pin::new(&mut this.tcp).poll_read(cx, buf);
        this.heard |= buf.filled().len() > before;
        outcome
    }
}

impl AsyncWrite for Patient {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.tcp).poll_write(cx, buf);
        this.watch(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.tcp).poll_write_vectored(cx, bufs);
        this.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn pair(limit: Duration) -> (Patient, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut near = Patient::new(listener.accept().await.unwrap().0, None);
        near.limit = limit;
        (near, far)
    }

    #[tokio::test]
    async fn a_write_nobody_takes_fails_in_the_end() {
        let (mut near, _far) = pair(Duration::from_millis(50)).await;
        let failed = near.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn progress_starts_the_count_anew() {
        let (mut near, mut far) = pair(STALL_LIMIT).await;
        let data = vec![0; 1 << 20];
        let fill = |cx: &mut Context<'_>| {
            while let Poll::Ready(written) = Pin::new(&mut near).poll_write(cx, &data) {
                written.unwrap();
            }
            Poll::Ready(())
        };
        std::future::poll_fn(fill).await;
        assert!(near.stall.is_some());
        tokio::select! {
            written = near.write(&data) => assert!(written.unwrap() > 0),
            _ = async { while far.read(&mut vec![0; 1 << 20]).await.unwrap() > 0 {} } => unreachable!("near is open"),
        }
        assert!(near.stall.is_none());
    }
}
