//! A message taken apart into records (RFC 1035 section 4.1).
//!
//! Knows no record type; what lies inside a record is `rdata`'s business.

use std::fmt;

use super::codes::{RecordClass, RecordType, ResponseCode};
use super::rdata;
use super::wire::{Cursor, HEADER_BYTES, Header, Malformed, Name};

/// Most records read of one message. Chosen: an honest answer has some ten; each may cost a kilobyte of text.
pub(super) const RECORDS_MAX: usize = 1000;

/// Why bytes were not taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    Malformed(Malformed),
    /// More than [`RECORDS_MAX`].
    TooManyRecords,
}

impl From<Malformed> for Unreadable {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::TooManyRecords => write!(f, "more than {RECORDS_MAX} records"),
        }
    }
}

/// One resource record (RFC 1035 section 4.1.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    /// Where the owner's name begins.
    owner: usize,
    pub(super) kind: RecordType,
    pub(super) class: RecordClass,
    pub(super) ttl: u32,
    start: usize,
    end: usize,
}

impl Record {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let owner = cursor.position();
        cursor.name()?;
        let kind = RecordType(cursor.short()?);
        let class = RecordClass(cursor.short()?);
        let ttl = cursor.long()?;
        let length = cursor.short()?;
        let start = cursor.position();
        cursor.bytes(usize::from(length))?;
        Ok(Self { owner, kind, class, ttl, start, end: cursor.position() })
    }

    /// The name the record belongs to.
    pub(super) const fn owner<'m>(&self, message: &'m [u8]) -> Name<'m> {
        Name::known(message, self.owner)
    }

    /// What the record holds.
    pub(super) fn data<'m>(&self, message: &'m [u8]) -> Cursor<'m> {
        Cursor::over(message, self.start, self.end)
    }
}

/// A message taken apart.
#[derive(Debug)]
pub(super) struct Message<'m> {
    pub(super) bytes: &'m [u8],
    pub(super) header: Header,
    questions_read: u16,
    records: Vec<Record>,
    /// Where in `records` the answer and the authority section end.
    ends: [usize; 2],
    /// Bytes after the last record.
    trailing: usize,
}

impl<'m> Message<'m> {
    /// Takes a message apart. The header's counts are not believed: as in blackbox_exporter, a message may end at the end
    /// of any record, and has then what it has.
    pub(super) fn read(bytes: &'m [u8], header: Header) -> Result<Self, Unreadable> {
        let mut cursor = Cursor::over(bytes, HEADER_BYTES, bytes.len());
        let [questions, sections @ ..] = header.counts;
        let mut questions_read = 0;
        while questions_read < questions && !cursor.is_at_end() {
            cursor.name()?;
            cursor.bytes(4)?;
            questions_read += 1;
        }
        let mut records = Vec::new();
        let mut ends = [0; 3];
        for (section, end) in sections.into_iter().zip(&mut ends) {
            let mut read = 0;
            while read < section && !cursor.is_at_end() {
                if records.len() == RECORDS_MAX {
                    return Err(Unreadable::TooManyRecords);
                }
                let record = Record::read(&mut cursor)?;
                rdata::check(bytes, &record)?;
                records.push(record);
                read += 1;
            }
            *end = records.len();
        }
        let trailing = cursor.rest().len();
        Ok(Self { bytes, header, questions_read, records, ends: [ends[0], ends[1]], trailing })
    }

    pub(super) fn answer(&self) -> &[Record] {
        &self.records[..self.ends[0]]
    }

    pub(super) fn authority(&self) -> &[Record] {
        &self.records[self.ends[0]..self.ends[1]]
    }

    pub(super) fn additional(&self) -> &[Record] {
        &self.records[self.ends[1]..]
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// The first question: name, type, class.
    pub(super) fn question(&self) -> Option<(Name<'m>, RecordType, RecordClass)> {
        if self.questions_read == 0 {
            return None;
        }
        let mut cursor = Cursor::over(self.bytes, HEADER_BYTES, self.bytes.len());
        let name = cursor.name().ok()?;
        Some((name, RecordType(cursor.short().ok()?), RecordClass(cursor.short().ok()?)))
    }

    /// Whether the message has exactly as many questions and records as its header says, and nothing after them.
    pub(super) fn is_whole(&self) -> bool {
        let [questions, sections @ ..] = self.header.counts;
        let promised: usize = sections.into_iter().map(usize::from).sum();
        questions == self.questions_read && promised == self.records.len() && self.trailing == 0
    }

    /// The record that carries EDNS (RFC 6891 section 6.1.1).
    pub(super) fn opt(&self) -> Option<&Record> {
        self.additional().iter().rfind(|record| record.kind == RecordType::OPT)
    }

    /// The response code with the upper bits that EDNS carries (RFC 6891 section 6.1.3).
    pub(super) fn rcode(&self) -> ResponseCode {
        let upper = self.opt().map_or(0, |opt| opt.ttl >> 24);
        ResponseCode(self.header.rcode().0 | (upper as u16) << 4)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text::Text;
    use super::*;

    fn header_and(rest: &[u8], counts: [u16; 4]) -> Vec<u8> {
        let mut bytes = vec![0, 7, 0x80, 0];
        bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes.extend_from_slice(rest);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Message<'_>, Unreadable> {
        Message::read(bytes, Header::read(bytes).expect("a header"))
    }

    #[test]
    fn a_name_that_points_at_itself_is_refused() {
        let bytes = header_and(b"\xc0\x0c\0\x01\0\x01", [1, 0, 0, 0]);
        assert_eq!(read(&bytes).expect_err("a loop").to_string(), "a name points forwards or at itself at byte 12");
    }

    #[test]
    fn names_that_point_at_each_other_are_refused() {
        let bytes = header_and(b"\x01a\xc0\x10\x01b\xc0\x0c\0\x01\0\x01", [1, 0, 0, 0]);
        assert_eq!(read(&bytes).expect_err("a loop").to_string(), "a name points forwards or at itself at byte 14");
    }

    #[test]
    fn a_name_made_too_long_by_pointers_is_refused() {
        let labels = [&[63][..], &[b'a'; 63], &[63], &[b'b'; 63]].concat();
        let short = [&labels[..], &[0, 0, 1, 0, 1]].concat();
        let long = [&labels[..], &[0xc0, 12, 0, 1, 0, 1]].concat();
        assert!(read(&header_and(&short, [1, 0, 0, 0])).is_ok());
        let bytes = header_and(&[short, long].concat(), [2, 0, 0, 0]);
        let error = read(&bytes).expect_err("256 bytes").to_string();
        assert!(error.starts_with("a name is longer than 255 bytes"), "{error}");
    }

    #[test]
    fn a_message_that_ends_at_a_record_has_what_it_has() {
        let bytes = header_and(b"\0\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04", [0, 9, 9, 9]);
        let message = read(&bytes).expect("a message");
        assert_eq!((message.answer().len(), message.authority().len(), message.additional().len()), (1, 0, 0));
        assert!(!message.is_whole());
    }

    #[test]
    fn too_many_records_are_refused() {
        let record = b"\0\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04";
        let bytes = header_and(&record.repeat(RECORDS_MAX + 1), [0, 1001, 0, 0]);
        assert_eq!(read(&bytes).expect_err("too many"), Unreadable::TooManyRecords);
        let bytes = header_and(&record.repeat(RECORDS_MAX), [0, 1000, 0, 0]);
        assert_eq!(read(&bytes).expect("a message").answer().len(), RECORDS_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(header) = Header::read(&bytes) {
                let _ = Message::read(&bytes, header);
            }
        }

        /// Bytes that look more like records than noise does.
        #[test]
        fn any_record_is_read_and_shown_or_refused(
            kind in prop_oneof![0..262_u16, any::<u16>()],
            data in proptest::collection::vec(prop_oneof![any::<u8>(), 0..16_u8, Just(0xc0)], 0..80),
        ) {
            let mut record = b"\x01a\0".to_vec();
            record.extend(kind.to_be_bytes());
            record.extend([0, 1, 0, 0, 0, 60]);
            record.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
            record.extend(&data);
            let bytes = header_and(&record, [0, 0, 0, 1]);
            if let Ok(message) = read(&bytes) {
                let text = Text::new(&bytes, &message.records()[0]).to_string();
                prop_assert!(text.bytes().all(|byte| byte == b'\t' || byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text:?}");
            }
        }
    }
}
