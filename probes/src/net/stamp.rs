//! A stream that remembers when bytes passed.
//!
//! Libraries that own a stream report a response when its head is parsed; the first byte came earlier. The stamp sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// When bytes last passed, shared with the stream's owner.
#[derive(Debug, Clone)]
pub struct Stamps(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    /// Nanoseconds after `origin`, plus one; zero: nothing was read since the stamp was armed.
    first_read: AtomicU64,
    bytes_read: AtomicU64,
}

#[expect(clippy::disallowed_methods, reason = "the stamp is the recorder's eye inside a stream that a library owns")]
fn now() -> Instant {
    Instant::now()
}

impl Stamps {
    /// Stamps for a stream that carries nothing yet.
    pub fn new() -> Self {
        Self(Arc::new(Inner { origin: now(), first_read: AtomicU64::new(0), bytes_read: AtomicU64::new(0) }))
    }

    /// Forgets the first read: the next one is it.
    pub fn arm(&self) {
        self.0.first_read.store(0, Ordering::Relaxed);
    }

    /// When the first byte since [`Self::arm`] was read.
    pub fn first_read(&self) -> Option<Instant> {
        match self.0.first_read.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(self.0.origin + std::time::Duration::from_nanos(nanos - 1)),
        }
    }

    /// How many bytes were read in all.
    pub fn bytes_read(&self) -> u64 {
        self.0.bytes_read.load(Ordering::Relaxed)
    }

    pub(super) fn saw(&self, bytes: usize) {
        self.0.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.0.first_read.load(Ordering::Relaxed) == 0 {
            let nanos = u64::try_from((now() - self.0.origin).as_nanos()).unwrap_or(u64::MAX - 1);
            self.0.first_read.store(nanos + 1, Ordering::Relaxed);
        }
    }
}

impl Default for Stamps {
    fn default() -> Self {
        Self::new()
    }
}

/// A stream with stamps.
#[derive(Debug)]
pub struct Stamped<S> {
    stream: S,
    stamps: Stamps,
}

impl<S> Stamped<S> {
    /// Wraps a stream.
    pub fn new(stream: S, stamps: Stamps) -> Self {
        Self { stream, stamps }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stamped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            self.stamps.saw(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stamped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
