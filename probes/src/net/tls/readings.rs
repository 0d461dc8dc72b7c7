//! What is read off an encrypted channel.

use crate::measure::{Measure, Unit};
use crate::net::tls::identity::Identity;
use crate::net::tls::revocation;
use crate::net::tls::seen::{Seen, Trust};
use crate::net::tls::session::Session;
use crate::recorder::Recorder;

/// What Go prints for a time that was never set: the value of the last chain's expiry without a verified chain.
const NEVER: f64 = -62_135_596_800.0;

static EARLIEST_EXPIRY: Measure = Measure::level(
    "probe_ssl_earliest_cert_expiry",
    Unit::Timestamp,
    "Earliest end of validity of the certificates the peer sent.",
);
static LAST_CHAIN_EXPIRY: Measure = Measure::level(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    Unit::Timestamp,
    "Latest end of validity of the verified chains.",
);
static LAST_CHAIN_INFO: Measure =
    Measure::level("probe_ssl_last_chain_info", Unit::Info, "The peer's own certificate.").labels(&[
        "fingerprint_sha256",
        "subject",
        "issuer",
        "subjectalternative",
        "serialnumber",
    ]);
static VERSION_INFO: Measure =
    Measure::level("probe_tls_version_info", Unit::Info, "TLS version agreed on.").labels(&["version"]);
static CIPHER_INFO: Measure =
    Measure::level("probe_tls_cipher_info", Unit::Info, "Cipher suite agreed on.").labels(&["cipher"]);

static KEY_EXCHANGE_INFO: Measure =
    Measure::level("probe_tls_key_exchange_info", Unit::Info, "Group of the key exchange agreed on.")
        .labels(&["group"])
        .extra();
static CERT_NOT_AFTER: Measure = Measure::level(
    "probe_tls_certificate_not_after_timestamp_seconds",
    Unit::Timestamp,
    "End of validity of the peer's own certificate, verified or not.",
)
.extra();
static CERT_NOT_BEFORE: Measure = Measure::level(
    "probe_tls_certificate_not_before_timestamp_seconds",
    Unit::Timestamp,
    "Start of validity of the peer's own certificate, verified or not.",
)
.extra();
static CERT_VERIFIED: Measure = Measure::level(
    "probe_tls_certificate_verified",
    Unit::None,
    "1 if the certificate was verified against trusted authorities, the name and the time.",
)
.extra();
static CHAIN_CERTIFICATES: Measure =
    Measure::level("probe_tls_chain_certificates", Unit::None, "How many certificates the peer sent.").extra();

/// What every encrypted channel can show.
pub(crate) const MEASURES: &[&Measure] = &[
    &EARLIEST_EXPIRY,
    &LAST_CHAIN_EXPIRY,
    &LAST_CHAIN_INFO,
    &VERSION_INFO,
    &CIPHER_INFO,
    &KEY_EXCHANGE_INFO,
    &CERT_NOT_AFTER,
    &CERT_NOT_BEFORE,
    &CERT_VERIFIED,
    &CHAIN_CERTIFICATES,
    revocation::MEASURES[0],
    revocation::MEASURES[1],
    revocation::MEASURES[2],
    revocation::MEASURES[3],
    revocation::MEASURES[4],
];

impl Seen {
    /// Writes down what blackbox_exporter does not show: the facts of a certificate, trusted or not.
    pub(in crate::net) fn read(&self, recorder: &mut Recorder) {
        if self.certificates() == 0 {
            return;
        }
        recorder.read(&CHAIN_CERTIFICATES, self.certificates() as f64);
        recorder.read(&CERT_VERIFIED, f64::from(u8::from(matches!(self.trust(), Trust::Verified(_)))));
        if let Some(identity) = self.identity() {
            recorder.read(&CERT_NOT_BEFORE, identity.not_before as f64);
            recorder.read(&CERT_NOT_AFTER, identity.not_after as f64);
        }
    }

    /// Writes down what blackbox_exporter shows of a certificate.
    pub(crate) fn read_certificate(&self, recorder: &mut Recorder) {
        if let Some(earliest) = self.earliest_expiry() {
            recorder.read(&EARLIEST_EXPIRY, earliest as f64);
        }
        match self.trust() {
            Trust::Verified(until) => recorder.read(&LAST_CHAIN_EXPIRY, *until as f64),
            Trust::NotChecked => recorder.read(&LAST_CHAIN_EXPIRY, NEVER),
            Trust::Refused(_) | Trust::NotShown => {}
        }
        if let Some(identity) = self.identity() {
            let Identity { fingerprint_sha256, subject, issuer, dns_names, serial, .. } = identity;
            recorder.read_with(&LAST_CHAIN_INFO, &[fingerprint_sha256, subject, issuer, dns_names, serial], 1.0);
        }
    }
}

impl Session {
    /// As [`Self::read`], without the suite and without the end of the verified chain: what blackbox_exporter shows of a
    /// gRPC server.
    pub(crate) fn read_leaf(&self, recorder: &mut Recorder) {
        self.read(recorder, false);
        recorder.forget(&LAST_CHAIN_EXPIRY);
    }

    /// Writes down the metrics that blackbox_exporter shows of a channel; `with_cipher` where it shows the suite. What
    /// an earlier channel of the same leg left is forgotten: a run can start TLS inside TLS.
    pub fn read(&self, recorder: &mut Recorder, with_cipher: bool) {
        for measure in [&EARLIEST_EXPIRY, &LAST_CHAIN_INFO, &VERSION_INFO, &CIPHER_INFO, &KEY_EXCHANGE_INFO] {
            recorder.forget(measure);
        }
        recorder.read_with(&VERSION_INFO, &[self.version], 1.0);
        if with_cipher {
            recorder.read_with(&CIPHER_INFO, &[&self.cipher], 1.0);
        }
        // Not known of every way to agree on keys.
        if !self.key_exchange.is_empty() {
            recorder.read_with(&KEY_EXCHANGE_INFO, &[self.key_exchange], 1.0);
        }
        self.seen.read_certificate(recorder);
    }
}
