//! A dialogue with an IMAP server (RFC 9051; what older servers say is understood too).
//!
//! Knows no order of commands.

pub(crate) mod wire;

use tokio::time::{Instant, timeout_at};

use crate::failure::{Failure, Reason, shown};
use crate::net::Channel;
use crate::recorder::{NOTE_BYTES_MAX, Recorder};
use crate::sasl::{self, CHALLENGES_MAX, Login, Mechanism};

use wire::{Response, State, Token};

/// Most responses to one command. Chosen: a long list of folders.
pub(crate) const RESPONSES_MAX: usize = 1000;
/// Most parts of a response that go into a note. Chosen: a line on a page.
const TOKENS_NOTED_MAX: usize = 32;
/// How much of a server's words goes into a sentence, in bytes.
const QUOTE_BYTES_MAX: usize = 300;

/// A connection to an IMAP server.
#[derive(Debug)]
pub(crate) struct Imap {
    channel: Channel,
    /// How many commands were sent.
    commands: u32,
    /// What the server can do, in upper case, as it said last.
    capabilities: Vec<String>,
    /// Within what the names of mails in the folder that is open count, if the server said so.
    uid_validity: Option<u32>,
    /// Whether the dialogue goes into the notes.
    is_noted: bool,
}

impl Imap {
    /// Takes a connection over which nothing was said yet.
    pub(crate) const fn new(channel: Channel) -> Self {
        Self { channel, commands: 0, capabilities: Vec::new(), uid_validity: None, is_noted: true }
    }

    /// The connection, to be encrypted.
    pub(crate) fn into_channel(self) -> Channel {
        self.channel
    }

    /// Whether what is said now is encrypted.
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.channel.is_encrypted()
    }

    /// What the server can do.
    pub(crate) fn capabilities(&self) -> &[String] {
        &self.capabilities
    }

    /// Within what the names of mails in the folder that was opened last count (RFC 9051 section 2.3.1.1).
    pub(crate) const fn uid_validity(&self) -> Option<u32> {
        self.uid_validity
    }

    /// Whether the server can do this.
    pub(crate) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    /// The mechanisms by which the server lets in.
    pub(crate) fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        self.capabilities.iter().filter_map(|capability| Mechanism::of_name(capability.strip_prefix("AUTH=")?))
    }

    /// The server's first words. True if it takes the client for somebody it knows.
    pub(crate) async fn greeting(&mut self, recorder: &mut Recorder) -> Result<bool, Failure> {
        match self.read(recorder).await? {
            Response::Status { tag: None, state: State::Ok, .. } => Ok(false),
            Response::Status { tag: None, state: State::Preauth, .. } => Ok(true),
            Response::Status { tag: None, state: State::Bye, text } => Err(bye(&text)),
            _ => Err(Failure::new(Reason::ProtocolError, "the server does not begin with a greeting")),
        }
    }

    /// Asks what the server can do.
    pub(crate) async fn capability(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        let data = self.command(recorder, "CAPABILITY").await?;
        let Some(tokens) = data.iter().find(|tokens| tokens.first().is_some_and(|token| token.is("CAPABILITY"))) else {
            return Err(Failure::new(Reason::ProtocolError, "the server does not say what it can do"));
        };
        let words = tokens[1..].iter().filter_map(Token::bytes);
        self.capabilities = words.map(|word| String::from_utf8_lossy(word).to_ascii_uppercase()).collect();
        Ok(())
    }

    /// Sends a command and reads the data up to its end, which must be OK.
    pub(crate) async fn command(&mut self, recorder: &mut Recorder, line: &str) -> Result<Vec<Vec<Token>>, Failure> {
        if self.is_noted {
            recorder.sent(line);
        }
        let tag = self.send_tagged(line).await?;
        let data = self.answer(recorder, &tag, line.split(' ').next().unwrap_or(line)).await?;
        Ok(data)
    }

    /// Logs in by the `LOGIN` command, for servers without mechanisms.
    pub(crate) async fn login(
        &mut self,
        recorder: &mut Recorder,
        username: &str,
        password: &str,
    ) -> Result<(), Failure> {
        recorder.sent("LOGIN <secret>");
        let tag = self.send_tagged(&format!("LOGIN {} {}", quoted(username)?, quoted(password)?)).await?;
        self.answer(recorder, &tag, "LOGIN").await.map(drop).map_err(sasl::refused)
    }

    /// Logs in by a mechanism (RFC 9051 section 6.2.2).
    pub(crate) async fn authenticate(
        &mut self,
        recorder: &mut Recorder,
        mechanism: Mechanism,
        mut login: Login,
    ) -> Result<(), Failure> {
        let name = mechanism.name();
        recorder.sent(format_args!("AUTHENTICATE {name}"));
        let mut initial = login.initial();
        let tag = match initial.take_if(|_| self.can("SASL-IR")) {
            Some(text) => self.send_tagged(&format!("AUTHENTICATE {name} {text}")).await?,
            None => self.send_tagged(&format!("AUTHENTICATE {name}")).await?,
        };
        for _ in 0..=CHALLENGES_MAX {
            let answer = match self.read(recorder).await? {
                Response::Continue(challenge) => match initial.take() {
                    Some(text) => text,
                    None => login.answer(challenge.trim_ascii())?,
                },
                Response::Status { tag: Some(ended), state, text } if ended == tag.as_bytes() => {
                    judge("AUTHENTICATE", state, &text).map_err(sasl::refused)?;
                    return login.succeeded(None);
                }
                Response::Status { tag: None, state: State::Bye, text } => return Err(bye(&text)),
                Response::Status { .. } | Response::Data(_) => continue,
            };
            self.send(&format!("{answer}\r\n")).await?;
        }
        Err(sasl::too_many_challenges())
    }

    /// Whether the dialogue goes into the notes from here on: repetitions would fill them.
    pub(crate) const fn take_notes(&mut self, is_noted: bool) {
        self.is_noted = is_noted;
    }

    /// Waits, in a folder, until the server has news or it is `until` (RFC 9051 section 6.3.13).
    pub(crate) async fn idle(&mut self, recorder: &mut Recorder, until: Instant) -> Result<(), Failure> {
        let tag = self.send_tagged("IDLE").await?;
        for _ in 0..RESPONSES_MAX {
            match self.read(recorder).await? {
                Response::Continue(_) => {
                    let news = timeout_at(until, self.channel.arrives()).await;
                    news.unwrap_or(Ok(()))?;
                    self.send("DONE\r\n").await?;
                    return self.answer(recorder, &tag, "IDLE").await.map(drop);
                }
                Response::Status { tag: Some(ended), state, text } if ended == tag.as_bytes() => {
                    return judge("IDLE", state, &text);
                }
                Response::Status { tag: None, state: State::Bye, text } => return Err(bye(&text)),
                Response::Status { .. } | Response::Data(_) => {}
            }
        }
        Err(Failure::new(Reason::TooLong, format_args!("more than {RESPONSES_MAX} responses to IDLE")))
    }

    /// Reads one response.
    pub(crate) async fn read(&mut self, recorder: &mut Recorder) -> Result<Response, Failure> {
        let response = wire::read(&mut self.channel).await?;
        if self.is_noted {
            note(recorder, &response);
        }
        Ok(response)
    }

    /// Sends text as it is.
    pub(crate) async fn send(&mut self, text: &str) -> Result<(), Failure> {
        self.channel.send(text.as_bytes()).await.map_err(|error| Failure::io("cannot send a command", &error))
    }

    /// Sends a command with a tag of its own.
    pub(crate) async fn send_tagged(&mut self, line: &str) -> Result<String, Failure> {
        self.commands += 1;
        let tag = format!("a{}", self.commands);
        self.send(&format!("{tag} {line}\r\n")).await?;
        Ok(tag)
    }

    /// Reads up to the end of the command with this tag.
    pub(crate) async fn answer(
        &mut self,
        recorder: &mut Recorder,
        tag: &str,
        command: &str,
    ) -> Result<Vec<Vec<Token>>, Failure> {
        let mut data = Vec::new();
        if command == "SELECT" {
            self.uid_validity = None;
        }
        for _ in 0..RESPONSES_MAX {
            match self.read(recorder).await? {
                Response::Data(tokens) => data.push(tokens),
                Response::Status { tag: Some(ended), state, text } if ended == tag.as_bytes() => {
                    return judge(command, state, &text).map(|()| data);
                }
                Response::Status { tag: None, state: State::Bye, text } if command != "LOGOUT" => {
                    return Err(bye(&text));
                }
                Response::Status { tag: None, text, .. } => {
                    self.uid_validity = Response::number(&text, "UIDVALIDITY").or(self.uid_validity);
                }
                Response::Status { .. } | Response::Continue(_) => {
                    let message = format_args!("the server answers {command} with something else");
                    return Err(Failure::new(Reason::ProtocolError, message));
                }
            }
        }
        Err(Failure::new(Reason::TooLong, format_args!("more than {RESPONSES_MAX} responses to {command}")))
    }
}

/// What the end of a command means.
fn judge(command: &str, state: State, text: &[u8]) -> Result<(), Failure> {
    let says = shown(text, QUOTE_BYTES_MAX);
    match state {
        State::Ok => Ok(()),
        State::No => {
            let code = Response::code(text);
            // RFC 9051 section 7.1: these will pass.
            let passes =
                matches!(code.as_deref(), Some("UNAVAILABLE" | "INUSE" | "SERVERBUG" | "CONTACTADMIN" | "LIMIT"));
            let reason = if passes { Reason::RejectedTemporarily } else { Reason::Rejected };
            Err(Failure::new(reason, format_args!("the answer to {command} is NO {says}")))
        }
        State::Bad => Err(Failure::new(Reason::ProtocolError, format_args!("the answer to {command} is BAD {says}"))),
        State::Bye | State::Preauth => Err(bye(text)),
    }
}

fn bye(text: &[u8]) -> Failure {
    let message = format_args!("the server takes leave: {}", shown(text, QUOTE_BYTES_MAX));
    Failure::new(Reason::RejectedTemporarily, message)
}

/// A string as it stands in a command (RFC 9051 section 4.3). Characters that would need a literal are refused.
pub(crate) fn quoted(text: &str) -> Result<String, Failure> {
    if !text.is_ascii() || text.contains(['\r', '\n', '\0']) {
        let message = "a name or password with characters that IMAP's LOGIN cannot carry; use another mechanism";
        return Err(Failure::new(Reason::ConfigUnusable, message));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn note(recorder: &mut Recorder, response: &Response) {
    match response {
        Response::Status { tag, state, text } => {
            let tag = tag.as_deref().map_or("*".to_owned(), |tag| shown(tag, 20));
            recorder.received(format_args!("{tag} {state:?} {}", shown(text, NOTE_BYTES_MAX)));
        }
        Response::Continue(text) => recorder.received(format_args!("+ {}", shown(text, 20))),
        Response::Data(tokens) => {
            let words = tokens.iter().take(TOKENS_NOTED_MAX).filter_map(Token::bytes);
            let words: Vec<&[u8]> = words.map(|word| &word[..word.len().min(QUOTE_BYTES_MAX)]).collect();
            recorder.received(format_args!("* {}", shown(&words.join(&b' '), NOTE_BYTES_MAX)));
        }
    }
}

/// What stands behind a key in a list of keys and values.
pub(crate) fn value_of<'t>(tokens: &'t [Token], key: &str) -> Option<&'t Token> {
    let at = tokens.iter().position(|token| token.is(key))?;
    tokens.get(at + 1)
}
