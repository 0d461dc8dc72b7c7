//! What is read off a certificate and a channel.

use crate::failure::shown;
use crate::measure::{Measure, Unit};
use crate::net::{Seen, Session, Trust};
use crate::recorder::Recorder;

/// Longest name of an application protocol that is shown in bytes. Chosen: registered names have at most a dozen.
const ALPN_BYTES_MAX: usize = 64;

static VERIFY_INFO: Measure = Measure::level(
    "probe_tls_verify_info",
    Unit::Info,
    "What became of the certificate's verification: ok, skipped, or the reason why it is not trusted.",
)
.labels(&["result"]);

static LEAF_INFO: Measure =
    Measure::level("probe_tls_leaf_info", Unit::Info, "The server's own certificate, trusted or not.").labels(&[
        "subject",
        "issuer",
        "subjectalternative",
        "ip_addresses",
        "serialnumber",
        "fingerprint_sha256",
        "key",
        "signature",
    ]);

static CHAIN_NOT_BEFORE: Measure = Measure::level(
    "probe_tls_chain_not_before_timestamp_seconds",
    Unit::Timestamp,
    "Start of validity of a certificate that the server sent; position 0 is its own.",
)
.labels(&["position", "subject"]);

static CHAIN_NOT_AFTER: Measure = Measure::level(
    "probe_tls_chain_not_after_timestamp_seconds",
    Unit::Timestamp,
    "End of validity of a certificate that the server sent; position 0 is its own.",
)
.labels(&["position", "subject"]);

static CHAIN_LENGTH: Measure =
    Measure::level("probe_tls_chain_length", Unit::None, "How many certificates the server sent.");

static SESSION_INFO: Measure = Measure::level(
    "probe_tls_session_info",
    Unit::Info,
    "What client and server agreed on; alpn is empty if no application protocol.",
)
.labels(&["version", "cipher", "key_exchange", "alpn"]);

static OCSP_STAPLED: Measure = Measure::level(
    "probe_tls_ocsp_stapled",
    Unit::None,
    "1 if the server sent its authority's statement that the certificate is not revoked.",
);

static CLIENT_CERTIFICATE_ASKED: Measure = Measure::level(
    "probe_tls_client_certificate_asked",
    Unit::None,
    "1 if the server asked for a client certificate. With TLS 1.3 it may still refuse after the handshake.",
);

/// Of the versions that the settings name.
pub(super) static OFFERED: Measure =
    Measure::level("probe_tls_offered", Unit::None, "1 if the server takes this version.").labels(&["version"]);

pub(super) const MEASURES: &[&Measure] = &[
    &VERIFY_INFO,
    &LEAF_INFO,
    &CHAIN_NOT_BEFORE,
    &CHAIN_NOT_AFTER,
    &CHAIN_LENGTH,
    &SESSION_INFO,
    &OCSP_STAPLED,
    &CLIENT_CERTIFICATE_ASKED,
    &OFFERED,
];

/// Writes down what the server showed, as far as the handshake came.
pub(super) fn read_seen(seen: &Seen, recorder: &mut Recorder) {
    let result = match seen.trust() {
        Trust::NotShown => return,
        Trust::NotChecked => "skipped",
        Trust::Verified(_) => "ok",
        Trust::Refused(failure) => failure.reason().name(),
    };
    recorder.read_with(&VERIFY_INFO, &[result], 1.0);
    recorder.read(&CHAIN_LENGTH, seen.certificates() as f64);
    recorder.read(&OCSP_STAPLED, f64::from(u8::from(seen.ocsp_stapled())));
    recorder.read(&CLIENT_CERTIFICATE_ASKED, f64::from(u8::from(seen.client_certificate_asked())));
    for (position, certificate) in seen.chain() {
        let labels = [&*position.to_string(), &certificate.subject];
        recorder.read_with(&CHAIN_NOT_BEFORE, &labels, certificate.not_before as f64);
        recorder.read_with(&CHAIN_NOT_AFTER, &labels, certificate.not_after as f64);
    }
    if let Some(leaf) = seen.identity() {
        let labels = [
            &*leaf.subject,
            &*leaf.issuer,
            &*leaf.dns_names,
            &*leaf.ip_addresses,
            &*leaf.serial,
            &*leaf.fingerprint_sha256,
            &*leaf.key,
            &*leaf.signature,
        ];
        recorder.read_with(&LEAF_INFO, &labels, 1.0);
    }
    seen.read_certificate(recorder);
}

/// Writes down what client and server agreed on.
pub(super) fn read_session(session: &Session, recorder: &mut Recorder) {
    let alpn = session.alpn.as_deref().map_or_else(String::new, |name| shown(name, ALPN_BYTES_MAX));
    recorder.read_with(&SESSION_INFO, &[session.version, &session.cipher, session.key_exchange, &alpn], 1.0);
    session.read(recorder, true);
}
