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

/// How a mail was handed in.
pub(super) enum Handed {
    /// A server took it, at this moment.
    Taken(Instant),
    /// It was sent up to its final dot, at this moment, and no reply came: nobody knows whether it was taken (RFC 5321
    /// section 4.5.3.2.6).
    Unanswered(Instant, Failure),
}

/// How far a mail got with one server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    NotBegun,
    /// Part of it may have been sent.
    Begun,
    /// It was sent up to its final dot, at this moment.
    Sent(Instant),
    /// There was a reply to it, or what the server takes for one.
    Answered,
}

/// Handing in a mail.
pub(super) struct Submission<'a> {
    pub(super) net: &'a Net,
    pub(super) settings: &'a Settings,
    pub(super) asked: &'a Asked,
    /// The name of the step.
    pub(super) step: &'a Arc<str>,
}

impl Submission<'_> {
    /// Hands the mail to the first server that takes it. Half of the run's time is left then, also after a server that
    /// did not reply.
    pub(super) async fn hand_in(&self, recorder: &mut Recorder, message: &Message) -> Result<Handed, Failure> {
        let whole = recorder.deadline() - recorder.started();
        let end = recorder.started() + whole / SUBMISSION_DIVISOR;
        let servers = self.servers(recorder, end).await?;
        recorder.step(self.step);
        let mut left = servers.len();
        let mut first = None;
        for server in servers {
            let limit = recorder.share(end, left);
            left -= 1;
            let mut progress = Progress::NotBegun;
            match self.hand_to(recorder, &server, message, limit, &mut progress).await {
                Ok(taken) => return Ok(Handed::Taken(taken)),
                Err(failure) => {
                    recorder.note(format_args!("{}: {failure}", server.step));
                    if let Progress::Sent(at) = progress {
                        return Ok(Handed::Unanswered(at, failure));
                    }
                    // What was sent may have been taken, and a refusal for good is one of every server (RFC 5321
                    // section 4.2.1): nothing is sent twice.
                    let is_final = progress != Progress::NotBegun || is_for_good(failure.reason());
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
            mx: Ok(Security::Unknown),
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
        progress: &mut Progress,
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
            *progress = Progress::Begun;
            client.deliver(recorder, &message.on_the_wire()).await?;
            *progress = Progress::Sent(recorder.now());
            let reply = client.reply(recorder, Command::Message).await;
            if reply.as_ref().map_or_else(|failure| is_nonsense(failure.reason()), |_| true) {
                *progress = Progress::Answered;
            }
            judge(Command::Message, "the message", &reply?)?;
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

/// Whether a server said something that is no reply.
const fn is_nonsense(reason: Reason) -> bool {
    matches!(reason, Reason::ProtocolError | Reason::TooLong)
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
