//! What a refused certificate and a broken handshake mean, in a reason and a sentence.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use rustls_pki_types::UnixTime;
use x509_parser::prelude::ASN1Time;

use crate::failure::{Failure, Reason, shown};
use crate::net::tls::Offer;
use crate::net::tls::identity::Identity;
use crate::net::tls::seen::{Seen, Trust};
use crate::net::tls::settings::TlsVersion;

/// Longest name of a certificate in a message in bytes. Chosen: two of them leave room for the rest of the sentence.
const HOLDER_BYTES_MAX: usize = 120;

/// Longest list of a certificate's names in a message in bytes.
const NAMES_BYTES_MAX: usize = 200;

type Chain = [Option<Arc<Identity>>];

/// Why a certificate is not trusted. `chain` is what was read of the `sent` certificates.
pub(super) fn refusal(error: &webpki::Error, name: &str, chain: &Chain, sent: usize, now: i64) -> Failure {
    use webpki::Error::{
        CaUsedAsEndEntity, CertExpired, CertNotValidForName, CertNotValidYet, CertRevoked,
        InvalidSignatureForPublicKey, MalformedDnsIdentifier, RequiredEkuNotFoundContext, SignatureAlgorithmMismatch,
        UnknownIssuer, UnsupportedSignatureAlgorithmContext, UnsupportedSignatureAlgorithmForPublicKeyContext,
    };
    let Some(leaf) = chain.first().and_then(Option::as_deref) else {
        return Failure::new(Reason::TlsCertInvalid, "the certificate cannot be read");
    };
    let holder = holder(leaf);
    match error {
        CertExpired { not_after, .. } => {
            let at = seconds(*not_after);
            let whose = whose(chain, |certificate| certificate.not_after == at);
            let ago = Span(now.saturating_sub(at));
            Failure::new(Reason::TlsCertExpired, format_args!("{whose} expired {ago} ago, at {}", moment(at)))
        }
        CertNotValidYet { not_before, .. } => {
            let at = seconds(*not_before);
            let whose = whose(chain, |certificate| certificate.not_before == at);
            let until = Span(at.saturating_sub(now));
            let message = format_args!("{whose} becomes valid in {until}, at {}", moment(at));
            Failure::new(Reason::TlsCertNotYetValid, message)
        }
        CertNotValidForName(_) => match names(leaf) {
            None => {
                let message = format_args!(
                    "the certificate of {holder} names no host ({name} is due): only alternative names count, not the \
                     common name"
                );
                Failure::new(Reason::TlsCertName, message)
            }
            Some(names) => {
                let message = format_args!("the certificate is for {names}, not for {name}");
                Failure::new(Reason::TlsCertName, message)
            }
        },
        MalformedDnsIdentifier => {
            Failure::new(Reason::TlsCertName, format_args!("{name:?} is no name that a certificate can carry"))
        }
        UnknownIssuer | CaUsedAsEndEntity if leaf.self_issued => {
            let message = format_args!("the certificate of {holder} is self-signed and not among the trusted ones");
            Failure::new(Reason::TlsCertUntrusted, message)
        }
        UnknownIssuer => {
            let issuer = shown(leaf.issuer.as_bytes(), HOLDER_BYTES_MAX);
            let hint = match sent {
                1 => "; the peer sent no intermediate certificate".to_owned(),
                _ => format!(" ({sent} certificates sent)"),
            };
            let message =
                format_args!("no trusted authority vouches for the certificate of {holder}, issued by {issuer}{hint}");
            Failure::new(Reason::TlsCertUntrusted, message)
        }
        InvalidSignatureForPublicKey
        | SignatureAlgorithmMismatch
        | UnsupportedSignatureAlgorithmContext(_)
        | UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            let message = format_args!("a signature in the chain of {holder} is not its issuer's ({error})");
            Failure::new(Reason::TlsCertUntrusted, message)
        }
        CaUsedAsEndEntity => {
            let message = format_args!("the certificate of {holder} is an authority's, not a server's");
            Failure::new(Reason::TlsCertInvalid, message)
        }
        RequiredEkuNotFoundContext(_) => {
            let message = format_args!("the certificate of {holder} or of an authority above is not made for servers");
            Failure::new(Reason::TlsCertInvalid, message)
        }
        CertRevoked => Failure::new(Reason::TlsCertRevoked, format_args!("the certificate of {holder} was revoked")),
        other => Failure::new(Reason::TlsCertInvalid, format_args!("the certificate of {holder}: {other}")),
    }
}

/// That a certificate ends at `end`, which is less than `window` seconds away.
pub(super) fn ends_soon(chain: &Chain, end: i64, now: i64, window: i64) -> Failure {
    let whose = whose(chain, |certificate| certificate.not_after == end);
    let message = match end.saturating_sub(now) {
        left @ 0.. => {
            format!("{whose} ends in {}, at {}, but {} are due", Span(left), moment(end), Span(window))
        }
        past => format!("{whose} expired {} ago, at {}", Span(past.saturating_neg()), moment(end)),
    };
    Failure::new(Reason::TlsCertExpiresSoon, message)
}

/// What a handshake that broke means. `old_allowed`: the settings allow versions that this program does not speak.
pub(super) fn broken(error: &io::Error, seen: &Seen, old_allowed: bool) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match Reason::of_io(error) {
            Reason::ClosedEarly => {
                Failure::new(Reason::ClosedEarly, "the peer closed the connection during the TLS handshake")
            }
            _ => Failure::io("TLS handshake", error),
        };
    };
    match tls {
        Error::InvalidCertificate(why) => match (seen.trust(), why) {
            (Trust::Refused(failure), _) => failure.clone(),
            (_, CertificateError::BadSignature) => {
                Failure::new(Reason::TlsHandshake, "the peer's signature does not fit its certificate")
            }
            _ => Failure::new(Reason::TlsCertInvalid, tls),
        },
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
            if old_allowed =>
        {
            let message = "the peer speaks neither TLS 1.2 nor TLS 1.3; tls_config also allows older versions, which \
                           this program does not speak";
            Failure::new(Reason::AgentUnbuilt, message)
        }
        Error::AlertReceived(description) => alert(*description, seen),
        Error::InvalidMessage(
            why @ (InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::InvalidEmptyPayload
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::MessageTooShort),
        ) if seen.certificates() == 0 => {
            Failure::new(Reason::TlsHandshake, format_args!("what the peer says is not TLS ({why:?})"))
        }
        Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
        ) => Failure::new(Reason::TlsHandshake, "the peer's certificates take more than 64 KiB"),
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            Failure::new(Reason::TlsHandshake, "the peer speaks neither TLS 1.2 nor TLS 1.3")
        }
        Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig) => {
            Failure::new(Reason::TlsHandshake, "the peer speaks no TLS version that tls_config allows")
        }
        other => Failure::new(Reason::TlsHandshake, other),
    }
}

/// What it means that a server takes or refuses the versions that the settings allow, all of which are too old to be spoken.
pub(super) fn too_old(offer: &Offer, oldest: TlsVersion) -> Failure {
    match offer {
        Offer::Taken(session) if session.version >= oldest.name() => {
            let message = format_args!(
                "the peer would speak {} with {}, as tls_config asks; this program speaks TLS 1.2 and TLS 1.3 only",
                session.version, session.cipher
            );
            Failure::new(Reason::AgentUnbuilt, message)
        }
        Offer::Taken(session) => {
            let message = format_args!("the peer speaks {}, which tls_config does not allow", session.version);
            Failure::new(Reason::TlsHandshake, message)
        }
        Offer::Refused(number) => alert(AlertDescription::from(*number), &Seen::default()),
    }
}

/// What it means that the peer ended the handshake with an alert.
pub(in crate::net) fn alert(alert: AlertDescription, seen: &Seen) -> Failure {
    let hint = alert_hint(alert, seen);
    Failure::new(Reason::TlsAlert, format_args!("the peer ended the handshake with alert {alert:?}{hint}"))
}

fn alert_hint(alert: AlertDescription, seen: &Seen) -> &'static str {
    if seen.client_certificate_asked() {
        return match seen.client_certificate_given() {
            true => ", after it was shown the client certificate",
            false => ", after it asked for a client certificate; tls_config has none that fits",
        };
    }
    match alert {
        AlertDescription::ProtocolVersion => ": it speaks none of the offered TLS versions",
        AlertDescription::HandshakeFailure => ": it may share no version, cipher suite or key exchange",
        AlertDescription::UnrecognisedName => ": it serves no such name",
        AlertDescription::NoApplicationProtocol => ": it speaks none of the offered application protocols",
        _ => "",
    }
}

/// The certificate's holder for people.
pub(super) fn holder(certificate: &Identity) -> String {
    match names(certificate) {
        Some(names) if certificate.subject.is_empty() => names,
        _ => shown(certificate.subject.as_bytes(), HOLDER_BYTES_MAX),
    }
}

fn names(certificate: &Identity) -> Option<String> {
    let names = match (certificate.dns_names.as_str(), certificate.ip_addresses.as_str()) {
        ("", "") => return None,
        (names, "") => names.to_owned(),
        ("", addresses) => addresses.to_owned(),
        (names, addresses) => format!("{names},{addresses}"),
    };
    Some(shown(names.as_bytes(), NAMES_BYTES_MAX))
}

/// Which certificate it is.
fn whose(chain: &Chain, is_it: impl Fn(&Identity) -> bool) -> String {
    let mut readable = chain.iter().enumerate().filter_map(|(at, certificate)| Some((at, certificate.as_deref()?)));
    match readable.find(|(_, certificate)| is_it(certificate)) {
        Some((0, certificate)) => format!("the certificate of {}", holder(certificate)),
        Some((_, certificate)) => format!("the intermediate certificate of {}", holder(certificate)),
        None => "the trusted authority of the chain".to_owned(),
    }
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// A moment for people, in UTC.
fn moment(seconds: i64) -> String {
    ASN1Time::from_timestamp(seconds).map_or_else(|_| format!("{seconds} s"), |time| time.to_string())
}

/// A length of time for people, in one unit.
struct Span(i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        match self.0 {
            seconds if seconds < 2 * MINUTE => write!(f, "{seconds} seconds"),
            seconds if seconds < 2 * HOUR => write!(f, "{} minutes", seconds / MINUTE),
            seconds if seconds < 2 * DAY => write!(f, "{} hours", seconds / HOUR),
            seconds => write!(f, "{} days", seconds / DAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(moment(1_793_188_800), "Oct 28 12:00:00 2026 +00:00");
        let spans = [0, 119, 7199, 172_799, 172_800].map(|seconds| Span(seconds).to_string());
        assert_eq!(spans, ["0 seconds", "119 seconds", "119 minutes", "47 hours", "2 days"]);
    }
}
