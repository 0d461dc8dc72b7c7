//! A connection read by lines and by counts from one buffer, which can turn encrypted on the way.
//!
//! Knows no addresses and no patterns.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::failure::{Failure, Reason};
use crate::net::{Net, Secured, TcpStream, Tls, UnixStream, acknowledge_at_once};
use crate::recorder::Recorder;

/// Longest line with its end. As in blackbox_exporter (Go's `bufio.MaxScanTokenSize`).
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1024;

/// Most bytes read in one run. Chosen: more than any greeting; a peer that never stops must not keep the agent busy.
pub(crate) const RUN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Room made for one read. Chosen: a page; dialogues are short.
const READ_BYTES: usize = 4096;

/// A stream of bytes in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {
    /// Has the system acknowledge what arrives next without delay.
    fn acknowledge_at_once(&self) {}
}

impl Duplex for TcpStream {
    fn acknowledge_at_once(&self) {
        acknowledge_at_once(self);
    }
}

impl Duplex for UnixStream {}

impl Duplex for Secured<Box<dyn Duplex>> {
    fn acknowledge_at_once(&self) {
        self.get_ref().0.acknowledge_at_once();
    }
}

/// One end of a dialogue.
pub(crate) struct Wire {
    stream: Box<dyn Duplex>,
    /// What was read; everything before `start` was taken.
    buffer: Vec<u8>,
    start: usize,
    /// Where the line lies that was taken last.
    line: Range<usize>,
    /// Bytes read in all.
    received: usize,
    ended: bool,
    encrypted: bool,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(crate) fn new(stream: impl Duplex + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: Vec::new(),
            start: 0,
            line: 0..0,
            received: 0,
            ended: false,
            encrypted: false,
        }
    }

    /// The next line without its end (LF or CRLF); the last one may lack it. `None`: the peer closed.
    pub(crate) async fn line(&mut self) -> Result<Option<&[u8]>, Failure> {
        let mut searched = 0;
        let length = loop {
            let unread = &self.buffer[self.start..];
            let window = &unread[..unread.len().min(LINE_BYTES_MAX)];
            if let Some(at) = window[searched..].iter().position(|byte| *byte == b'\n') {
                break searched + at + 1;
            }
            searched = window.len();
            if searched == LINE_BYTES_MAX {
                let message = format_args!("the peer sent a line longer than {LINE_BYTES_MAX} bytes");
                return Err(Failure::new(Reason::TooLong, message));
            }
            if !self.more().await? {
                match searched {
                    0 => return Ok(None),
                    rest => break rest,
                }
            }
        };
        let start = self.start;
        let line = self.take(length);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.line = start..start + line.len();
        Ok(Some(self.line_again()))
    }

    /// The line that was taken last, until the next read.
    pub(crate) fn line_again(&self) -> &[u8] {
        &self.buffer[self.line.clone()]
    }

    /// The next `count` bytes; fewer if the peer closed before.
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<&[u8], Failure> {
        while self.unread() < count {
            if !self.more().await? {
                break;
            }
        }
        let count = count.min(self.unread());
        Ok(self.take(count))
    }

    /// How many bytes were read but not taken.
    fn unread(&self) -> usize {
        self.buffer.len() - self.start
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let start = self.start;
        self.start += count;
        &self.buffer[start..self.start]
    }

    /// Reads once; false if the peer closed.
    async fn more(&mut self) -> Result<bool, Failure> {
        if self.ended {
            return Ok(false);
        }
        if self.received >= RUN_BYTES_MAX {
            let message = format_args!("the peer sent more than {RUN_BYTES_MAX} bytes");
            return Err(Failure::new(Reason::TooLong, message));
        }
        self.buffer.drain(..self.start);
        (self.start, self.line) = (0, 0..0);
        self.buffer.reserve(READ_BYTES);
        let read = match self.stream.read_buf(&mut self.buffer).await {
            Ok(read) => read,
            // Many peers close without the goodbye of RFC 8446 section 6.1. Taken as an end, as Go takes it.
            Err(error) if self.encrypted && error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(Failure::io("cannot read", &error)),
        };
        self.received += read;
        self.ended = read == 0;
        Ok(read > 0)
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| Failure::io("cannot send", &error))?;
        self.prompt();
        Ok(())
    }

    /// Session tickets may be under way, and a peer may hold back what it says until they are acknowledged.
    fn prompt(&self) {
        if self.encrypted {
            self.stream.acknowledge_at_once();
        }
    }

    /// Builds an encrypted channel on the connection and writes down its metrics. What the peer sent before it is
    /// dropped: text that came unprotected must not pass for protected text.
    pub(crate) async fn secure(
        self,
        net: &Net,
        recorder: &mut Recorder,
        tls: &Tls,
        name: &str,
    ) -> Result<Self, Failure> {
        if self.unread() > 0 {
            recorder.note(format_args!("{} bytes that came before the handshake were dropped", self.unread()));
        }
        let (stream, session) = tls.handshake(net, recorder, self.stream, name).await?;
        session.read(recorder, true);
        let wire = Self { received: self.received, encrypted: true, ..Self::new(stream) };
        wire.prompt();
        Ok(wire)
    }

    /// Says goodbye where the channel is encrypted (RFC 8446 section 6.1), without waiting for anybody.
    pub(crate) async fn close(mut self) {
        if self.encrypted {
            let goodbye = std::future::poll_fn(|context| {
                // Whether it could be said does not matter: the dialogue is over.
                let _ = Pin::new(&mut self.stream).poll_shutdown(context);
                Poll::Ready(())
            });
            goodbye.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<R: AsyncRead + Unpin + Send> Duplex for tokio::io::Join<R, tokio::io::Sink> {}

    fn wire(bytes: &[u8]) -> Wire {
        Wire::new(tokio::io::join(io::Cursor::new(bytes.to_vec()), tokio::io::sink()))
    }

    async fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut wire = wire(bytes);
        let mut lines = Vec::new();
        while let Some(line) = wire.line().await.expect("a line") {
            lines.push(line.to_vec());
        }
        lines
    }

    #[tokio::test]
    async fn lines_end_with_lf_crlf_or_the_end() {
        assert_eq!(lines(b"a\r\nb\n\nc\r\r\nd").await, [&b"a"[..], b"b", b"", b"c\r", b"d"]);
        assert_eq!(lines(b"").await, [b""; 0]);
        assert_eq!(lines(b"\r").await, [b""]);
    }

    #[tokio::test]
    async fn lines_and_counts_share_one_buffer() {
        let mut wire = wire(b"220 hi\r\nSnext\n");
        assert_eq!(wire.line().await, Ok(Some(&b"220 hi"[..])));
        assert_eq!(wire.bytes(1).await, Ok(&b"S"[..]));
        assert_eq!(wire.line().await, Ok(Some(&b"next"[..])));
        assert_eq!(wire.bytes(3).await, Ok(&b""[..]));
    }

    #[tokio::test]
    async fn a_line_is_bounded() {
        let longest = [vec![b'x'; LINE_BYTES_MAX - 1], b"\nrest".to_vec()].concat();
        assert_eq!(lines(&longest).await[1], b"rest");
        let mut wire = wire(&[vec![b'x'; LINE_BYTES_MAX], b"\n".to_vec()].concat());
        let failure = wire.line().await.expect_err("too long");
        assert_eq!(failure.reason(), Reason::TooLong);
    }

    #[tokio::test]
    async fn a_run_is_bounded() {
        let mut wire = Wire::new(tokio::io::join(tokio::io::repeat(b'\n'), tokio::io::sink()));
        let failure = loop {
            if let Err(failure) = wire.line().await {
                break failure;
            }
        };
        assert_eq!(failure.reason(), Reason::TooLong);
        assert!(wire.received < RUN_BYTES_MAX + 4 * LINE_BYTES_MAX, "{} bytes", wire.received);
    }
}
