//! The facts of a certificate, and the certificates seen before.

use std::sync::{Arc, Mutex, PoisonError};

use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{DistributionPointName, FromDer, GeneralName, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::AlgorithmIdentifier;

use crate::net::revocation::Signer;
use crate::net::tls::name::{go_text, hex_into};

/// Longest list of names taken over from a certificate in bytes. Chosen: a hundred names, the most that the large public
/// authorities put into one certificate, of eighty bytes.
const NAMES_BYTES_MAX: usize = 8192;

/// Longest serial number and longest object identifier taken over in characters. Chosen: honest serial numbers have at
/// most twenty bytes (RFC 5280 section 4.1.2.2), of two digits each.
const NUMBER_BYTES_MAX: usize = 128;

/// Most addresses of lists of revoked certificates that are looked at. Chosen: honest certificates name one or two.
const URLS_MAX: usize = 4;

/// Longest such address in bytes. Chosen: five times an honest one.
const URL_BYTES_MAX: usize = 512;

/// Most certificates remembered for a module. Chosen: a module asks few servers, or so many that nothing helps.
const KNOWN_CERTIFICATES_MAX: usize = 64;

/// Largest certificate that is remembered in bytes. Chosen: four times an honest one; bounds the memory of a module.
const KNOWN_BYTES_MAX: usize = 8192;

/// Who a certificate says its holder is.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// SHA-256 of the certificate, in lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// The holder's distinguished name, as Go writes it.
    pub subject: String,
    /// The issuer's distinguished name, as Go writes it.
    pub issuer: String,
    /// DNS names of the holder, joined by commas.
    pub dns_names: String,
    /// IP addresses of the holder, joined by commas.
    pub ip_addresses: String,
    /// The serial number in lower-case hexadecimal, without leading zero bytes.
    pub serial: String,
    /// Start of validity, seconds since 1970.
    pub not_before: i64,
    /// End of validity, seconds since 1970.
    pub not_after: i64,
    /// The public key's algorithm and size: `RSA 2048`, `ECDSA 256`, `Ed25519`, else an object identifier.
    pub key: String,
    /// What the issuer signed with: `ECDSA-SHA256`, else an object identifier.
    pub signature: String,
    /// Whether holder and issuer have the same name.
    pub self_issued: bool,
    /// Whether the certificate may be used by a server (RFC 5280 section 4.2.1.12).
    pub(super) for_servers: bool,
    /// The serial number as it is.
    pub(super) serial_bytes: Box<[u8]>,
    /// Where its authority publishes the list of revoked certificates (RFC 5280 section 4.2.1.13).
    pub(super) crl_urls: Box<[Arc<str>]>,
    /// What it signs lists with, if it is an authority.
    pub(super) signer: Arc<Signer>,
}

impl Identity {
    /// Reads a certificate; `None` if it cannot be read.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let alternative = certificate.subject_alternative_name().ok().flatten();
        let names = || alternative.iter().flat_map(|extension| &extension.value.general_names);
        let dns_names = names().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Shown::Borrowed(*name)),
            _ => None,
        });
        let ip_addresses = names().filter_map(|name| match name {
            GeneralName::IPAddress(octets) => address(octets).map(|address| Shown::Owned(address.to_string())),
            _ => None,
        });
        let serial = certificate.raw_serial();
        let serial = &serial[serial.iter().take_while(|byte| **byte == 0).count()..];
        Some(Self {
            fingerprint_sha256: hex(&Sha256::digest(der)),
            subject: go_text(certificate.subject()),
            issuer: go_text(certificate.issuer()),
            dns_names: joined(dns_names),
            ip_addresses: joined(ip_addresses),
            serial: hex(&serial[..serial.len().min(NUMBER_BYTES_MAX / 2)]),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            key: key(&certificate),
            signature: signature(&certificate),
            self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            for_servers: for_servers(&certificate),
            serial_bytes: serial[..serial.len().min(NUMBER_BYTES_MAX / 2)].into(),
            crl_urls: crl_urls(&certificate),
            signer: Arc::new(Signer {
                name: without_tag(certificate.subject().as_raw()).into(),
                key: SubjectPublicKeyInfoDer::from(certificate.public_key().raw.to_vec()),
            }),
        })
    }
}

type Shown<'a> = std::borrow::Cow<'a, str>;

fn address(octets: &[u8]) -> Option<std::net::IpAddr> {
    let four = || <[u8; 4]>::try_from(octets).ok().map(Into::into);
    let sixteen = || <[u8; 16]>::try_from(octets).ok().map(Into::into);
    four().or_else(sixteen)
}

/// Whole names as long as they fit.
fn joined<'a>(names: impl Iterator<Item = Shown<'a>>) -> String {
    let mut text = String::new();
    for name in names {
        if text.len() + name.len() >= NAMES_BYTES_MAX {
            break;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&name);
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    hex_into(&mut text, bytes);
    text
}

fn key(certificate: &X509Certificate<'_>) -> String {
    let info = certificate.public_key();
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        // The size is counted in whole bytes: P-521 has 66 of them.
        Ok(PublicKey::EC(key)) => format!("ECDSA {}", if key.key_size() == 528 { 521 } else { key.key_size() }),
        _ => match identifier(&info.algorithm).as_str() {
            "1.3.101.112" => "Ed25519".to_owned(),
            "1.3.101.113" => "Ed448".to_owned(),
            other => other.to_owned(),
        },
    }
}

/// The object identifier, dotted.
fn identifier(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let mut text = algorithm.algorithm.to_id_string();
    text.truncate(text.floor_char_boundary(NUMBER_BYTES_MAX));
    text
}

/// Names of signature algorithms (RFC 4055, 5758, 8410) in the words of Go.
fn signature(certificate: &X509Certificate<'_>) -> String {
    let identifier = identifier(&certificate.signature_algorithm);
    let name = match identifier.as_str() {
        "1.2.840.113549.1.1.4" => "MD5-RSA",
        "1.2.840.113549.1.1.5" => "SHA1-RSA",
        "1.2.840.113549.1.1.10" => "RSAPSS",
        "1.2.840.113549.1.1.11" => "SHA256-RSA",
        "1.2.840.113549.1.1.12" => "SHA384-RSA",
        "1.2.840.113549.1.1.13" => "SHA512-RSA",
        "1.2.840.10045.4.1" => "ECDSA-SHA1",
        "1.2.840.10045.4.3.2" => "ECDSA-SHA256",
        "1.2.840.10045.4.3.3" => "ECDSA-SHA384",
        "1.2.840.10045.4.3.4" => "ECDSA-SHA512",
        "1.3.101.112" => "Ed25519",
        _ => return identifier,
    };
    name.to_owned()
}

fn for_servers(certificate: &X509Certificate<'_>) -> bool {
    let mut usages = certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::ExtendedKeyUsage(usage) => Some(usage.any || usage.server_auth),
        _ => None,
    });
    usages.all(|fits| fits)
}

/// Addresses of lists that the certificate's own authority signs, as far as they are fetched: over HTTP.
fn crl_urls(certificate: &X509Certificate<'_>) -> Box<[Arc<str>]> {
    let points = certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::CRLDistributionPoints(points) => Some(points.iter()),
        _ => None,
    });
    let whole = points.flatten().filter(|point| point.reasons.is_none() && point.crl_issuer.is_none());
    let names = whole.filter_map(|point| match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => Some(names.iter()),
        _ => None,
    });
    let urls = names.flatten().filter_map(|name| match name {
        GeneralName::URI(url) if url.len() <= URL_BYTES_MAX && url.starts_with("http://") => Some((*url).into()),
        _ => None,
    });
    urls.take(URLS_MAX).collect()
}

/// The value behind a tag and a length that were checked before.
fn without_tag(der: &[u8]) -> &[u8] {
    match der {
        [_, first @ 0..=127, body @ ..] if body.len() == usize::from(*first) => body,
        [_, first @ 0x81..=0x84, rest @ ..] => rest.get(usize::from(first & 0x7f)..).unwrap_or_default(),
        _ => &[],
    }
}

/// Certificates seen before: the same server shows the same ones again and again.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Vec<(CertificateDer<'static>, Arc<Identity>)>>);

impl Known {
    /// The facts of a certificate, read only if it was not seen lately; `None` if it cannot be read.
    pub(super) fn identity(&self, der: &CertificateDer<'_>) -> Option<Arc<Identity>> {
        if let Some(known) = self.recall(der) {
            return Some(known);
        }
        let identity = Arc::new(Identity::of_der(der)?);
        if der.len() <= KNOWN_BYTES_MAX {
            let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if entries.len() >= KNOWN_CERTIFICATES_MAX {
                entries.remove(0);
            }
            entries.push((der.clone().into_owned(), Arc::clone(&identity)));
        }
        Some(identity)
    }

    /// The last one asked for stands last, so that the first one is the one to forget.
    fn recall(&self, der: &CertificateDer<'_>) -> Option<Arc<Identity>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|(known, _)| known.as_ref() == der.as_ref())?;
        entries[at..].rotate_left(1);
        entries.last().map(|(_, identity)| Arc::clone(identity))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use proptest::prelude::*;
    use proptest::{collection, sample::Index};
    use rcgen::{CertificateParams, KeyPair, SerialNumber};

    use super::*;

    proptest! {
        /// Whatever a peer sends as a certificate: no panic, and nothing longer than it may be.
        #[test]
        fn a_hostile_certificate_does_no_harm(
            changes in collection::vec((any::<Index>(), any::<u8>()), 1..9),
            length in any::<Index>(),
            cut in any::<bool>(),
        ) {
            let names = ["a.example", "192.0.2.1", "2001:db8::1"];
            let mut der = TEMPLATE.get_or_init(|| certificate(&[0x0b, 0xff], &names)).to_vec();
            for (at, byte) in changes {
                *at.get_mut(&mut der) = byte;
            }
            if cut {
                der.truncate(length.index(der.len()));
            }
            if let Some(identity) = Identity::of_der(&der) {
                let Identity { subject, issuer, dns_names, ip_addresses, serial, .. } = identity;
                for text in [subject, issuer, dns_names, ip_addresses, serial] {
                    prop_assert!(text.len() <= NAMES_BYTES_MAX);
                }
            }
        }
    }

    static TEMPLATE: OnceLock<CertificateDer<'static>> = OnceLock::new();

    fn certificate(serial: &[u8], names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_serial_number_is_written_without_leading_zero_bytes() {
        let serial = |bytes: &[u8]| Identity::of_der(&certificate(bytes, &[])).unwrap().serial;
        assert_eq!(serial(&[0x0b, 0xff, 0x01]), "0bff01");
        assert_eq!(serial(&[0xff, 0x00]), "ff00");
        assert_eq!(serial(&[0]), "");
    }

    #[test]
    fn an_endless_serial_number_is_cut() {
        assert_eq!(Identity::of_der(&certificate(&[7; 5000], &[])).unwrap().serial, "07".repeat(64));
    }

    #[test]
    fn names_keep_the_certificates_order_and_their_kind() {
        let names = ["b.example", "192.0.2.1", "a.example", "2001:db8::1"];
        let identity = Identity::of_der(&certificate(&[1], &names)).unwrap();
        assert_eq!(identity.dns_names, "b.example,a.example");
        assert_eq!(identity.ip_addresses, "192.0.2.1,2001:db8::1");
        assert_eq!((identity.key.as_str(), identity.signature.as_str()), ("ECDSA 256", "ECDSA-SHA256"));
        assert!(identity.self_issued && identity.for_servers);
    }

    #[test]
    fn many_names_are_cut_between_two() {
        let name = format!("{}.example", "a".repeat(50));
        let identity = Identity::of_der(&certificate(&[1], &vec![name.as_str(); 300])).unwrap();
        assert_eq!(identity.dns_names.len() + 1, (NAMES_BYTES_MAX / (name.len() + 1)) * (name.len() + 1));
    }

    #[test]
    fn a_certificate_is_read_once_while_it_is_known() {
        let known = Known::default();
        let first = certificate(&[1], &[]);
        let identity = known.identity(&first).unwrap();
        assert!(Arc::ptr_eq(&identity, &known.identity(&first).unwrap()));
        let template = certificate(&[2], &[]);
        for byte in 0..u8::try_from(KNOWN_CERTIFICATES_MAX).unwrap() {
            // Another signature makes another certificate.
            let mut der = template.to_vec();
            *der.last_mut().unwrap() = byte;
            assert!(known.identity(&der.into()).is_some());
        }
        assert!(!Arc::ptr_eq(&identity, &known.identity(&first).unwrap()));
        assert_eq!(known.0.lock().unwrap().len(), KNOWN_CERTIFICATES_MAX);
    }
}
