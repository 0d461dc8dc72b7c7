//! The order of the dialogue: greeting, EHLO, STARTTLS, EHLO, AUTH, MAIL, RCPT, RSET, QUIT, and between them what must
//! be refused. No message is ever sent.

use rustls_pki_types::CertificateDer;

use crate::failure::{Failure, Reason};
use crate::net::{Net, Trust};
use crate::phase::Phase;
use crate::recorder::Recorder;
use crate::smtp::address::Mailbox;
use crate::smtp::capabilities::Capabilities;
use crate::smtp::client::Client;
use crate::smtp::greylist::Greylist;
use crate::smtp::judge::{Command, denies_relaying, judge};
use crate::smtp::login;
use crate::smtp::measures::{INVALID_RCPT_REJECTED, OPEN_RELAY, RCPT_ACCEPTED};
use crate::smtp::policies::Demands;
use crate::smtp::settings::{Encryption, Protocol, SmtpSettings, Starttls};

/// The server's first words are waited for.
pub(crate) const GREETING: Phase = Phase::new("greeting");
/// The sides introduce themselves, in the open and again encrypted.
pub(crate) const EHLO: Phase = Phase::new("ehlo");
/// Encryption is asked for.
pub(crate) const STARTTLS: Phase = Phase::new("starttls");
/// The sender is named.
pub(crate) const MAIL: Phase = Phase::new("mail");
/// The recipients are named.
pub(crate) const RCPT: Phase = Phase::new("rcpt");
/// A recipient is named who does not exist.
pub(crate) const RCPT_INVALID: Phase = Phase::new("rcpt_invalid");
/// A recipient elsewhere is named.
pub(crate) const RELAY: Phase = Phase::new("relay");
/// What was named is taken back.
pub(crate) const RSET: Phase = Phase::new("rset");
/// The sides part.
pub(crate) const QUIT: Phase = Phase::new("quit");

/// What one server is asked.
pub(crate) struct Question<'a> {
    pub(crate) settings: &'a SmtpSettings,
    pub(crate) recipients: &'a [Mailbox],
    /// The name the certificate is verified for.
    pub(crate) certificate_name: &'a str,
    /// What the channel is judged by besides.
    pub(crate) demands: Demands<'a>,
}

impl Question<'_> {
    /// Asks whether the server would take a message. On return it may still be connected.
    pub(crate) async fn put(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        client: &mut Client,
        greylist: Greylist<'_>,
    ) -> Result<(), Failure> {
        self.prepare(net, recorder, client).await?;
        let named = self.names(recorder, client, greylist).await.map_err(|failure| recorder.leg_failed(failure));
        if !client.is_usable() {
            return named;
        }
        named.and(self.refusals(recorder, client).await)
    }

    /// The dialogue up to the point where sender and recipients are named.
    pub(crate) async fn prepare(&self, net: &Net, recorder: &mut Recorder, client: &mut Client) -> Result<(), Failure> {
        if self.settings.encryption == Encryption::FromTheStart {
            self.handshake(net, recorder, client).await?;
        }
        recorder.enter(GREETING);
        judge(Command::Greeting, "", &client.reply(recorder, Command::Greeting).await?)?;
        let mut capabilities = self.introduce(recorder, client).await?;
        if self.goes_encrypted(recorder, &capabilities)? {
            self.encrypt(net, recorder, client).await?;
            // What was said in the open may have been changed on the way (RFC 3207 section 4.2).
            capabilities = self.introduce(recorder, client).await?;
        }
        if let Some(account) = &self.settings.account {
            let wrong = self.settings.refuses.wrong_password;
            login::log_in(net, recorder, client, account, &capabilities, wrong).await?;
        }
        Ok(())
    }

    /// Names sender and recipients, if there are any.
    async fn names(
        &self,
        recorder: &mut Recorder,
        client: &mut Client,
        mut greylist: Greylist<'_>,
    ) -> Result<(), Failure> {
        if self.recipients.is_empty() {
            return Ok(());
        }
        let outcome = self.envelope(recorder, client, Some(&mut greylist)).await;
        greylist.judge(recorder, self.settings, outcome)
    }

    /// EHLO, or HELO where the server does not know it (RFC 5321 section 3.2).
    async fn introduce(&self, recorder: &mut Recorder, client: &mut Client) -> Result<Capabilities, Failure> {
        recorder.enter(EHLO);
        let name = match &self.settings.ehlo_name {
            Some(name) => name.to_string(),
            None => client.address_literal(),
        };
        if self.settings.protocol == Protocol::Lmtp {
            let line = format!("LHLO {name}");
            let reply = client.ask(recorder, Command::Lhlo, &line).await?;
            judge(Command::Lhlo, &line, &reply)?;
            let capabilities = Capabilities::of_reply(&reply);
            capabilities.read(recorder, client.is_encrypted());
            return Ok(capabilities);
        }
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

    fn goes_encrypted(&self, recorder: &mut Recorder, capabilities: &Capabilities) -> Result<bool, Failure> {
        let Encryption::OnTheWay(starttls) = self.settings.encryption else { return Ok(false) };
        if starttls == Starttls::Never {
            return Ok(false);
        }
        let offered = capabilities.starttls();
        self.demands.judge_offer(recorder, offered)?;
        if starttls == Starttls::Required && !offered {
            return Err(Failure::new(Reason::StarttlsMissing, "the server does not offer STARTTLS"));
        }
        Ok(offered)
    }

    async fn encrypt(&self, net: &Net, recorder: &mut Recorder, client: &mut Client) -> Result<(), Failure> {
        recorder.enter(STARTTLS);
        let reply = client.ask(recorder, Command::Starttls, "STARTTLS").await?;
        judge(Command::Starttls, "STARTTLS", &reply)?;
        self.handshake(net, recorder, client).await
    }

    async fn handshake(&self, net: &Net, recorder: &mut Recorder, client: &mut Client) -> Result<(), Failure> {
        let tls = &self.settings.tls_config;
        let judge = |recorder: &mut Recorder, trust: &Trust, chain: &[CertificateDer<'_>]| {
            self.demands.judge(net, recorder, tls, trust, chain)
        };
        client.encrypt(net, recorder, tls, self.certificate_name, judge).await
    }

    /// Names sender and recipients. A greylist learns from the answers.
    pub(crate) async fn envelope(
        &self,
        recorder: &mut Recorder,
        client: &mut Client,
        mut greylist: Option<&mut Greylist<'_>>,
    ) -> Result<(), Failure> {
        recorder.enter(MAIL);
        let line = format!("MAIL FROM:<{}>", self.settings.mail_from);
        judge(Command::Mail, &line, &client.ask(recorder, Command::Mail, &line).await?)?;
        if let Some(greylist) = &greylist {
            greylist.taken(recorder);
        }
        recorder.enter(RCPT);
        recorder.read(&RCPT_ACCEPTED, 0.0);
        for recipient in self.recipients {
            if let Some(greylist) = &mut greylist {
                greylist.names(recipient);
            }
            let line = format!("RCPT TO:<{recipient}>");
            judge(Command::Rcpt, &line, &client.ask(recorder, Command::Rcpt, &line).await?)?;
            if let Some(greylist) = &greylist {
                greylist.taken(recorder);
            }
        }
        recorder.read(&RCPT_ACCEPTED, 1.0);
        Ok(())
    }
}

/// What a server did with a recipient it must refuse.
enum Refusal {
    Refused,
    Taken,
    /// For now, or without looking at the recipient: that tells nothing.
    Postponed,
}

impl Question<'_> {
    /// Asks for what must be refused.
    async fn refusals(&self, recorder: &mut Recorder, client: &mut Client) -> Result<(), Failure> {
        let refuses = &self.settings.refuses;
        let mut taken = None;
        let asked = [
            (RCPT_INVALID, &refuses.recipient, &INVALID_RCPT_REJECTED, 1.0, "a recipient who does not exist"),
            (RELAY, &refuses.relay, &OPEN_RELAY, 0.0, "a stranger's message for somebody elsewhere"),
        ];
        for (phase, recipient, measure, when_refused, what) in asked {
            let Some(recipient) = recipient else { continue };
            if !client.is_usable() {
                recorder.note(format_args!("the server closed: whether {recipient} is refused is not known"));
                break;
            }
            recorder.enter(phase);
            let refusal = match self.refusal(recorder, client, recipient).await {
                Ok(refusal) => refusal,
                // What was found before weighs more.
                Err(failure) => return Err(taken.unwrap_or(failure)),
            };
            match refusal {
                Refusal::Refused => recorder.read(measure, when_refused),
                Refusal::Postponed => recorder.note(format_args!("whether {recipient} is refused is not known")),
                Refusal::Taken => {
                    recorder.read(measure, 1.0 - when_refused);
                    let failure = Failure::new(
                        Reason::AcceptedUnexpectedly,
                        format_args!("the server takes {what}: {recipient}"),
                    );
                    taken.get_or_insert(recorder.leg_failed(failure));
                }
            }
        }
        taken.map_or(Ok(()), Err)
    }

    async fn refusal(
        &self,
        recorder: &mut Recorder,
        client: &mut Client,
        recipient: &Mailbox,
    ) -> Result<Refusal, Failure> {
        judge(Command::Rset, "RSET", &client.ask(recorder, Command::Rset, "RSET").await?)?;
        let line = format!("MAIL FROM:<{}>", self.settings.mail_from);
        let reply = client.ask(recorder, Command::Mail, &line).await?;
        if !reply.is_positive() {
            return Ok(Refusal::Postponed);
        }
        let line = format!("RCPT TO:<{recipient}>");
        let reply = client.ask(recorder, Command::Rcpt, &line).await?;
        Ok(match reply.code / 100 {
            2 => Refusal::Taken,
            5 => Refusal::Refused,
            _ if denies_relaying(&reply) => Refusal::Refused,
            _ => Refusal::Postponed,
        })
    }
}

/// Takes leave, so that the server's log shows no lost connection. Whatever it answers changes no verdict.
pub(crate) async fn part(recorder: &mut Recorder, client: &mut Client) {
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
