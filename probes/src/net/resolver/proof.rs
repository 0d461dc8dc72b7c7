//! The chain from a trust anchor to an answer (RFC 4035 section 5).
//!
//! hickory proves: which signature counts, what denies a record (NSEC, NSEC3), where a delegation is not signed. It also
//! bounds what one reply may cost: two keys of one tag, eight signatures of one set, and hashes of NSEC3 up to 100 rounds
//! (RFC 9276), against CVE-2023-50387 and CVE-2023-50868. It spawns nothing and asks only through [`Session`], which makes
//! the exchanges, each question once, counts them and keeps out of the replies what proves nothing. The keys that a chain
//! begins with are found by [`Anchors`], because hickory knows no DS records as anchors, and asks above an anchor's zone
//! where that has further keys.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use hickory_net::dnssec::DnssecDnsHandle;
use hickory_net::runtime::{Time as _, TokioRuntimeProvider, TokioTime};
use hickory_net::xfer::DnsHandle;
use hickory_net::{DnsError, NetError};
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::anchors::Anchors;
use super::bogus;
use super::exchange::{Wish, exchange};

/// Most questions for one answer. Chosen: a name under five signed zones, each asked for its keys and for those of the
/// next, takes fifteen; where a delegation is looked for, one for each label comes on top.
const QUESTIONS_MAX: usize = 40;

/// Most records of one reply. Chosen: more than any honest one has, and few enough to verify them all in milliseconds.
const RECORDS_MAX: usize = 200;

/// How often one question is put to a server that is silent: a datagram may be lost.
const TRIES: u32 = 2;

/// Most rounds of hashing for NSEC3; what takes more proves nothing. Chosen: as RFC 9276 section 3.2 allows; honest zones
/// have none. Above a lower limit the library could also call a zone unsigned, but does so before it looks which.
const HASH_ROUNDS_MAX: u16 = 100;

/// Longest search for a proof, in waits for one server. Chosen: as long as a name is asked for in all.
const PATIENCE: u32 = 5;

/// What came of the search for a proof.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Secure,
    /// It is proved that there can be no proof.
    Insecure,
    /// There should be a proof, and there is none: why.
    Bogus(String),
    /// The search was cut short: by what.
    Unknown(String),
}

/// The questions for one answer, and the replies to them.
#[derive(Clone)]
pub(super) struct Session(Arc<Inner>);

struct Inner {
    server: SocketAddr,
    patience: Duration,
    /// What was said: `None` if nothing that is of use. Locked while a question is under way, so that none is put twice.
    replies: tokio::sync::Mutex<HashMap<(Name, RecordType), Option<Message>>>,
    /// The first thing that went wrong with a question.
    trouble: Mutex<Option<String>>,
    /// The zone that the proof begins with: nothing above it is asked.
    top: Mutex<Name>,
}

impl Session {
    pub(super) fn new(server: SocketAddr, patience: Duration) -> Self {
        let (replies, trouble, top) = (tokio::sync::Mutex::default(), Mutex::default(), Mutex::new(Name::root()));
        Self(Arc::new(Inner { server, patience, replies, trouble, top }))
    }

    /// Remembers a reply that is there already.
    pub(super) async fn know(&self, name: &Name, kind: RecordType, reply: Message) {
        let reply = self.useful(name, kind, reply);
        self.0.replies.lock().await.insert((name.clone(), kind), reply);
    }

    /// The first thing that went wrong with a question.
    pub(super) fn trouble(&self) -> Option<String> {
        locked(&self.0.trouble).clone()
    }

    /// Every reply that is of use.
    pub(super) async fn replies(&self) -> Vec<(Name, RecordType, Message)> {
        let replies = self.0.replies.lock().await;
        let known = replies.iter().filter_map(|((name, kind), reply)| Some((name.clone(), *kind, reply.clone()?)));
        known.collect()
    }

    /// The part of the reply to a question that can be proved; `None` if there is none.
    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> Option<Message> {
        let mut replies = self.0.replies.lock().await;
        let key = (name.clone(), kind);
        if let Some(known) = replies.get(&key) {
            return known.clone();
        }
        if replies.len() >= QUESTIONS_MAX {
            self.is_troubled(format!("its proof needs more than {QUESTIONS_MAX} questions"));
            return None;
        }
        let reply = self.exchange(name, kind).await;
        let reply = reply.and_then(|reply| self.useful(name, kind, reply));
        replies.insert(key, reply.clone());
        reply
    }

    async fn exchange(&self, name: &Name, kind: RecordType) -> Option<Message> {
        let Inner { server, patience, .. } = *self.0;
        let mut why = format!("no answer from name server {server}");
        for _ in 0..TRIES {
            let Ok(reply) = tokio::time::timeout(patience, exchange(server, name, kind, Wish::Unchecked)).await else {
                continue;
            };
            match reply {
                Ok(reply) => match reply.metadata.response_code {
                    ResponseCode::NoError | ResponseCode::NXDomain => return Some(reply),
                    code => why = format!("name server {server} says {code}"),
                },
                Err(error) => why = format!("name server {server}: {error}"),
            }
            break;
        }
        self.is_troubled(format!("{why} to the question for {name} {kind}"));
        None
    }

    fn is_troubled(&self, why: String) {
        locked(&self.0.trouble).get_or_insert(why);
    }

    /// What there is to prove in a reply. Whatever else a server adds would cost further questions.
    fn useful(&self, name: &Name, kind: RecordType, mut reply: Message) -> Option<Message> {
        if reply.answers.len() + reply.authorities.len() > RECORDS_MAX {
            self.is_troubled(format!("more than {RECORDS_MAX} records in the reply for {name} {kind}"));
            return None;
        }
        reply.additionals.clear();
        // The alias that follows from it carries no signature (RFC 6672 section 5.3.1), which is no fault of the zone's.
        if reply.answers.iter().any(|record| record.record_type() == RecordType::DNAME && record.name.zone_of(name)) {
            self.is_troubled(format!(
                "{name} is renamed with all that is below a name (DNAME), which is not proved here"
            ));
        }
        reply.answers.retain(|record| {
            let is_wanted = |found| found == kind || found == RecordType::CNAME;
            record.name == *name && (is_wanted(record.record_type()) || signed_type(record).is_some_and(is_wanted))
        });
        // An answer that was made from a wildcard must also be denied as such (RFC 4035 section 5.3.4).
        let is_from_wildcard = |record: &Record| match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature)) => signature.input().num_labels < record.name.num_labels(),
            _ => false,
        };
        if !reply.answers.is_empty() && !reply.answers.iter().any(is_from_wildcard) {
            reply.authorities.clear();
        }
        // What another zone says, be it signed or not, denies nothing here: it must not lend its own state to the answer.
        let signer = |record: &Record| match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature.input().signer_name.clone()),
            _ => None,
        };
        let is_denial = |found| matches!(found, RecordType::NSEC | RecordType::NSEC3);
        let denials: Vec<(Name, RecordType)> = reply
            .authorities
            .iter()
            .filter(|record| signer(record).is_some_and(|signer| signer.zone_of(name)))
            .filter_map(|record| Some((record.name.clone(), signed_type(record)?)))
            .collect();
        reply.authorities.retain(|record| match (record.record_type(), signed_type(record)) {
            (RecordType::SOA, _) | (_, Some(RecordType::SOA)) => record.name.zone_of(name),
            (found, _) if is_denial(found) => denials.contains(&(record.name.clone(), found)),
            (_, Some(found)) if is_denial(found) => signer(record).is_some_and(|signer| signer.zone_of(name)),
            // Where a zone begins, hickory learns from a reply that names its servers.
            (found, _) => found == RecordType::NS && kind == RecordType::NS,
        });
        Some(reply)
    }

    /// The other name of an alias, as the question for it was answered.
    pub(super) async fn alias(&self, name: &Name) -> Option<Name> {
        let reply = self.ask(name, RecordType::CNAME).await?;
        reply.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(alias) if record.name == *name => Some(alias.0.clone()),
            _ => None,
        })
    }

    /// Looks for the proof of what there is of one type at a name, also of nothing.
    pub(super) async fn prove(&self, name: &Name, kind: RecordType, anchors: &Anchors) -> Finding {
        let patience = self.0.patience * PATIENCE;
        match tokio::time::timeout(patience, self.search(name, kind, anchors)).await {
            Ok(finding) => finding,
            Err(_) => Finding::Unknown(format!("its proof was not found within {patience:?}")),
        }
    }

    async fn search(&self, name: &Name, kind: RecordType, anchors: &Anchors) -> Finding {
        // The library's own clock, by which it judges signatures.
        let now = TokioTime::current_time();
        let zone = anchors.closest(name);
        locked(&self.0.top).clone_from(zone);
        let Some(keys) = self.ask(zone, RecordType::DNSKEY).await else { return self.unknown() };
        let trusted = match anchors.keys(zone, &keys, now) {
            Ok(trusted) => trusted,
            Err(why) => return Finding::Bogus(why),
        };
        let proved = self.prove_below(trusted, Query::query(name.clone(), kind)).await;
        let is_bogus = match proved {
            Ok(reply) => {
                let own = reply.answers.iter().filter(|record| record.record_type() == kind);
                match own.map(|record| record.proof).min() {
                    Some(Proof::Secure) => return Finding::Secure,
                    Some(Proof::Insecure) => return Finding::Insecure,
                    Some(_) => true,
                    None => {
                        let mut denials = reply
                            .authorities
                            .iter()
                            .filter(|record| matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3));
                        let is_proved = denials.any(|record| record.proof == Proof::Secure);
                        return if is_proved { Finding::Secure } else { Finding::Insecure };
                    }
                }
            }
            Err(NetError::Dns(DnsError::Nsec { proof: Proof::Insecure, .. })) => return Finding::Insecure,
            Err(NetError::Dns(DnsError::Nsec { .. })) => true,
            Err(error) => {
                self.is_troubled(error.to_string());
                false
            }
        };
        if is_bogus && self.trouble().is_none() {
            return Finding::Bogus(bogus::why(name, kind, &self.replies().await, now));
        }
        self.unknown()
    }

    async fn prove_below(&self, trusted: TrustAnchors, query: Query) -> Result<DnsResponse, NetError> {
        let handle = DnssecDnsHandle::with_trust_anchor(self.clone(), Arc::new(trusted))
            .nsec3_iteration_limits(Some(HASH_ROUNDS_MAX), Some(HASH_ROUNDS_MAX));
        let reply = handle.lookup(query, DnsRequestOptions::default()).next().await;
        reply.unwrap_or(Err(NetError::Message("there is no reply")))
    }

    fn unknown(&self) -> Finding {
        Finding::Unknown(self.trouble().unwrap_or_else(|| "its proof could not be had".to_owned()))
    }
}

impl DnsHandle for Session {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let session = self.clone();
        Box::pin(stream::once(async move {
            let query = request.queries.first().ok_or(NetError::Message("there is no question"))?;
            let (name, kind) = (query.name(), query.query_type());
            let is_above = {
                let top = locked(&session.0.top);
                !top.zone_of(name) || (kind == RecordType::DS && *top == *name)
            };
            // What is above says nothing about a zone that is trusted by itself.
            if is_above {
                return Err(NetError::Message("above the trust anchor"));
            }
            let reply = session.ask(name, kind).await.ok_or(NetError::Message("there is no reply"))?;
            Ok(DnsResponse::from_message(reply)?)
        }))
    }
}

/// What a signature signs, if the record is one.
pub(super) fn signed_type(record: &Record) -> Option<RecordType> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature.input().type_covered),
        _ => None,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
