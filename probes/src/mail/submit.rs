//! The first step: the mail is handed in, once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::failure::{Failure, Reason};
use crate::mail::message::Message;
use crate::mail::settings::Settings;
use crate::net::{CONNECT, Net, Security};
use crate::phase::Phase;
use crate::recorder::Recorder;
use crate::smtp::asked::Asked;
use crate::smtp::client::Client;
use crate::smtp::dialogue::{self, Question};
use crate::smtp::judge::{Command, judge};
use crate::smtp::policies::Demands;
use crate::smtp::servers::{self, SERVERS_MAX, Server};

/// The mail itself is sent.
pub(super) const DATA: Phase = Phase::new("data");
/// What of the run's time handing in may take, as a divisor. Chosen: as much is left to wait for the mail.
const SUBMISSION_DIVISOR: u32 = 2;
/// Longest time a server gets to take leave. Nobody but its log gains by it.
const PARTING_MAX: Duration = Duration::from_secs(1);

/// Handing in a mail.
pub(super) struct Submission<'a> {
    pub(super) net: &'a Net,
    pub(super) settings: &'a Settings,
    pub(super) asked: &'a Asked,
    /// The name of the step.
    pub(super) step: &'a Arc<str>,
}

impl Submission<'_> {
    /// Hands the mail to the first server that takes it. Says when that was.
    pub(super) async fn hand_in(&self, recorder: &mut Recorder, message: &Message) -> Result<Instant, Failure> {
        let whole = recorder.deadline() - recorder.started();
        let end = recorder.started() + whole / SUBMISSION_DIVISOR;
        let servers = self.servers(recorder, end).await?;
        recorder.step(self.step);
        let mut left = servers.len();
        let mut first = None;
        for server in servers {
            let limit = recorder.share(end, left);
            left -= 1;
            let mut was_sent = false;
            match self.hand_to(recorder, &server, message, limit, &mut was_sent).await {
                Ok(taken) => return Ok(taken),
                Err(failure) => {
                    recorder.note(format_args!("{}: {failure}", server.step));
                    // What was sent may have been taken, and a refusal for good is one of every server (RFC 5321
                    // section 4.2.1): nothing is sent twice.
                    let is_final = was_sent || is_for_good(failure.reason());
                    let failure = first.get_or_insert(failure);
                    if is_final {
                        return Err(failure.clone());
                    }
                }
            }
        }
        Err(first.unwrap_or_else(|| Failure::new(Reason::DnsNodata, "there is no server to hand the mail to")))
    }

    async fn servers(&self, recorder: &mut Recorder, end: Instant) -> Result<Vec<Server>, Failure> {
        let Asked::Host { host, port, certificate_name } = self.asked else {
            return servers::find(self.net, recorder, self.asked, &self.settings.submit, end).await;
        };
        recorder.step(self.step);
        let addresses = self.net.addresses(recorder, host, self.settings.submit.family).await?;
        let certificate_name: Arc<str> = (**certificate_name).into();
        let server = |address| Server {
            step: format!("{host} {address}").into(),
            certificate_name: Arc::clone(&certificate_name),
            preference: None,
            security: Security::Unknown,
            place: Ok(SocketAddr::new(address, port.get())),
        };
        Ok(addresses.into_iter().take(SERVERS_MAX).map(server).collect())
    }

    /// Hands the mail to one server, within its share of the time.
    async fn hand_to(
        &self,
        recorder: &mut Recorder,
        server: &Server,
        message: &Message,
        limit: Instant,
        was_sent: &mut bool,
    ) -> Result<Instant, Failure> {
        let peer = *server.place.as_ref().map_err(Clone::clone)?;
        let recipients = self.settings.submit.recipients.as_deref().unwrap_or_default();
        let question = Question {
            settings: &self.settings.submit,
            recipients,
            certificate_name: &server.certificate_name,
            demands: Demands::none(),
        };
        let began = recorder.now();
        let mut client = None;
        let talk = async {
            let source = self.settings.submit.source_ip_address.get().inspect_err(|_| recorder.enter(CONNECT))?;
            let client = client.insert(Client::open(self.net, recorder, peer, source).await?);
            question.prepare(self.net, recorder, client).await?;
            question.envelope(recorder, client, None).await?;
            recorder.enter(DATA);
            judge(Command::Data, "DATA", &client.ask(recorder, Command::Data, "DATA").await?)?;
            *was_sent = true;
            let reply = client.deliver(recorder, &message.on_the_wire()).await?;
            judge(Command::Message, "the message", &reply)?;
            Ok(recorder.now())
        };
        let outcome = match timeout_at(limit, talk).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // Whatever came next would be the answer to something else.
                client = None;
                let phase = recorder.current_phase().map_or("no phase", Phase::name);
                let message = format_args!("still in {phase} after {:?}, the time for handing in", limit - began);
                Err(Failure::new(Reason::Timeout, message))
            }
        };
        let outcome = outcome.map_err(|failure| recorder.leg_failed(failure));
        if let Some(client) = client.as_mut().filter(|client| client.is_usable()) {
            let limit = recorder.deadline().min(recorder.now() + PARTING_MAX);
            if timeout_at(limit, dialogue::part(recorder, client)).await.is_err() {
                recorder.note("no leave was taken in time");
            }
        }
        outcome
    }
}

/// Whether every server would say the same.
const fn is_for_good(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Rejected
            | Reason::RecipientRefused
            | Reason::SenderRefused
            | Reason::AuthRefused
            | Reason::AuthMissing
            | Reason::ConfigUnusable
    )
}
