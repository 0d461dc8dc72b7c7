//! What TLSA records say of certificates (RFC 6698), as senders of mail go by them (RFC 7672).
//!
//! Knows no name server and no connection, and not whether a record is true: that is DNSSEC's.

use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::tlsa::{CertUsage, Matching, Selector, TLSA};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Length of a SHA-256 and of a SHA-512 digest in bytes (FIPS 180-4).
const SHA256_BYTES: usize = 32;
const SHA512_BYTES: usize = 64;
/// Most certificates of a chain that are looked at. Chosen: real chains have two to four.
const CHAIN_CERTIFICATES_MAX: usize = 16;

/// The TLSA records of an answer.
pub(crate) fn records(data: &[RData]) -> impl Iterator<Item = &TLSA> + Clone {
    data.iter().filter_map(|data| if let RData::TLSA(tlsa) = data { Some(tlsa) } else { None })
}

/// Whether senders of mail can use a record (RFC 7672 section 3.1; RFC 6698 section 2.1): those that also ask for an
/// authority of the web (usages 0 and 1) they cannot.
pub(crate) fn is_usable(record: &TLSA) -> bool {
    let length = record.cert_data.len();
    matches!(record.cert_usage, CertUsage::DaneTa | CertUsage::DaneEe)
        && matches!(record.selector, Selector::Full | Selector::Spki)
        && match record.matching {
            Matching::Raw => length > 0,
            Matching::Sha256 => length == SHA256_BYTES,
            Matching::Sha512 => length == SHA512_BYTES,
            _ => false,
        }
}

/// The certificates of a chain that a usable record means: the peer's own (usage 3), or an authority above it (usage 2).
pub(crate) fn meant<'c>(
    record: &TLSA,
    chain: &'c [CertificateDer<'c>],
) -> impl Iterator<Item = &'c CertificateDer<'c>> {
    let chain = &chain[..chain.len().min(CHAIN_CERTIFICATES_MAX)];
    let candidates = match record.cert_usage {
        CertUsage::DaneEe => chain.get(..1),
        CertUsage::DaneTa => chain.get(1..),
        _ => None,
    };
    candidates.unwrap_or_default().iter().filter(|certificate| is_of(record, certificate))
}

/// Whether a record's data is that of a certificate (RFC 6698 sections 2.1.2 and 2.1.3).
fn is_of(record: &TLSA, certificate: &CertificateDer<'_>) -> bool {
    let selected = match record.selector {
        Selector::Full => certificate.as_ref(),
        Selector::Spki => match X509Certificate::from_der(certificate) {
            Ok((_, certificate)) => certificate.tbs_certificate.subject_pki.raw,
            Err(_) => return false,
        },
        _ => return false,
    };
    match record.matching {
        Matching::Raw => selected == record.cert_data,
        Matching::Sha256 => Sha256::digest(selected)[..] == record.cert_data[..],
        Matching::Sha512 => Sha512::digest(selected)[..] == record.cert_data[..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testkit::Authority;

    fn record(usage: CertUsage, selector: Selector, matching: Matching, data: Vec<u8>) -> TLSA {
        TLSA::new(usage, selector, matching, data)
    }

    #[test]
    fn a_record_means_the_certificate_itself_or_one_above_it() {
        let authority = Authority::new();
        let chain = [authority.leaf(&["mx.example.org"]).der, authority.der()];
        let found = |usage, der: &CertificateDer<'_>| {
            let record = record(usage, Selector::Full, Matching::Raw, der.to_vec());
            meant(&record, &chain).cloned().collect::<Vec<_>>()
        };
        let [leaf, above] = &chain;
        assert_eq!(found(CertUsage::DaneEe, leaf), *std::slice::from_ref(leaf));
        assert_eq!(found(CertUsage::DaneEe, above), []);
        assert_eq!(found(CertUsage::DaneTa, above), *std::slice::from_ref(above));
        assert_eq!(found(CertUsage::DaneTa, leaf), []);
        for usage in [CertUsage::PkixTa, CertUsage::PkixEe, CertUsage::Private] {
            assert_eq!(found(usage, leaf), []);
        }
        assert_eq!(meant(&record(CertUsage::DaneEe, Selector::Full, Matching::Raw, vec![1]), &[]).count(), 0);
    }

    #[test]
    fn digests_have_their_length_and_data_is_not_empty() {
        let is_usable =
            |matching, length| is_usable(&record(CertUsage::DaneEe, Selector::Spki, matching, vec![7; length]));
        assert!(is_usable(Matching::Raw, 1) && is_usable(Matching::Sha256, 32) && is_usable(Matching::Sha512, 64));
        assert!(!is_usable(Matching::Raw, 0) && !is_usable(Matching::Sha256, 64) && !is_usable(Matching::Sha512, 32));
        assert!(!is_usable(Matching::Unassigned(9), 32));
    }

    proptest! {
        #[test]
        fn any_bytes_are_held_against_any_record(
            numbers in any::<[u8; 3]>(),
            data in prop::collection::vec(any::<u8>(), 0..80),
            chain in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20),
        ) {
            let [usage, selector, matching] = numbers;
            let record = record((usage % 5).into(), (selector % 3).into(), (matching % 4).into(), data);
            let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
            prop_assert!(meant(&record, &chain).count() <= CHAIN_CERTIFICATES_MAX);
        }
    }
}
