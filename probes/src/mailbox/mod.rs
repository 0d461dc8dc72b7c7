//! Kind `mailbox`: asks a mail store what its users ask: lets it in, shows its messages, has room for more.
//!
//! | | |
//! |---|---|
//! | `imap`, `pop3`, `sieve` | the dialogue of each protocol |
//! | `measures`, `settings` | what is read, what can be set |
//!
//! Changes nothing in the store: folders are examined, messages are not fetched.

pub(crate) mod imap;
pub(crate) mod imap_dialogue;
pub(crate) mod measures;
pub(crate) mod pop3;
pub(crate) mod settings;
mod sieve;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout_at;

use crate::failure::{Failure, Reason};
use crate::mailbox::measures::{CAPABILITY, LOGIN_OK};
use crate::mailbox::settings::{Encryption, Protocol, Settings};
use crate::measure::Measure;
use crate::net::{CONNECT, Channel, Net, RESOLVE, TLS};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::target::{HostPort, Invalid, Target, port_number};

/// The server's first words are waited for.
pub(crate) const GREETING: Phase = Phase::new("greeting");
/// The server says what it can do.
pub(crate) const CAPABILITY_PHASE: Phase = Phase::new("capability");
/// Encryption is asked for.
pub(crate) const STARTTLS: Phase = Phase::new("starttls");
/// The user is let in.
pub(crate) const LOGIN: Phase = Phase::new("login");
/// The messages are counted.
pub(crate) const SELECT: Phase = Phase::new("select");
/// The room that is left is asked for.
const QUOTA: Phase = Phase::new("quota");
/// The sides part.
pub(crate) const LOGOUT: Phase = Phase::new("logout");

/// Longest time the server gets to take leave. Nobody but its log gains by it.
pub(crate) const PARTING_MAX: Duration = Duration::from_secs(1);
/// Most capabilities that are written down. Chosen: twice what rich servers have.
const CAPABILITIES_MAX: usize = 100;

/// Asks a mail store.
#[derive(Debug)]
pub(crate) struct Mailbox {
    settings: Arc<Settings>,
    host: Box<str>,
    port: NonZeroU16,
    /// Whom the certificate must be for.
    name: Box<str>,
}

impl Probe for Mailbox {
    const NAME: &'static str = "mailbox";
    const ABOUT: &'static str =
        "Asks a mail store over IMAP, POP3 or ManageSieve: does it let its user in, what does it hold, is there room?";
    const TARGET: &'static str = "host or host:port";
    const PHASES: &'static [Phase] =
        &[RESOLVE, CONNECT, TLS, GREETING, CAPABILITY_PHASE, STARTTLS, LOGIN, SELECT, QUOTA, LOGOUT];
    const MEASURES: &'static [&'static Measure] = measures::ALL;
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let text = target.text();
        let invalid = |what: &str| Invalid::Target(format!("{text:?} {what}, expected host or host:port"));
        if text.contains(char::is_control) {
            return Err(invalid("holds control characters"));
        }
        let default = settings.protocol.port(settings.encryption);
        let (host, port) = match text.parse() {
            Ok(IpAddr::V6(_)) => (text, default),
            _ => {
                let found = HostPort::split(text).filter(|found| !found.host.is_empty());
                let HostPort { host, port } = found.ok_or_else(|| invalid("is no host and port"))?;
                let port = match port {
                    None => default,
                    Some(port) => {
                        port_number(port).and_then(NonZeroU16::new).ok_or_else(|| invalid("has an unknown port"))?
                    }
                };
                (host, port)
            }
        };
        let name = target.hostname().unwrap_or(host);
        Ok(Self { settings: Arc::clone(settings), host: host.into(), port, name: name.into() })
    }

    fn begin(settings: &Settings, recorder: &mut Recorder) {
        if settings.account.is_some() {
            recorder.read(&LOGIN_OK, 0.0);
        }
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let settings = &*self.settings;
        let peer = net.choose_peer(recorder, &self.host, self.port.get(), settings.family).await?;
        let source = settings.source_ip_address.get().inspect_err(|_| recorder.enter(CONNECT))?;
        let channel = Channel::open(net, recorder, peer, source).await?;
        let visit = Visit { net, settings, name: &self.name };
        let channel = match settings.encryption {
            Encryption::Tls => visit.encrypt(recorder, channel).await?,
            Encryption::Starttls | Encryption::None => channel,
        };
        match settings.protocol {
            Protocol::Imap => imap_dialogue::hold(&visit, recorder, channel).await,
            Protocol::Pop3 => pop3::hold(&visit, recorder, channel).await,
            Protocol::Managesieve => sieve::hold(&visit, recorder, channel).await,
        }
    }
}

/// What the dialogues have in common.
pub(crate) struct Visit<'a> {
    pub(crate) net: &'a Net,
    pub(crate) settings: &'a Settings,
    /// The name the certificate is verified for.
    pub(crate) name: &'a str,
}

impl Visit<'_> {
    pub(crate) async fn encrypt(&self, recorder: &mut Recorder, channel: Channel) -> Result<Channel, Failure> {
        let (channel, session) = channel.encrypt(self.net, recorder, &self.settings.tls, self.name).await?;
        session.read(recorder, true);
        Ok(channel)
    }

    /// Whether the dialogue becomes encrypted now: only where the server offers it.
    fn starts_tls(&self, is_encrypted: bool, is_offered: bool) -> Result<bool, Failure> {
        match self.settings.encryption {
            Encryption::Starttls if !is_encrypted && !is_offered => {
                Err(Failure::new(Reason::StarttlsMissing, "the server does not offer to encrypt the dialogue"))
            }
            Encryption::Starttls => Ok(!is_encrypted),
            Encryption::Tls | Encryption::None => Ok(false),
        }
    }

    fn expect_messages(&self, messages: u64) -> Result<(), Failure> {
        match self.settings.fail_if_more_messages_than {
            Some(most) if messages > most => {
                Err(Failure::new(Reason::MailboxFull, format_args!("{messages} messages, more than {most}")))
            }
            _ => Ok(()),
        }
    }
}

fn write_down_capabilities<'c>(
    recorder: &mut Recorder,
    capabilities: impl Iterator<Item = &'c str>,
    is_encrypted: bool,
) {
    let tls = if is_encrypted { "after" } else { "before" };
    for capability in capabilities.take(CAPABILITIES_MAX) {
        recorder.read_with(&CAPABILITY, &[capability, tls], 1.0);
    }
}

/// Takes leave, so that the server's log shows no lost connection. Whatever it answers changes no verdict.
pub(crate) async fn part(recorder: &mut Recorder, leave: impl AsyncFnOnce(&mut Recorder) -> Result<(), Failure>) {
    recorder.enter(LOGOUT);
    let limit = recorder.deadline().min(recorder.now() + PARTING_MAX);
    match timeout_at(limit, leave(recorder)).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => recorder.note(failure.message()),
        Err(_) => recorder.note("no leave was taken in time"),
    }
}
