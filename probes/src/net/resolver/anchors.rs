//! Trust anchors: the keys that proofs of DNSSEC begin with (RFC 4033 section 2).
//!
//! The root's are built in. More are read from text as zone files have it (RFC 1035 section 5.1), so that what
//! `dnssec-keygen` and `dnssec-dsfromkey` write, and the files of unbound, can be used as they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKey as _, PublicKeyBuf, TrustAnchors, Verifier as _};
use hickory_proto::op::Message;
use hickory_proto::rr::{LowerName, Name, RData, RecordType};

use super::bogus;

/// Most trust anchors. Chosen: a large organisation has a handful of private zones, each with an old and a new key.
const ANCHORS_MAX: usize = 100;

/// Longest name of a zone, key or digest that an error quotes, in bytes.
const SHOWN_MAX: usize = 60;

/// Keys that are trusted by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchors(Vec<Anchor>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Anchor {
    zone: Name,
    key: Key,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Itself { bytes: Vec<u8>, algorithm: Algorithm },
    Digest(DS),
}

/// What is wrong with a text of trust anchors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorFault {
    /// Where in the text, in bytes.
    pub place: usize,
    /// What, for people.
    pub message: String,
}

impl Default for Anchors {
    /// The root's.
    fn default() -> Self {
        let built_in = TrustAnchors::default();
        let keys = (0..built_in.len()).filter_map(|index| built_in.get(index)).map(|key| Anchor {
            zone: Name::root(),
            key: Key::Itself { bytes: key.public_bytes().to_vec(), algorithm: key.algorithm() },
        });
        Self(keys.collect())
    }
}

impl Anchors {
    /// The root's, and those of a text: records of the types DS and DNSKEY, as a zone file has them.
    pub fn read(text: &str) -> Result<Self, AnchorFault> {
        let mut anchors = Self::default();
        let built_in = anchors.0.len();
        for entry in entries(text)? {
            if anchors.0.len() - built_in == ANCHORS_MAX {
                let message = format!("more than {ANCHORS_MAX} trust anchors");
                return Err(AnchorFault { place: entry[0].place, message });
            }
            anchors.0.push(anchor(&entry)?);
        }
        if anchors.0.len() == built_in {
            return Err(AnchorFault { place: 0, message: "there is no trust anchor".to_owned() });
        }
        Ok(anchors)
    }

    /// The zone with an anchor that is the closest above a name: the root, if there is no other.
    pub(super) fn closest(&self, name: &Name) -> &Name {
        let above = self.0.iter().map(|anchor| &anchor.zone).filter(|zone| zone.zone_of(name));
        above.max_by_key(|zone| zone.num_labels()).unwrap_or_else(|| &self.0[0].zone)
    }

    /// All keys of a zone, if one that is trusted vouches for them; else why they are not to be believed.
    pub(super) fn keys(&self, zone: &Name, reply: &Message, now: u64) -> Result<TrustAnchors, String> {
        let own = reply.answers.iter().filter(|record| record.name == *zone);
        let (records, keys): (Vec<_>, Vec<_>) = own
            .filter_map(|record| match &record.data {
                RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some((record, key)),
                _ => None,
            })
            .unzip();
        if keys.is_empty() {
            return Err(format!("zone {zone} has no keys, although one is a trust anchor"));
        }
        let trusted: Vec<&DNSKEY> =
            keys.iter().copied().filter(|key| key.zone_key() && !key.revoke() && self.holds(zone, key)).collect();
        if trusted.is_empty() {
            return Err(format!("none of the keys of zone {zone} is a trust anchor"));
        }
        let signatures: Vec<&RRSIG> = bogus::signatures(&reply.answers, zone, RecordType::DNSKEY).collect();
        bogus::judge(zone, RecordType::DNSKEY, &records, &signatures, zone, &trusted, now)?;
        let mut anchors = TrustAnchors::empty();
        for key in keys {
            anchors.insert_with_name(key.public_key(), LowerName::from(zone));
        }
        Ok(anchors)
    }

    fn holds(&self, zone: &Name, key: &DNSKEY) -> bool {
        let own = self.0.iter().filter(|anchor| anchor.zone == *zone);
        own.map(|anchor| &anchor.key).any(|anchor| match anchor {
            Key::Itself { bytes, algorithm } => {
                key.algorithm() == *algorithm && key.public_key().public_bytes() == bytes.as_slice()
            }
            Key::Digest(digest) => vouches(digest, zone, key),
        })
    }
}

/// Whether a digest is a key's.
pub(super) fn vouches(digest: &DS, zone: &Name, key: &DNSKEY) -> bool {
    digest.algorithm() == key.algorithm()
        && key.calculate_key_tag().is_ok_and(|tag| tag == digest.key_tag())
        && digest.covers(zone, key).unwrap_or(false)
}

/// A word of the text, and where it stands.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    place: usize,
}

impl Word<'_> {
    fn fault(self, what: &str) -> AnchorFault {
        let shown = crate::failure::shown(self.text.as_bytes(), SHOWN_MAX);
        AnchorFault { place: self.place, message: format!("`{shown}` is not {what}") }
    }
}

/// The words of each record: of a line, or of several in parentheses. Comments begin with `;`.
fn entries(text: &str) -> Result<Vec<Vec<Word<'_>>>, AnchorFault> {
    let (mut entries, mut words, mut open) = (Vec::new(), Vec::new(), None);
    let mut place = 0;
    for line in text.split_inclusive('\n') {
        let content = line.split(';').next().unwrap_or_default();
        let mut start = None;
        for (at, letter) in content.char_indices().chain([(content.len(), ' ')]) {
            let is_mark = matches!(letter, '(' | ')');
            if !is_mark && !letter.is_whitespace() {
                start.get_or_insert(at);
                continue;
            }
            if let Some(start) = start.take() {
                words.push(Word { text: &content[start..at], place: place + start });
            }
            match letter {
                '(' if open.is_none() => open = Some(place + at),
                ')' if open.is_some() => open = None,
                _ if is_mark => {
                    let message = format!("a `{letter}` too many");
                    return Err(AnchorFault { place: place + at, message });
                }
                _ => {}
            }
        }
        if open.is_none() && !words.is_empty() {
            entries.push(std::mem::take(&mut words));
        }
        place += line.len();
    }
    match open {
        Some(place) => Err(AnchorFault { place, message: "this `(` is not closed".to_owned() }),
        None => Ok(entries),
    }
}

/// `ZONE [TTL] [IN] DNSKEY FLAGS PROTOCOL ALGORITHM KEY` or `ZONE [TTL] [IN] DS TAG ALGORITHM DIGEST-TYPE DIGEST`
/// (RFC 4034 sections 2.2 and 5.3).
fn anchor(words: &[Word<'_>]) -> Result<Anchor, AnchorFault> {
    let (zone, rest) = words.split_first().expect("an entry has words");
    let name = zone.text.ends_with('.').then(|| Name::from_ascii(zone.text).ok()).flatten();
    let name = name.ok_or_else(|| zone.fault("the name of a zone with a dot at its end"))?;
    let is_number = |word: &&Word<'_>| word.text.parse::<u32>().is_ok();
    let rest = rest.split_first().filter(|(word, _)| is_number(word)).map_or(rest, |(_, rest)| rest);
    let is_class = |word: &&Word<'_>| word.text.eq_ignore_ascii_case("IN");
    let rest = rest.split_first().filter(|(word, _)| is_class(word)).map_or(rest, |(_, rest)| rest);
    let is_kind = |word: &&Word<'_>| ["DS", "DNSKEY"].iter().any(|kind| word.text.eq_ignore_ascii_case(kind));
    if let Some(word) = rest.first().filter(|word| !is_kind(word)) {
        return Err(word.fault("the type of a trust anchor: DS or DNSKEY"));
    }
    let [kind, first, second, third, data_begin, ..] = rest else {
        let place = words.last().unwrap_or(zone).place;
        return Err(AnchorFault { place, message: "the record ends too early".to_owned() });
    };
    let data = &rest[4..];
    let algorithm = |word: &Word<'_>| {
        let algorithm = Algorithm::from_u8(word.text.parse().map_err(|_| word.fault("the number of an algorithm"))?);
        let fault = || word.fault("the number of an algorithm that can be verified here");
        if algorithm.is_supported() { Ok(algorithm) } else { Err(fault()) }
    };
    let joined: String = data.iter().map(|word| word.text).collect();
    let key = if kind.text.eq_ignore_ascii_case("DNSKEY") {
        let flags = first.text.parse().map_err(|_| first.fault("the flags of a key"))?;
        if second.text != "3" {
            return Err(second.fault("the protocol of DNSSEC keys, which is 3"));
        }
        let algorithm = algorithm(third)?;
        let bytes = STANDARD.decode(joined).ok().filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or_else(|| data_begin.fault("a key in base64"))?;
        let key = DNSKEY::with_flags(flags, PublicKeyBuf::new(bytes.clone(), algorithm));
        if !key.zone_key() || key.revoke() {
            return Err(first.fault("the flags of a key that zones are signed with: 257, or 256"));
        }
        Key::Itself { bytes, algorithm }
    } else {
        let tag = first.text.parse().map_err(|_| first.fault("the tag of a key"))?;
        let algorithm = algorithm(second)?;
        let digest_type = third.text.parse::<u8>().map(DigestType::from);
        let digest_type = digest_type.ok().filter(DigestType::is_supported);
        let digest_type = digest_type.ok_or_else(|| third.fault("the type of a digest: 1, 2 or 4"))?;
        let digest = hex(&joined).ok_or_else(|| data_begin.fault("a digest in hexadecimal digits"))?;
        Key::Digest(DS::new(tag, algorithm, digest_type, digest))
    };
    Ok(Anchor { zone: name, key })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
