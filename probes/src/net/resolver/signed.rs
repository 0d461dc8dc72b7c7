//! A question whose answer also says whether it was verified (DNSSEC).
//!
//! hickory asks without the wish to be told, so the exchange is made here: over UDP, and over TCP where an answer is cut.
//! Nothing is verified here: the server's word is passed on, with what is known of the way it came.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::net::{DnsError, NetError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::{ResolverError, judge};
use crate::failure::Reason;
use crate::net::random_bytes;

/// What a reply over UDP may come to in bytes (the value that name servers settled on in 2020: no fragments).
const DATAGRAM_BYTES_MAX: u16 = 1232;

/// Most datagrams passed over because they do not answer the question. Chosen: late replies are few, a flood is not.
const STRAYS_MAX: usize = 100;

/// What is known of an answer's truth (RFC 4033 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// A name server that is believed says that it verified the signatures.
    Secure,
    /// A name server that is believed says nothing of the kind: the zone is not signed, or the server does not verify.
    Insecure,
    /// The name server is not believed: anybody on the way to it could have said so.
    Unknown,
}

/// The records of one answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The data of all records of the wanted type.
    pub data: Vec<RData>,
    /// Whether the name is an alias (CNAME) and the data another name's.
    pub is_alias: bool,
    /// The server's word that it verified the data (RFC 6840 section 5.7).
    is_authentic: bool,
    /// Whether the server is on this machine, so that nobody stands between.
    is_local: bool,
}

impl Answer {
    /// Records whose truth nobody asked about.
    pub(super) const fn plain(data: Vec<RData>) -> Self {
        Self { data, is_alias: false, is_authentic: false, is_local: false }
    }

    /// What is known of its truth, where a server is believed also if it is on another machine, or not.
    pub const fn security(&self, remote_is_believed: bool) -> Security {
        match (self.is_local || remote_is_believed, self.is_authentic) {
            (false, _) => Security::Unknown,
            (true, true) => Security::Secure,
            (true, false) => Security::Insecure,
        }
    }
}

/// Asks one server, which gets so long.
pub(super) async fn ask(
    asked: &str,
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
    patience: Duration,
) -> Result<Answer, ResolverError> {
    let failed = |error: NetError| judge(asked, kind, server, &error);
    let exchanged = tokio::time::timeout(patience, exchange(server, name, kind)).await;
    let reply = exchanged.unwrap_or(Err(NetError::Timeout)).map_err(failed)?;
    match reply.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => {
            return Err(ResolverError::new(Reason::DnsNxdomain, format_args!("{asked}: does not exist")));
        }
        code => return Err(failed(NetError::Dns(DnsError::ResponseCode(code)))),
    }
    let is_alias = reply.answers.iter().any(|record| record.data.record_type() == RecordType::CNAME);
    let of_kind = reply.answers.into_iter().map(|record| record.data).filter(|data| data.record_type() == kind);
    let data: Vec<RData> = of_kind.collect();
    if data.is_empty() {
        return Err(ResolverError::new(Reason::DnsNodata, format_args!("{asked}: has no {kind} record")));
    }
    let is_authentic = reply.metadata.authentic_data;
    Ok(Answer { data, is_alias, is_authentic, is_local: server.ip().is_loopback() })
}

async fn exchange(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Message, NetError> {
    let id = random_bytes().ok_or_else(|| io::Error::other("the system has no random numbers"))?;
    let mut message = Message::query();
    message.metadata.id = u16::from_be_bytes(id);
    message.metadata.recursion_desired = true;
    // The wish to be told (RFC 6840 section 5.7). The signatures themselves are not wanted.
    message.metadata.authentic_data = true;
    message.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(DATAGRAM_BYTES_MAX);
    message.set_edns(edns);
    let bytes = message.to_vec()?;
    let reply = over_udp(server, &message, &bytes).await?;
    if reply.metadata.truncation { over_tcp(server, &message, &bytes).await } else { Ok(reply) }
}

async fn over_udp(server: SocketAddr, message: &Message, bytes: &[u8]) -> Result<Message, NetError> {
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = [0; DATAGRAM_BYTES_MAX as usize];
    for _ in 0..STRAYS_MAX {
        let length = socket.recv(&mut buffer).await?;
        if let Ok(reply) = Message::from_vec(&buffer[..length])
            && answers(&reply, message)
        {
            return Ok(reply);
        }
    }
    Err(NetError::Message("many replies, but none to the question"))
}

/// With the length before each message (RFC 1035 section 4.2.2).
async fn over_tcp(server: SocketAddr, message: &Message, bytes: &[u8]) -> Result<Message, NetError> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).expect("a question is shorter than 1 KiB");
    stream.write_all(&[&length.to_be_bytes()[..], bytes].concat()).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    let reply = Message::from_vec(&reply)?;
    if answers(&reply, message) { Ok(reply) } else { Err(NetError::Message("a reply to another question")) }
}

/// Whether a reply is one to the question (RFC 5452 section 9.1).
fn answers(reply: &Message, question: &Message) -> bool {
    reply.metadata.id == question.metadata.id
        && reply.metadata.op_code == OpCode::Query
        && reply.metadata.message_type == hickory_proto::op::MessageType::Response
        && (reply.queries == question.queries
            // Servers that cannot even read a question answer without it.
            || (reply.queries.is_empty() && reply.metadata.response_code != ResponseCode::NoError))
}
