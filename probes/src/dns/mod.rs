//! The `dns` kind: asks a name server a question and judges its reply (RFC 1035).
//!
//! Keys, metrics, the order of verdicts and the records' text form are blackbox_exporter's. Beyond it: any type, class
//! and flag, EDNS, TCP after a cut reply, a check of the reply against the question, and facts about the reply.

mod codes;
mod edns;
mod exchange;
mod judge;
mod message;
mod query;
mod rdata;
mod rules;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod wire;

use std::sync::Arc;

use exchange::{Reply, Secure};
use settings::{Settings, Transport};

use crate::failure::Failure;
use crate::measure::{Measure, Unit};
use crate::net::{Net, RESOLVE};
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::target::{HostPort, Invalid, Target, port_number};

/// A socket is being opened, a connection built, a channel encrypted. Unlike net's, its gauge shows also the time of a
/// lap in which the run failed, as blackbox_exporter's does.
const CONNECT: Phase = Phase::new("connect");
/// The question was sent, the reply is waited for and judged.
const REQUEST: Phase = Phase::new("request");

/// IANA Service Name and Transport Protocol Port Number Registry.
const PORT: u16 = 53;
/// RFC 7858 section 3.1.
const PORT_TLS: u16 = 853;

static ANSWER_RRS: Measure =
    Measure::level("probe_dns_answer_rrs", Unit::None, "Number of records in the answer section.");
static AUTHORITY_RRS: Measure =
    Measure::level("probe_dns_authority_rrs", Unit::None, "Number of records in the authority section.");
static ADDITIONAL_RRS: Measure =
    Measure::level("probe_dns_additional_rrs", Unit::None, "Number of records in the additional section.");
static QUERY_SUCCEEDED: Measure =
    Measure::level("probe_dns_query_succeeded", Unit::None, "1 if a reply came that could be read, whatever it says.");
static SERIAL: Measure =
    Measure::level("probe_dns_serial", Unit::None, "Serial number of the zone: of the last SOA record in the answer.");

static RCODE_INFO: Measure =
    Measure::level("probe_dns_rcode_info", Unit::Info, "The reply's response code.").labels(&["rcode"]).extra();
static RESPONSE_BYTES: Measure =
    Measure::level("probe_dns_response_bytes", Unit::Bytes, "Length of the reply.").extra();
static TRUNCATED: Measure = Measure::level(
    "probe_dns_truncated",
    Unit::None,
    "1 if the first reply was cut by its sender (flag TC), also if the run went on over TCP.",
)
.extra();
static AUTHORITATIVE: Measure =
    Measure::level("probe_dns_authoritative", Unit::None, "1 if the server answered out of its own zone (flag AA).")
        .extra();
static RECURSION_AVAILABLE: Measure =
    Measure::level("probe_dns_recursion_available", Unit::None, "1 if the server would ask others (flag RA).").extra();
static AUTHENTICATED_DATA: Measure = Measure::level(
    "probe_dns_authenticated_data",
    Unit::None,
    "1 if the server vouches by DNSSEC for its answer (flag AD).",
)
.extra();
static MIN_TTL: Measure =
    Measure::level("probe_dns_min_ttl_seconds", Unit::Seconds, "Shortest TTL of the answer section's records.").extra();
static ANSWER_HASH: Measure = Measure::level(
    "probe_dns_answer_hash",
    Unit::None,
    "Hash of the answer section's records without TTLs, signatures and order: changes when the answer does.",
)
.extra();
static SIGNATURE_EXPIRY: Measure = Measure::level(
    "probe_dns_signature_expiry_timestamp_seconds",
    Unit::Timestamp,
    "Earliest end of validity of the DNSSEC signatures in the reply.",
)
.extra();

/// A question bound to a name server.
#[derive(Debug)]
pub(crate) struct Dns {
    settings: Arc<Settings>,
    host: Box<str>,
    port: u16,
}

impl Probe for Dns {
    const NAME: &'static str = "dns";
    const ABOUT: &'static str = "Asks a name server a question over UDP, TCP or TLS and holds its reply against rules.";
    const TARGET: &'static str = "the name server: host or host:port (default port 53, or 853 with TLS)";
    // As in blackbox_exporter, a lookup that failed counts as zero.
    const PHASES: &'static [Phase] = &[RESOLVE.whole_only(), CONNECT, REQUEST];
    const MEASURES: &'static [&'static Measure] = &[
        &ANSWER_RRS,
        &AUTHORITY_RRS,
        &ADDITIONAL_RRS,
        &QUERY_SUCCEEDED,
        &SERIAL,
        &RCODE_INFO,
        &RESPONSE_BYTES,
        &TRUNCATED,
        &AUTHORITATIVE,
        &RECURSION_AVAILABLE,
        &AUTHENTICATED_DATA,
        &MIN_TTL,
        &ANSWER_HASH,
        &SIGNATURE_EXPIRY,
    ];
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let text = target.text();
        let default = if settings.transport == Transport::Tls { PORT_TLS } else { PORT };
        // What is not host and port is all host, such as an IPv6 address without brackets.
        let HostPort { host, port } = HostPort::split(text).unwrap_or(HostPort { host: text, port: None });
        let port = match port {
            None => default,
            Some(port) => {
                port_number(port).ok_or_else(|| Invalid::Target(format!("{port:?} in {text:?} is no port")))?
            }
        };
        Ok(Self { settings: Arc::clone(settings), host: host.into(), port })
    }

    fn begin(_settings: &Settings, recorder: &mut Recorder) {
        recorder.declare(Self::PHASES);
        for measure in [&ANSWER_RRS, &AUTHORITY_RRS, &ADDITIONAL_RRS, &QUERY_SUCCEEDED] {
            recorder.read(measure, 0.0);
        }
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let reply = self.ask(net, recorder).await?;
        judge::judge(&self.settings, recorder, &reply)
    }
}

impl Dns {
    async fn ask(&self, net: &Net, recorder: &mut Recorder) -> Result<Reply, Failure> {
        let Settings { query, transport, tls, family, source_ip_address, udp_reply_bytes_max, .. } = &*self.settings;
        let peer = net.choose_peer(recorder, &self.host, self.port, *family).await?;
        let source = source_ip_address.get().inspect_err(|_| recorder.enter(CONNECT))?;
        let reply = match transport {
            Transport::Udp | Transport::UdpThenTcp => {
                let bytes_max = usize::from(*udp_reply_bytes_max);
                exchange::over_udp(net, recorder, peer, source, query, bytes_max).await?
            }
            Transport::Tcp => exchange::over_tcp(net, recorder, peer, source, query).await?,
            Transport::Tls => {
                let secure = Secure { tls, name: &self.host };
                exchange::over_tls(net, recorder, peer, source, secure, query).await?
            }
        };
        recorder.read(&TRUNCATED, truth(reply.header.truncated()));
        if *transport == Transport::UdpThenTcp && reply.header.truncated() {
            recorder.note(format_args!("the reply of {} bytes is cut", reply.bytes.len()));
            return exchange::over_tcp(net, recorder, peer, source, query).await;
        }
        Ok(reply)
    }
}

const fn truth(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}
