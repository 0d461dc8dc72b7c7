//! Keys that sign a domain's mail (RFC 6376 section 3.6, RFC 8463).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::measures::{DKIM_KEY_BITS, DKIM_KEY_INFO, DKIM_KEY_PRESENT, DKIM_KEY_REVOKED, DKIM_KEY_TESTING};
use super::questions::Questions;
use super::settings::Settings;
use super::tags::Tags;
use crate::failure::{Failure, Reason};
use crate::recorder::Recorder;

/// Shortest RSA key that counts, in bits (RFC 8301 section 3.2).
const RSA_BITS_MIN: usize = 1024;
/// Length of an Ed25519 key in bytes (RFC 8463 section 3).
const ED25519_BYTES: usize = 32;
/// Tags of DER (X.690).
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// A key that was understood.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    sort: &'static str,
    /// Zero if the key was revoked.
    bits: usize,
    is_testing: bool,
}

/// Reads and judges the keys of all selectors.
pub(super) async fn look(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    settings: &Settings,
    domain: &str,
) -> Result<(), Failure> {
    let (mut fault, mut lack) = (None, None);
    for selector in &settings.dkim_selectors {
        match one(questions, recorder, &selector.0, domain).await {
            Ok(()) => {}
            Err(failure) if failure.reason().is_shortage() => lack = lack.or(Some(failure)),
            Err(failure) => fault = fault.or(Some(failure)),
        }
    }
    fault.or(lack).map_or(Ok(()), Err)
}

async fn one(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    selector: &str,
    domain: &str,
) -> Result<(), Failure> {
    let invalid =
        |why: String| Failure::new(Reason::DkimInvalid, format_args!("DKIM key {selector} of {domain}: {why}"));
    let name = format!("{selector}._domainkey.{domain}");
    // A record need not begin with its version.
    let records = questions.texts(&name, "", None).await?;
    recorder.read_with(&DKIM_KEY_PRESENT, &[selector], f64::from(u8::from(!records.is_empty())));
    let text = match &*records {
        [] => return Err(invalid("there is none".to_owned())),
        [text] => text,
        several => return Err(invalid(format!("{} records, and one is allowed", several.len()))),
    };
    let key = read(text).map_err(invalid)?;
    recorder.read_with(&DKIM_KEY_REVOKED, &[selector], f64::from(u8::from(key.bits == 0)));
    recorder.read_with(&DKIM_KEY_TESTING, &[selector], f64::from(u8::from(key.is_testing)));
    recorder.read_with(&DKIM_KEY_BITS, &[selector], key.bits as f64);
    recorder.read_with(&DKIM_KEY_INFO, &[selector, key.sort], 1.0);
    match key.bits {
        0 => Err(invalid("it was revoked".to_owned())),
        bits if key.sort == "rsa" && bits < RSA_BITS_MIN => {
            Err(invalid(format!("{bits} bits, and {RSA_BITS_MIN} are the least")))
        }
        _ => Ok(()),
    }
}

/// Whether it is a record that counts.
#[cfg(any(test, feature = "testkit"))]
pub(super) fn is_key(text: &str) -> bool {
    read(text).is_ok()
}

fn read(text: &str) -> Result<Key, String> {
    let tags = Tags::read(text)?;
    if tags.get("v").is_some() && !tags.begins_with("v", "DKIM1") {
        return Err("its version is not DKIM1, or does not stand first".to_owned());
    }
    let is_testing = tags.get("t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y"));
    let sort = match tags.get("k").unwrap_or("rsa") {
        "rsa" => "rsa",
        "ed25519" => "ed25519",
        other => return Err(format!("keys of sort {other:?} are not known")),
    };
    let key: String = tags.get("p").ok_or("the key is missing")?.split_ascii_whitespace().collect();
    if key.is_empty() {
        return Ok(Key { sort, bits: 0, is_testing });
    }
    let bytes = STANDARD.decode(&key).map_err(|_| "the key is not base64")?;
    let bits = match sort {
        "rsa" => rsa_bits(&bytes).filter(|bits| *bits > 0).ok_or("the key is no RSA key")?,
        _ if bytes.len() == ED25519_BYTES => ED25519_BYTES * 8,
        _ => return Err("the key is no Ed25519 key".to_owned()),
    };
    Ok(Key { sort, bits, is_testing })
}

/// Size of an RSA key: a `SubjectPublicKeyInfo` (RFC 5280 section 4.1), as most write it, or an `RSAPublicKey` (RFC 8017
/// appendix A.1.1).
fn rsa_bits(bytes: &[u8]) -> Option<usize> {
    let (tag, outer, _) = element(bytes)?;
    let (first, content, rest) = element(outer)?;
    if tag != SEQUENCE {
        return None;
    }
    let modulus = match first {
        INTEGER => content,
        SEQUENCE => {
            let (tag, string, _) = element(rest)?;
            let key = string.strip_prefix(&[0]).filter(|_| tag == BIT_STRING)?;
            let (tag, key, _) = element(key)?;
            let (inner, modulus, _) = element(key)?;
            (tag == SEQUENCE && inner == INTEGER).then_some(modulus)?
        }
        _ => return None,
    };
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    Some((modulus.len() - zeros) * 8 - first.leading_zeros() as usize)
}

/// One DER element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}", key in "(v=DKIM1; )?(k=(rsa|ed25519); )?p=[A-Za-z0-9+/]{0,80}={0,2}") {
            let _ = (is_key(&text), is_key(&key));
        }

        #[test]
        fn any_bytes_are_a_key_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), rest in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = rsa_bits(&bytes);
            // What looks like the beginning of one.
            let _ = rsa_bits(&[&[SEQUENCE, 0x24, SEQUENCE, 0x02, 0x05, 0x00, BIT_STRING, 0x1e, 0x00], &rest[..]].concat());
        }
    }
}
