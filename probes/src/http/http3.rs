//! One question over HTTP/3 (RFC 9114): as [`super::client`], over QUIC.
//!
//! Phase `connect` lasts until the peer's first datagram, phase `tls` until the handshake of QUIC is over.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h3::client::{self, RequestStream, SendRequest};
use h3::error::StreamError;
use http::header::{self, HeaderMap};
use http::{Method, Request, Response, StatusCode};

use super::PROCESSING;
use super::body::{AnswerBody, Payload};
use super::client::{Answer, Destination, HeadLimits};
use crate::failure::{Failure, Reason};
use crate::net::{Net, Quic, RESOLVE, Session};
use crate::recorder::Recorder;

/// Most informational answers (RFC 9110 section 15.2) before the final one. Chosen: servers send one or two.
const INFORMATIONAL_MAX: usize = 10;
/// Most bytes around a body that are not of it. Chosen: far above what frames, packets and retransmissions of a body
/// of any size take; a peer that sends more is not sending the body.
const OVERHEAD_BYTES_MAX: u64 = 4 << 20;
/// How many bytes may come for each byte of the body beyond that.
const OVERHEAD_RATIO_MAX: u64 = 2;

type Stream = RequestStream<h3_quinn::RecvStream, Bytes>;

/// A connection on which nothing was asked yet.
pub(super) struct Connection {
    quic: Quic,
    session: Session,
    head_limits: HeadLimits,
}

impl Connection {
    /// Opens a connection.
    pub(super) async fn open(net: &Net, recorder: &mut Recorder, to: &Destination<'_>) -> Result<Self, Failure> {
        let peer = match to.address {
            Some(peer) => to.at_port(peer),
            None => {
                recorder.enter(RESOLVE);
                net.peer(recorder, &to.url.host, to.url.port, to.family).await?
            }
        };
        let (quic, session) = to.tls.quic(net, recorder, peer, to.name).await?;
        Ok(Self { quic, session, head_limits: to.head_limits })
    }

    /// Asks, in phase [`PROCESSING`], and waits for the head of the final answer.
    pub(super) async fn ask(
        self,
        recorder: &mut Recorder,
        request: Request<()>,
        body: &Payload,
    ) -> Result<Answer, Failure> {
        recorder.enter(PROCESSING);
        let Self { quic, session, head_limits } = self;
        let method = request.method().clone();
        let mut settings = client::builder();
        settings.max_field_section_size(head_limits.bytes as u64).send_grease(false);
        let (stamps, connection) = (quic.stamps().clone(), h3_quinn::Connection::new(quic.connection.clone()));
        let mut drive = Drive { quic, http: None, bytes_before_answer: head_limits.bytes_before_answer() };
        let (http, mut sender) = match drive.wait(settings.build::<_, _, Bytes>(connection)).await? {
            Ok(built) => built,
            Err(error) => return Err(drive.ended().unwrap_or_else(|| broken(error))),
        };
        drive.http = Some(http);
        let stream = drive.wait(sender.send_request(request)).await?.map_err(|error| drive.judge(&error))?;
        let (mut sending, mut receiving) = stream.split();
        let send = async {
            if let Some(bytes) = body.bytes() {
                sending.send_data(bytes).await?;
            }
            sending.finish().await
        };
        let head = drive.wait(beside(send, head(&mut receiving))).await?;
        let head = match head {
            Ok(Some(head)) => head,
            Ok(None) => {
                let message = format_args!("{INFORMATIONAL_MAX} informational answers came, but no final one");
                return Err(Failure::new(Reason::TooLong, message));
            }
            Err(error) => return Err(drive.judge(&error)),
        };
        let (head, ()) = head.into_parts();
        head_limits.check(&head)?;
        let due = announced(&method, head.status, &head.headers);
        let incoming = Incoming { drive, receiving, _sender: sender, due, taken: 0 };
        Ok(Answer { head, body: AnswerBody::of_http3(incoming), session: Some(session), stamps, first_byte: None })
    }
}

/// The head of the final answer; `None` if there are too many before it.
async fn head(receiving: &mut Stream) -> Result<Option<Response<()>>, StreamError> {
    for _ in 0..=INFORMATIONAL_MAX {
        let head = receiving.recv_response().await?;
        if !head.status().is_informational() {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// Waits for the second while the first goes on. What becomes of the first the second tells.
async fn beside<T>(first: impl Future, second: impl Future<Output = T>) -> T {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut is_done = false;
    poll_fn(|cx| {
        is_done = is_done || first.as_mut().poll(cx).is_ready();
        second.as_mut().poll(cx)
    })
    .await
}

/// How many bytes the answer says its body has, where it has one.
fn announced(method: &Method, status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    let has_body = *method != Method::HEAD && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    headers.get(header::CONTENT_LENGTH).filter(|_| has_body)?.to_str().ok()?.parse().ok()
}

/// What moves a connection.
struct Drive {
    quic: Quic,
    /// The part that listens to what is not of the answer; until it has ended.
    http: Option<client::Connection<h3_quinn::Connection, Bytes>>,
    /// How many bytes may come before the head of the answer is complete.
    bytes_before_answer: u64,
}

impl Drive {
    /// Moves the connection as far as it gets.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        self.quic.poll(cx)?;
        if self.http.as_mut().is_some_and(|http| http.poll_close(cx).is_ready()) {
            // What ended it is told by the answer, if it was not complete.
            self.http = None;
        }
        Ok(())
    }

    /// Moves the connection until the head of the answer, or what comes before it, is there.
    async fn wait<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Failure> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Err(failure) = self.poll(cx) {
                return Poll::Ready(Err(failure));
            }
            match future.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Ok(done)),
                Poll::Pending if self.quic.stamps().bytes_read() > self.bytes_before_answer => {
                    let message = format_args!("{} bytes came, but no final answer", self.bytes_before_answer);
                    Poll::Ready(Err(Failure::new(Reason::TooLong, message)))
                }
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn ended(&self) -> Option<Failure> {
        self.quic.end()
    }

    /// What a broken exchange means.
    fn judge(&self, error: &StreamError) -> Failure {
        match error {
            // What ended the connection tells more than that it ended.
            _ if let Some(failure) = self.ended() => failure,
            StreamError::HeaderTooBig { .. } => Failure::new(Reason::TooLong, error),
            StreamError::RemoteTerminate { .. } | StreamError::RemoteClosing { .. } => {
                Failure::new(Reason::ClosedEarly, error)
            }
            error => broken(error),
        }
    }
}

fn broken(error: impl fmt::Display) -> Failure {
    Failure::new(Reason::ProtocolError, error)
}

/// The body of an answer on its way.
pub(super) struct Incoming {
    drive: Drive,
    receiving: Stream,
    /// When the last one goes, the connection is closed.
    _sender: SendRequest<h3_quinn::OpenStreams, Bytes>,
    /// How many bytes are announced.
    due: Option<u64>,
    taken: u64,
}

impl Incoming {
    /// The next piece; `None` at the end.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        if let Err(failure) = self.drive.poll(cx) {
            return Poll::Ready(Err(failure));
        }
        let chunk = match self.receiving.poll_recv_data(cx) {
            Poll::Ready(Ok(chunk)) => chunk.map(|mut chunk| chunk.copy_to_bytes(chunk.remaining())),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(self.drive.judge(&error))),
            Poll::Pending => {
                let beside = self.drive.quic.stamps().bytes_read().saturating_sub(OVERHEAD_RATIO_MAX * self.taken);
                if beside > OVERHEAD_BYTES_MAX {
                    let message = format_args!("{beside} bytes came beside the body");
                    return Poll::Ready(Err(Failure::new(Reason::TooLong, message)));
                }
                return Poll::Pending;
            }
        };
        self.taken += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        // An answer is malformed if its length is not the announced one (RFC 9114 section 4.1.2).
        let failure = match (self.due, &chunk) {
            (Some(due), None) if self.taken < due => Some((Reason::ClosedEarly, "ended after", due)),
            (Some(due), _) if self.taken > due => Some((Reason::ProtocolError, "goes on after", due)),
            _ => None,
        };
        Poll::Ready(match failure {
            Some((reason, what, due)) => {
                Err(Failure::new(reason, format_args!("the body {what} {} of {due} bytes", self.taken)))
            }
            None => Ok(chunk),
        })
    }
}
