//! The receiving side of mail: would a domain's mail servers take a message?
//!
//! A domain leads to its mail hosts (MX), each host to its addresses; a host at an address is a *server* and a step of the
//! run. Every server is asked, one after the other, up to the point where the message itself would follow.
//!
//! | file | what it knows |
//! |---|---|
//! | `asked` | what a target means |
//! | `settings` | what can be set, and which text may go out |
//! | `servers` | which servers are asked |
//! | `address` | what text may go out to a server |
//! | `login` | logging in, rightly and wrongly |
//! | `dialogue` | in which order |
//! | `client` | how commands and replies travel |
//! | `judge` | what a reply means |
//! | `greylist` | what earlier runs learned of strangers' waiting |
//! | `tls_policy` | by which methods encryption is judged |
//! | `policies` | TLSA records and MTA-STS, and the verdicts by them |
//! | `wire`, `capabilities` | what a reply says |
//!
//! Nothing here sends a message. What a domain publishes is read by kind `mail_policy`'s code; here it is held against what
//! the servers show.

pub(crate) mod address;
pub(crate) mod asked;
mod capabilities;
pub(crate) mod client;
pub(crate) mod dialogue;
mod greylist;
pub(crate) mod judge;
pub(crate) mod login;
pub(crate) mod measures;
pub(crate) mod policies;
pub(crate) mod servers;
pub(crate) mod settings;
#[cfg(test)]
mod tests;
pub(crate) mod tls_policy;
pub(crate) mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use settings::SmtpSettings;

use crate::failure::{Failure, Reason};
use crate::mail_policy::{FETCH, MTA_STS, TLSA};
use crate::measure::Measure;
use crate::net::{CONNECT, Net, RESOLVE, TLS};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::secret;
use crate::smtp::address::Mailbox;
use crate::smtp::asked::Asked;
use crate::smtp::client::Client;
use crate::smtp::dialogue::{EHLO, GREETING, MAIL, QUIT, Question, RCPT, RCPT_INVALID, RELAY, RSET, STARTTLS};
use crate::smtp::greylist::Greylist;
use crate::smtp::login::{AUTH, BAD_AUTH};
use crate::smtp::measures::{
    DELIVERABLE, MX_PREFERENCE, MX_USABLE, SERVER_FAILURE_INFO, SERVER_SUCCESS, SERVERS, SERVERS_ACCEPTING,
};
use crate::smtp::policies::Policies;
use crate::smtp::servers::Server;
use crate::smtp::settings::Require;
use crate::target::{Invalid, Target};

/// What of the run's time is kept for its end, as a divisor, so that a last server that is silent does not take the
/// verdict on the others with it. Chosen: 2 %.
const RESERVE_DIVISOR: u32 = 50;
/// Longest time a server gets to take leave. RFC 5321 section 4.1.1.10 wants the reply to QUIT waited for; nobody but the
/// server's log gains by it.
const PARTING_MAX: Duration = Duration::from_secs(1);

/// Asks mail servers whether they would take a message.
#[derive(Debug)]
pub(crate) struct Smtp {
    settings: Arc<SmtpSettings>,
    asked: Asked,
    recipients: Vec<Mailbox>,
}

impl Probe for Smtp {
    const NAME: &'static str = "smtp";
    const ABOUT: &'static str =
        "Would the domain's mail servers take a message? Asks each up to RCPT TO and sends no message.";
    const TARGET: &'static str = "a domain (example.org: every mail host of its MX), or one server with a port or in \
                                  brackets (mx.example.org:25, [2001:db8::1]:25)";
    const PHASES: &'static [Phase] = &[
        RESOLVE,
        MTA_STS,
        FETCH,
        TLSA,
        CONNECT,
        GREETING,
        EHLO,
        STARTTLS,
        TLS,
        BAD_AUTH,
        AUTH,
        MAIL,
        RCPT,
        RCPT_INVALID,
        RELAY,
        RSET,
        QUIT,
    ];
    const HAS_STEPS: bool = true;
    const MEASURES: &'static [&'static Measure] = measures::ALL;
    type Settings = SmtpSettings;

    fn bind(settings: &Arc<SmtpSettings>, target: &Target) -> Result<Self, Invalid> {
        let asked = Asked::of_target(target, settings.port)?;
        let recipients = match &settings.recipients {
            Some(given) => given.clone(),
            None => vec![Mailbox::postmaster(asked.domain())],
        };
        settings.tls_policy.fits(&asked)?;
        if let Some(domain) = asked.domain() {
            own_domain_only(settings, domain, &recipients)
                .map_err(|why| Invalid::Target(format!("{:?} {why}", target.text())))?;
        }
        Ok(Self { settings: Arc::clone(settings), asked, recipients })
    }

    fn begin(_: &SmtpSettings, recorder: &mut Recorder) {
        recorder.read(&SERVERS, 0.0);
        recorder.read(&SERVERS_ACCEPTING, 0.0);
        recorder.read(&DELIVERABLE, 0.0);
    }

    /// What a server must refuse is tried at the operator's own servers: at a stranger's it looks like an attack.
    fn carries_secrets(settings: &SmtpSettings) -> bool {
        secret::shows_in(settings) || settings.refuses.names_any()
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let whole = recorder.deadline() - recorder.started();
        let end = recorder.deadline() - whole / RESERVE_DIVISOR;
        let servers = servers::find(net, recorder, &self.asked, &self.settings, end).await?;
        let mut policies = Policies::new(net, &self.settings.tls_policy, self.asked.domain());
        policies.find(recorder, end).await;
        let mut failures = Vec::new();
        let mut accepting = 0_u32;
        let mut left = servers.len();
        let mut askable = servers.len();
        let mut usable: Vec<Arc<str>> = Vec::new();
        for server in servers {
            recorder.step(&server.step);
            // A protocol of several servers needs a timer of its own: a silent server must not use up the others' time.
            let limit = recorder.share(end, left);
            let outcome = self.ask(net, recorder, &server, &mut policies, limit).await;
            write_down(recorder, &server, &outcome);
            recorder.leave_step();
            match outcome {
                Ok(()) => {
                    accepting += 1;
                    if !usable.contains(&server.certificate_name) {
                        usable.push(server.certificate_name);
                    }
                }
                Err(failure) => {
                    askable -= usize::from(failure.reason().is_shortage());
                    failures.push(failure);
                }
            }
            recorder.read(&SERVERS, askable as f64);
            recorder.read(&SERVERS_ACCEPTING, f64::from(accepting));
            recorder.read(&DELIVERABLE, f64::from(u8::from(accepting > 0)));
            if self.asked.domain().is_some() {
                recorder.read(&MX_USABLE, usable.len() as f64);
            }
            left -= 1;
        }
        verdict(self.settings.require, accepting, failures)
    }
}

/// A domain's servers are asked about the domain's own recipients, unless the operator wants something else: to name
/// others is an attempt to relay. Who logs in may write to anybody.
fn own_domain_only(settings: &SmtpSettings, domain: &str, recipients: &[Mailbox]) -> Result<(), String> {
    if settings.allow_foreign_domains || settings.account.is_some() {
        return Ok(());
    }
    let is_own = |mailbox: &Mailbox| mailbox.domain().is_none_or(|of| of.eq_ignore_ascii_case(domain));
    let refuses = &settings.refuses;
    if let Some(foreign) = recipients.iter().chain(&refuses.recipient).find(|mailbox| !is_own(mailbox)) {
        return Err(format!("is not the domain of the recipient {foreign} (allow_foreign_domains)"));
    }
    match refuses.relay.as_ref().filter(|mailbox| is_own(mailbox)) {
        Some(own) => Err(format!("is the domain of {own}, which is no relaying (refuses.relay)")),
        None => Ok(()),
    }
}

/// What is known of a server once it was asked.
fn write_down(recorder: &mut Recorder, server: &Server, outcome: &Result<(), Failure>) {
    if let Some(preference) = server.preference {
        recorder.read(&MX_PREFERENCE, f64::from(preference));
    }
    // Where the agent itself fell short, nothing is known.
    if !outcome.as_ref().is_err_and(|failure| failure.reason().is_shortage()) {
        recorder.read(&SERVER_SUCCESS, f64::from(u8::from(outcome.is_ok())));
    }
    if let Err(failure) = outcome {
        let phase = failure.place().map_or("none", |place| place.phase.name());
        recorder.read_with(&SERVER_FAILURE_INFO, &[failure.reason().name(), phase], 1.0);
        recorder.note(format_args!("{}: {failure}", server.step));
    }
}

/// The failure of the server that comes first; one of the service before one of the agent's own.
fn verdict(require: Require, accepting: u32, failures: Vec<Failure>) -> Result<(), Failure> {
    if require == Require::Any && accepting > 0 {
        return Ok(());
    }
    let first = failures.iter().position(|failure| !failure.reason().is_shortage()).unwrap_or(0);
    failures.into_iter().nth(first).map_or(Ok(()), Err)
}

impl Smtp {
    /// Asks one server, within its share of the time.
    async fn ask(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        server: &Server,
        policies: &mut Policies<'_>,
        limit: Instant,
    ) -> Result<(), Failure> {
        let peer = *server.place.as_ref().map_err(Clone::clone)?;
        let demands = policies.of(recorder, server, peer.port(), limit).await;
        let question = Question {
            settings: &self.settings,
            recipients: &self.recipients,
            certificate_name: &server.certificate_name,
            demands,
        };
        let began = recorder.now();
        let mut client = None;
        let talk = async {
            let source = self.settings.source_ip_address.get().inspect_err(|_| recorder.enter(CONNECT))?;
            let client = client.insert(Client::open(net, recorder, peer, source).await?);
            let memory = net.memory().of(recorder.owner());
            question.put(net, recorder, client, Greylist::new(memory, peer, &self.settings.mail_from)).await
        };
        let mut outcome = match timeout_at(limit, talk).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // Whatever came next would be the answer to something else.
                client = None;
                Err(late(recorder, limit - began))
            }
        };
        outcome = outcome.map_err(|failure| recorder.leg_failed(failure));
        if let Some(client) = client.as_mut().filter(|client| client.is_usable()) {
            let limit = limit.min(recorder.now() + PARTING_MAX);
            if timeout_at(limit, dialogue::part(recorder, client)).await.is_err() {
                recorder.note("no leave was taken in time");
            }
        }
        outcome
    }
}

fn late(recorder: &Recorder, share: Duration) -> Failure {
    let phase = recorder.current_phase().map_or("no phase", Phase::name);
    Failure::new(Reason::Timeout, format_args!("still in {phase} after {share:?}, the server's share of the time"))
}
