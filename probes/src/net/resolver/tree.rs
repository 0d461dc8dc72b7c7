//! A name server for tests that answers as a resolver would, of zones that it signs itself: the root, `test.`,
//! `signed.test.` and, without signatures, `bare.test.`.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_net::runtime::{Time as _, TokioTime};
use hickory_proto::dnssec::crypto::Ed25519SigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, RRSIG};
use hickory_proto::dnssec::{DigestType, PublicKey as _, SigningKey as _, TBS};
use hickory_proto::op::{Edns, Message, OpCode};
use hickory_proto::rr::rdata::name::{CNAME, NS};
use hickory_proto::rr::rdata::tlsa::TLSA;
use hickory_proto::rr::rdata::{MX, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};

use crate::testkit::Responder;

/// A day in seconds.
const DAY: u32 = 86_400;

pub(crate) fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

/// The present, as signatures have it.
fn now() -> u32 {
    u32::try_from(TokioTime::current_time()).expect("before 2106")
}

pub(crate) struct Zone {
    name: Name,
    key: Ed25519SigningKey,
    /// Whether it has a key, and its parent vouches for that.
    pub(crate) is_signed: bool,
    /// When its signatures begin and end, in seconds before and after now.
    pub(crate) window: (i64, i64),
    pub(crate) records: Vec<(Name, RData)>,
}

fn key() -> Ed25519SigningKey {
    let made = Ed25519SigningKey::generate_pkcs8().expect("a key");
    Ed25519SigningKey::from_pkcs8(&made).expect("a key")
}

impl Zone {
    fn new(text: &str, records: Vec<(&str, RData)>) -> Self {
        let records = records.into_iter().map(|(owner, data)| (name(owner), data)).collect();
        let day = i64::from(DAY);
        Self { name: name(text), key: key(), is_signed: true, window: (day, day), records }
    }

    fn dnskey(&self) -> DNSKEY {
        DNSKEY::with_flags(257, self.key.to_public_key().expect("a key"))
    }

    /// Signs with another key than its parent vouches for.
    fn digest(&self) -> DS {
        let key = self.dnskey();
        let digest = key.to_digest(&self.name, DigestType::SHA256).expect("a digest");
        let tag = key.calculate_key_tag().expect("a tag");
        DS::new(tag, self.key.algorithm(), DigestType::SHA256, digest.as_ref().to_vec())
    }

    fn own(&self, owner: &Name) -> Vec<RData> {
        let mut all: Vec<RData> =
            self.records.iter().filter(|(name, _)| name == owner).map(|(_, data)| data.clone()).collect();
        if *owner == self.name {
            all.push(RData::NS(NS(name("ns.test."))));
            all.push(RData::SOA(SOA::new(name("ns.test."), name("root.test."), 1, 1, 1, 1, 60)));
            if self.is_signed {
                all.push(RData::DNSSEC(DNSSECRData::DNSKEY(self.dnskey())));
            }
        }
        all
    }

    /// The records of one type, and their signature.
    fn set(&self, owner: &Name, data: Vec<RData>) -> Vec<Record> {
        let mut records: Vec<Record> =
            data.into_iter().map(|data| Record::from_rdata(owner.clone(), 60, data)).collect();
        let Some(first) = records.first().filter(|_| self.is_signed) else { return records };
        let at = |offset: i64| SerialNumber::new(u32::try_from(i64::from(now()) + offset).expect("near now"));
        let input = SigInput {
            type_covered: first.record_type(),
            algorithm: self.key.algorithm(),
            num_labels: owner.num_labels(),
            original_ttl: 60,
            sig_expiration: at(self.window.1),
            sig_inception: at(-self.window.0),
            key_tag: self.dnskey().calculate_key_tag().expect("a tag"),
            signer_name: self.name.clone(),
        };
        let signed = TBS::from_input(owner, DNSClass::IN, &input, records.iter()).expect("records");
        let signature = RRSIG::from_sig(input, self.key.sign(&signed).expect("a signature"));
        records.push(Record::from_rdata(owner.clone(), 60, RData::DNSSEC(DNSSECRData::RRSIG(signature))));
        records
    }
}

/// Zones from the root downwards.
pub(crate) struct Tree {
    zones: Vec<Zone>,
    /// The zone whose parent vouches for another key.
    pub(crate) is_severed: Option<Name>,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let mx = |host| RData::MX(MX::new(10, name(host)));
        let alias = |other| RData::CNAME(CNAME(name(other)));
        let tlsa = RData::TLSA(TLSA::new(3.into(), 1.into(), 1.into(), vec![7; 32]));
        let signed = vec![
            ("signed.test.", mx("mail.signed.test.")),
            ("_25._tcp.mail.signed.test.", tlsa),
            ("inner.signed.test.", alias("signed.test.")),
            ("outer.signed.test.", alias("bare.test.")),
            ("loop.signed.test.", alias("loop.signed.test.")),
        ];
        let bare = vec![("bare.test.", mx("mail.bare.test."))];
        let zones = vec![
            Zone::new(".", Vec::new()),
            Zone::new("test.", Vec::new()),
            Zone::new("signed.test.", signed),
            Zone { is_signed: false, ..Zone::new("bare.test.", bare) },
        ];
        Self { zones, is_severed: None }
    }

    pub(crate) fn zone(&mut self, text: &str) -> &mut Zone {
        self.zones.iter_mut().find(|zone| zone.name == name(text)).expect("a zone")
    }

    /// The key of a zone as a trust anchor.
    pub(crate) fn anchor(&self, text: &str) -> String {
        let zone = self.zones.iter().find(|zone| zone.name == name(text)).expect("a zone");
        format!("{text} IN DNSKEY 257 3 15 {}\n", STANDARD.encode(zone.dnskey().public_key().public_bytes()))
    }

    /// Its digest as a trust anchor.
    pub(crate) fn digest(&self, text: &str) -> String {
        let zone = self.zones.iter().find(|zone| zone.name == name(text)).expect("a zone");
        let digest = zone.digest();
        let bytes: String = digest.digest().iter().map(|byte| format!("{byte:02X}")).collect();
        format!("{text} DS {} 15 2 {bytes}\n", digest.key_tag())
    }

    /// Answers a question in full.
    fn answer(&self, owner: &Name, kind: RecordType, reply: &mut Message) {
        let above = self.zones.iter().filter(|zone| zone.name.zone_of(owner));
        // That a zone is signed is its parent's word.
        let above = above.filter(|zone| kind != RecordType::DS || zone.name != *owner || owner.is_root());
        let zone = above.max_by_key(|zone| zone.name.num_labels()).expect("the root is above all");
        let mut own = zone.own(owner);
        let child = self.zones.iter().find(|child| child.name == *owner && child.name != zone.name);
        if let Some(child) = child {
            own.push(RData::NS(NS(name("ns.test."))));
            if child.is_signed {
                let is_severed = self.is_severed.as_ref() == Some(&child.name);
                let digest = if is_severed { Zone::new("signed.test.", Vec::new()).digest() } else { child.digest() };
                own.push(RData::DNSSEC(DNSSECRData::DS(digest)));
            }
        }
        let of = |kind| own.iter().filter(|data| data.record_type() == kind).cloned().collect::<Vec<_>>();
        let (found, alias) = (of(kind), of(RecordType::CNAME));
        if !found.is_empty() {
            reply.answers.extend(zone.set(owner, found));
        } else if let [RData::CNAME(target)] = alias.as_slice() {
            reply.answers.extend(zone.set(owner, alias.clone()));
            if target.0 != *owner {
                self.answer(&target.0, kind, reply);
            }
        } else {
            let soa = zone.own(&zone.name).into_iter().filter(|data| data.record_type() == RecordType::SOA).collect();
            let mut authorities = zone.set(&zone.name, soa);
            if zone.is_signed {
                // Nothing lies between a name and the next that is possible (RFC 4470).
                let kinds: BTreeSet<_> = own.iter().map(RData::record_type).collect();
                let next = owner.prepend_label(&b"\0"[..]).expect("a name");
                let denial = NSEC::new_cover_self(next, kinds);
                authorities.extend(zone.set(owner, vec![RData::DNSSEC(DNSSECRData::NSEC(denial))]));
            }
            reply.authorities.extend(authorities);
        }
    }

    /// Serves the zones; `change` may change a reply, and says whether it is sent.
    pub(crate) async fn serve(
        self,
        change: impl Fn(&Name, RecordType, &mut Message) -> bool + Send + Sync + 'static,
    ) -> Responder {
        Responder::udp(move |bytes| {
            let query = Message::from_vec(bytes).expect("a query");
            let question = query.queries[0].clone();
            let mut reply = Message::response(query.metadata.id, OpCode::Query);
            reply.metadata.checking_disabled = query.metadata.checking_disabled;
            reply.add_query(question.clone());
            let mut edns = Edns::new();
            edns.set_dnssec_ok(true);
            reply.set_edns(edns);
            self.answer(question.name(), question.query_type(), &mut reply);
            let is_sent = change(question.name(), question.query_type(), &mut reply);
            if is_sent { vec![reply.to_vec().expect("a reply")] } else { Vec::new() }
        })
        .await
    }
}
