//! What the parts of the town answer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, MX, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

use crate::demo::serve;
use crate::demo::town::{Fault, Part, Town};

/// The town's domain (RFC 2606: reserved for examples).
pub(super) const DOMAIN: &str = "town.example";

/// The home page: HTTP/1.1, one page for every path.
pub(super) async fn home(town: &Town) -> io::Result<SocketAddr> {
    serve::part(town, Part::Home, |mut guest| async move {
        while let Some(line) = guest.hear().await? {
            if line.is_empty() {
                break;
            }
        }
        guest.while_silent().await?;
        let (status, page) = match guest.fault() {
            Some(Fault::Error) => ("503 Service Unavailable", "The home page is out of order.\n"),
            Some(Fault::Wrong) => ("200 OK", "It works!\n"),
            _ => ("200 OK", "<h1>Welcome to the town</h1>\n<p>Town hall, appointments, waste calendar.</p>\n"),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            page.len()
        );
        guest.say(&head).await?;
        guest.say(page).await
    })
    .await
}

/// The application at the service desk: a line protocol.
pub(super) async fn desk(town: &Town) -> io::Result<SocketAddr> {
    serve::part(town, Part::Desk, |mut guest| async move {
        guest.while_silent().await?;
        guest.say("READY desk 4.2\r\n").await?;
        while let Some(line) = guest.hear().await? {
            guest.while_silent().await?;
            let answer = match guest.fault() {
                Some(Fault::Wrong) => return guest.say("FAULT database is gone\r\n").await,
                _ if line == "PING" => "PONG\r\n",
                _ => "FAULT unknown request\r\n",
            };
            guest.say(answer).await?;
        }
        Ok(())
    })
    .await
}

/// The name server: the town's zone over UDP.
pub(super) async fn names(town: &Town) -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let town = town.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            // An unreachable guest of before shows here as an error: the next one is served all the same.
            let Ok((length, guest)) = socket.recv_from(&mut buffer).await else { continue };
            if let Some(reply) = zone_answer(&buffer[..length], town.fault(Part::Names)) {
                let _ = socket.send_to(&reply, guest).await;
            }
        }
    });
    Ok(address)
}

fn zone_answer(query: &[u8], fault: Option<Fault>) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    let question = query.queries.first()?.clone();
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.authoritative = true;
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.add_query(question.clone());
    match fault {
        Some(Fault::Silent) => return None,
        Some(Fault::Error) => reply.metadata.response_code = ResponseCode::ServFail,
        Some(Fault::Wrong) => reply.metadata.response_code = ResponseCode::NXDomain,
        _ => {
            let records = zone(question.name(), question.query_type());
            match records {
                Some(records) => records.into_iter().for_each(|data| {
                    reply.add_answer(Record::from_rdata(question.name().clone(), 300, data));
                }),
                None => reply.metadata.response_code = ResponseCode::NXDomain,
            }
        }
    }
    reply.to_vec().ok()
}

/// The zone: `None` for names that do not exist.
fn zone(name: &Name, kind: RecordType) -> Option<Vec<RData>> {
    let within = |host: &str| Name::from_ascii(format!("{host}{DOMAIN}.")).ok();
    let host = name.to_ascii().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host).strip_suffix(DOMAIN)?;
    let records = match (host, kind) {
        ("www." | "mail." | "store." | "ns.", RecordType::A) => vec![RData::A(A(Ipv4Addr::LOCALHOST))],
        ("www." | "mail." | "store." | "ns.", _) => vec![],
        ("", RecordType::MX) => vec![RData::MX(MX::new(10, within("mail.")?))],
        ("", RecordType::NS) => vec![RData::NS(NS(within("ns.")?))],
        ("", RecordType::SOA) => {
            vec![RData::SOA(SOA::new(within("ns.")?, within("hostmaster.")?, 2026, 3600, 600, 86_400, 300))]
        }
        ("", _) => vec![],
        _ => return None,
    };
    Some(records)
}
