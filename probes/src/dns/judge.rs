//! From a reply to facts and a verdict.
//!
//! Knows no socket.

use std::fmt::{self, Write as _};

use super::codes::{RecordType, ResponseCode};
use super::edns::Opt;
use super::exchange::Reply;
use super::message::{Message, Record, Unreadable};
use super::query;
use super::settings::Settings;
use super::text::{Content, Text};
use super::wire::{Cursor, Header};
use super::{
    ADDITIONAL_RRS, ANSWER_HASH, ANSWER_RRS, AUTHENTICATED_DATA, AUTHORITATIVE, AUTHORITY_RRS, MIN_TTL,
    QUERY_SUCCEEDED, RCODE_INFO, RECURSION_AVAILABLE, RESPONSE_BYTES, SERIAL, SIGNATURE_EXPIRY, truth,
};
use crate::failure::{Failure, Reason};
use crate::recorder::Recorder;

/// Most records that get a note. Chosen: a screenful.
const RECORD_NOTES_MAX: usize = 16;

/// Reads the facts, then the verdicts in their order: reply, response code, flags, answer, authority, additional.
pub(super) fn judge(settings: &Settings, recorder: &mut Recorder, reply: &Reply) -> Result<(), Failure> {
    let Reply { bytes, header } = reply;
    let message = Message::read(bytes, *header);
    let rcode = message.as_ref().map_or(header.rcode(), Message::rcode);
    recorder.received(format_args!("{}", Summary { header: *header, rcode, bytes: bytes.len() }));
    read_header(recorder, *header, rcode, bytes.len());
    let message = message.map_err(unreadable)?;
    read_records(settings, recorder, &message);
    note_records(recorder, &message);

    if settings.validate_response {
        check_form(settings, &message)?;
    }
    if !settings.valid_rcodes.contains(&rcode) {
        return Err(wrong_rcode(&message, rcode, &settings.valid_rcodes));
    }
    for (is_wanted, is_set, what) in [
        (settings.fail_if_not_authoritative, header.authoritative(), "authoritative (flag AA)"),
        (settings.fail_if_not_authenticated, header.authenticated_data(), "authenticated by DNSSEC (flag AD)"),
    ] {
        if is_wanted && !is_set {
            return Err(Failure::new(Reason::AnswerUnexpected, format_args!("the answer is not {what}")));
        }
    }
    settings.answer.check("answer", bytes, message.answer())?;
    settings.authority.check("authority", bytes, message.authority())?;
    settings.additional.check("additional", bytes, message.additional())
}

fn read_records(settings: &Settings, recorder: &mut Recorder, message: &Message<'_>) {
    let answer = message.answer();
    recorder.read(&QUERY_SUCCEEDED, 1.0);
    for (measure, records) in
        [(&ANSWER_RRS, answer), (&AUTHORITY_RRS, message.authority()), (&ADDITIONAL_RRS, message.additional())]
    {
        recorder.read(measure, records.len() as f64);
    }
    if settings.query.kind == RecordType::SOA {
        let mut serials = answer.iter().filter_map(|record| serial(message.bytes, record));
        recorder.read(&SERIAL, serials.next_back().map_or(0.0, f64::from));
    }
    if let Some(ttl) = answer.iter().map(|record| record.ttl).min() {
        recorder.read(&MIN_TTL, ttl.into());
        recorder.read(&ANSWER_HASH, hash(message.bytes, answer).into());
    }
    let expiries = message.records().iter().filter_map(|record| signature_expiry(message.bytes, record));
    if let Some(expiry) = expiries.min() {
        recorder.read(&SIGNATURE_EXPIRY, expiry.into());
    }
}

/// Whether the reply is one, to this question, and whole (RFC 5452 section 9.1).
fn check_form(settings: &Settings, message: &Message<'_>) -> Result<(), Failure> {
    let wrong = |what: fmt::Arguments<'_>| Err(Failure::new(Reason::ProtocolError, what));
    let header = message.header;
    if !header.is_response() {
        return wrong(format_args!("the reply is not marked as one (flag QR)"));
    }
    if header.opcode() != 0 {
        return wrong(format_args!("the reply has opcode {}", header.opcode()));
    }
    let query = &settings.query;
    let question = query.question();
    let asked = Cursor::over(question, query::NAME_AT, question.len()).name();
    let asked = asked.expect("the question was written by us");
    match message.question() {
        None => return wrong(format_args!("the reply repeats no question")),
        Some((name, kind, class)) => {
            if !(name.is_same(asked) && kind == query.kind && class == query.class) {
                return wrong(format_args!("the reply is to another question: {name} {class} {kind}"));
            }
        }
    }
    if !message.is_whole() {
        return wrong(format_args!("the reply has not as much as its header says"));
    }
    Ok(())
}

fn read_header(recorder: &mut Recorder, header: Header, rcode: ResponseCode, length: usize) {
    // A label must not take as many values as a peer likes.
    recorder.read_with(&RCODE_INFO, &[rcode.name().unwrap_or("unknown")], 1.0);
    recorder.read(&RESPONSE_BYTES, length as f64);
    recorder.read(&AUTHORITATIVE, truth(header.authoritative()));
    recorder.read(&RECURSION_AVAILABLE, truth(header.recursion_available()));
    recorder.read(&AUTHENTICATED_DATA, truth(header.authenticated_data()));
}

fn note_records(recorder: &mut Recorder, message: &Message<'_>) {
    let sections =
        [("answer", message.answer()), ("authority", message.authority()), ("additional", message.additional())];
    let records = sections.into_iter().flat_map(|(name, records)| records.iter().map(move |record| (name, record)));
    for (section, record) in records.take(RECORD_NOTES_MAX) {
        if record.kind != RecordType::OPT {
            recorder.received(format_args!("{section}: {}", Text::spaced(message.bytes, record)));
        } else {
            let text = Opt::new(message.bytes, record).to_string();
            for line in text.lines().filter_map(|line| line.strip_prefix("; ")) {
                recorder.received(line);
            }
        }
    }
    if let Some(more) = message.records().len().checked_sub(RECORD_NOTES_MAX).filter(|more| *more > 0) {
        recorder.note(format_args!("and {more} records more"));
    }
}

fn unreadable(error: Unreadable) -> Failure {
    let reason = match error {
        Unreadable::Malformed(_) => Reason::ProtocolError,
        Unreadable::TooManyRecords => Reason::TooLong,
    };
    Failure::new(reason, format_args!("the reply cannot be read: {error}"))
}

fn wrong_rcode(message: &Message<'_>, rcode: ResponseCode, valid: &[ResponseCode]) -> Failure {
    let mut text = format!("{rcode}, expected ");
    for (index, rcode) in valid.iter().enumerate() {
        // Writing into a string cannot fail.
        let _ = write!(text, "{}{rcode}", if index == 0 { "" } else { " or " });
    }
    if let Some(error) = message.opt().and_then(|opt| Opt::new(message.bytes, opt).extended_error()) {
        let _ = write!(text, "; the server says {error}");
    }
    Failure::new(Reason::RcodeUnexpected, text)
}

/// Serial of a SOA record (RFC 1035 section 3.3.13).
fn serial(message: &[u8], record: &Record) -> Option<u32> {
    if record.kind != RecordType::SOA {
        return None;
    }
    let mut data = record.data(message);
    data.name().ok()?;
    data.name().ok()?;
    data.long().ok()
}

/// End of a signature's validity (RFC 4034 section 3.1.5).
fn signature_expiry(message: &[u8], record: &Record) -> Option<u32> {
    if record.kind != RecordType::RRSIG {
        return None;
    }
    let mut data = record.data(message);
    data.bytes(8).ok()?;
    data.long().ok()
}

/// Sum of the records' FNV-1a hashes (32 bit): the order does not count. Signatures do not either, they are renewed.
fn hash(message: &[u8], records: &[Record]) -> u32 {
    struct Fnv(u32);

    impl fmt::Write for Fnv {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = text.bytes().fold(self.0, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
            Ok(())
        }
    }

    let records = records.iter().filter(|record| record.kind != RecordType::RRSIG);
    records.fold(0, |sum: u32, record| {
        let mut hash = Fnv(0x811c_9dc5);
        write!(hash, "{}", Content { message, record }).expect("a hash takes all text");
        sum.wrapping_add(hash.0)
    })
}

/// A reply in one line.
struct Summary {
    header: Header,
    rcode: ResponseCode,
    bytes: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [questions, answer, authority, additional] = self.header.counts;
        write!(f, "{}, flags", self.rcode)?;
        for flag in self.header.flags() {
            write!(f, " {flag}")?;
        }
        write!(
            f,
            "; questions {questions}, answer {answer}, authority {authority}, additional {additional}; {} bytes",
            self.bytes
        )
    }
}
