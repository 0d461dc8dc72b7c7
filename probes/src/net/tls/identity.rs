//! The facts of a certificate.

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Longest text taken over from a certificate in bytes. Chosen: longer than honest names are.
const TEXT_BYTES_MAX: usize = 2048;

/// Who a certificate says its holder is.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// SHA-256 of the certificate, in lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// The holder's distinguished name.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// DNS names of the holder, joined by commas.
    pub dns_names: String,
    /// The serial number in lower-case hexadecimal.
    pub serial: String,
    /// Start of validity, seconds since 1970.
    pub not_before: i64,
    /// End of validity, seconds since 1970.
    pub not_after: i64,
}

impl Identity {
    /// Reads a certificate; `None` if it cannot be read.
    pub(super) fn of_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|extension| &extension.value.general_names);
        let dns_names: Vec<&str> =
            names.filter_map(|name| if let GeneralName::DNSName(name) = name { Some(*name) } else { None }).collect();
        Some(Self {
            fingerprint_sha256: hex(&Sha256::digest(der)),
            subject: bounded(certificate.subject().to_string()),
            issuer: bounded(certificate.issuer().to_string()),
            dns_names: bounded(dns_names.join(",")),
            serial: hex(certificate.raw_serial().strip_prefix(&[0]).unwrap_or(certificate.raw_serial())),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }
}

/// End of validity of a certificate, seconds since 1970.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}
