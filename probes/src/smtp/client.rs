//! One connection to a mail server: commands go out, replies come in, encryption is put in between.
//!
//! Knows no order of commands. A connection that broke, by silence or by nonsense, is not usable any more.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::failure::{Failure, Reason, shown};
use crate::net::{Net, Secured, Source, TcpStream, Tls, acknowledge_at_once};
use crate::recorder::{NOTE_BYTES_MAX, Recorder};
use crate::smtp::judge::Command;
use crate::smtp::measures::{ENHANCED_STATUS_INFO, REPLY_CODE};
use crate::smtp::wire::{Reply, ReplyReader};

/// How much is read at once in bytes. Chosen: the longest EHLO replies fit.
const READ_BYTES: usize = 4096;
/// Most lines of a reply that go into the notes. Chosen: a long EHLO reply.
const LINES_NOTED_MAX: usize = 24;

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Encrypted(Box<Secured<TcpStream>>),
}

/// A connection to a mail server.
#[derive(Debug)]
pub(super) struct Client {
    /// `None` once the connection broke.
    wire: Option<Wire>,
    local: Option<IpAddr>,
    reader: ReplyReader,
    buffer: Box<[u8; READ_BYTES]>,
    /// What of the buffer was read from the wire, but not used.
    unread: std::ops::Range<usize>,
}

impl Client {
    /// Opens a connection.
    pub(super) async fn open(
        net: &Net,
        recorder: &mut Recorder,
        peer: SocketAddr,
        source: Source,
    ) -> Result<Self, Failure> {
        let stream = net.tcp(recorder, peer, source).await?;
        let local = stream.local_addr().ok().map(|address| address.ip().to_canonical());
        let buffer = Box::new([0; READ_BYTES]);
        Ok(Self { wire: Some(Wire::Plain(stream)), local, reader: ReplyReader::default(), buffer, unread: 0..0 })
    }

    /// The address this side has, which is a name to greet with (RFC 5321 section 4.1.3).
    pub(super) fn address_literal(&self) -> String {
        match self.local {
            Some(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
            Some(IpAddr::V4(address)) => format!("[{address}]"),
            None => "[127.0.0.1]".to_owned(),
        }
    }

    /// Whether another command can be sent.
    pub(super) const fn is_usable(&self) -> bool {
        self.wire.is_some()
    }

    /// Whether what is said now is encrypted.
    pub(super) const fn is_encrypted(&self) -> bool {
        matches!(self.wire, Some(Wire::Encrypted(_)))
    }

    /// Sends a command and reads the reply to it.
    pub(super) async fn ask(
        &mut self,
        recorder: &mut Recorder,
        command: Command,
        line: &str,
    ) -> Result<Reply, Failure> {
        let asked = self.send(recorder, line).await;
        self.broken_by(asked)?;
        self.reply(recorder, command).await
    }

    /// Reads the reply to what was sent last.
    pub(super) async fn reply(&mut self, recorder: &mut Recorder, command: Command) -> Result<Reply, Failure> {
        let read = self.read_reply(command).await;
        let reply = self.broken_by(read)?;
        note(recorder, &reply);
        recorder.read_with(&REPLY_CODE, &[command.name()], f64::from(reply.code));
        // A server's name may begin its first lines, and a name may look like a status.
        if !matches!(command, Command::Greeting | Command::Ehlo | Command::Helo)
            && let Some(status) = reply.enhanced()
        {
            recorder.read_with(&ENHANCED_STATUS_INFO, &[command.name(), &status.to_string()], 1.0);
        }
        if reply.code == 421 {
            // The server closes (RFC 5321 section 3.8).
            self.wire = None;
        }
        Ok(reply)
    }

    /// Puts encryption in between, after the server agreed to it (RFC 3207 section 4).
    pub(super) async fn encrypt(
        &mut self,
        net: &Net,
        recorder: &mut Recorder,
        tls: &Tls,
        name: &str,
    ) -> Result<(), Failure> {
        let Some(Wire::Plain(stream)) = self.wire.take() else {
            return Err(Failure::new(Reason::ProtocolError, "there is no plain connection to encrypt"));
        };
        if !self.unread.is_empty() {
            // Taken for a part of the encrypted dialogue it would be somebody else's words (CVE-2011-0411).
            let text = shown(&self.buffer[self.unread.clone()], 100);
            return Err(Failure::new(
                Reason::ProtocolError,
                format_args!("plain text after the reply to STARTTLS: {text}"),
            ));
        }
        let (stream, session) = tls.handshake(net, recorder, stream, name).await?;
        session.read(recorder, true);
        self.wire = Some(Wire::Encrypted(Box::new(stream)));
        Ok(())
    }

    /// A failure of the connection ends it.
    fn broken_by<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        if result.is_err() {
            self.wire = None;
        }
        result
    }

    async fn send(&mut self, recorder: &mut Recorder, line: &str) -> Result<(), Failure> {
        let early = &self.buffer[self.unread.clone()];
        // Only the news that it closes may come unasked (RFC 5321 section 3.8).
        if !early.is_empty() && !early.starts_with(b"421") {
            let text = shown(early, 100);
            return Err(Failure::new(
                Reason::ProtocolError,
                format_args!("the server speaks before it is asked: {text}"),
            ));
        }
        recorder.sent(line);
        let bytes = format!("{line}\r\n");
        let sent = match &mut self.wire {
            Some(Wire::Plain(stream)) => stream.write_all(bytes.as_bytes()).await,
            Some(Wire::Encrypted(stream)) => match stream.write_all(bytes.as_bytes()).await {
                Ok(()) => stream.flush().await,
                Err(error) => Err(error),
            },
            None => return Err(closed("before a command")),
        };
        sent.map_err(|error| Failure::io("cannot send a command", &error))?;
        if let Some(Wire::Encrypted(stream)) = &self.wire {
            // Session tickets may be under way, and a server may hold its reply back until they are acknowledged.
            acknowledge_at_once(stream.get_ref().0);
        }
        Ok(())
    }

    async fn read_reply(&mut self, command: Command) -> Result<Reply, Failure> {
        loop {
            let (taken, reply) = self.reader.take(&self.buffer[self.unread.clone()])?;
            self.unread.start += taken;
            if let Some(reply) = reply {
                return Ok(reply);
            }
            let read = match &mut self.wire {
                Some(Wire::Plain(stream)) => stream.read(&mut self.buffer[..]).await,
                Some(Wire::Encrypted(stream)) => stream.read(&mut self.buffer[..]).await,
                None => return Err(closed("before a reply")),
            };
            self.unread = match read {
                Ok(0) if self.reader.has_part() => return Err(closed("in the middle of a reply")),
                Ok(0) => return Err(closed(before_reply(command))),
                Ok(read) => 0..read,
                Err(error) => return Err(Failure::io("cannot read a reply", &error)),
            };
        }
    }
}

const fn before_reply(command: Command) -> &'static str {
    match command {
        Command::Greeting => "without a greeting",
        _ => "instead of a reply",
    }
}

fn closed(when: &str) -> Failure {
    Failure::new(Reason::ClosedEarly, format_args!("the server closed the connection {when}"))
}

fn note(recorder: &mut Recorder, reply: &Reply) {
    let last = reply.lines.len() - 1;
    for (index, line) in reply.lines.iter().take(LINES_NOTED_MAX).enumerate() {
        let sign = if index == last { ' ' } else { '-' };
        recorder.received(format_args!("{}{sign}{}", reply.code, shown(line, NOTE_BYTES_MAX)));
    }
    if last >= LINES_NOTED_MAX {
        recorder.note(format_args!("{} more lines", last + 1 - LINES_NOTED_MAX));
    }
}
