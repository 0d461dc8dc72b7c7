//! One question over one connection: opens it, speaks HTTP/1 or HTTP/2, hands back the answer's head with its body still to come.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::Poll;

use http::{Request, Response, response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::body::{AnswerBody, Payload};
use super::drive::{Drive, Io};
use super::judge;
use super::phases::Phases;
use super::proxy::{Proxies, Proxy};
use super::url::Url;
use super::wire::Wire;
use crate::failure::{Failure, Reason};
use crate::net::{Family, Net, Session, Stamped, Stamps, Tasks, Tls};
use crate::recorder::Recorder;

/// Largest head of an answer in bytes. Chosen: eight times what common servers send at most.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most bytes before the head of the final answer is complete: informational answers (RFC 9110 section 15.2) count.
pub(super) const BYTES_BEFORE_ANSWER_MAX: u64 = 2 * HEAD_BYTES_MAX as u64;
/// Window of a stream and of a connection of HTTP/2 (RFC 9113 section 5.2): what a peer may send unread.
const HTTP2_WINDOW_BYTES: u32 = 256 << 10;

/// Whom a request goes to.
pub(super) struct Destination<'a> {
    pub(super) url: &'a Url,
    /// The address, unless that is the proxy's affair.
    pub(super) address: Option<IpAddr>,
    pub(super) tls: &'a Tls,
    /// What an encrypted peer is verified for.
    pub(super) name: &'a str,
    /// Which family of addresses is wanted.
    pub(super) family: Family,
    pub(super) proxies: Option<&'a Proxies>,
    /// What the time counts to.
    pub(super) phases: &'static Phases,
}

/// A usable connection.
pub(super) struct Connection {
    wire: Wire,
    /// What was agreed on, if it is encrypted.
    pub(super) session: Option<Session>,
    /// The proxy that understands the request, if it goes to one as it is.
    pub(super) reader: Option<Proxy>,
}

/// The head of an answer, and the way to its body.
pub(super) struct Answer {
    pub(super) head: response::Parts,
    pub(super) body: AnswerBody,
    pub(super) session: Option<Session>,
    pub(super) stamps: Stamps,
    /// When its first byte came, where that can be told from what the protocol sends by itself.
    pub(super) first_byte: Option<Instant>,
}

impl Destination<'_> {
    /// Whom a proxy is asked to open a tunnel to: the address where it is known, as blackbox_exporter does it.
    fn host(&self) -> Cow<'_, str> {
        match self.address {
            Some(address) => address.to_string().into(),
            None => Cow::Borrowed(&*self.url.host),
        }
    }

    /// The way to where the target listens, and the proxy that understands the request, if it goes to one as it is.
    async fn way(&self, net: &Net, recorder: &mut Recorder) -> Result<(Wire, Option<Proxy>), Failure> {
        let Destination { url, address, phases, .. } = *self;
        let chosen = match self.proxies {
            Some(proxies) => {
                let proxy = proxies.choose(net, url, address).inspect_err(|_| recorder.enter(phases.proxy))?;
                proxy.map(|proxy| (proxies, proxy))
            }
            None => None,
        };
        if let Some((proxies, proxy)) = chosen {
            let wire = proxies.connect(net, recorder, &proxy, self.family, phases).await?;
            if proxy.reads() && !url.tls {
                return Ok((wire, Some(proxy.into_owned())));
            }
            let to = (&*self.host(), url.port);
            return Ok((proxies.tunnel(net, recorder, &proxy, wire, to, phases.proxy).await?, None));
        }
        let address = match address {
            Some(address) => address,
            None => {
                recorder.enter(phases.resolve);
                net.address(recorder, &url.host, self.family).await?
            }
        };
        let stream = net.tcp_in(phases.connect, recorder, SocketAddr::new(address, url.port), None).await?;
        Ok((Wire::Plain(stream), None))
    }
}

impl Connection {
    /// Opens a connection, through a proxy where there is one for it.
    pub(super) async fn open(net: &Net, recorder: &mut Recorder, to: &Destination<'_>) -> Result<Self, Failure> {
        let (wire, reader) = to.way(net, recorder).await?;
        if !to.url.tls {
            return Ok(Self { wire, session: None, reader });
        }
        let (stream, session) = if to.phases.is_aside {
            to.tls.handshake_aside(to.phases.tls, net, recorder, wire, to.name).await?
        } else {
            to.tls.handshake(net, recorder, wire, to.name).await?
        };
        Ok(Self { wire: Wire::Encrypted(Box::new(stream)), session: Some(session), reader })
    }

    /// Whether HTTP/2 was agreed on (RFC 9113 section 3.2).
    pub(super) fn is_http2(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.alpn.as_deref() == Some(b"h2"))
    }

    /// Asks, in phase `processing`, and waits for the head of the final answer.
    pub(super) async fn ask(
        self,
        recorder: &mut Recorder,
        phases: &Phases,
        request: Request<Payload>,
    ) -> Result<Answer, Failure> {
        recorder.enter(phases.processing);
        let stamps = Stamps::new();
        let is_http2 = self.is_http2();
        let io = TokioIo::new(Stamped::new(self.wire, stamps.clone()));
        let (drive, answer) =
            if is_http2 { http2(io, request, &stamps).await? } else { http1(io, request, &stamps).await? };
        let (head, incoming) = answer.into_parts();
        // The first bytes of an HTTP/2 peer are its settings.
        let first_byte = if is_http2 { None } else { stamps.first_read() };
        Ok(Answer { head, body: AnswerBody::new(drive, incoming), session: self.session, stamps, first_byte })
    }
}

type Asked = (Drive, Response<Incoming>);

async fn http1(io: Io, request: Request<Payload>, stamps: &Stamps) -> Result<Asked, Failure> {
    let mut builder = http1::Builder::new();
    // As Go does: names as people write them, and lines that go on (RFC 9112 section 5.2).
    builder.title_case_headers(true).allow_obsolete_multiline_headers_in_responses(true);
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(io).await.map_err(|error| judge::exchange(&error))?;
    let mut drive = Drive::Http1(Box::new(connection));
    let answer = wait(&mut drive, sender.send_request(request), stamps).await?;
    Ok((drive, answer))
}

async fn http2(io: Io, request: Request<Payload>, stamps: &Stamps) -> Result<Asked, Failure> {
    let tasks = Tasks::default();
    let mut builder = http2::Builder::new(tasks.spawner());
    builder.initial_stream_window_size(HTTP2_WINDOW_BYTES).initial_connection_window_size(HTTP2_WINDOW_BYTES);
    builder.max_header_list_size(HEAD_BYTES_MAX as u32);
    let (mut sender, connection) = builder.handshake(io).await.map_err(|error| judge::exchange(&error))?;
    let mut drive = Drive::Http2(Box::new(connection), tasks);
    let answer = wait(&mut drive, sender.send_request(request), stamps).await?;
    Ok((drive, answer))
}

/// Moves the connection until the head of the final answer is there.
async fn wait(
    drive: &mut Drive,
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    stamps: &Stamps,
) -> Result<Response<Incoming>, Failure> {
    let mut answer = pin!(answer);
    let mut ended = None;
    poll_fn(|cx| {
        ended = ended.take().or(drive.poll(cx).err());
        match answer.as_mut().poll(cx) {
            Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
            // What ended the connection tells more than that it ended.
            Poll::Ready(Err(error)) => Poll::Ready(Err(judge::exchange(ended.as_ref().unwrap_or(&error)))),
            Poll::Pending if stamps.bytes_read() > BYTES_BEFORE_ANSWER_MAX => {
                let message = format_args!("{BYTES_BEFORE_ANSWER_MAX} bytes came, but no final answer");
                Poll::Ready(Err(Failure::new(Reason::TooLong, message)))
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
