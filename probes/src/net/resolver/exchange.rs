//! One question to one server, and its whole reply: over UDP, and over TCP where the reply is cut.
//!
//! hickory's own client neither asks for signatures with the checks of the server off nor says whether the server vouches
//! for an answer, so these exchanges are made here. Knows nothing of what a reply is good for.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::net::NetError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::net::random_bytes;

/// What a reply over UDP may come to in bytes (the value that name servers settled on in 2020: no fragments).
const DATAGRAM_BYTES_MAX: u16 = 1232;

/// Most datagrams passed over because they do not answer the question. Chosen: late replies are few, a flood is not.
const STRAYS_MAX: usize = 100;

/// What is wanted beside the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// The server's word that it verified them (RFC 6840 section 5.7).
    Word,
    /// That, and the signatures (flag DO, RFC 3225).
    Signatures,
    /// The signatures, also where the server finds them wrong (flag CD, RFC 4035 section 3.2.2).
    Unchecked,
}

/// Asks, and waits for the reply for as long as it is polled.
pub(super) async fn exchange(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
    wish: Wish,
) -> Result<Message, NetError> {
    let id = random_bytes().ok_or_else(|| io::Error::other("the system has no random numbers"))?;
    let mut message = Message::query();
    message.metadata.id = u16::from_be_bytes(id);
    message.metadata.recursion_desired = true;
    message.metadata.authentic_data = true;
    message.metadata.checking_disabled = wish == Wish::Unchecked;
    message.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(DATAGRAM_BYTES_MAX);
    edns.set_dnssec_ok(wish != Wish::Word);
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
        && reply.metadata.message_type == MessageType::Response
        && (reply.queries == question.queries
            // Servers that cannot even read a question answer without it.
            || (reply.queries.is_empty() && reply.metadata.response_code != ResponseCode::NoError))
}
