//! The state of a dialogue: what a client may say now, and what it is told (RFC 5321 section 4.1.4). No bytes are moved here.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use super::command::{self, Command, Misread, Reply};
use crate::plan::{MailProtocol, Receive};

/// Most commands of one connection. Chosen: a hundred messages with ten commands each.
const COMMANDS_MAX: u32 = 1000;
/// Most commands of one connection that are refused. Chosen: no honest client gets near it; who tries addresses does.
const ERRORS_MAX: u32 = 10;
/// Most recipients of a message (RFC 5321 section 4.5.3.1.8: at least as many).
const RECIPIENTS_MAX: usize = 100;

/// What follows a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The client is told something and goes on.
    Tell(Reply),
    /// The client is told to go ahead, and the handshake follows.
    Secure(Reply),
    /// A message is to follow, if the rate allows it.
    Data,
    /// The client is told something, and the connection ends.
    Close(Reply),
}

/// The state of a dialogue.
#[derive(Debug)]
pub(super) struct Dialogue {
    settings: Arc<Receive>,
    /// Whether STARTTLS is offered.
    offers_tls: bool,
    /// Whether everything said from here on is encrypted.
    is_secured: bool,
    client: Option<Client>,
    sender: Option<Box<str>>,
    recipients: Vec<Box<str>>,
    commands: u32,
    errors: u32,
    /// Recipients that were refused since they were last asked for.
    refused: u64,
}

/// Who a client says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) name: Box<str>,
    /// Whether it asked for extensions.
    pub(super) is_extended: bool,
}

/// Who sends a message to whom.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) sender: Box<str>,
    pub(super) recipients: Box<[Box<str>]>,
}

impl Dialogue {
    pub(super) fn new(settings: Arc<Receive>) -> Self {
        let offers_tls = settings.tls.is_some();
        Self {
            settings,
            offers_tls,
            is_secured: false,
            client: None,
            sender: None,
            recipients: Vec::new(),
            commands: 0,
            errors: 0,
            refused: 0,
        }
    }

    /// The first words.
    pub(super) fn greeting(&self) -> Reply {
        let protocol = match self.settings.protocol {
            MailProtocol::Smtp => "ESMTP",
            MailProtocol::Lmtp => "LMTP",
        };
        format!("220 {} {protocol} tuermer", self.settings.hostname).into()
    }

    /// Who the client says it is.
    pub(super) const fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// Recipients refused since the last time this was asked.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// From here on everything is encrypted; what was said before is forgotten (RFC 3207 section 4.2).
    pub(super) fn secured(&mut self) {
        (self.is_secured, self.client) = (true, None);
        self.reset();
    }

    /// Ends the mail transaction, and gives who sent to whom.
    pub(super) fn take_envelope(&mut self) -> Envelope {
        let recipients = std::mem::take(&mut self.recipients).into();
        Envelope { sender: self.sender.take().unwrap_or_default(), recipients }
    }

    /// A message was refused for what it was: counts as an error.
    pub(super) const fn count_error(&mut self) {
        self.errors += 1;
    }

    /// What follows a line. `has_more`: the client has said more already, without waiting for the answer to this.
    pub(super) fn take(&mut self, line: &[u8], has_more: bool) -> Next {
        self.commands += 1;
        if self.commands > COMMANDS_MAX {
            return Next::Close("421 4.7.0 too many commands".into());
        }
        let next = match command::read(line) {
            Ok(Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) | Command::StartTls | Command::Data)
                if has_more =>
            {
                // The answer to these decides what may follow (RFC 2920 section 3.1); whoever goes on regardless may have
                // been made to (CVE-2011-0411).
                Next::Close("503 5.5.0 wait for the answer to this command".into())
            }
            Ok(command) => self.obey(command),
            Err(Misread::Told(reply)) => Next::Tell(reply.into()),
            Err(Misread::Stranger) => Next::Close("421 4.7.0 this is a mail server".into()),
        };
        let is_error = matches!(&next, Next::Tell(reply) if reply.starts_with(['4', '5']));
        self.errors += u32::from(is_error);
        if self.errors > ERRORS_MAX {
            return Next::Close("421 4.7.0 too many errors".into());
        }
        next
    }

    fn obey(&mut self, command: Command<'_>) -> Next {
        let is_lmtp = self.settings.protocol == MailProtocol::Lmtp;
        Next::Tell(match command {
            Command::Helo(_) | Command::Ehlo(_) if is_lmtp => "500 5.5.1 say LHLO".into(),
            Command::Lhlo(_) if !is_lmtp => "500 5.5.1 say EHLO".into(),
            Command::Helo(name) => self.meet(name, false),
            Command::Ehlo(name) | Command::Lhlo(name) => self.meet(name, true),
            Command::StartTls if !self.offers_tls || self.is_secured => "503 5.5.1 not offered now".into(),
            Command::StartTls if self.client.is_none() => "503 5.5.1 say who you are first".into(),
            Command::StartTls => return Next::Secure("220 2.0.0 go ahead".into()),
            // RFC 3207 section 4: all but a few commands are refused so.
            Command::Mail { .. } | Command::Rcpt { .. } | Command::Data | Command::Verify if self.must_encrypt() => {
                "530 5.7.0 say STARTTLS first".into()
            }
            Command::Mail { sender, size } => self.mail(sender, size),
            Command::Rcpt { recipient } => self.rcpt(recipient),
            Command::Data if self.recipients.is_empty() => "503 5.5.1 no recipient".into(),
            Command::Data => return Next::Data,
            Command::Reset => {
                self.reset();
                "250 2.0.0 forgotten".into()
            }
            Command::Noop => "250 2.0.0 still here".into(),
            Command::Verify => "252 2.5.2 write to it and see".into(),
            Command::Help => "214 2.0.0 this server takes mail for some addresses, and hands on none".into(),
            Command::Quit => return Next::Close("221 2.0.0 goodbye".into()),
        })
    }

    fn meet(&mut self, name: &str, is_extended: bool) -> Reply {
        self.reset();
        self.client = Some(Client { name: name.into(), is_extended });
        let hostname = &self.settings.hostname;
        if !is_extended {
            return format!("250 {hostname}").into();
        }
        let mut reply = format!("250-{hostname}\r\n250-SIZE {}\r\n", self.settings.size_max);
        if self.offers_tls && !self.is_secured {
            reply.push_str("250-STARTTLS\r\n");
        }
        reply.push_str("250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES");
        reply.into()
    }

    fn mail(&mut self, sender: &str, size: Option<u64>) -> Reply {
        if self.client.is_none() {
            return "503 5.5.1 say who you are first".into();
        }
        if self.sender.is_some() {
            return "503 5.5.1 one message at a time".into();
        }
        if size.is_some_and(|bytes| bytes > self.settings.size_max as u64) {
            return format!("552 5.3.4 more than {} bytes", self.settings.size_max).into();
        }
        self.sender = Some(sender.into());
        "250 2.1.0 ok".into()
    }

    fn rcpt(&mut self, recipient: &str) -> Reply {
        if self.sender.is_none() {
            return "503 5.5.1 no sender".into();
        }
        if !self.settings.recipients.iter().any(|own| own.eq_ignore_ascii_case(recipient)) {
            self.refused += 1;
            return "550 5.1.1 no such recipient".into();
        }
        if self.recipients.len() >= RECIPIENTS_MAX {
            return "452 4.5.3 too many recipients".into();
        }
        if !self.recipients.iter().any(|known| known.eq_ignore_ascii_case(recipient)) || self.is_lmtp() {
            self.recipients.push(recipient.into());
        }
        "250 2.1.5 ok".into()
    }

    fn reset(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    /// Whether nothing is taken until the connection is encrypted.
    fn must_encrypt(&self) -> bool {
        self.settings.requires_tls && !self.is_secured
    }

    fn is_lmtp(&self) -> bool {
        self.settings.protocol == MailProtocol::Lmtp
    }

    /// What is said of a message with so many recipients: LMTP has an answer for each (RFC 2033 section 4.2).
    pub(super) fn of_each(&self, reply: Cow<'static, str>, recipients: usize) -> Reply {
        if !self.is_lmtp() {
            return reply;
        }
        let mut replies = String::with_capacity((reply.len() + 2) * recipients);
        for index in 0..recipients {
            let _ = write!(replies, "{}{reply}", if index > 0 { "\r\n" } else { "" });
        }
        replies.into()
    }
}
