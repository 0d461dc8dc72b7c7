//! The token in every mail that is sent: whose it is, when it was sent, and that nobody else made it up.
//!
//! It is the only state there is. Text: `t1`, then in hexadecimal the check's hash, the time, the number, random bytes and
//! a seal over all of them. Knows no mail.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use aws_lc_rs::{constant_time, digest, hmac, rand};

use crate::failure::{Failure, Reason};

/// The version, with which every token begins.
const VERSION: &str = "t1";
/// Bytes that tell checks apart. Chosen: no two of a thousand checks share them.
const CHECK_BYTES: usize = 6;
/// Bytes of a time in milliseconds: enough for ten thousand years.
const TIME_BYTES: usize = 6;
/// Bytes of a number.
const NUMBER_BYTES: usize = 4;
/// Random bytes. Chosen: no two runs share them.
const NONCE_BYTES: usize = 8;
/// Bytes of the seal (RFC 2104 section 5: at least half of the hash).
const SEAL_BYTES: usize = 16;
/// Bytes that are sealed.
const CONTENT_BYTES: usize = CHECK_BYTES + TIME_BYTES + NUMBER_BYTES + NONCE_BYTES;
/// Length of a token's text in bytes.
pub(super) const TEXT_BYTES: usize = VERSION.len() + 2 * (CONTENT_BYTES + SEAL_BYTES);
/// What a seal is for, so that the key seals nothing else.
const PURPOSE: &[u8] = b"tuermer mail token 1";

/// Which check a token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CheckId([u8; CHECK_BYTES]);

impl CheckId {
    /// The identity of a check: what these parts, together, tell from others.
    pub(super) fn of(parts: &[&str]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let hash = context.finish();
        Self(std::array::from_fn(|at| hash.as_ref()[at]))
    }

    /// How the tokens of the check begin.
    pub(super) fn prefix(self) -> String {
        let mut text = VERSION.to_owned();
        hexadecimal(&mut text, &self.0);
        text
    }
}

/// What seals tokens.
pub(super) struct Key {
    key: hmac::Key,
    /// Whether the key outlives the process, so that a seal that does not fit was made by somebody else.
    pub(super) lasts: bool,
}

impl Key {
    /// The operator's key.
    pub(super) fn of_secret(secret: &str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), lasts: true }
    }

    /// A key that lives as long as the process.
    pub(super) fn of_process() -> Result<Self, Failure> {
        static KEY: OnceLock<[u8; 32]> = OnceLock::new();
        let bytes = match KEY.get() {
            Some(bytes) => bytes,
            None => {
                let fresh: [u8; 32] = random()?;
                KEY.get_or_init(|| fresh)
            }
        };
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, bytes), lasts: false })
    }

    fn seal(&self, content: &[u8]) -> [u8; SEAL_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(PURPOSE);
        context.update(content);
        let tag = context.sign();
        std::array::from_fn(|at| tag.as_ref()[at])
    }
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) check: CheckId,
    /// When the mail was made, in milliseconds since 1970.
    pub(super) sent_millis: u64,
    /// Which mail of its process it is.
    pub(super) number: u32,
    nonce: [u8; NONCE_BYTES],
    seal: [u8; SEAL_BYTES],
}

impl Token {
    /// A new token.
    pub(super) fn new(key: &Key, check: CheckId, at: SystemTime, number: u32) -> Result<Self, Failure> {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let sent_millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX) & MILLIS_MAX;
        let mut token = Self { check, sent_millis, number, nonce: random()?, seal: [0; SEAL_BYTES] };
        token.seal = key.seal(&token.content());
        Ok(token)
    }

    /// The token as it stands in a mail.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(TEXT_BYTES);
        text.push_str(VERSION);
        hexadecimal(&mut text, &self.content());
        hexadecimal(&mut text, &self.seal);
        text
    }

    /// Reads a token's text, in either case. Says nothing about its seal.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (version, digits) = text.split_at_checked(VERSION.len())?;
        if !version.eq_ignore_ascii_case(VERSION.as_bytes()) || text.len() != TEXT_BYTES {
            return None;
        }
        let mut bytes = [0; CONTENT_BYTES + SEAL_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        let (check, rest) = bytes.split_first_chunk::<CHECK_BYTES>()?;
        let (time, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
        let (number, rest) = rest.split_first_chunk::<NUMBER_BYTES>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let (seal, _) = rest.split_first_chunk::<SEAL_BYTES>()?;
        let sent_millis = time.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let number = u32::from_be_bytes(*number);
        Some(Self { check: CheckId(*check), sent_millis, number, nonce: *nonce, seal: *seal })
    }

    /// The tokens in a text, whatever stands around them.
    pub(super) fn all_in(text: &[u8]) -> impl Iterator<Item = Self> {
        text.windows(TEXT_BYTES).filter_map(Self::parse)
    }

    /// Whether the key sealed it.
    pub(super) fn is_sealed_by(&self, key: &Key) -> bool {
        constant_time::verify_slices_are_equal(&key.seal(&self.content()), &self.seal).is_ok()
    }

    /// When the mail was made.
    pub(super) fn sent(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.sent_millis)
    }

    fn content(&self) -> [u8; CONTENT_BYTES] {
        let time = self.sent_millis.to_be_bytes();
        let parts =
            [&self.check.0[..], &time[time.len() - TIME_BYTES..], &self.number.to_be_bytes()[..], &self.nonce[..]];
        let mut content = [0; CONTENT_BYTES];
        for (byte, from) in content.iter_mut().zip(parts.into_iter().flatten()) {
            *byte = *from;
        }
        content
    }
}

/// The largest time that fits.
const MILLIS_MAX: u64 = (1 << (8 * TIME_BYTES)) - 1;

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Failure> {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).map_err(|_| Failure::new(Reason::AgentMemory, "no random numbers for the mail's token"))?;
    Ok(bytes)
}

fn hexadecimal(text: &mut String, bytes: &[u8]) {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    text.extend(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)));
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn token(key: &Key) -> Token {
        Token::new(key, CheckId::of(&["a", "b"]), at(1_700_000_000_123), 7).expect("random numbers")
    }

    #[test]
    fn a_token_is_read_as_it_was_written_and_in_upper_case() {
        let key = Key::of_secret("k");
        let token = token(&key);
        let text = token.text();
        assert_eq!(text.len(), TEXT_BYTES);
        assert!(text.starts_with(&CheckId::of(&["a", "b"]).prefix()));
        assert_eq!(Token::parse(text.as_bytes()).as_ref(), Some(&token));
        assert_eq!(Token::parse(text.to_ascii_uppercase().as_bytes()).as_ref(), Some(&token));
        assert_eq!(token.sent(), at(1_700_000_000_123));
    }

    #[test]
    fn parts_of_a_check_are_kept_apart() {
        assert_ne!(CheckId::of(&["ab", "c"]), CheckId::of(&["a", "bc"]));
    }

    #[test]
    fn a_token_is_found_in_a_text() {
        let key = Key::of_secret("k");
        let token = token(&key);
        let text = format!("Message-ID: <t1{}@x>", token.text());
        assert_eq!(Token::all_in(text.as_bytes()).collect::<Vec<_>>(), [token]);
    }

    #[test]
    fn another_key_seals_otherwise() {
        let token = token(&Key::of_secret("k"));
        assert!(token.is_sealed_by(&Key::of_secret("k")));
        assert!(!token.is_sealed_by(&Key::of_secret("K")));
        assert!(!token.is_sealed_by(&Key::of_process().expect("random numbers")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Token::parse(&text);
            let _ = Token::all_in(&text).count();
        }

        #[test]
        fn what_was_changed_is_not_sealed(millis in 0..MILLIS_MAX, number: u32, byte in 0..CONTENT_BYTES + SEAL_BYTES, bit in 0..8_u32) {
            let key = Key::of_secret("k");
            let token = Token::new(&key, CheckId::of(&["x"]), at(millis), number).expect("random numbers");
            let text = token.text();
            let read = Token::parse(text.as_bytes()).expect("a token");
            prop_assert!(read.is_sealed_by(&key));
            prop_assert_eq!((read.sent_millis, read.number), (millis, number));
            let at = VERSION.len() + 2 * byte;
            let changed = u8::from_str_radix(&text[at..at + 2], 16).expect("digits") ^ (1 << bit);
            let changed = format!("{}{changed:02x}{}", &text[..at], &text[at + 2..]);
            prop_assert!(!Token::parse(changed.as_bytes()).expect("a token").is_sealed_by(&key));
        }
    }
}
