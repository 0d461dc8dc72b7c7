//! The question as bytes: written once when a module is loaded; a run changes the id only.
//!
//! Knows no socket.

use std::hash::{BuildHasher, RandomState};

use super::codes::{RecordClass, RecordType};
use super::edns;
use super::settings::EdnsSettings;
use super::wire::{HEADER_BYTES, LABEL_BYTES_MAX, NAME_BYTES_MAX};

/// Length of the field before a message on a stream (RFC 1035 section 4.2.2).
const LENGTH_BYTES: usize = 2;

/// Flags of a question (RFC 1035 section 4.1.1, RFC 4035 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) recursion_desired: bool,
    pub(super) authentic_data: bool,
    pub(super) checking_disabled: bool,
}

/// A question.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// Length, header, question, EDNS; the id is zero.
    framed: Vec<u8>,
    question_end: usize,
    pub(super) kind: RecordType,
    pub(super) class: RecordClass,
    /// As dig would show it.
    pub(super) text: String,
}

impl Query {
    /// Writes the question down. `name` is made absolute.
    pub(super) fn new(
        name: &str,
        kind: RecordType,
        class: RecordClass,
        flags: Flags,
        edns: Option<&EdnsSettings>,
    ) -> Result<Self, String> {
        let bit = |set: bool, bit: u16| if set { bit } else { 0 };
        let bits = bit(flags.recursion_desired, 0x0100)
            | bit(flags.authentic_data, 0x0020)
            | bit(flags.checking_disabled, 0x0010);
        let mut framed = vec![0; LENGTH_BYTES];
        for short in [0, bits, 1, 0, 0, u16::from(edns.is_some())] {
            framed.extend(short.to_be_bytes());
        }
        framed.extend(name_bytes(name)?);
        framed.extend(kind.0.to_be_bytes());
        framed.extend(class.0.to_be_bytes());
        let question_end = framed.len();
        if let Some(edns) = edns {
            // Root name, type, size for class, flags for TTL (RFC 6891 section 6.1.2).
            framed.push(0);
            framed.extend(RecordType::OPT.0.to_be_bytes());
            framed.extend(edns.udp_payload_size.to_be_bytes());
            framed.extend((if edns.dnssec_ok { edns::DNSSEC_OK } else { 0 }).to_be_bytes());
            if edns.nsid {
                framed.extend(4_u16.to_be_bytes());
                framed.extend(edns::NSID.to_be_bytes());
            }
            // Length of the options, or of the identifier that is asked for.
            framed.extend(0_u16.to_be_bytes());
        }
        let length = u16::try_from(framed.len() - LENGTH_BYTES).expect("a question is shorter than 1 KiB");
        framed[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());

        let absolute = if name.ends_with('.') && !name.ends_with("\\.") { "" } else { "." };
        let mut text = format!("{name}{absolute} {class} {kind}");
        for (set, name) in
            [(flags.recursion_desired, " +rd"), (flags.authentic_data, " +ad"), (flags.checking_disabled, " +cd")]
        {
            text.push_str(if set { name } else { "" });
        }
        if let Some(edns) = edns {
            text.push_str(&format!(" +edns={}", edns.udp_payload_size));
            text.push_str(if edns.dnssec_ok { " +do" } else { "" });
            text.push_str(if edns.nsid { " +nsid" } else { "" });
        }
        Ok(Self { framed, question_end, kind, class, text })
    }

    /// The question with this id, and its length before it.
    pub(super) fn framed(&self, id: u16) -> Vec<u8> {
        let mut framed = self.framed.clone();
        framed[LENGTH_BYTES..LENGTH_BYTES + 2].copy_from_slice(&id.to_be_bytes());
        framed
    }

    /// The question with this id, as a datagram.
    pub(super) fn datagram(&self, id: u16) -> Vec<u8> {
        let mut datagram = self.framed[LENGTH_BYTES..].to_vec();
        datagram[..2].copy_from_slice(&id.to_be_bytes());
        datagram
    }

    /// Header and question without the length: where the name can be read like any other.
    pub(super) fn question(&self) -> &[u8] {
        &self.framed[LENGTH_BYTES..self.question_end]
    }
}

/// Where in [`Query::question`] the name begins.
pub(super) const NAME_AT: usize = HEADER_BYTES;

/// An id that cannot be guessed: a keyed hash (SipHash) whose key comes from the operating system and differs each time.
pub(super) fn random_id() -> u16 {
    RandomState::new().hash_one(0_u8) as u16
}

/// A name as length-prefixed labels (RFC 1035 section 3.1). Takes `\DDD` and `\X` (section 5.1); other bytes stand for
/// themselves.
pub(super) fn name_bytes(name: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    let mut label = Vec::new();
    let mut input = name.bytes();
    let mut open = false;
    while let Some(byte) = input.next() {
        open = byte != b'.';
        match byte {
            b'.' if label.is_empty() && name != "." => return Err(format!("{name:?} has an empty label")),
            b'.' => end_label(name, &mut bytes, &mut label)?,
            b'\\' => label.push(escaped(&mut input).ok_or_else(|| format!("{name:?} has an incomplete escape"))?),
            byte => label.push(byte),
        }
    }
    if open {
        end_label(name, &mut bytes, &mut label)?;
    }
    bytes.push(0);
    if bytes.len() > NAME_BYTES_MAX { Err(format!("{name:?} is longer than 255 bytes")) } else { Ok(bytes) }
}

fn end_label(name: &str, bytes: &mut Vec<u8>, label: &mut Vec<u8>) -> Result<(), String> {
    match u8::try_from(label.len()) {
        Ok(0) => {}
        Ok(length) if label.len() <= LABEL_BYTES_MAX => {
            bytes.push(length);
            bytes.append(label);
        }
        _ => return Err(format!("{name:?} has a label of more than 63 bytes")),
    }
    Ok(())
}

/// The byte that an escape stands for: three digits, or any one character.
fn escaped(input: &mut std::str::Bytes<'_>) -> Option<u8> {
    let mut ahead = input.clone();
    let first = ahead.next()?;
    if let (b'0'..=b'9', Some(b'0'..=b'9'), Some(b'0'..=b'9')) = (first, ahead.next(), ahead.next()) {
        let digits = input.by_ref().take(3);
        return u8::try_from(digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))).ok();
    }
    input.next()
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;

    use super::*;

    const PLAIN: Flags = Flags { recursion_desired: false, authentic_data: false, checking_disabled: false };

    fn query(name: &str) -> Query {
        Query::new(name, RecordType(28), RecordClass::IN, PLAIN, None).expect("a question")
    }

    #[test]
    fn another_library_reads_the_question() {
        let flags = Flags { recursion_desired: true, authentic_data: true, checking_disabled: true };
        let edns = EdnsSettings { udp_payload_size: 1400, dnssec_ok: true, nsid: true };
        let query = Query::new("WWW.example.com", RecordType(65400), RecordClass(3), flags, Some(&edns));
        let query = query.expect("a question");
        assert_eq!(query.text, "WWW.example.com. CH TYPE65400 +rd +ad +cd +edns=1400 +do +nsid");
        let message = Message::from_vec(&query.datagram(0x1234)).expect("a message");
        assert_eq!(message.metadata.id, 0x1234);
        assert!(message.metadata.recursion_desired && message.metadata.authentic_data);
        assert!(message.metadata.checking_disabled);
        assert_eq!(message.queries.len(), 1);
        assert_eq!(message.queries[0].name().to_ascii(), "WWW.example.com.");
        assert_eq!(u16::from(message.queries[0].query_type()), 65400);
        let edns = message.edns.expect("EDNS");
        assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (1400, true));
        assert!(edns.option(hickory_proto::rr::rdata::opt::EdnsCode::NSID).is_some());
    }

    #[test]
    fn a_frame_is_a_datagram_with_its_length_before_it() {
        let query = query("a.");
        let datagram = query.datagram(7);
        assert_eq!(query.framed(7), [&[0, 19], &datagram[..]].concat());
    }

    #[test]
    fn names_are_made_absolute_and_escapes_are_read() {
        let bytes = |name| name_bytes(name).expect("a name");
        assert_eq!(bytes("."), [0]);
        assert_eq!(bytes("ab.c"), b"\x02ab\x01c\0");
        assert_eq!(bytes("ab.c."), b"\x02ab\x01c\0");
        assert_eq!(bytes("a\\.b.c"), b"\x03a.b\x01c\0");
        assert_eq!(bytes("a\\098c"), b"\x03abc\0");
        assert_eq!(bytes("a\\."), b"\x02a.\0");
        assert_eq!(query("a.").text, "a. IN AAAA");
        assert_eq!(query("a").text, "a. IN AAAA");
    }

    #[test]
    fn impossible_names_are_refused() {
        let refused = |name: &str| name_bytes(name).expect_err("a refusal");
        assert_eq!(refused("a..b"), "\"a..b\" has an empty label");
        assert_eq!(refused(".a"), "\".a\" has an empty label");
        assert_eq!(refused("a\\"), "\"a\\\\\" has an incomplete escape");
        assert_eq!(refused("a\\999"), "\"a\\\\999\" has an incomplete escape");
        assert!(refused(&"a".repeat(64)).ends_with("has a label of more than 63 bytes"));
        assert!(refused(&"abc.".repeat(64)).ends_with("is longer than 255 bytes"));
    }

    #[test]
    fn ids_differ() {
        let first = random_id();
        assert!((0..64).any(|_| random_id() != first));
    }
}
