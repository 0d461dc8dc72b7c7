//! One connection to a mail server: commands go out, replies come in, encryption is put in between.
//!
//! Knows no order of commands. A connection that broke, by silence or by nonsense, is not usable any more.

use std::net::{IpAddr, SocketAddr};

use rustls_pki_types::CertificateDer;

use crate::failure::{Failure, Reason, shown};
use crate::net::{Channel, Net, Source, Tls, Trust};
use crate::recorder::{NOTE_BYTES_MAX, Recorder};
use crate::smtp::judge::Command;
use crate::smtp::measures::{ENHANCED_STATUS_INFO, REPLIES, REPLY_CODE};
use crate::smtp::wire::{Reply, ReplyReader, code_name};

/// Most lines of a reply that go into the notes. Chosen: a long EHLO reply.
const LINES_NOTED_MAX: usize = 24;

/// A connection to a mail server.
#[derive(Debug)]
pub(crate) struct Client {
    /// `None` once the connection broke.
    channel: Option<Channel>,
    reader: ReplyReader,
}

impl Client {
    /// Opens a connection.
    pub(crate) async fn open(
        net: &Net,
        recorder: &mut Recorder,
        peer: SocketAddr,
        source: Source,
    ) -> Result<Self, Failure> {
        let channel = Channel::open(net, recorder, peer, source).await?;
        Ok(Self { channel: Some(channel), reader: ReplyReader::default() })
    }

    /// The address this side has, which is a name to greet with (RFC 5321 section 4.1.3).
    pub(crate) fn address_literal(&self) -> String {
        match self.channel.as_ref().and_then(Channel::local) {
            Some(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
            Some(IpAddr::V4(address)) => format!("[{address}]"),
            None => "[127.0.0.1]".to_owned(),
        }
    }

    /// Whether another command can be sent.
    pub(crate) const fn is_usable(&self) -> bool {
        self.channel.is_some()
    }

    /// Whether what is said now is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.channel.as_ref().is_some_and(Channel::is_encrypted)
    }

    /// Sends a command and reads the reply to it.
    pub(crate) async fn ask(
        &mut self,
        recorder: &mut Recorder,
        command: Command,
        line: &str,
    ) -> Result<Reply, Failure> {
        self.ask_shown(recorder, command, line, line).await
    }

    /// As [`Self::ask`], for a line with a secret: the notes have `shown` instead.
    pub(crate) async fn ask_shown(
        &mut self,
        recorder: &mut Recorder,
        command: Command,
        line: &str,
        shown: &str,
    ) -> Result<Reply, Failure> {
        let asked = self.send(recorder, line, shown).await;
        self.broken_by(asked)?;
        self.reply(recorder, command).await
    }

    /// Sends a message, its lines ended, its dots doubled and the final one at its end. The reply to it is still to be read.
    pub(crate) async fn deliver(&mut self, recorder: &mut Recorder, message: &[u8]) -> Result<(), Failure> {
        recorder.sent(format_args!("<message of {} bytes>", message.len()));
        let sent = match &mut self.channel {
            None => Err(closed("before the message")),
            Some(channel) => {
                channel.send(message).await.map_err(|error| Failure::io("cannot send the message", &error))
            }
        };
        self.broken_by(sent)
    }

    /// Reads the reply to what was sent last.
    pub(crate) async fn reply(&mut self, recorder: &mut Recorder, command: Command) -> Result<Reply, Failure> {
        let read = self.read_reply(command).await;
        let reply = self.broken_by(read)?;
        note(recorder, &reply);
        recorder.read_with(&REPLY_CODE, &[command.name()], f64::from(reply.code));
        recorder.read_with(&REPLIES, &[command.name(), code_name(reply.code)], 1.0);
        // A server's name may begin its first lines, and a name may look like a status.
        if !matches!(command, Command::Greeting | Command::Ehlo | Command::Helo | Command::Lhlo)
            && let Some(status) = reply.enhanced()
        {
            recorder.read_with(&ENHANCED_STATUS_INFO, &[command.name(), &status.to_string()], 1.0);
        }
        if reply.code == 421 {
            // The server closes (RFC 5321 section 3.8).
            self.channel = None;
        }
        Ok(reply)
    }

    /// Puts encryption in between, after the server agreed to it (RFC 3207 section 4). What it showed is written down,
    /// trusted or not; then `judge` says whether the connection may go on.
    pub(crate) async fn encrypt(
        &mut self,
        net: &Net,
        recorder: &mut Recorder,
        tls: &Tls,
        name: &str,
        judge: impl FnOnce(&mut Recorder, &Trust, &[CertificateDer<'_>]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(channel) = self.channel.take() else { return Err(closed("before the encryption")) };
        let (channel, session) = channel.encrypt_unjudged(net, recorder, tls, name).await?;
        session.read(recorder, true);
        judge(recorder, session.seen().trust(), channel.certificates())?;
        self.channel = Some(channel);
        Ok(())
    }

    /// A failure of the connection ends it.
    fn broken_by<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        if result.is_err() {
            self.channel = None;
        }
        result
    }

    async fn send(&mut self, recorder: &mut Recorder, line: &str, noted: &str) -> Result<(), Failure> {
        let Some(channel) = &mut self.channel else { return Err(closed("before a command")) };
        let early = channel.unread();
        // Only the news that it closes may come unasked (RFC 5321 section 3.8).
        if !early.is_empty() && !early.starts_with(b"421") {
            let text = shown(early, 100);
            return Err(Failure::new(
                Reason::ProtocolError,
                format_args!("the server speaks before it is asked: {text}"),
            ));
        }
        recorder.sent(noted);
        let sent = channel.send(format!("{line}\r\n").as_bytes()).await;
        sent.map_err(|error| Failure::io("cannot send a command", &error))
    }

    async fn read_reply(&mut self, command: Command) -> Result<Reply, Failure> {
        let Some(channel) = &mut self.channel else { return Err(closed("before a reply")) };
        loop {
            let (taken, reply) = self.reader.take(channel.unread())?;
            channel.take(taken);
            if let Some(reply) = reply {
                return Ok(reply);
            }
            match channel.fill().await {
                Ok(true) => {}
                Ok(false) if self.reader.has_part() => return Err(closed("in the middle of a reply")),
                Ok(false) => return Err(closed(before_reply(command))),
                Err(error) => return Err(Failure::io("cannot read a reply", &error)),
            }
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
