//! The bodies of request and answer, as streams.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::drive::Drive;
use super::http3;

/// The body of a request: one piece, of announced or unannounced length.
#[derive(Debug, Clone, Default)]
pub(super) struct Payload {
    bytes: Option<Bytes>,
    chunked: bool,
}

impl Payload {
    /// A body whose length is announced.
    pub(super) fn of(bytes: Bytes) -> Self {
        Self { bytes: Some(bytes), chunked: false }
    }

    /// A body whose length is not announced, as blackbox_exporter sends files.
    pub(super) fn chunked(bytes: Bytes) -> Self {
        Self { bytes: Some(bytes), chunked: true }
    }

    /// What there is to send.
    pub(super) fn bytes(&self) -> Option<Bytes> {
        self.bytes.clone()
    }

    /// Whether blackbox_exporter could send it a second time.
    pub(super) const fn can_be_repeated(&self) -> bool {
        !self.chunked
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Some(_) if self.chunked => SizeHint::default(),
            Some(bytes) => SizeHint::with_exact(bytes.len() as u64),
            None => SizeHint::with_exact(0),
        }
    }
}

/// The body of an answer, which moves its connection when it is read. Errors carry the HTTP library's, or a failure.
pub(super) struct AnswerBody {
    origin: Origin,
    chunk: Bytes,
}

/// Where a body comes from.
enum Origin {
    /// A connection of HTTP/1 or HTTP/2.
    Tcp(Drive, Incoming),
    /// A connection of HTTP/3.
    Quic(Box<http3::Incoming>),
}

impl AnswerBody {
    pub(super) fn new(drive: Drive, incoming: Incoming) -> Self {
        Self { origin: Origin::Tcp(drive, incoming), chunk: Bytes::new() }
    }

    pub(super) fn of_http3(incoming: http3::Incoming) -> Self {
        Self { origin: Origin::Quic(Box::new(incoming)), chunk: Bytes::new() }
    }

    /// Whether it is known to be empty.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.origin, Origin::Tcp(_, incoming) if incoming.is_end_stream())
    }
}

impl AsyncBufRead for AnswerBody {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() {
            match &mut this.origin {
                Origin::Tcp(drive, incoming) => {
                    // What ends the connection is told by the body: it knows whether it was complete by then.
                    let _ = drive.poll(cx);
                    match ready!(Pin::new(incoming).poll_frame(cx)) {
                        None => return Poll::Ready(Ok(&[])),
                        Some(Ok(frame)) => this.chunk = frame.into_data().unwrap_or_default(),
                        Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                    }
                }
                Origin::Quic(incoming) => match ready!(incoming.poll_chunk(cx)) {
                    Ok(None) => return Poll::Ready(Ok(&[])),
                    Ok(Some(chunk)) => this.chunk = chunk,
                    Err(failure) => return Poll::Ready(Err(io::Error::other(failure))),
                },
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        self.chunk.advance(bytes);
    }
}

impl AsyncRead for AnswerBody {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let chunk = ready!(self.as_mut().poll_fill_buf(cx))?;
        let bytes = chunk.len().min(buffer.remaining());
        buffer.put_slice(&chunk[..bytes]);
        self.consume(bytes);
        Poll::Ready(Ok(()))
    }
}
