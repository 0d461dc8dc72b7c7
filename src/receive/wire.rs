//! A client's connection: lines in, replies out, plain or encrypted. Everything that is kept has a limit.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BufMut as _;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest command with its end. RFC 5321 section 4.5.3.1.4 wants 512 at least, and room for parameters.
const LINE_BYTES_MAX: usize = 2048;
/// Bytes that are read at once.
const READ_BYTES: usize = 8 * 1024;
/// What is still read of a client that was told to go, so that it gets to see that. Chosen: what fits into a few packets.
const FAREWELL_BYTES_MAX: usize = 64 * 1024;
/// How long that takes at most.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);

/// Why there is no line.
#[derive(Debug)]
pub(super) enum NoLine {
    /// The client hung up.
    Closed,
    /// The line is longer than any command.
    TooLong,
    /// The line ends with an LF alone.
    BareEnd,
    /// The connection broke.
    Broken,
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct Wire<S> {
    way: Way<S>,
    /// What came and was not looked at yet: from `start` on.
    buffer: Vec<u8>,
    start: usize,
}

#[derive(Debug)]
enum Way<S> {
    Plain(S),
    Secured(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { way: Way::Plain(stream), buffer: Vec::new(), start: 0 }
    }

    /// The next line without its end.
    pub(super) async fn line(&mut self) -> Result<Vec<u8>, NoLine> {
        let mut searched = 0;
        loop {
            let waiting = self.waiting();
            if let Some(at) = waiting[searched..].iter().position(|byte| *byte == b'\n') {
                let end = searched + at;
                if end >= LINE_BYTES_MAX {
                    return Err(NoLine::TooLong);
                }
                let line = waiting[..end].strip_suffix(b"\r").map(<[u8]>::to_vec);
                self.used(end + 1);
                return line.ok_or(NoLine::BareEnd);
            }
            searched = waiting.len();
            if searched >= LINE_BYTES_MAX {
                return Err(NoLine::TooLong);
            }
            match self.fill().await {
                Ok(0) => return Err(NoLine::Closed),
                Ok(_) => {}
                Err(_) => return Err(NoLine::Broken),
            }
        }
    }

    /// What came and was not used yet; waits for it if there is nothing. Empty: the client hung up.
    pub(super) async fn some(&mut self) -> io::Result<&[u8]> {
        if self.waiting().is_empty() {
            self.fill().await?;
        }
        Ok(self.waiting())
    }

    /// So many of the waiting bytes are done with.
    pub(super) fn used(&mut self, bytes: usize) {
        self.start += bytes;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// Whether the client has said more than was used.
    pub(super) fn has_more(&self) -> bool {
        !self.waiting().is_empty()
    }

    /// Tells the client something, with the end of the line.
    pub(super) async fn tell(&mut self, reply: &str) -> io::Result<()> {
        let bytes = [reply.as_bytes(), b"\r\n"].concat();
        match &mut self.way {
            Way::Plain(stream) => {
                stream.write_all(&bytes).await?;
                stream.flush().await
            }
            Way::Secured(stream) => {
                stream.write_all(&bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Encrypts what follows. Nothing that was said before counts as said within.
    pub(super) async fn secure(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        match self.way {
            Way::Plain(stream) if self.buffer.is_empty() => {
                let stream = TlsAcceptor::from(config).accept(stream).await?;
                Ok(Self { way: Way::Secured(Box::new(stream)), buffer: Vec::new(), start: 0 })
            }
            _ => Err(io::Error::other("bytes before the handshake")),
        }
    }

    /// The version and the suite of the encryption, in words.
    pub(super) fn encryption(&self) -> Option<String> {
        let Way::Secured(stream) = &self.way else { return None };
        let (_, session) = stream.get_ref();
        let (version, suite) = (session.protocol_version()?, session.negotiated_cipher_suite()?);
        Some(format!("{} {:?}", version.as_str().unwrap_or("TLS"), suite.suite()))
    }

    /// Ends the connection. Closed with bytes unread it would be reset, and the last reply lost.
    pub(super) async fn close(mut self) {
        let closing = async {
            match &mut self.way {
                Way::Plain(stream) => stream.shutdown().await?,
                Way::Secured(stream) => stream.shutdown().await?,
            }
            let mut left = FAREWELL_BYTES_MAX;
            loop {
                self.used(self.buffer.len() - self.start);
                match self.fill().await? {
                    0 => return io::Result::Ok(()),
                    bytes => match left.checked_sub(bytes) {
                        Some(less) => left = less,
                        None => return Ok(()),
                    },
                }
            }
        };
        // Whoever does not listen to a goodbye misses nothing.
        let _ = timeout(FAREWELL_TIME_MAX, closing).await;
    }

    fn waiting(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(READ_BYTES);
        let mut room = (&mut self.buffer).limit(READ_BYTES);
        match &mut self.way {
            Way::Plain(stream) => stream.read_buf(&mut room).await,
            Way::Secured(stream) => stream.read_buf(&mut room).await,
        }
    }
}
