//! A question whose answer also says what is known of its truth (DNSSEC, RFC 4033 section 5).
//!
//! The word of a server that is believed is taken where it gives it. Where it does not, and of every other server, the
//! chain from a trust anchor to the answer is proved here. Follows aliases link by link, so that each is proved.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::net::{DnsError, NetError};

use super::anchors::Anchors;
use super::exchange::{Wish, exchange};
use super::proof::{Finding, Session};
use super::{ResolverError, judge};
use crate::failure::Reason;

/// Most aliases that are followed to an answer (CNAME). Chosen: honest chains have one or two links.
const ALIASES_MAX: usize = 8;

/// What is known of an answer's truth (RFC 4033 section 5). An answer that was proved wrong is none, but a failure with
/// the reason `dns_bogus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Signatures vouch for it, from a trust anchor on; or a name server that is believed says so.
    Secure,
    /// It is proved that the zone is not signed, so that nobody vouches for it.
    Insecure,
    /// Neither could be proved: the name server gives no signatures, or parts of the chain could not be had.
    Unknown,
}

/// The records of one answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The data of all records of the wanted type.
    pub data: Vec<RData>,
    /// Whether the name is an alias (CNAME) and the data another name's.
    pub is_alias: bool,
    security: Security,
    /// The server's word that it verified the data (RFC 6840 section 5.7), whoever it is.
    is_authentic: bool,
    doubt: Option<Box<str>>,
}

impl Answer {
    /// Records whose truth nobody asked about.
    pub(super) const fn plain(data: Vec<RData>) -> Self {
        Self { data, is_alias: false, security: Security::Unknown, is_authentic: false, doubt: None }
    }

    /// What is known of its truth, where a server is believed also if it is on another machine, or not.
    pub const fn security(&self, remote_is_believed: bool) -> Security {
        if remote_is_believed && self.is_authentic { Security::Secure } else { self.security }
    }

    /// Why nothing is known of its truth, if that is so.
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }
}

/// Who is asked, and what for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inquiry<'a> {
    /// The name in the caller's words.
    pub(super) asked: &'a str,
    pub(super) name: &'a Name,
    pub(super) kind: RecordType,
    pub(super) server: SocketAddr,
    /// How long the server gets for each question.
    pub(super) patience: Duration,
}

impl Inquiry<'_> {
    async fn reply(&self, wish: Wish) -> Result<Message, ResolverError> {
        let Self { asked, name, kind, server, patience } = *self;
        let failed = |error: NetError| judge(asked, kind, server, &error);
        let exchanged = tokio::time::timeout(patience, exchange(server, name, kind, wish)).await;
        let reply = exchanged.unwrap_or(Err(NetError::Timeout)).map_err(failed)?;
        match reply.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(reply),
            code => Err(failed(NetError::Dns(DnsError::ResponseCode(code)))),
        }
    }

    /// What a whole reply says, aliases and all.
    fn told(&self, reply: Message, security: Security, doubt: Option<Box<str>>) -> Result<Answer, ResolverError> {
        let is_authentic = reply.metadata.authentic_data;
        let is_alias = reply.answers.iter().any(|record| record.data.record_type() == RecordType::CNAME);
        let data = reply.answers.into_iter().map(|record| record.data);
        let data: Vec<RData> = data.filter(|data| data.record_type() == self.kind).collect();
        self.answer(reply.metadata.response_code, Answer { data, is_alias, security, is_authentic, doubt })
    }

    fn answer(&self, code: ResponseCode, answer: Answer) -> Result<Answer, ResolverError> {
        let Self { asked, kind, .. } = self;
        let nothing = match code {
            ResponseCode::NXDomain => ResolverError::new(Reason::DnsNxdomain, format_args!("{asked}: does not exist")),
            _ if answer.data.is_empty() => {
                ResolverError::new(Reason::DnsNodata, format_args!("{asked}: has no {kind} record"))
            }
            _ => return Ok(answer),
        };
        Err(ResolverError { security: answer.security, ..nothing })
    }
}

/// Asks for the records, and takes the server's word for nothing.
pub(super) async fn ask(inquiry: Inquiry<'_>) -> Result<Answer, ResolverError> {
    let reply = inquiry.reply(Wish::Word).await?;
    inquiry.told(reply, Security::Unknown, None)
}

/// Asks for the records, and proves what they are worth.
pub(super) async fn prove(inquiry: Inquiry<'_>, is_believed: bool, anchors: &Anchors) -> Result<Answer, ResolverError> {
    let asked = match inquiry.reply(if is_believed { Wish::Signatures } else { Wish::Unchecked }).await {
        // So says a server that verifies of what it finds wrong; what is wrong it does not say.
        Err(error) if is_believed && error.reason == Reason::DnsServfail => {
            inquiry.reply(Wish::Unchecked).await.map_err(|_| error)
        }
        asked => asked,
    };
    let reply = asked?;
    if is_believed && reply.metadata.authentic_data {
        return inquiry.told(reply, Security::Secure, None);
    }
    // A server that knows of signatures says so (RFC 3225 section 3).
    if !reply.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok) {
        let doubt = format!("name server {} gives no signatures (DNSSEC)", inquiry.server);
        return inquiry.told(reply, Security::Unknown, Some(doubt.into()));
    }
    follow(inquiry, reply, anchors).await
}

/// Proves the answer, or each alias on the way to it.
async fn follow(inquiry: Inquiry<'_>, reply: Message, anchors: &Anchors) -> Result<Answer, ResolverError> {
    let Inquiry { asked, kind, server, patience, .. } = inquiry;
    let first = reply.clone();
    let session = Session::new(server, patience);
    session.know(inquiry.name, kind, reply).await;
    let mut name = inquiry.name.clone();
    let (mut security, mut doubt) = (Security::Secure, None);
    for links in 0..=ALIASES_MAX {
        let Some(reply) = session.ask(&name, kind).await else {
            let doubt = session.trouble().map(Into::into);
            return inquiry.told(first, Security::Unknown, doubt);
        };
        let own = |kind| {
            let own = reply.answers.iter().filter(|record| record.name == name);
            own.map(|record| &record.data).filter(move |data| data.record_type() == kind)
        };
        let is_alias = kind != RecordType::CNAME && own(RecordType::CNAME).next().is_some();
        let proved = if is_alias { RecordType::CNAME } else { kind };
        match session.prove(&name, proved, anchors).await {
            Finding::Secure => {}
            Finding::Insecure => security = security.and(Security::Insecure),
            Finding::Unknown(why) => {
                security = Security::Unknown;
                doubt.get_or_insert(why);
            }
            Finding::Bogus(why) => {
                let message = format_args!("{asked}: its answer is not to be believed (DNSSEC): {why}");
                return Err(ResolverError::new(Reason::DnsBogus, message));
            }
        }
        if !is_alias {
            let data: Vec<RData> = own(kind).cloned().collect();
            // Nobody signs the code: where there are records, they say that the name exists.
            let code = if data.is_empty() { reply.metadata.response_code } else { ResponseCode::NoError };
            let doubt = doubt.map(Into::into);
            return inquiry.answer(code, Answer { data, is_alias: links > 0, security, is_authentic: false, doubt });
        }
        // The alias is taken from the reply that was proved. Nobody vouches for the one that led here.
        let Some(target) = session.alias(&name).await else {
            if security == Security::Secure {
                let message = format_args!("{asked}: its answer is an alias that {name} does not have (DNSSEC)");
                return Err(ResolverError::new(Reason::DnsBogus, message));
            }
            return inquiry.told(first, Security::Unknown, doubt.map(Into::into));
        };
        name = target;
    }
    let message = format_args!("{asked}: more than {ALIASES_MAX} aliases lead to it");
    Err(ResolverError::new(Reason::DnsError, message))
}

impl Security {
    /// What is known of what needs both.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Insecure, _) | (_, Self::Insecure) => Self::Insecure,
            (Self::Secure, Self::Secure) => Self::Secure,
        }
    }
}
