//! Asks a web server for a page and judges the answer: status, version, headers, body, encryption.
//!
//! Keys, metrics and verdicts are blackbox_exporter's. Speaks HTTP/1, HTTP/2 and HTTP/3; a connection serves one request.

mod accept;
pub(crate) mod auth;
mod body;
mod cel;
mod client;
pub(crate) mod conflicts;
mod cookies;
mod decode;
mod digest;
mod drive;
mod except;
pub(crate) mod headers;
mod http3;
mod intake;
mod journey;
pub(crate) mod judge;
mod jwt;
pub(crate) mod module;
mod phases;
mod proxy;
mod redirect;
pub(crate) mod settings;
pub(crate) mod size;
pub(crate) mod tls;
mod token;
mod tunnel;
pub(crate) mod url;
mod verdict;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use ::http::header::{self, HeaderValue};
use ::http::{Method, StatusCode, Version};

use self::body::Payload;
use self::client::Answer;
use self::digest::BODY_HASH;
use self::intake::{Intake, Source, Taken};
use self::journey::{Arrival, Journey, Route};
use self::module::RequestBody;
pub(crate) use self::module::Settings;
use self::phases::{PROXY, TOKEN};
use self::url::Url;
use crate::failure::{Failure, Reason};
use crate::measure::{Measure, Unit};
use crate::net::{CONNECT, Net, RESOLVE, TLS};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::target::{HostPort, Invalid, Target};

/// The request is with the peer: from a usable connection to the first byte of the answer.
pub(crate) const PROCESSING: Phase = Phase::new("processing").whole_only();
/// The answer is coming: from its first byte to the end of its body.
pub(crate) const TRANSFER: Phase = Phase::new("transfer");
/// The answer is compared with the module's rules; or the module itself is found unusable.
pub(crate) const CHECK: Phase = Phase::new("check").extra();

static STATUS_CODE: Measure =
    Measure::level("probe_http_status_code", Unit::None, "Status code of the final answer; 0 without one.");
static CONTENT_LENGTH: Measure = Measure::level(
    "probe_http_content_length",
    Unit::Bytes,
    "Length that the final answer announces; -1 if it announces none, 0 without an answer.",
);
static UNCOMPRESSED_LENGTH: Measure = Measure::level(
    "probe_http_uncompressed_body_length",
    Unit::Bytes,
    "Bytes of the final answer's body that were read, after decompression.",
);
static REDIRECTS: Measure = Measure::level("probe_http_redirects", Unit::None, "How many redirects came.");
static SSL: Measure = Measure::level("probe_http_ssl", Unit::None, "1 if the final answer came encrypted.");
static HTTP_VERSION: Measure =
    Measure::level("probe_http_version", Unit::None, "HTTP version of the final answer: 1, 1.1, 2, 3; 0 without one.");
static LAST_MODIFIED: Measure = Measure::level(
    "probe_http_last_modified_timestamp_seconds",
    Unit::Timestamp,
    "When the final answer says that it was last modified.",
);
static FAILED_DUE_TO_REGEX: Measure =
    Measure::level("probe_failed_due_to_regex", Unit::None, "1 if a rule on headers or body failed the probe.");
static FAILED_DUE_TO_CEL: Measure =
    Measure::level("probe_failed_due_to_cel", Unit::None, "1 if a CEL expression failed the probe.");

/// An `http` module pointed at a target.
#[derive(Debug)]
pub(crate) struct Http {
    settings: Arc<Settings>,
    url: Url,
    /// The name to ask for.
    host: HeaderValue,
    /// The name to verify where the settings name none.
    server_name: Box<str>,
    /// Whether the target asks for no encryption and gets it: HTTP/3 is nothing without.
    is_upgraded: bool,
}

impl Probe for Http {
    const NAME: &'static str = "http";
    const ABOUT: &'static str = "Asks a web server for a page: status, version, headers, body, redirects, certificate.";
    const TARGET: &'static str = "a URL (`https://www.example.org/path`) or `host[:port][/path]`, asked unencrypted";
    const PHASES: &'static [Phase] =
        &[RESOLVE, TOKEN, PROXY.takes_back(), CONNECT, TLS.takes_back(), PROCESSING, TRANSFER, CHECK];
    const HOSTNAME: Option<&'static [&'static str]> = Some(&["headers", "Host"]);
    const MEASURES: &'static [&'static Measure] = &[
        &STATUS_CODE,
        &CONTENT_LENGTH,
        &UNCOMPRESSED_LENGTH,
        &REDIRECTS,
        &SSL,
        &HTTP_VERSION,
        &LAST_MODIFIED,
        &FAILED_DUE_TO_REGEX,
        &FAILED_DUE_TO_CEL,
        &BODY_HASH,
    ];
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let read = if settings.http3 { Url::parse_encrypted } else { Url::parse };
        let url = read(target.text()).map_err(Invalid::Target)?;
        let is_upgraded = settings.http3 && url::is_unencrypted(target.text());
        let configured = settings.headers.host.as_ref();
        let host = match (target.hostname().filter(|hostname| !hostname.is_empty()), configured) {
            (Some(hostname), Some(configured)) if configured.as_bytes() != hostname.as_bytes() => {
                let message = format!("hostname {hostname:?} contradicts the module's Host header {configured:?}");
                return Err(Invalid::Hostname(message));
            }
            (Some(hostname), _) => HeaderValue::from_str(hostname)
                .map_err(|_| Invalid::Hostname(format!("hostname {hostname:?} is not one that a header can carry")))?,
            (None, Some(configured)) => configured.clone(),
            (None, None) => url.authority.clone(),
        };
        // blackbox_exporter takes the port for a part of the name, which no certificate has.
        let name = host.to_str().ok().and_then(HostPort::split).map(|host| host.host);
        let server_name = name.unwrap_or(&url.host).into();
        Ok(Self { settings: Arc::clone(settings), url, host, server_name, is_upgraded })
    }

    fn begin(settings: &Settings, recorder: &mut Recorder) {
        let zeros = [
            &STATUS_CODE,
            &CONTENT_LENGTH,
            &UNCOMPRESSED_LENGTH,
            &REDIRECTS,
            &SSL,
            &HTTP_VERSION,
            &FAILED_DUE_TO_REGEX,
        ];
        for measure in zeros {
            recorder.read(measure, 0.0);
        }
        if settings.cel.is_some() {
            recorder.read(&FAILED_DUE_TO_CEL, 0.0);
        }
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        if self.is_upgraded {
            recorder.note("HTTP/3 is always encrypted: http:// is taken for https://");
        }
        if self.settings.passes_proxy_by {
            recorder.note("HTTP/3 does not go through the proxy: the target is asked directly");
        }
        let address = match self.settings.skips_resolving {
            true => None,
            false => Some(net.choose_peer(recorder, &self.url.host, self.url.port, self.settings.family).await?),
        };
        let mut journey = match self.prepare(net, recorder, address) {
            Ok(journey) => journey,
            Err(failure) => {
                recorder.enter(CHECK);
                return Err(failure);
            }
        };
        if let (Some(server), None) = (&self.settings.token_server, &journey.authorization) {
            journey.authorization = Some(Cow::Owned(server.fetch(net, recorder).await?));
        }
        match journey.run(net, recorder).await? {
            Arrival::Answer(answer) => self.judge(recorder, answer, true).await,
            Arrival::Unfollowed(answer) => self.judge(recorder, answer, self.settings.asks_about_body()).await,
            Arrival::Limit(answer) => {
                read_head(recorder, &answer, &self.settings);
                recorder.enter(CHECK);
                let max = self.settings.redirect_limit;
                Err(Failure::new(Reason::RedirectLimit, format_args!("more than {max} redirects")))
            }
        }
    }
}

impl Http {
    /// Everything that has to be right before anything is sent.
    fn prepare<'a>(
        &'a self,
        net: &Net,
        recorder: &mut Recorder,
        address: Option<std::net::SocketAddr>,
    ) -> Result<Journey<'a>, Failure> {
        let settings = &*self.settings;
        settings.check(net)?;
        let body = match &settings.body {
            RequestBody::None => Payload::default(),
            RequestBody::Inline(bytes) => Payload::of(bytes.clone()),
            RequestBody::File(path) => Payload::chunked(bytes::Bytes::from_owner(net.file(path)?.bytes)),
        };
        // From here on blackbox_exporter shows them all.
        recorder.declare(&[CONNECT, TLS, PROCESSING, TRANSFER]);
        let confidential = settings.headers.read_confidential(net)?;
        let mut jar = cookies::Jar::default();
        for (name, value) in &settings.cookies {
            jar.bring(&self.url, name, &net.secret(value)?)?;
        }
        let authorization = match &self.url.authorization {
            // The target's own user goes before the module's.
            Some(_) => self.url.authorization.as_ref().map(Cow::Borrowed),
            None => settings.auth.header(net)?,
        };
        Ok(Journey {
            settings,
            url: Cow::Borrowed(&self.url),
            address,
            host: Cow::Borrowed(&self.host),
            server_name: Cow::Borrowed(&self.server_name),
            method: settings.method.clone(),
            body,
            confidential,
            authorization,
            jar,
            route: Route::from(&self.url),
        })
    }

    /// Compares an answer with the rules, in blackbox_exporter's order. The first rule that is broken is the failure;
    /// what can be read is read nevertheless.
    async fn judge(&self, recorder: &mut Recorder, answer: Answer, reads_body: bool) -> Result<(), Failure> {
        let settings = &*self.settings;
        let rules = &settings.rules;
        read_head(recorder, &answer, settings);
        let Answer { head, body, session, stamps, .. } = answer;
        let mut verdict = rules.status(head.status);
        if verdict.is_ok() && rules.has_header_rules() {
            verdict = rules.headers(&head.headers);
            recorder.read(&FAILED_DUE_TO_REGEX, f64::from(u8::from(verdict.is_err())));
        }
        if let Err(failure) = &verdict {
            // Should the body never end, the deadline is the failure and this the explanation.
            recorder.note(failure.message());
        }
        let checks_body = verdict.is_ok() && rules.has_body_rules();
        let cel = settings.cel.as_ref().filter(|_| verdict.is_ok());
        let mut intake = Intake::new(settings);
        if checks_body {
            intake = intake.searched(rules);
        }
        if cel.is_some() {
            intake = intake.kept_whole();
        }
        // The page of an outage is not the one that is watched.
        let digest = settings.digest.as_ref().filter(|_| verdict.is_ok());
        if digest.is_some() {
            intake = intake.digested();
        }
        if reads_body && !(body.is_empty() && settings.compression.is_none()) {
            let source = match Source::open(body, settings.compression).await {
                Ok(source) => source,
                Err(failure) => return verdict.and(Err(failure)),
            };
            if checks_body {
                // Stands unless the whole body comes and fits.
                recorder.read(&FAILED_DUE_TO_REGEX, 1.0);
            } else if cel.is_some() {
                recorder.read(&FAILED_DUE_TO_CEL, 1.0);
            }
            if let Err(failure) = intake.read(source, &stamps, recorder).await {
                return verdict.and(Err(failure));
            }
        }
        recorder.enter(CHECK);
        let Taken { kept, length, searches, digest: digested } = intake.taken();
        if checks_body {
            verdict = rules.body(&kept, length, searches);
            recorder.read(&FAILED_DUE_TO_REGEX, f64::from(u8::from(verdict.is_err())));
        }
        if verdict.is_ok()
            && let Some(cel) = cel
        {
            // On the same bytes, though blackbox_exporter has none left after the rules above. Stands unless it is done.
            recorder.read(&FAILED_DUE_TO_CEL, 1.0);
            verdict = cel.judge(recorder, kept).await;
            recorder.read(&FAILED_DUE_TO_CEL, f64::from(u8::from(verdict.is_err())));
        }
        if let (Some(wanted), Some(digested)) = (digest, digested) {
            verdict = verdict.and(wanted.judge(digested, recorder));
        }
        verdict.and_then(|()| rules.version(head.version)).and_then(|()| rules.encryption(session.is_some()))
    }
}

/// Writes down what the head of the final answer says, and enters phase [`TRANSFER`].
fn read_head(recorder: &mut Recorder, answer: &Answer, settings: &Settings) {
    match answer.first_byte {
        Some(first_byte) => recorder.enter_at(TRANSFER, first_byte),
        None => recorder.enter(TRANSFER),
    }
    let head = &answer.head;
    recorder.read(&STATUS_CODE, f64::from(head.status.as_u16()));
    recorder.read(&CONTENT_LENGTH, content_length(answer, &settings.method));
    let version = match head.version {
        Version::HTTP_09 | Version::HTTP_10 => 1.0,
        Version::HTTP_11 => 1.1,
        Version::HTTP_2 => 2.0,
        _ => 3.0,
    };
    recorder.read(&HTTP_VERSION, version);
    let modified = head.headers.get(header::LAST_MODIFIED).and_then(|value| value.to_str().ok());
    if let Some(modified) = modified.and_then(|text| httpdate::parse_http_date(text).ok())
        && let Ok(since) = modified.duration_since(std::time::UNIX_EPOCH)
    {
        recorder.read(&LAST_MODIFIED, since.as_secs_f64());
    }
    if let Some(session) = &answer.session {
        recorder.read(&SSL, 1.0);
        session.read(recorder, true);
    }
}

/// The length that an answer announces, as Go understands it: -1 for none.
fn content_length(answer: &Answer, method: &Method) -> f64 {
    let head = &answer.head;
    let is_head = *method == Method::HEAD;
    if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return 0.0;
    }
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        return -1.0;
    }
    match head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok()) {
        Some(length) => length as f64,
        None if !is_head && answer.body.is_empty() => 0.0,
        None => -1.0,
    }
}
