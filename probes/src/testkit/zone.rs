//! A name server with a handful of records. An alias must stand before the records it leads to.

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::name::{CNAME, PTR};
use hickory_proto::rr::rdata::{A, AAAA, MX, TLSA, TXT};
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
    /// Text in several strings.
    Texts(&'static [&'static str]),
    /// The name that an address has.
    Ptr(&'static str),
    /// Another name, whose records are given as well.
    Alias(&'static str),
    /// A statement on a certificate: usage, selector, matching type, data.
    Tlsa(u8, u8, u8, Vec<u8>),
    /// Every answer for the name says that it was verified; `.` stands for all names.
    Authentic,
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
        let mut name = question.name().clone();
        let at = |text: &str| Name::from_ascii(text).expect("a name");
        let everywhere = records.iter().any(|(owner, data)| *owner == "." && matches!(data, Data::Authentic));
        answer.metadata.authentic_data = everywhere && query.metadata.authentic_data;
        for (owner, data) in &records {
            if at(owner) != name {
                continue;
            }
            answer.metadata.response_code = ResponseCode::NoError;
            let data = match data {
                Data::Mx(preference, host) => RData::MX(MX::new(*preference, at(host))),
                Data::A(octets) => RData::A(A((*octets).into())),
                Data::Aaaa(segments) => RData::AAAA(AAAA((*segments).into())),
                Data::Txt(text) => RData::TXT(TXT::new(vec![(*text).to_owned()])),
                Data::Texts(texts) => RData::TXT(TXT::new(texts.iter().map(ToString::to_string).collect())),
                Data::Ptr(host) => RData::PTR(PTR(at(host))),
                Data::Alias(other) => {
                    answer.add_answer(Record::from_rdata(name, 60, RData::CNAME(CNAME(at(other)))));
                    name = at(other);
                    continue;
                }
                Data::Tlsa(usage, selector, matching, data) => {
                    let data = data.clone();
                    RData::TLSA(TLSA::new((*usage).into(), (*selector).into(), (*matching).into(), data))
                }
                Data::Authentic => {
                    answer.metadata.authentic_data = query.metadata.authentic_data;
                    continue;
                }
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
