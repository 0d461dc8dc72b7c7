//! The order of the dialogue: greeting, EHLO, STARTTLS, EHLO, MAIL, RCPT, RSET, QUIT. No message is ever sent.

use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::recorder::{Phase, Recorder};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::client::Client;
use crate::smtp::judge::{Command, judge};
use crate::smtp::measures::{GREYLISTED, RCPT_ACCEPTED};
use crate::smtp::settings::{Greylisting, Mailbox, SmtpSettings, Starttls};

/// The server's first words are waited for.
pub(super) const GREETING: Phase = Phase::new("greeting");
/// The sides introduce themselves, in the open and again encrypted.
pub(super) const EHLO: Phase = Phase::new("ehlo");
/// Encryption is asked for.
pub(super) const STARTTLS: Phase = Phase::new("starttls");
/// The sender is named.
pub(super) const MAIL: Phase = Phase::new("mail");
/// The recipients are named.
pub(super) const RCPT: Phase = Phase::new("rcpt");
/// What was named is taken back.
pub(super) const RSET: Phase = Phase::new("rset");
/// The sides part.
pub(super) const QUIT: Phase = Phase::new("quit");

/// What one server is asked.
pub(super) struct Question<'a> {
    pub(super) settings: &'a SmtpSettings,
    pub(super) recipients: &'a [Mailbox],
    /// The name the certificate is verified for.
    pub(super) certificate_name: &'a str,
}

impl Question<'_> {
    /// Asks whether the server would take a message. On return it may still be connected.
    pub(super) async fn put(&self, net: &Net, recorder: &mut Recorder, client: &mut Client) -> Result<(), Failure> {
        recorder.enter(GREETING);
        judge(Command::Greeting, "", &client.reply(recorder, Command::Greeting).await?)?;
        let capabilities = self.introduce(recorder, client).await?;
        if self.goes_encrypted(&capabilities)? {
            self.encrypt(net, recorder, client).await?;
            // What was said in the open may have been changed on the way (RFC 3207 section 4.2).
            self.introduce(recorder, client).await?;
        }
        if self.recipients.is_empty() {
            return Ok(());
        }
        let mut outcome = self.envelope(recorder, client).await;
        let greylisted = matches!(&outcome, Err(failure) if failure.reason() == Reason::Greylisted);
        recorder.read(&GREYLISTED, f64::from(u8::from(greylisted)));
        if greylisted && self.settings.greylisting == Greylisting::Pass {
            recorder.note("greylisted, which counts as taken");
            outcome = Ok(());
        }
        outcome
    }

    /// EHLO, or HELO where the server does not know it (RFC 5321 section 3.2).
    async fn introduce(&self, recorder: &mut Recorder, client: &mut Client) -> Result<Capabilities, Failure> {
        recorder.enter(EHLO);
        let name = match &self.settings.ehlo_name {
            Some(name) => name.to_string(),
            None => client.address_literal(),
        };
        let line = format!("EHLO {name}");
        let reply = client.ask(recorder, Command::Ehlo, &line).await?;
        let capabilities = if matches!(reply.code, 500..=504) {
            let line = format!("HELO {name}");
            judge(Command::Helo, &line, &client.ask(recorder, Command::Helo, &line).await?)?;
            Capabilities::default()
        } else {
            judge(Command::Ehlo, &line, &reply)?;
            Capabilities::of_reply(&reply)
        };
        capabilities.read(recorder, client.is_encrypted());
        Ok(capabilities)
    }

    fn goes_encrypted(&self, capabilities: &Capabilities) -> Result<bool, Failure> {
        match (self.settings.starttls, capabilities.starttls()) {
            (Starttls::Never, _) | (Starttls::Optional, false) => Ok(false),
            (Starttls::Optional | Starttls::Required, true) => Ok(true),
            (Starttls::Required, false) => {
                Err(Failure::new(Reason::StarttlsMissing, "the server does not offer STARTTLS"))
            }
        }
    }

    async fn encrypt(&self, net: &Net, recorder: &mut Recorder, client: &mut Client) -> Result<(), Failure> {
        recorder.enter(STARTTLS);
        let reply = client.ask(recorder, Command::Starttls, "STARTTLS").await?;
        judge(Command::Starttls, "STARTTLS", &reply)?;
        client.encrypt(net, recorder, &self.settings.tls_config, self.certificate_name).await
    }

    async fn envelope(&self, recorder: &mut Recorder, client: &mut Client) -> Result<(), Failure> {
        recorder.enter(MAIL);
        let line = format!("MAIL FROM:<{}>", self.settings.mail_from);
        judge(Command::Mail, &line, &client.ask(recorder, Command::Mail, &line).await?)?;
        recorder.enter(RCPT);
        recorder.read(&RCPT_ACCEPTED, 0.0);
        for recipient in self.recipients {
            let line = format!("RCPT TO:<{recipient}>");
            judge(Command::Rcpt, &line, &client.ask(recorder, Command::Rcpt, &line).await?)?;
        }
        recorder.read(&RCPT_ACCEPTED, 1.0);
        Ok(())
    }
}

/// Takes leave, so that the server's log shows no lost connection. Whatever it answers changes no verdict.
pub(super) async fn part(recorder: &mut Recorder, client: &mut Client) {
    for (phase, command, line) in [(RSET, Command::Rset, "RSET"), (QUIT, Command::Quit, "QUIT")] {
        if !client.is_usable() {
            return;
        }
        recorder.enter(phase);
        match client.ask(recorder, command, line).await {
            Ok(reply) => {
                if let Err(failure) = judge(command, line, &reply) {
                    recorder.note(failure.message());
                }
            }
            Err(failure) => recorder.note(failure.message()),
        }
    }
}
