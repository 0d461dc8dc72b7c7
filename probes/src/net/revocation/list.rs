//! A list of revoked certificates, read and checked once (RFC 5280 section 5).

use std::mem::size_of;
use std::time::Duration;

use rustls_pki_types::SubjectPublicKeyInfoDer;
use webpki::{BorrowedCertRevocationList, CertRevocationList, RawPublicKeyEntity};
use x509_parser::prelude::{ASN1Time, FromDer};

use crate::net::revocation::Signer;

/// Longest serial number in bytes (RFC 5280 section 4.1.2.2).
const SERIAL_BYTES_MAX: usize = 20;

/// A certificate's serial number: its length, its bytes without leading zeros, zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::net) struct Serial([u8; SERIAL_BYTES_MAX + 1]);

impl Serial {
    /// `None` if it is longer than a serial number may be.
    pub(in crate::net) fn of(bytes: &[u8]) -> Option<Self> {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let bytes = &bytes[zeros..];
        let mut serial = [0; SERIAL_BYTES_MAX + 1];
        serial[0] = u8::try_from(bytes.len()).ok()?;
        serial.get_mut(1..=bytes.len())?.copy_from_slice(bytes);
        Some(Self(serial))
    }
}

/// A list whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::net) struct List {
    /// Sorted.
    revoked: Box<[Serial]>,
    left_out: Option<LeftOut>,
    /// When the next one is due, in seconds since 1970.
    pub(in crate::net) next_update: i64,
    /// How long it took to fetch.
    pub(in crate::net) fetch_time: Duration,
}

/// Of whom a list says nothing (RFC 5280 section 5.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    Authorities,
    Others,
}

impl List {
    /// Reads a list that came from this address, and checks that this authority signed it.
    pub(super) fn read(der: &[u8], url: &str, signer: &Signer, now: i64) -> Result<Self, String> {
        // Structure, version, extensions: no delta lists, no lists of other authorities' certificates.
        let list = BorrowedCertRevocationList::from_der(der).map_err(|error| format!("no usable list: {error}"))?;
        let parts = Parts::of(der).ok_or("no usable list")?;
        parts.verify(&signer.key)?;
        if parts.this_update > now {
            return Err("the list is not valid yet".to_owned());
        }
        let mut revoked = Vec::new();
        for entry in &list {
            let entry = entry.map_err(|error| format!("a broken entry: {error}"))?;
            revoked.push(Serial::of(entry.serial_number).ok_or("a serial number of more than 20 bytes")?);
        }
        revoked.sort_unstable();
        let list = CertRevocationList::from(list);
        if list.issuer() != &*signer.name {
            return Err("the list is of another authority".to_owned());
        }
        let left_out = match list.issuing_distribution_point() {
            Some(scope) => scope_of(scope, url).ok_or("the list is not for this address")?,
            None => None,
        };
        let next_update = parts.next_update;
        Ok(Self { revoked: revoked.into(), left_out, next_update, fetch_time: Duration::ZERO })
    }

    pub(super) fn fetched_in(self, fetch_time: Duration) -> Self {
        Self { fetch_time, ..self }
    }

    /// Whether the certificate was revoked; `None` if the list says nothing of such certificates.
    pub(in crate::net) fn has(&self, serial: Serial, is_authority: bool) -> Option<bool> {
        match self.left_out {
            Some(LeftOut::Authorities) if is_authority => None,
            Some(LeftOut::Others) if !is_authority => None,
            _ => Some(self.revoked.binary_search(&serial).is_ok()),
        }
    }

    /// How much memory it takes.
    pub(super) const fn kept_bytes(&self) -> usize {
        size_of::<Self>() + self.revoked.len() * size_of::<Serial>()
    }
}

/// What of a list's DER webpki keeps to itself.
struct Parts<'a> {
    /// What is signed.
    signed: &'a [u8],
    /// The algorithm's identifier, without its outer tag.
    algorithm: &'a [u8],
    signature: &'a [u8],
    this_update: i64,
    next_update: i64,
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

impl<'a> Parts<'a> {
    fn of(der: &'a [u8]) -> Option<Self> {
        let outer = Value::of(der, SEQUENCE)?;
        let signed = Value::of(outer.body, SEQUENCE)?;
        let algorithm = Value::of(signed.rest, SEQUENCE)?;
        let signature = Value::of(algorithm.rest, BIT_STRING)?.body.strip_prefix(&[0])?;
        let version = Value::of(signed.body, INTEGER).map_or(signed.body, |version| version.rest);
        let inner_algorithm = Value::of(version, SEQUENCE)?;
        let issuer = Value::of(inner_algorithm.rest, SEQUENCE)?;
        let (rest, this_update) = ASN1Time::from_der(issuer.rest).ok()?;
        let (_, next_update) = ASN1Time::from_der(rest).ok()?;
        Some(Self {
            signed: signed.whole,
            algorithm: algorithm.body,
            signature,
            this_update: this_update.timestamp(),
            next_update: next_update.timestamp(),
        })
    }

    fn verify(&self, key: &SubjectPublicKeyInfoDer<'_>) -> Result<(), String> {
        let key = RawPublicKeyEntity::try_from(key).map_err(|error| format!("the authority's key: {error}"))?;
        let fitting = webpki::ALL_VERIFICATION_ALGS.iter();
        let mut fitting = fitting.filter(|algorithm| algorithm.signature_alg_id().as_ref() == self.algorithm);
        match fitting.any(|algorithm| key.verify_signature(*algorithm, self.signed, self.signature).is_ok()) {
            true => Ok(()),
            false => Err("the list is not signed by the certificate's authority".to_owned()),
        }
    }
}

/// Tag, length and value (X.690 section 8.1), of a length of at most four bytes.
struct Value<'a> {
    whole: &'a [u8],
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Value<'a> {
    fn of(der: &'a [u8], tag: u8) -> Option<Self> {
        let (found, value) = Self::any(der)?;
        (found == tag).then_some(value)
    }

    fn any(der: &'a [u8]) -> Option<(u8, Self)> {
        let [tag, first, after @ ..] = der else { return None };
        let (length, after) = match first {
            0..=127 => (usize::from(*first), after),
            0x81..=0x84 => {
                let (length, after) = after.split_at_checked(usize::from(first & 0x7f))?;
                (length.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), after)
            }
            _ => return None,
        };
        let (body, rest) = after.split_at_checked(length)?;
        Some((*tag, Self { whole: &der[..der.len() - rest.len()], body, rest }))
    }
}

/// Reads the scope that a list gives itself. `None` if it is for other addresses: an authority's shards are all signed
/// alike, and one must not pass for another.
fn scope_of(der: &[u8], url: &str) -> Option<Option<LeftOut>> {
    const POINT: u8 = 0xa0;
    const FULL_NAME: u8 = 0xa0;
    const URI: u8 = 0x86;
    const ONLY_USERS: u8 = 0x81;
    const ONLY_AUTHORITIES: u8 = 0x82;
    let mut left_out = None;
    let mut rest = Value::of(der, SEQUENCE)?.body;
    while !rest.is_empty() {
        let (tag, value) = Value::any(rest)?;
        match tag {
            POINT => {
                let mut names = Value::of(value.body, FULL_NAME)?.body;
                let mut is_named = false;
                while !names.is_empty() {
                    let (tag, name) = Value::any(names)?;
                    is_named |= tag == URI && name.body == url.as_bytes();
                    names = name.rest;
                }
                if !is_named {
                    return None;
                }
            }
            ONLY_USERS if value.body != [0] => left_out = Some(LeftOut::Authorities),
            ONLY_AUTHORITIES if value.body != [0] => left_out = Some(LeftOut::Others),
            ONLY_USERS | ONLY_AUTHORITIES => {}
            // Only some reasons, lists of other authorities, attribute certificates.
            _ => return None,
        }
        rest = value.rest;
    }
    Some(left_out)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;
    use crate::net::revocation::tests::{URL, signer};
    use crate::testkit::{Authority, ListOf, in_days};

    fn read(authority: &Authority, der: &[u8]) -> Result<List, String> {
        let now = in_days(0.0).duration_since(UNIX_EPOCH).unwrap().as_secs();
        List::read(der, URL, &signer(authority), i64::try_from(now).unwrap())
    }

    fn has(list: &List, serial: &[u8]) -> Option<bool> {
        list.has(Serial::of(serial).unwrap(), false)
    }

    #[test]
    fn a_list_has_the_revoked_and_no_others() {
        let authority = Authority::new();
        let list = ListOf { revoked: vec![vec![7], vec![0x80, 1], vec![9; 20]], ..ListOf::default() };
        let list = read(&authority, &authority.revocation_list(&list)).unwrap();
        for revoked in [&[7][..], &[0, 7], &[0x80, 1], &[9; 20]] {
            assert_eq!(has(&list, revoked), Some(true), "{revoked:?}");
        }
        for good in [&[8][..], &[], &[1, 0x80], &[9; 19]] {
            assert_eq!(has(&list, good), Some(false), "{good:?}");
        }
        assert_eq!(Serial::of(&[1; 21]), None);
    }

    #[test]
    fn a_list_of_somebody_else_is_refused() {
        let authority = Authority::new();
        let own = authority.revocation_list(&ListOf::default());
        let refused = read(&Authority::new(), &own).unwrap_err();
        assert_eq!(refused, "the list is not signed by the certificate's authority");
        let other_name = Signer { name: Box::from([]), key: signer(&authority).key };
        assert_eq!(List::read(&own, URL, &other_name, i64::MAX).unwrap_err(), "the list is of another authority");
        let early = ListOf { from: in_days(1.0), until: in_days(2.0), ..ListOf::default() };
        let refused = read(&authority, &authority.revocation_list(&early)).unwrap_err();
        assert_eq!(refused, "the list is not valid yet");
        assert!(read(&authority, b"<html>").unwrap_err().starts_with("no usable list"));
    }

    #[test]
    fn a_list_for_another_address_does_not_pass_for_this_one() {
        let authority = Authority::new();
        let of = |url: &str| ListOf { address: Some(url.to_owned()), ..ListOf::default() };
        assert!(read(&authority, &authority.revocation_list(&of(URL))).is_ok());
        let refused = read(&authority, &authority.revocation_list(&of("http://ca.example/2.crl"))).unwrap_err();
        assert_eq!(refused, "the list is not for this address");
    }

    proptest! {
        /// Whatever an address answers: no panic.
        #[test]
        fn a_hostile_list_does_no_harm(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..9),
            scope: Vec<u8>,
        ) {
            static LIST: std::sync::OnceLock<(Vec<u8>, Signer)> = std::sync::OnceLock::new();
            let (der, signer) = LIST.get_or_init(|| {
                let authority = Authority::new();
                let list = ListOf { revoked: vec![vec![7]], address: Some(URL.to_owned()), ..ListOf::default() };
                (authority.revocation_list(&list), signer(&authority))
            });
            let mut der = der.clone();
            for (at, byte) in changes {
                *at.get_mut(&mut der) = byte;
            }
            let _ = List::read(&der, URL, signer, i64::MAX);
            let _ = Parts::of(&der);
            let _ = scope_of(&scope, URL);
        }
    }
}
