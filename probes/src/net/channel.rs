//! A TCP connection that may become encrypted on the way, read by lines or by counted bytes: what dialogues of text need.
//!
//! Knows no protocol. Every line and every count has a limit that the caller names.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::failure::{Failure, Reason, shown};
use crate::net::{Net, Secured, Session, Source, TcpStream, Tls, acknowledge_at_once};
use crate::recorder::Recorder;

/// How much is read at once in bytes. Chosen: the longest greetings fit.
const READ_BYTES: usize = 4096;
/// How much of what a peer says goes into a sentence, in bytes. Chosen: a line.
const QUOTE_BYTES_MAX: usize = 100;

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Encrypted(Box<Secured<TcpStream>>),
}

/// A connection for a dialogue.
#[derive(Debug)]
pub struct Channel {
    wire: Wire,
    buffer: Box<[u8; READ_BYTES]>,
    /// What of the buffer was read from the wire, but not taken.
    unread: Range<usize>,
}

impl Channel {
    /// Opens a connection, in phase [`super::CONNECT`].
    pub async fn open(net: &Net, recorder: &mut Recorder, peer: SocketAddr, source: Source) -> Result<Self, Failure> {
        let stream = net.tcp(recorder, peer, source).await?;
        Ok(Self { wire: Wire::Plain(stream), buffer: Box::new([0; READ_BYTES]), unread: 0..0 })
    }

    /// The address of this side.
    pub fn local(&self) -> Option<IpAddr> {
        let stream = match &self.wire {
            Wire::Plain(stream) => stream,
            Wire::Encrypted(stream) => stream.get_ref().0,
        };
        stream.local_addr().ok().map(|address| address.ip().to_canonical())
    }

    /// Whether what is said now is encrypted.
    pub const fn is_encrypted(&self) -> bool {
        matches!(self.wire, Wire::Encrypted(_))
    }

    /// What has arrived and was not taken.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// Takes the first bytes of what has arrived.
    pub fn take(&mut self, bytes: usize) {
        self.unread.start = self.unread.end.min(self.unread.start + bytes);
    }

    /// Waits for more, after everything was taken. False if the peer closed.
    pub async fn fill(&mut self) -> io::Result<bool> {
        debug_assert!(self.unread.is_empty(), "what has arrived is taken before more is read");
        let read = match &mut self.wire {
            Wire::Plain(stream) => stream.read(&mut self.buffer[..]).await,
            Wire::Encrypted(stream) => stream.read(&mut self.buffer[..]).await,
        }?;
        self.unread = 0..read;
        Ok(read > 0)
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(bytes).await,
            Wire::Encrypted(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
                // Session tickets may be under way, and a peer may hold its answer back until they are acknowledged.
                acknowledge_at_once(stream.get_ref().0);
                Ok(())
            }
        }
    }

    /// Puts encryption in between, after the peer agreed to it, or before anything was said.
    pub async fn encrypt(
        self,
        net: &Net,
        recorder: &mut Recorder,
        tls: &Tls,
        name: &str,
    ) -> Result<(Self, Session), Failure> {
        let (stream, buffer) = self.into_plain()?;
        let (stream, session) = tls.handshake(net, recorder, stream, name).await?;
        Ok((Self { wire: Wire::Encrypted(Box::new(stream)), buffer, unread: 0..0 }, session))
    }

    /// As [`Self::encrypt`], but a certificate that is not trusted does not end it: whoever calls this must look at
    /// [`Session::seen`] before anything is said.
    pub async fn encrypt_unjudged(
        self,
        net: &Net,
        recorder: &mut Recorder,
        tls: &Tls,
        name: &str,
    ) -> Result<(Self, Session), Failure> {
        let (stream, buffer) = self.into_plain()?;
        let (stream, session) = tls.examine(net, recorder, stream, name).await.1?;
        Ok((Self { wire: Wire::Encrypted(Box::new(stream)), buffer, unread: 0..0 }, session))
    }

    /// The certificates that the peer showed in the order sent; none while nothing is encrypted.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        match &self.wire {
            Wire::Plain(_) => &[],
            Wire::Encrypted(stream) => stream.get_ref().1.peer_certificates().unwrap_or_default(),
        }
    }

    fn into_plain(self) -> Result<(TcpStream, Box<[u8; READ_BYTES]>), Failure> {
        let early = self.unread();
        if !early.is_empty() {
            // Taken for a part of the encrypted dialogue it would be somebody else's words (CVE-2011-0411).
            let text = shown(early, QUOTE_BYTES_MAX);
            return Err(Failure::new(
                Reason::ProtocolError,
                format_args!("plain text where encryption should begin: {text}"),
            ));
        }
        match self.wire {
            Wire::Plain(stream) => Ok((stream, self.buffer)),
            Wire::Encrypted(_) => Err(Failure::new(Reason::ProtocolError, "the connection is encrypted already")),
        }
    }

    /// The next line, without its end (CR LF or LF), of at most `bytes_max`.
    pub async fn line(&mut self, bytes_max: usize) -> Result<Vec<u8>, Failure> {
        let mut line = Vec::new();
        loop {
            let unread = self.unread();
            let end = unread.iter().position(|byte| *byte == b'\n');
            let part = end.map_or(unread, |end| &unread[..end]);
            if line.len() + part.len() > bytes_max {
                return Err(Failure::new(Reason::TooLong, format_args!("a line of more than {bytes_max} bytes")));
            }
            line.extend_from_slice(part);
            let taken = part.len() + usize::from(end.is_some());
            self.take(taken);
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            self.more(if line.is_empty() { "instead of an answer" } else { "in the middle of a line" }).await?;
        }
    }

    /// Waits until something has arrived that was not taken. May be given up at any time without a loss.
    pub async fn arrives(&mut self) -> Result<(), Failure> {
        if self.unread.is_empty() { self.more("while it was waited for").await } else { Ok(()) }
    }

    /// The next bytes, as many as were announced. The caller has held the count against a limit.
    pub async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::with_capacity(count.min(READ_BYTES));
        while bytes.len() < count {
            if self.unread.is_empty() {
                self.more("in the middle of what it announced").await?;
            }
            let part = self.unread().len().min(count - bytes.len());
            bytes.extend_from_slice(&self.unread()[..part]);
            self.take(part);
        }
        Ok(bytes)
    }

    async fn more(&mut self, when: &str) -> Result<(), Failure> {
        match self.fill().await {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Failure::new(Reason::ClosedEarly, format_args!("the server closed the connection {when}")))
            }
            Err(error) => Err(Failure::io("cannot read", &error)),
        }
    }
}
