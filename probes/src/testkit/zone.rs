//! A name server with a handful of records.

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, MX, TXT};
use hickory_proto::rr::{Name, RData, Record};

use crate::testkit::Responder;

/// A record of a test's zone.
#[derive(Debug, Clone)]
pub enum Data {
    /// A mail host with its preference.
    Mx(u16, &'static str),
    /// An IPv4 address.
    A([u8; 4]),
    /// An IPv6 address.
    Aaaa([u16; 8]),
    /// Text in one string.
    Txt(&'static str),
    /// Asking for the name gets this code.
    Code(ResponseCode),
    /// Asking for the name gets nothing.
    Silence,
}

/// A name server with these records.
pub async fn zone(records: Vec<(&'static str, Data)>) -> Responder {
    Responder::udp(move |message| {
        let query = Message::from_vec(message).expect("a query");
        let question = query.queries[0].clone();
        let mut answer = Message::response(query.metadata.id, OpCode::Query);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        answer.metadata.response_code = ResponseCode::NXDomain;
        answer.add_query(question.clone());
        let name = question.name().clone();
        for (owner, data) in &records {
            if Name::from_ascii(owner).expect("a name") != name {
                continue;
            }
            answer.metadata.response_code = ResponseCode::NoError;
            let data = match data {
                Data::Mx(preference, host) => RData::MX(MX::new(*preference, Name::from_ascii(host).expect("a name"))),
                Data::A(octets) => RData::A(A((*octets).into())),
                Data::Aaaa(segments) => RData::AAAA(AAAA((*segments).into())),
                Data::Txt(text) => RData::TXT(TXT::new(vec![(*text).to_owned()])),
                Data::Code(code) => {
                    answer.metadata.response_code = *code;
                    continue;
                }
                Data::Silence => return Vec::new(),
            };
            if data.record_type() == question.query_type() {
                answer.add_answer(Record::from_rdata(name.clone(), 60, data));
            }
        }
        vec![answer.to_vec().expect("an answer")]
    })
    .await
}
