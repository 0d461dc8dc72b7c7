//! One client's connection, from the greeting to the goodbye.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tuermer_probes::inbox::Client;

use super::Shared;
use super::data::{Decoder, Message};
use super::dialogue::{Dialogue, Next};
use super::trace;
use super::wire::{NoLine, Wire};
use crate::agent_metrics::Taken;
use crate::plan::Receive;

/// Longest wait for a command (RFC 5321 section 4.5.3.2.7).
const COMMAND_TIME_MAX: Duration = Duration::from_secs(300);
/// Longest wait for anything while most places are taken. Chosen: what Postfix has for such times, twice over.
const CROWDED_TIME_MAX: Duration = Duration::from_secs(20);
/// Longest wait for the next piece of a message (RFC 5321 section 4.5.3.2.5).
const PIECE_TIME_MAX: Duration = Duration::from_secs(180);
/// Longest time for a whole message. Chosen: a megabyte over a slow line.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(600);
/// Longest time for a handshake. Chosen: several lost packets on a far way.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(20);
/// Longest time in which a client must take a reply in.
const REPLY_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest time of a connection. Chosen: a few slow messages.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(1800);

/// The connection is of no use any more.
struct Gone;

/// One client's connection.
struct Session<S> {
    wire: Wire<S>,
    dialogue: Dialogue,
    settings: Arc<Receive>,
    shared: Arc<Shared>,
    peer: IpAddr,
    /// When the connection must be over.
    end: Instant,
}

/// Serves a client until either side has enough, or `ending` becomes true.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: IpAddr,
    settings: Arc<Receive>,
    shared: Arc<Shared>,
    ending: watch::Receiver<bool>,
) {
    let dialogue = Dialogue::new(Arc::clone(&settings));
    let end = Instant::now() + CONNECTION_TIME_MAX;
    let session = Session { wire: Wire::new(stream), dialogue, settings, shared, peer, end };
    // How it ended is in the metrics, and in what the client was told.
    let _ = session.run(ending).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn run(mut self, mut ending: watch::Receiver<bool>) -> Result<(), Gone> {
        self.tell(&self.dialogue.greeting()).await?;
        loop {
            let limit = self.until(COMMAND_TIME_MAX);
            let line = tokio::select! {
                line = timeout_at(limit, self.wire.line()) => line,
                () = super::ended(&mut ending) => return self.close("421 4.3.2 closing down").await,
            };
            let line = match line {
                Ok(Ok(line)) => line,
                Ok(Err(NoLine::TooLong)) => return self.close("500 5.5.2 line too long").await,
                Ok(Err(NoLine::BareEnd)) => return self.close("500 5.5.2 lines end with CR and LF").await,
                Ok(Err(NoLine::Closed | NoLine::Broken)) => return Err(Gone),
                Err(_) => return self.close("421 4.4.2 silent for too long").await,
            };
            let next = self.dialogue.take(&line, self.wire.has_more());
            self.shared.metrics.mail_taken(Taken::RecipientRefused, self.dialogue.take_refused());
            match next {
                Next::Tell(reply) => self.tell(&reply).await?,
                Next::Close(reply) => return self.close(&reply).await,
                Next::Secure(reply) => self = self.secure(&reply).await?,
                Next::Data => match self.message().await? {
                    Some(reply) => self.tell(&reply).await?,
                    None => return self.close("421 4.7.0 message too large or too slow").await,
                },
            }
        }
    }

    /// When something must be over that may take so long.
    fn until(&self, time: Duration) -> Instant {
        let time = if self.shared.clients.is_crowded(&self.settings) { time.min(CROWDED_TIME_MAX) } else { time };
        (Instant::now() + time).min(self.end)
    }

    async fn tell(&mut self, reply: &str) -> Result<(), Gone> {
        match timeout(REPLY_TIME_MAX, self.wire.tell(reply)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    async fn close(mut self, reply: &str) -> Result<(), Gone> {
        self.tell(reply).await?;
        self.wire.close().await;
        Ok(())
    }

    async fn secure(mut self, reply: &str) -> Result<Self, Gone> {
        let config = self.settings.tls.as_ref().map(|files| self.shared.certificates.config(files));
        let Some(Ok(config)) = config else {
            self.tell("454 4.7.0 no encryption at present").await?;
            return Ok(self);
        };
        self.tell(reply).await?;
        let limit = self.until(HANDSHAKE_TIME_MAX);
        let Self { wire, mut dialogue, settings, shared, peer, end } = self;
        let Ok(Ok(wire)) = timeout_at(limit, wire.secure(config)).await else { return Err(Gone) };
        dialogue.secured();
        Ok(Self { wire, dialogue, settings, shared, peer, end })
    }

    /// Takes a message and says what the client is told; `None`: it is to go.
    async fn message(&mut self) -> Result<Option<super::command::Reply>, Gone> {
        let envelope = self.dialogue.take_envelope();
        let recipients = envelope.recipients.len();
        let metrics = Arc::clone(&self.shared.metrics);
        if !self.shared.clients.may_send(self.peer, &self.settings) {
            metrics.mail_taken(Taken::RateLimited, 1);
            self.dialogue.count_error();
            return Ok(Some("451 4.7.1 too many messages, try again later".into()));
        }
        self.tell("354 go ahead, a line with a dot alone ends it").await?;
        let encryption = self.wire.encryption();
        let head = trace::received(&self.settings, self.dialogue.client(), self.peer, encryption.as_deref(), &envelope);
        let mut decoder = Decoder::new(head, self.settings.size_max);
        let end = Instant::now() + MESSAGE_TIME_MAX;
        loop {
            let limit = self.until(PIECE_TIME_MAX).min(end);
            let piece = match timeout_at(limit, self.wire.some()).await {
                Ok(Ok(piece)) if !piece.is_empty() => piece,
                Ok(_) => {
                    metrics.mail_taken(Taken::Aborted, 1);
                    return Err(Gone);
                }
                Err(_) => {
                    metrics.mail_taken(Taken::Aborted, 1);
                    return Ok(None);
                }
            };
            let (used, is_over) = decoder.push(piece);
            self.wire.used(used);
            metrics.mail_bytes(used as u64);
            if is_over {
                break;
            }
            if decoder.is_hopeless() {
                metrics.mail_taken(Taken::TooLarge, 1);
                return Ok(None);
            }
        }
        let (taken, reply) = match decoder.message() {
            Message::Whole(bytes) => {
                let name = self.dialogue.client().map(|client| client.name.clone()).unwrap_or_default();
                self.shared.post.deliver(Client { address: self.peer.to_canonical(), name }, envelope, bytes);
                (Taken::Accepted, "250 2.0.0 taken".into())
            }
            Message::TooLarge => {
                (Taken::TooLarge, format!("552 5.3.4 more than {} bytes", self.settings.size_max).into())
            }
            Message::BareEnds => (Taken::Malformed, "554 5.6.0 lines end with CR and LF, and nothing else is".into()),
        };
        metrics.mail_taken(taken, 1);
        if taken != Taken::Accepted {
            self.dialogue.count_error();
        }
        Ok(Some(self.dialogue.of_each(reply, recipients)))
    }
}
