//! One question over one connection: opens it, speaks HTTP/1 or HTTP/2, hands back the answer's head with its body still to come.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
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
/// Smallest buffer that the HTTP library reads a head into.
const BUFFER_BYTES_MIN: usize = 8 << 10;
/// Window of a stream and of a connection of HTTP/2 (RFC 9113 section 5.2): what a peer may send unread.
const HTTP2_WINDOW_BYTES: u32 = 256 << 10;

/// What the head of an answer may come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLimits {
    pub(super) bytes: usize,
    /// `None`: as many as fit, or the HTTP library's own limit.
    headers: Option<usize>,
    /// Whether the module says so, so that what the HTTP library lets pass has to be counted.
    are_own: bool,
}

impl HeadLimits {
    /// What the module says, or else [`HEAD_BYTES_MAX`].
    pub(super) fn of(bytes: Option<u64>, headers: Option<usize>) -> Self {
        let are_own = bytes.is_some() || headers.is_some();
        // What does not fit a window of HTTP/2 does not fit its library's counters.
        let bytes = bytes.map_or(HEAD_BYTES_MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX).min(1 << 30));
        Self { bytes, headers, are_own }
    }

    const fn buffer_bytes(self) -> usize {
        if self.bytes > BUFFER_BYTES_MIN { self.bytes } else { BUFFER_BYTES_MIN }
    }

    /// Most bytes before the head of the final answer is complete: informational answers (RFC 9110 section 15.2) count.
    pub(super) const fn bytes_before_answer(self) -> u64 {
        2 * self.buffer_bytes() as u64
    }

    /// Compares a head that came with what it may come to.
    pub(super) fn check(self, head: &response::Parts) -> Result<(), Failure> {
        if !self.are_own {
            return Ok(());
        }
        let (count, bytes) = head.headers.iter().fold((0, 0), |(count, bytes), (name, value)| {
            // `: ` and the end of the line.
            (count + 1, bytes + name.as_str().len() + value.len() + 4)
        });
        let too_long = |message: std::fmt::Arguments<'_>| Err(Failure::new(Reason::TooLong, message));
        match self.headers {
            Some(max) if count > max => too_long(format_args!("the answer has more than {max} headers")),
            _ if bytes > self.bytes => too_long(format_args!("the answer's head is larger than {} bytes", self.bytes)),
            _ => Ok(()),
        }
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::of(None, None)
    }
}

/// Whom a request goes to.
pub(super) struct Destination<'a> {
    pub(super) url: &'a Url,
    /// The address, unless that is the proxy's affair.
    pub(super) address: Option<SocketAddr>,
    pub(super) tls: &'a Tls,
    /// What an encrypted peer is verified for.
    pub(super) name: &'a str,
    /// Which family of addresses is wanted.
    pub(super) family: Family,
    pub(super) proxies: Option<&'a Proxies>,
    /// What the time counts to.
    pub(super) phases: &'static Phases,
    pub(super) head_limits: HeadLimits,
}

/// A usable connection.
pub(super) struct Connection {
    wire: Wire,
    /// What was agreed on, if it is encrypted.
    pub(super) session: Option<Session>,
    /// The proxy that understands the request, if it goes to one as it is.
    pub(super) reader: Option<Proxy>,
    head_limits: HeadLimits,
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

/// A way to where the target listens.
struct Way {
    wire: Wire,
    /// The proxy that understands the request, if it goes to one as it is.
    reader: Option<Proxy>,
    /// The target's address, if nothing stands between.
    direct: Option<SocketAddr>,
}

impl Destination<'_> {
    /// The peer at the URL's port: a redirect may lead to another one of the same host.
    pub(super) fn at_port(&self, mut peer: SocketAddr) -> SocketAddr {
        peer.set_port(self.url.port);
        peer
    }

    /// Whom a proxy is asked to open a tunnel to: the address where it is known, as blackbox_exporter does it.
    fn host(&self) -> Cow<'_, str> {
        match self.address {
            Some(address) => address.ip().to_string().into(),
            None => Cow::Borrowed(&*self.url.host),
        }
    }

    /// The way to where the target listens.
    async fn way(&self, net: &Net, recorder: &mut Recorder) -> Result<Way, Failure> {
        let Destination { url, address, phases, .. } = *self;
        let chosen = match self.proxies {
            Some(proxies) => {
                let proxy = proxies
                    .choose(net, url, address.map(|address| address.ip()))
                    .inspect_err(|_| recorder.enter(phases.proxy))?;
                proxy.map(|proxy| (proxies, proxy))
            }
            None => None,
        };
        if let Some((proxies, proxy)) = chosen {
            // What the proxy will connect to: for requests as they are by name, for tunnels by address where it is known.
            match address.filter(|_| url.tls || !proxy.reads()) {
                Some(address) => net.permit_found(&url.host, address.ip(), url.port)?,
                None => net.permit_unresolved(&url.host, url.port)?,
            }
            let wire = proxies.connect(net, recorder, &proxy, self.family, phases).await?;
            if proxy.reads() && !url.tls {
                return Ok(Way { wire, reader: Some(proxy.into_owned()), direct: None });
            }
            let to = (&*self.host(), url.port);
            let wire = proxies.tunnel(net, recorder, &proxy, wire, to, phases.proxy).await?;
            return Ok(Way { wire, reader: None, direct: None });
        }
        let address = match address {
            Some(address) => self.at_port(address),
            None => {
                recorder.enter(phases.resolve);
                net.peer(recorder, &url.host, url.port, self.family).await?
            }
        };
        let stream = net.tcp_in(phases.connect, recorder, address, None).await?;
        Ok(Way { wire: Wire::Plain(stream), reader: None, direct: Some(address) })
    }
}

impl Connection {
    /// Opens a connection, through a proxy where there is one for it.
    pub(super) async fn open(net: &Net, recorder: &mut Recorder, to: &Destination<'_>) -> Result<Self, Failure> {
        let Way { wire, reader, direct } = to.way(net, recorder).await?;
        let head_limits = to.head_limits;
        if !to.url.tls {
            return Ok(Self { wire, session: None, reader, head_limits });
        }
        let (stream, session) = if to.phases.is_aside {
            to.tls.handshake_aside(to.phases.tls, net, recorder, wire, to.name).await?
        } else {
            match (to.tls.handshake(net, recorder, wire, to.name).await, direct) {
                (Err(failure), Some(peer)) => {
                    return Err(to.tls.explain(net, recorder, (peer, None), to.name, failure).await);
                }
                (shaken, _) => shaken?,
            }
        };
        Ok(Self { wire: Wire::Encrypted(Box::new(stream)), session: Some(session), reader, head_limits })
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
        let limits = self.head_limits;
        let (drive, answer) = if is_http2 {
            http2(io, request, &stamps, limits).await?
        } else {
            http1(io, request, &stamps, limits).await?
        };
        let (head, incoming) = answer.into_parts();
        limits.check(&head)?;
        // The first bytes of an HTTP/2 peer are its settings.
        let first_byte = if is_http2 { None } else { stamps.first_read() };
        Ok(Answer { head, body: AnswerBody::new(drive, incoming), session: self.session, stamps, first_byte })
    }
}

type Asked = (Drive, Response<Incoming>);

async fn http1(io: Io, request: Request<Payload>, stamps: &Stamps, limits: HeadLimits) -> Result<Asked, Failure> {
    let mut builder = http1::Builder::new();
    // As Go does: names as people write them, and lines that go on (RFC 9112 section 5.2).
    builder.title_case_headers(true).allow_obsolete_multiline_headers_in_responses(true);
    builder.max_buf_size(limits.buffer_bytes());
    if let Some(headers) = limits.headers {
        // Costs an allocation.
        builder.max_headers(headers);
    }
    let (mut sender, connection) = builder.handshake(io).await.map_err(|error| judge::exchange(&error))?;
    let mut drive = Drive::Http1(Box::new(connection));
    let answer = wait(&mut drive, sender.send_request(request), stamps, limits).await?;
    Ok((drive, answer))
}

async fn http2(io: Io, request: Request<Payload>, stamps: &Stamps, limits: HeadLimits) -> Result<Asked, Failure> {
    let tasks = Tasks::default();
    let mut builder = http2::Builder::new(tasks.spawner());
    builder.initial_stream_window_size(HTTP2_WINDOW_BYTES).initial_connection_window_size(HTTP2_WINDOW_BYTES);
    builder.max_header_list_size(limits.bytes as u32);
    let (mut sender, connection) = builder.handshake(io).await.map_err(|error| judge::exchange(&error))?;
    let mut drive = Drive::Http2(Box::new(connection), tasks);
    let answer = wait(&mut drive, sender.send_request(request), stamps, limits).await?;
    Ok((drive, answer))
}

/// Moves the connection until the head of the final answer is there.
async fn wait(
    drive: &mut Drive,
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    stamps: &Stamps,
    limits: HeadLimits,
) -> Result<Response<Incoming>, Failure> {
    let bytes_max = limits.bytes_before_answer();
    let mut answer = pin!(answer);
    let mut ended = None;
    poll_fn(|cx| {
        ended = ended.take().or(drive.poll(cx).err());
        match answer.as_mut().poll(cx) {
            Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
            // What ended the connection tells more than that it ended.
            Poll::Ready(Err(error)) => Poll::Ready(Err(judge::exchange(ended.as_ref().unwrap_or(&error)))),
            Poll::Pending if stamps.bytes_read() > bytes_max => {
                let message = format_args!("{bytes_max} bytes came, but no final answer");
                Poll::Ready(Err(Failure::new(Reason::TooLong, message)))
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
