//! The dialogue over ManageSieve (RFC 5804).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::{Failure, Reason, shown};
use crate::mailbox::imap::wire::{self, Token};
use crate::mailbox::measures::{LOGIN_OK, SCRIPTS, SCRIPTS_ACTIVE};
use crate::mailbox::{CAPABILITY_PHASE, GREETING, LOGIN, SELECT, STARTTLS, Visit, part, write_down_capabilities};
use crate::net::Channel;
use crate::recorder::{NOTE_BYTES_MAX, Recorder};
use crate::sasl::{self, CHALLENGES_MAX, Login, Mechanism};

/// Most lines of an answer. Chosen: more scripts than anybody has.
const LINES_MAX: usize = 1000;
/// How much of a server's words goes into a sentence, in bytes.
const QUOTE_BYTES_MAX: usize = 300;

struct Sieve {
    channel: Channel,
}

/// The lines before the end of an answer.
type Lines = Vec<Vec<Token>>;

pub(super) async fn hold(visit: &Visit<'_>, recorder: &mut Recorder, channel: Channel) -> Result<(), Failure> {
    let mut sieve = Sieve { channel };
    recorder.enter(GREETING);
    let mut capabilities = sieve.introduction(recorder).await?;
    if visit.starts_tls(sieve.channel.is_encrypted(), value(&capabilities, "STARTTLS").is_some())? {
        recorder.enter(STARTTLS);
        sieve.command(recorder, "STARTTLS").await?;
        sieve = Sieve { channel: visit.encrypt(recorder, sieve.channel).await? };
        recorder.enter(CAPABILITY_PHASE);
        // The server speaks first after the handshake (RFC 5804 section 2.2).
        capabilities = sieve.introduction(recorder).await?;
    }
    if let Some(account) = &visit.settings.account {
        recorder.enter(LOGIN);
        let names = value(&capabilities, "SASL").flatten().unwrap_or_default();
        let offered: Vec<Mechanism> = names.split(' ').filter_map(Mechanism::of_name).collect();
        let Some(mechanism) = account.choose(&offered, sieve.channel.is_encrypted())? else {
            return Err(Failure::new(Reason::AuthMissing, "the server offers no way to log in"));
        };
        sieve.authenticate(recorder, mechanism, account.login(visit.net, mechanism)?).await?;
        recorder.read(&LOGIN_OK, 1.0);
        recorder.enter(SELECT);
        let scripts = sieve.command(recorder, "LISTSCRIPTS").await?;
        let active = scripts.iter().filter(|line| line.iter().any(|token| token.is("ACTIVE"))).count();
        recorder.read(&SCRIPTS, scripts.len() as f64);
        recorder.read(&SCRIPTS_ACTIVE, active as f64);
    }
    part(recorder, async |recorder| sieve.command(recorder, "LOGOUT").await.map(drop)).await;
    Ok(())
}

/// What stands behind a capability: `None` if the server has not got it.
fn value(lines: &Lines, name: &str) -> Option<Option<String>> {
    let text = |token: &Token| token.bytes().map(|bytes| String::from_utf8_lossy(bytes).to_ascii_uppercase());
    let line = lines.iter().find(|line| line.first().and_then(text).as_deref() == Some(name))?;
    Some(line.get(1).and_then(text))
}

/// What a line says: data, or how the command ended.
enum Line {
    Data(Vec<Token>),
    Ok(Vec<Token>),
}

impl Sieve {
    async fn send(&mut self, line: &str) -> Result<(), Failure> {
        let sent = self.channel.send(format!("{line}\r\n").as_bytes()).await;
        sent.map_err(|error| Failure::io("cannot send a command", &error))
    }

    async fn line(&mut self, recorder: &mut Recorder, to: &str) -> Result<Line, Failure> {
        let line = self.channel.line(wire::LINE_BYTES_MAX).await?;
        recorder.received(shown(&line, NOTE_BYTES_MAX));
        let tokens = wire::tokens(&mut self.channel, &line).await?;
        let Some(first) = tokens.first() else {
            return Err(Failure::new(Reason::ProtocolError, "an empty line"));
        };
        let says = || shown(&line, QUOTE_BYTES_MAX);
        if first.is("OK") {
            Ok(Line::Ok(tokens))
        } else if first.is("NO") {
            let passes = tokens.iter().any(|token| token.is("TRYLATER"));
            let reason = if passes { Reason::RejectedTemporarily } else { Reason::Rejected };
            Err(Failure::new(reason, format_args!("the answer to {to} is {}", says())))
        } else if first.is("BYE") {
            Err(Failure::new(Reason::RejectedTemporarily, format_args!("the server takes leave: {}", says())))
        } else if matches!(first, Token::Text(_)) {
            Ok(Line::Data(tokens))
        } else {
            Err(Failure::new(Reason::ProtocolError, format_args!("not an answer of a ManageSieve server: {}", says())))
        }
    }

    /// Reads up to the end of an answer.
    async fn answer(&mut self, recorder: &mut Recorder, to: &str) -> Result<Lines, Failure> {
        let mut lines = Lines::new();
        while lines.len() <= LINES_MAX {
            match self.line(recorder, to).await? {
                Line::Data(tokens) => lines.push(tokens),
                Line::Ok(_) => return Ok(lines),
            }
        }
        Err(Failure::new(Reason::TooLong, format_args!("more than {LINES_MAX} lines in answer to {to}")))
    }

    /// What the server can do, which it says unasked.
    async fn introduction(&mut self, recorder: &mut Recorder) -> Result<Lines, Failure> {
        let lines = self.answer(recorder, "the connection").await?;
        let names: Vec<String> = lines
            .iter()
            .filter_map(|line| Some(String::from_utf8_lossy(line.first()?.bytes()?).to_ascii_uppercase()))
            .collect();
        let is_encrypted = self.channel.is_encrypted();
        write_down_capabilities(recorder, names.iter().map(String::as_str), is_encrypted);
        Ok(lines)
    }

    async fn command(&mut self, recorder: &mut Recorder, line: &str) -> Result<Lines, Failure> {
        recorder.sent(line);
        self.send(line).await?;
        self.answer(recorder, line).await
    }

    async fn authenticate(
        &mut self,
        recorder: &mut Recorder,
        mechanism: Mechanism,
        mut login: Login,
    ) -> Result<(), Failure> {
        let name = mechanism.name();
        recorder.sent(format_args!("AUTHENTICATE {name}"));
        match login.initial() {
            Some(initial) => self.send(&format!("AUTHENTICATE \"{name}\" \"{initial}\"")).await?,
            None => self.send(&format!("AUTHENTICATE \"{name}\"")).await?,
        }
        for _ in 0..=CHALLENGES_MAX {
            match self.line(recorder, "AUTHENTICATE").await.map_err(sasl::refused)? {
                Line::Ok(tokens) => return login.succeeded(with_success(&tokens)),
                Line::Data(tokens) => {
                    let challenge = tokens.first().and_then(Token::bytes).unwrap_or_default();
                    let answer = login.answer(challenge)?;
                    self.send(&format!("\"{answer}\"")).await?;
                }
            }
        }
        Err(sasl::too_many_challenges())
    }
}

/// What the server says with its success: `OK (SASL "…")` (RFC 5804 section 2.1).
fn with_success(tokens: &[Token]) -> Option<&[u8]> {
    let at = tokens.iter().position(|token| token.is("SASL"))?;
    tokens.get(at + 1)?.bytes().filter(|data| STANDARD.decode(data).is_ok())
}
