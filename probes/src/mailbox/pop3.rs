//! The dialogue over POP3 (RFC 1939, RFC 2449, RFC 2595, RFC 5034).

use crate::failure::{Failure, Reason, shown};
use crate::mailbox::measures::{LOGIN_OK, MESSAGES, SIZE};
use crate::mailbox::{CAPABILITY_PHASE, GREETING, LOGIN, SELECT, STARTTLS, Visit, part, write_down_capabilities};
use crate::net::Channel;
use crate::recorder::{NOTE_BYTES_MAX, Recorder};
use crate::sasl::{self, CHALLENGES_MAX, Login, Mechanism};

/// Longest line in bytes. RFC 2449 section 4 allows 512; challenges of logins may be longer (RFC 5034 section 4).
const LINE_BYTES_MAX: usize = 8 * 1024;
/// Most lines of an answer. Chosen: a long list of capabilities.
const LINES_MAX: usize = 100;
/// How much of a server's words goes into a sentence, in bytes.
const QUOTE_BYTES_MAX: usize = 300;

/// Longest line of a mail in bytes. RFC 5322 section 2.1.1 allows 998; not everybody keeps to it.
const TEXT_LINE_BYTES_MAX: usize = 1 << 20;

/// A connection to a POP3 server.
pub(crate) struct Pop3 {
    channel: Channel,
    /// Whether the dialogue goes into the notes.
    is_noted: bool,
}

pub(super) async fn hold(visit: &Visit<'_>, recorder: &mut Recorder, channel: Channel) -> Result<(), Failure> {
    let mut pop3 = enter(visit, recorder, channel).await?;
    let mut outcome = Ok(());
    if visit.settings.account.is_some() {
        outcome = count(visit, recorder, &mut pop3).await;
    }
    let outcome = outcome.map_err(|failure| recorder.leg_failed(failure));
    part(recorder, async |recorder| pop3.command(recorder, "QUIT").await.map(drop)).await;
    outcome
}

/// The dialogue up to the point where the user is in.
pub(crate) async fn enter(visit: &Visit<'_>, recorder: &mut Recorder, channel: Channel) -> Result<Pop3, Failure> {
    let mut pop3 = Pop3 { channel, is_noted: true };
    recorder.enter(GREETING);
    pop3.answer(recorder, "the greeting").await?;
    let mut capabilities = pop3.capabilities(recorder).await?;
    if visit.starts_tls(pop3.channel.is_encrypted(), capabilities.iter().any(|line| line == "STLS"))? {
        recorder.enter(STARTTLS);
        pop3.command(recorder, "STLS").await?;
        pop3 = Pop3 { channel: visit.encrypt(recorder, pop3.channel).await?, ..pop3 };
        capabilities = pop3.capabilities(recorder).await?;
    }
    if let Some(account) = &visit.settings.account {
        recorder.enter(LOGIN);
        let offered: Vec<Mechanism> = capabilities
            .iter()
            .filter_map(|line| line.strip_prefix("SASL "))
            .flat_map(|names| names.split(' ').filter_map(Mechanism::of_name))
            .collect();
        match account.choose(&offered, pop3.channel.is_encrypted())? {
            Some(mechanism) => pop3.authenticate(recorder, mechanism, account.login(visit.net, mechanism)?).await?,
            // A server that says what it can do says this too (RFC 2449 section 6.3).
            None if !capabilities.is_empty() && !capabilities.iter().any(|line| line == "USER") => {
                return Err(Failure::new(Reason::AuthMissing, "the server offers no way to log in"));
            }
            None => {
                let credentials = account.credentials(visit.net)?;
                pop3.user_and_pass(recorder, &credentials.username, &credentials.password).await?;
            }
        }
        recorder.read(&LOGIN_OK, 1.0);
    }
    Ok(pop3)
}

async fn count(visit: &Visit<'_>, recorder: &mut Recorder, pop3: &mut Pop3) -> Result<(), Failure> {
    recorder.enter(SELECT);
    let answer = pop3.command(recorder, "STAT").await?;
    let mut numbers = answer.split(' ').map(str::parse::<u64>);
    let (Some(Ok(messages)), Some(Ok(bytes))) = (numbers.next(), numbers.next()) else {
        let message =
            format_args!("the answer to STAT is not two numbers: {}", shown(answer.as_bytes(), QUOTE_BYTES_MAX));
        return Err(Failure::new(Reason::ProtocolError, message));
    };
    recorder.read(&MESSAGES, messages as f64);
    recorder.read(&SIZE, bytes as f64);
    visit.expect_messages(messages)
}

impl Pop3 {
    async fn send(&mut self, line: &str) -> Result<(), Failure> {
        let sent = self.channel.send(format!("{line}\r\n").as_bytes()).await;
        sent.map_err(|error| Failure::io("cannot send a command", &error))
    }

    /// The answer's words after `+OK`.
    async fn answer(&mut self, recorder: &mut Recorder, to: &str) -> Result<String, Failure> {
        let line = self.channel.line(LINE_BYTES_MAX).await?;
        if self.is_noted {
            recorder.received(shown(&line, NOTE_BYTES_MAX));
        }
        judge(&line, to)
    }

    /// Sends a command and reads the answer's words after `+OK`.
    pub(crate) async fn command(&mut self, recorder: &mut Recorder, line: &str) -> Result<String, Failure> {
        if self.is_noted {
            recorder.sent(line);
        }
        self.send(line).await?;
        self.answer(recorder, line).await
    }

    /// Whether the dialogue goes into the notes from here on: repetitions would fill them.
    pub(crate) const fn take_notes(&mut self, is_noted: bool) {
        self.is_noted = is_noted;
    }

    /// The lines that follow an answer, up to the dot (RFC 1939 section 3).
    pub(crate) async fn lines(&mut self, lines_max: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let mut lines = Vec::new();
        loop {
            let line = self.channel.line(LINE_BYTES_MAX).await?;
            if line == b"." {
                return Ok(lines);
            }
            if lines.len() >= lines_max {
                return Err(Failure::new(Reason::TooLong, format_args!("an answer of more than {lines_max} lines")));
            }
            lines.push(line);
        }
    }

    /// The mail that follows an answer: its first bytes. It is read to its end, but no further than `read_max`.
    pub(crate) async fn text(&mut self, bytes_max: usize, read_max: usize) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        let mut read = 0_usize;
        loop {
            let line = self.channel.line(TEXT_LINE_BYTES_MAX).await?;
            if line == b"." {
                return Ok(text);
            }
            read += line.len() + 2;
            if read > read_max {
                return Err(Failure::new(Reason::TooLong, format_args!("a mail of more than {read_max} bytes")));
            }
            if text.len() < bytes_max {
                let line = line.strip_prefix(b".").unwrap_or(&line);
                text.extend_from_slice(&line[..line.len().min(bytes_max - text.len())]);
                text.extend_from_slice(b"\r\n");
            }
        }
    }

    /// What the server can do, a line each, in upper case. A server that does not know the question can nothing more.
    async fn capabilities(&mut self, recorder: &mut Recorder) -> Result<Vec<String>, Failure> {
        recorder.enter(CAPABILITY_PHASE);
        match self.command(recorder, "CAPA").await {
            Ok(_) => {}
            Err(failure) if failure.reason() == Reason::Rejected => return Ok(Vec::new()),
            Err(failure) => return Err(failure),
        }
        let capabilities = self.lines(LINES_MAX).await?;
        let capabilities: Vec<String> =
            capabilities.iter().map(|line| String::from_utf8_lossy(line).to_ascii_uppercase()).collect();
        let is_encrypted = self.channel.is_encrypted();
        write_down_capabilities(recorder, capabilities.iter().map(String::as_str), is_encrypted);
        Ok(capabilities)
    }

    async fn user_and_pass(&mut self, recorder: &mut Recorder, username: &str, password: &str) -> Result<(), Failure> {
        if [username, password].iter().any(|text| text.contains(['\r', '\n', '\0'])) {
            return Err(Failure::new(Reason::ConfigUnusable, "a control character in the name or the password"));
        }
        for (shown, line) in [("USER", format!("USER {username}")), ("PASS", format!("PASS {password}"))] {
            recorder.sent(format_args!("{shown} <secret>"));
            self.send(&line).await?;
            self.answer(recorder, shown).await.map_err(sasl::refused)?;
        }
        Ok(())
    }

    async fn authenticate(
        &mut self,
        recorder: &mut Recorder,
        mechanism: Mechanism,
        mut login: Login,
    ) -> Result<(), Failure> {
        let name = mechanism.name();
        recorder.sent(format_args!("AUTH {name}"));
        match login.initial() {
            Some(initial) => self.send(&format!("AUTH {name} {initial}")).await?,
            None => self.send(&format!("AUTH {name}")).await?,
        }
        for _ in 0..=CHALLENGES_MAX {
            let line = self.channel.line(LINE_BYTES_MAX).await?;
            let Some(challenge) = line.strip_prefix(b"+ ").or_else(|| (line == b"+").then_some(&[])) else {
                recorder.received(shown(&line, NOTE_BYTES_MAX));
                judge(&line, "AUTH").map_err(sasl::refused)?;
                return login.succeeded(None);
            };
            let answer = login.answer(challenge)?;
            self.send(&answer).await?;
        }
        Err(sasl::too_many_challenges())
    }
}

/// `+OK` or `-ERR`, with a code that tells what will pass (RFC 2449 section 8, RFC 3206).
fn judge(line: &[u8], to: &str) -> Result<String, Failure> {
    let text = String::from_utf8_lossy(line);
    let says = || shown(line, QUOTE_BYTES_MAX);
    if let Some(rest) = text.strip_prefix("+OK") {
        return Ok(rest.trim_start().to_owned());
    }
    let Some(rest) = text.strip_prefix("-ERR") else {
        return Err(Failure::new(Reason::ProtocolError, format_args!("not an answer of a POP3 server: {}", says())));
    };
    let rest = rest.trim_start();
    let passes = ["[IN-USE]", "[LOGIN-DELAY]", "[SYS/TEMP]"].iter().any(|code| rest.starts_with(code));
    let reason = if passes { Reason::RejectedTemporarily } else { Reason::Rejected };
    Err(Failure::new(reason, format_args!("the answer to {to} is {}", says())))
}
