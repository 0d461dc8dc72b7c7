//! Why an answer is not to be believed: which name, and what is wrong with it, in words.
//!
//! hickory says only that a proof does not hold. Here the replies that it had are looked through once more, from the root
//! downwards, for the first thing that explains it.

use chrono::DateTime;
use hickory_proto::dnssec::Verifier as _;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::anchors::vouches;
use super::proof::signed_type;

/// Most signatures of one set that are tried with one key (as hickory does, against CVE-2023-50387).
const SIGNATURES_MAX: usize = 8;

/// Most keys that are tried for one set.
const KEYS_MAX: usize = 4;

/// The signatures of one set of records.
pub(super) fn signatures<'a>(
    records: &'a [Record],
    name: &'a Name,
    kind: RecordType,
) -> impl Iterator<Item = &'a RRSIG> {
    let own = records.iter().filter(move |record| record.name == *name && signed_type(record) == Some(kind));
    own.filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    })
}

/// Whether one of the signatures of a set was made with one of these keys of a zone, and holds now; else why not.
pub(super) fn judge(
    name: &Name,
    kind: RecordType,
    records: &[&Record],
    signatures: &[&RRSIG],
    zone: &Name,
    keys: &[&DNSKEY],
    now: u64,
) -> Result<(), String> {
    let own: Vec<_> = signatures.iter().filter(|signature| signature.input().signer_name == *zone).collect();
    let Some(first) = own.first() else { return Err(format!("{name} {kind} has no signature of zone {zone}")) };
    let mut in_time = own.iter().filter(|signature| time_fault(signature, now).is_none()).take(SIGNATURES_MAX);
    let Some(sample) = in_time.clone().next() else {
        let fault = time_fault(first, now).unwrap_or_default();
        return Err(format!("the signature of {name} {kind} {fault}"));
    };
    let made = |signature: &RRSIG, key: &DNSKEY| {
        let input = signature.input();
        key.algorithm() == input.algorithm && key.calculate_key_tag().is_ok_and(|tag| tag == input.key_tag)
    };
    let mut is_key_known = false;
    let holds = in_time.any(|signature| {
        let fitting = keys.iter().filter(|key| made(signature, key)).take(KEYS_MAX);
        fitting.into_iter().any(|key| {
            is_key_known = true;
            key.verify_rrsig(name, DNSClass::IN, signature, records.iter().copied()).is_ok()
        })
    });
    match (holds, is_key_known) {
        (true, _) => Ok(()),
        (false, true) => Err(format!("the signature of {name} {kind} does not fit the key of zone {zone}")),
        (false, false) => {
            let tag = sample.input().key_tag;
            Err(format!("{name} {kind} is signed with the key {tag}, which zone {zone} does not vouch for"))
        }
    }
}

/// What is wrong with a signature at a time, in seconds since 1970. Its own times are 32 bits that begin anew (RFC 4034
/// section 3.1.5).
fn time_fault(signature: &RRSIG, now: u64) -> Option<String> {
    let input = signature.input();
    let now = i64::try_from(now).ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "serial numbers are the low 32 bits")]
    let low = now as u32;
    let whole = |serial: u32| now + i64::from(serial.wrapping_sub(low).cast_signed());
    let written = |at: i64| {
        let at = DateTime::from_timestamp(at, 0).unwrap_or_default();
        at.format("%Y-%m-%d %H:%M:%S UTC")
    };
    let (begin, end) = (whole(input.sig_inception.get()), whole(input.sig_expiration.get()));
    if end < now {
        Some(format!("ended on {}", written(end)))
    } else if begin > now {
        Some(format!("begins only on {}", written(begin)))
    } else {
        None
    }
}

/// Looks for the reason in all that was heard.
pub(super) fn why(name: &Name, kind: RecordType, replies: &[(Name, RecordType, Message)], now: u64) -> String {
    let mut replies: Vec<_> = replies.iter().collect();
    // Keys after the digests that vouch for them, and the answer last.
    replies.sort_by_key(|(owner, found, _)| {
        (*owner == *name && *found == kind, owner.num_labels(), *found != RecordType::DS)
    });
    let of = |zone: &Name, kind| replies.iter().find(|reply| reply.0 == *zone && reply.1 == kind).map(|reply| &reply.2);
    for (owner, found, reply) in &replies {
        if *found == RecordType::DNSKEY
            && let Some(fault) = of(owner, RecordType::DS).and_then(|above| break_of_chain(owner, reply, above))
        {
            return fault;
        }
        for (set, kind) in sets(reply) {
            let section = if reply.answers.is_empty() { &reply.authorities } else { &reply.answers };
            let signatures: Vec<_> = signatures(section, set, kind).collect();
            let Some(signer) = signatures.first().map(|signature| &signature.input().signer_name) else { continue };
            let Some(keys) = of(signer, RecordType::DNSKEY).map(keys) else { continue };
            let own = section.iter().filter(|record| record.name == *set && record.record_type() == kind);
            let own: Vec<_> = own.collect();
            if let Err(fault) = judge(set, kind, &own, &signatures, signer, &keys, now) {
                return fault;
            }
        }
    }
    let answer = of(name, kind);
    if answer.is_some_and(|answer| answer.answers.iter().any(|record| record.record_type() == kind)) {
        format!("{name} {kind} has no signature, although its zone is signed")
    } else {
        format!("nothing proves that there is no {name} {kind}, although its zone is signed")
    }
}

/// The sets of records of a reply that are signed as a rule.
fn sets(reply: &Message) -> Vec<(&Name, RecordType)> {
    let section = if reply.answers.is_empty() { &reply.authorities } else { &reply.answers };
    let all = section.iter().map(|record| (&record.name, record.record_type()));
    let mut sets: Vec<_> = all.filter(|(_, kind)| !matches!(kind, RecordType::RRSIG | RecordType::NS)).collect();
    sets.sort_unstable();
    sets.dedup();
    sets
}

fn keys(reply: &Message) -> Vec<&DNSKEY> {
    let all = reply.answers.iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
        _ => None,
    });
    all.collect()
}

/// Whether a zone has none of the keys that its parent vouches for.
fn break_of_chain(zone: &Name, reply: &Message, above: &Message) -> Option<String> {
    let digests: Vec<&DS> = above
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DS(digest)) => Some(digest),
            _ => None,
        })
        .collect();
    let keys = keys(reply);
    if digests.is_empty() || digests.iter().any(|digest| keys.iter().any(|key| vouches(digest, zone, key))) {
        return None;
    }
    Some(if keys.is_empty() {
        format!("zone {zone} has no keys, although its parent vouches for one")
    } else {
        format!("zone {zone} has none of the keys that its parent vouches for")
    })
}
