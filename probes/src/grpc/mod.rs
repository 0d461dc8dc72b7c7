//! Kind `grpc`: asks a gRPC server for the health of a service (gRPC's "Health Checking Protocol", grpc.health.v1).
//!
//! Behaves as blackbox_exporter's prober of the same name, but keeps the deadline, speaks to the address that was
//! chosen, and takes IPv6 addresses. Knows no other method than `Check`.

mod call;
mod message;
mod metadata;
mod settings;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Version};

use self::call::{Answer, Broken};
pub(crate) use self::settings::Settings;
use self::status::Code;
use crate::failure::{Failure, Reason};
use crate::http::url::Url;
use crate::http::wire::Wire;
use crate::measure::{Measure, Unit};
use crate::net::{self, Net, Session};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::target::{Invalid, Target};

/// The call is being made.
const CHECK: Phase = Phase::new("check");

/// The one method that is called.
const METHOD: &str = "/grpc.health.v1.Health/Check";

/// The application protocol that a call needs (RFC 9113 section 3.2).
const ALPN: &str = "h2";

static SSL: Measure = Measure::level("probe_grpc_ssl", Unit::None, "1 if the call succeeded over TLS.");
static STATUS_CODE: Measure = Measure::level(
    "probe_grpc_status_code",
    Unit::None,
    "Status code of the call: 0 is OK (and stands where no call was tried), 14 no connection, 4 no answer in time.",
);
static HEALTH: Measure = Measure::level(
    "probe_grpc_healthcheck_response",
    Unit::None,
    "1 for the state that the server reports, 0 for the others.",
)
.labels(&["serving_status"]);

/// A question for the health of a service.
#[derive(Debug)]
pub(crate) struct Grpc {
    settings: Arc<Settings>,
    host: Box<str>,
    port: u16,
    uri: Uri,
}

impl Probe for Grpc {
    const NAME: &'static str = "grpc";
    const ABOUT: &'static str = "Asks a gRPC server for the health of a service.";
    const TARGET: &'static str = "`host[:port]`; `http://` or `https://` before it changes nothing";
    const PHASES: &'static [Phase] = &[
        net::RESOLVE.whole_only(),
        Phase::new("connect").counted_to("check"),
        Phase::new("tls").counted_to("check"),
        CHECK,
    ];
    const MEASURES: &'static [&'static Measure] = &[&SSL, &STATUS_CODE, &HEALTH];
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let text = target.text();
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text);
        let (host, port) = match rest.parse::<std::net::Ipv6Addr>() {
            Ok(_) => (rest.into(), Url::default_port(settings.tls)),
            Err(_) => {
                let url = Url::after_scheme(settings.tls, rest).map_err(Invalid::Target)?;
                (url.host, url.port)
            }
        };
        let uri = uri(settings, &host, port)
            .map_err(|error| Invalid::Target(format!("{text:?} makes no authority of a request: {error}")))?;
        Ok(Self { settings: Arc::clone(settings), host, port, uri })
    }

    fn begin(_: &Settings, recorder: &mut Recorder) {
        recorder.declare(&[net::RESOLVE]);
        recorder.read(&SSL, 0.0);
        recorder.read(&STATUS_CODE, 0.0);
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let settings = &*self.settings;
        if settings.has_tls_material {
            settings.client.check(net)?;
        }
        let peer = net.choose_peer(recorder, &self.host, self.port, settings.family).await?;
        // What stands should the deadline pass.
        Code::DEADLINE_EXCEEDED.read(recorder);
        for state in message::STATES {
            recorder.read_with(&HEALTH, &[state], 0.0);
        }
        let state = self.ask(net, recorder, peer).await.map_err(|broken| {
            broken.code.read(recorder);
            broken.failure
        })?;
        recorder.read_with(&HEALTH, &[&message::state_name(state)], 1.0);
        if state == message::SERVING {
            return Ok(());
        }
        let name = message::state_name(state);
        Err(Failure::new(Reason::StatusUnexpected, format_args!("the server says that the service is {name}")))
    }
}

impl Grpc {
    /// Connects and calls; gives the state of the service that the server reports.
    async fn ask(&self, net: &Net, recorder: &mut Recorder, peer: std::net::SocketAddr) -> Result<i32, Broken> {
        let unavailable = |failure| Broken { code: Code::UNAVAILABLE, failure };
        let stream = net.tcp(recorder, peer, None).await.map_err(unavailable)?;
        let (wire, session) = if self.settings.tls {
            let handshake = self.settings.client.handshake(net, recorder, Wire::Plain(stream), &self.host).await;
            let (stream, session) = handshake.map_err(unavailable)?;
            expect_http2(&session).map_err(unavailable)?;
            (Wire::Encrypted(Box::new(stream)), Some(session))
        } else {
            (Wire::Plain(stream), None)
        };
        recorder.enter(CHECK);
        let request = self.request(net, recorder)?;
        recorder.sent(format_args!("{METHOD} service {:?}", self.settings.service));
        let answer = call::unary(wire, request, self.settings.question.clone()).await?;
        let Answer { head, body, trailers } = &answer;
        let status = status::of(head, trailers.as_ref());
        recorder.received(format_args!("{status}"));
        if status.code != Code::OK {
            return Err(status.into());
        }
        let state = message::state(body)?;
        Code::OK.read(recorder);
        if let Some(session) = session {
            recorder.read(&SSL, 1.0);
            session.read_leaf(recorder);
        }
        Ok(state)
    }

    fn request(&self, net: &Net, recorder: &Recorder) -> Result<Request<()>, Broken> {
        let mut request = Request::new(());
        *request.version_mut() = Version::HTTP_2;
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        let left = recorder.deadline().saturating_duration_since(recorder.now());
        *request.headers_mut() = self.settings.metadata.headers(net, left)?;
        Ok(request)
    }
}

/// A peer that agreed to another protocol, or to none, would take the call for nonsense.
fn expect_http2(session: &Session) -> Result<(), Failure> {
    match session.alpn.as_deref() {
        Some(name) if name == ALPN.as_bytes() => Ok(()),
        _ => Err(Failure::new(Reason::TlsHandshake, "the peer did not agree to speak HTTP/2 (ALPN h2)")),
    }
}

/// Where the request goes: the server's name over TLS, else host and port.
fn uri(settings: &Settings, host: &str, port: u16) -> Result<Uri, http::Error> {
    let named = settings.client.settings().server_name.as_deref().filter(|name| !name.is_empty());
    let (scheme, host) = if settings.tls { (Scheme::HTTPS, named.unwrap_or(host)) } else { (Scheme::HTTP, host) };
    // A zone means something on this machine only (RFC 6874 section 4).
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    let authority = match settings.tls {
        true => format!("{open}{host}{close}"),
        false => format!("{open}{host}{close}:{port}"),
    };
    // The empty host is told when it cannot be looked up.
    let authority = Authority::try_from(if host.is_empty() { "invalid".to_owned() } else { authority })?;
    let path = PathAndQuery::from_static(METHOD);
    Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build()
}
