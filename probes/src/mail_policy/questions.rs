//! Questions to name servers, each asked once in a run. Nothing there is told from nothing known.

use std::collections::HashMap;
use std::net::IpAddr;

use hickory_proto::rr::{Name, RData, RecordType};

use crate::failure::{Failure, Reason};
use crate::net::{Answer, Net, Security};

/// Most questions of one run. Chosen: five times what a large provider's policies need; an SPF record may lead to hundreds.
const QUESTIONS_MAX: usize = 400;
/// Most records taken from one answer. Chosen: more texts than any domain has.
const RECORDS_MAX: usize = 64;

/// What is known of a name: its records, that it has none, or why nothing is.
type Known = Result<Option<Answer>, Failure>;
/// The same, and what is known of the truth of that.
type Proved = Result<(Option<Answer>, Security), Failure>;

/// Asks the module's name servers.
pub(crate) struct Questions<'a> {
    pub(crate) net: &'a Net,
    /// Whether name servers on other machines are believed on DNSSEC.
    trust_dnssec: bool,
    /// By name, type and whether a proof was wanted.
    known: HashMap<(String, RecordType, bool), Proved>,
}

/// That nothing is known, and why.
pub(crate) fn unknown(why: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::PolicyUnknown, why)
}

impl<'a> Questions<'a> {
    pub(crate) fn new(net: &'a Net, trust_dnssec: bool) -> Self {
        Self { net, trust_dnssec, known: HashMap::new() }
    }

    /// The records of a name, which needs no final dot; `None` if there are none.
    pub(crate) async fn ask(&mut self, name: &str, kind: RecordType) -> Known {
        self.ask_for(name, kind, false).await.map(|(answer, _)| answer)
    }

    /// The same with what is known of the truth of it; costs a dozen questions.
    pub(crate) async fn prove(&mut self, name: &str, kind: RecordType) -> Proved {
        self.ask_for(name, kind, true).await
    }

    async fn ask_for(&mut self, name: &str, kind: RecordType, with_proof: bool) -> Proved {
        let mut key = (name.to_ascii_lowercase(), kind, with_proof);
        if !key.0.ends_with('.') {
            key.0.push('.');
        }
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if self.known.len() >= QUESTIONS_MAX {
            return Err(unknown(format_args!("more than {QUESTIONS_MAX} questions to name servers")));
        }
        let resolver = self.net.resolver();
        let asked = if with_proof {
            resolver.answer_believing(&key.0, kind, self.trust_dnssec).await
        } else {
            resolver.records(&key.0, kind).await
        };
        let known = match asked {
            Ok(mut answer) => {
                answer.data.truncate(RECORDS_MAX);
                let security = answer.security(self.trust_dnssec);
                Ok((Some(answer), security))
            }
            // What is no name has no records.
            Err(error) => match error.reason {
                Reason::DnsNxdomain | Reason::DnsNodata | Reason::TargetInvalid => Ok((None, error.security)),
                reason if reason.is_shortage() || reason == Reason::DnsBogus => Err(error.into()),
                _ => Err(unknown(error.message)),
            },
        };
        self.known.insert(key, known.clone());
        known
    }

    /// The texts of a name, each put together from its strings, that begin with `version` and, if they go on, with `after`.
    pub(crate) async fn texts(&mut self, name: &str, version: &str, after: Option<u8>) -> Result<Vec<String>, Failure> {
        let Some(answer) = self.ask(name, RecordType::TXT).await? else { return Ok(Vec::new()) };
        let texts = answer.data.iter().filter_map(|data| if let RData::TXT(text) = data { Some(text) } else { None });
        let texts = texts.map(|text| text.txt_data.concat()).filter(|text| {
            let Some((head, rest)) = text.split_at_checked(version.len()) else { return false };
            let is_followed = after.is_none() || rest.first().is_none_or(|byte| after == Some(*byte));
            head.eq_ignore_ascii_case(version.as_bytes()) && is_followed
        });
        // Whoever reads it refuses what is not ASCII.
        Ok(texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect())
    }

    /// The addresses of one family; `None` if there are none.
    pub(crate) async fn addresses(&mut self, name: &str, kind: RecordType) -> Result<Vec<IpAddr>, Failure> {
        let answer = self.ask(name, kind).await?;
        Ok(answer.map_or_else(Vec::new, |answer| answer.data.iter().filter_map(RData::ip_addr).collect()))
    }

    /// The names of an address, without the final dot.
    pub(crate) async fn names(&mut self, address: IpAddr) -> Result<Vec<String>, Failure> {
        let Some(answer) = self.ask(&Name::from(address).to_ascii(), RecordType::PTR).await? else {
            return Ok(Vec::new());
        };
        let names = answer.data.iter().filter_map(|data| if let RData::PTR(name) = data { Some(name) } else { None });
        Ok(names.map(|name| name.0.to_ascii().trim_end_matches('.').to_ascii_lowercase()).collect())
    }
}
