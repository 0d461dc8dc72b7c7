//! The kind against name servers that follow a script.

mod cases;
mod misfortunes;
mod texts;

use std::time::Duration;

use serde_json::{Value, json};

use super::query::name_bytes;
use super::wire::{Cursor, HEADER_BYTES};
use crate::report::{NoteKind, Report};
use crate::testkit::{self, Responder, assert_laps_cover_the_run, gist};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(400);

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const OPT: u16 = 41;

/// A reply that is one (QR), to a question that wanted recursion (RD, RA).
const REPLY: u16 = 0x8180;

/// A record in class IN that lives for an hour.
fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    record_of(owner, kind, 1, 3600, data)
}

fn record_of(owner: &str, kind: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = name_bytes(owner).expect("a name");
    bytes.extend(kind.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).expect("short data").to_be_bytes());
    bytes.extend(data);
    bytes
}

fn soa(serial: u32) -> Vec<u8> {
    let mut data = [name_bytes("ns.zoo"), name_bytes("Host.zoo")].map(|name| name.expect("a name")).concat();
    for number in [serial, 2, 3, 4, 5] {
        data.extend(number.to_be_bytes());
    }
    record("zoo", SOA, &data)
}

/// What a scripted server says: flags and response code, and three sections.
#[derive(Clone, Default)]
struct Says {
    flags: u16,
    sections: [Vec<Vec<u8>>; 3],
}

fn says(flags: u16) -> Says {
    Says { flags, sections: Default::default() }
}

impl Says {
    fn answer(mut self, records: &[Vec<u8>]) -> Self {
        self.sections[0] = records.to_vec();
        self
    }

    fn authority(mut self, records: &[Vec<u8>]) -> Self {
        self.sections[1] = records.to_vec();
        self
    }

    fn additional(mut self, records: &[Vec<u8>]) -> Self {
        self.sections[2] = records.to_vec();
        self
    }

    /// The reply to this query: its id, its question, and what is said.
    fn to(&self, query: &[u8]) -> Vec<u8> {
        let mut cursor = Cursor::over(query, HEADER_BYTES, query.len());
        cursor.name().expect("a question");
        cursor.bytes(4).expect("a question");
        let mut bytes = query[..2].to_vec();
        let counts = self.sections.each_ref().map(|records| u16::try_from(records.len()).expect("few records"));
        for short in [self.flags, 1, counts[0], counts[1], counts[2]] {
            bytes.extend(short.to_be_bytes());
        }
        bytes.extend(&query[HEADER_BYTES..cursor.position()]);
        bytes.extend(self.sections.concat().concat());
        bytes
    }
}

/// Two records, as most cases want.
fn two_addresses() -> Says {
    says(REPLY).answer(&[record("example.com", A, &[127, 0, 0, 1]), record("example.com", A, &[127, 0, 0, 2])])
}

fn with(mut settings: Value, more: Value) -> Value {
    let settings_map = settings.as_object_mut().expect("an object");
    settings_map.extend(more.as_object().expect("an object").clone());
    settings
}

fn example() -> Value {
    json!({"query_name": "example.com"})
}

async fn ask_at(settings: Value, server: &Responder, timeout: Duration) -> Report {
    let report = testkit::ask("dns", settings, &server.address().to_string(), timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

async fn ask_udp(settings: Value, says: Says) -> Report {
    let server = Responder::udp(move |query| vec![says.to(query)]).await;
    ask_at(settings, &server, LONG).await
}

async fn ask_tcp(settings: Value, says: Says) -> Report {
    let server = Responder::tcp(move |query| vec![says.to(query)]).await;
    ask_at(with(settings, json!({"transport_protocol": "tcp"})), &server, LONG).await
}

/// Asks over UDP and over TCP; both must end alike.
async fn ask(settings: Value, says: Says) -> Report {
    let over_udp = ask_udp(settings.clone(), says.clone()).await;
    let over_tcp = ask_tcp(settings, says).await;
    assert_eq!(gist(&over_udp), gist(&over_tcp));
    assert_eq!(counts(&over_udp), counts(&over_tcp));
    over_udp
}

fn reading(report: &Report, name: &str) -> Option<f64> {
    report.reading_named(name)
}

/// Answer, authority and additional records, and whether the query succeeded.
fn counts(report: &Report) -> [f64; 4] {
    ["answer_rrs", "authority_rrs", "additional_rrs", "query_succeeded"]
        .map(|name| reading(report, &format!("probe_dns_{name}")).expect("a reading from the start"))
}

fn message(report: &Report) -> &str {
    report.failure().expect("a failure").message()
}

/// What was sent and received.
fn dialogue(report: &Report) -> Vec<&str> {
    report.notes.iter().filter(|(_, kind, _)| *kind != NoteKind::Info).map(|(_, _, text)| text).collect()
}
