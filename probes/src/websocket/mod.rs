//! Kind `websocket`: has a connection upgraded to a websocket (RFC 6455) and holds a dialogue of messages.
//!
//! Behaves as blackbox_exporter's prober of the same name, but keeps the deadline while it waits for messages, and says
//! goodbye. Follows no redirect, speaks to no proxy and offers no extension.

mod dialogue;
mod handshake;
mod headers;
mod settings;
mod socket;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use self::settings::Settings;
use crate::failure::{Failure, Reason, shown};
use crate::http::url::Url;
use crate::http::wire::Wire;
use crate::measure::{Measure, Unit};
use crate::net::{self, Net};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::target::{Invalid, Target};

/// The upgrade is asked for: from a usable connection to the answer.
const PROCESSING: Phase = Phase::new("processing");
/// Messages are exchanged.
const TRANSFER: Phase = Phase::new("transfer");

static STATUS_CODE: Measure = Measure::level(
    "probe_websocket_status_code",
    Unit::None,
    "Status code of the answer to the upgrade; 101 is good, 0 none.",
);
static UPGRADED: Measure =
    Measure::level("probe_websocket_connection_upgraded", Unit::None, "1 if the connection became a websocket.");
static FAILED_DUE_TO_REGEX: Measure = Measure::level(
    "probe_websocket_failed_due_to_regex",
    Unit::None,
    "1 if a message that was expected did not come, or another did.",
);

/// A question put to a websocket.
#[derive(Debug)]
pub(crate) struct Websocket {
    settings: Arc<Settings>,
    /// Where the socket is; why there is none, for a URL of another kind.
    place: Result<Url, String>,
}

impl Probe for Websocket {
    const NAME: &'static str = "websocket";
    const ABOUT: &'static str = "Opens a websocket and holds a dialogue of messages.";
    const TARGET: &'static str = "`ws://host[:port][/path]`, or `wss://` for one that is encrypted";
    const PHASES: &'static [Phase] = &[
        net::RESOLVE.cut_counted_to(None),
        net::CONNECT.cut_counted_to(Some("processing")),
        net::TLS.counted_to("processing"),
        PROCESSING,
        TRANSFER,
    ];
    const MEASURES: &'static [&'static Measure] = &[&STATUS_CODE, &UPGRADED, &FAILED_DUE_TO_REGEX];
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        Ok(Self { settings: Arc::clone(settings), place: place(target.text()).map_err(Invalid::Target)? })
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let settings = &*self.settings;
        for measure in [&STATUS_CODE, &UPGRADED, &FAILED_DUE_TO_REGEX] {
            recorder.read(measure, 0.0);
        }
        if settings.has_tls_material {
            settings.tls.check(net)?;
        }
        let url = self.place.as_ref().map_err(|message| Failure::new(Reason::TargetInvalid, message))?;
        let peer = net.choose_peer(recorder, &url.host, url.port, settings.family).await?;
        recorder.declare(&[PROCESSING]);
        let request = settings.headers.request(net, recorder, url).inspect_err(|_| recorder.enter(PROCESSING))?;
        let wire = Wire::Plain(net.tcp(recorder, peer, None).await?);
        let wire = if url.tls {
            let (stream, _) = settings.tls.handshake(net, recorder, wire, &url.host).await?;
            Wire::Encrypted(Box::new(stream))
        } else {
            wire
        };
        recorder.enter(PROCESSING);
        let mut socket = handshake::upgrade(recorder, wire, request).await?;
        let held = settings.dialogue.hold(net, recorder, &mut socket).await;
        socket.close().await;
        held
    }
}

/// Where a target's socket is. The outer error is for texts that are no URL at all, of which blackbox_exporter says
/// nothing; the inner for URLs of something else.
fn place(text: &str) -> Result<Result<Url, String>, String> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("the URL has a control character in it".to_owned());
    }
    let none = || Ok(Err(format!("\"{}\" is no ws:// or wss:// URL", shown(text.as_bytes(), 100))));
    let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        // Go takes a path without a colon in its first part for a URL.
        let first = text.split(['/', '?', '#']).next().unwrap_or_default();
        return if first.contains(':') { Err("the URL has no scheme".to_owned()) } else { none() };
    };
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "ws" => false,
        "wss" => true,
        _ => return none(),
    };
    let Some(rest) = rest.strip_prefix("//") else { return none() };
    let url = Url::after_scheme(tls, rest)?;
    if url.authorization.is_some() {
        return Ok(Err("the URL of a websocket has no user (RFC 6455 section 3)".to_owned()));
    }
    Ok(Ok(url))
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}
