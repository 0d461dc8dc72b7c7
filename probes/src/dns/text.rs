//! Records as text, as blackbox_exporter's DNS library prints them: rules match against this form, so it is a promise.
//!
//! Owner, TTL, class, type and data are separated by single tabs. Names are absolute and keep their case; data is in
//! zone-file style (RFC 1035 section 5.1). Types whose parts are not known are opaque (RFC 3597 section 5). What is
//! written is printable ASCII, whatever a peer sent.

use std::fmt::{self, Write as _};

use super::codes::RecordType;
use super::edns::Opt;
use super::message::Record;
use super::rdata::{self, Value};
use super::wire::Name;

/// A record's text.
pub(super) struct Text<'m> {
    message: &'m [u8],
    record: &'m Record,
    separator: char,
}

impl<'m> Text<'m> {
    /// The text that rules see.
    pub(super) const fn new(message: &'m [u8], record: &'m Record) -> Self {
        Self { message, record, separator: '\t' }
    }

    /// The same text with spaces for tabs: for people.
    pub(super) const fn spaced(message: &'m [u8], record: &'m Record) -> Self {
        Self { message, record, separator: ' ' }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, record, separator } = *self;
        if record.kind == RecordType::OPT {
            return Opt::new(message, record).fmt(f);
        }
        write!(f, "{}{separator}{}{separator}", record.owner(message), record.ttl)?;
        if rdata::is_known(record.kind) {
            write!(f, "{}{separator}{}{separator}", record.class, record.kind)?;
        } else {
            write!(f, "CLASS{}{separator}TYPE{}{separator}", record.class.0, record.kind.0)?;
        }
        Data { message, record, fold: false }.fmt(f)
    }
}

/// A record without its TTL, names in small letters: what stays the same as long as an answer does.
pub(super) struct Content<'m> {
    pub(super) message: &'m [u8],
    pub(super) record: &'m Record,
}

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, record } = *self;
        write!(f, "{} {} {} ", Folded(record.owner(message)), record.class.0, record.kind.0)?;
        Data { message, record, fold: true }.fmt(f)
    }
}

struct Data<'m> {
    message: &'m [u8],
    record: &'m Record,
    fold: bool,
}

impl fmt::Display for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, record, fold } = *self;
        if !rdata::is_known(record.kind) {
            let bytes = record.data(message).rest();
            return write!(f, "\\# {} {}", bytes.len(), Hex(bytes));
        }
        let mut written = Ok(());
        let mut first = true;
        let read = rdata::values(message, record, |value| {
            written = written.and_then(|()| {
                if !std::mem::take(&mut first) {
                    f.write_char(' ')?;
                }
                match value {
                    Value::Name(name) if fold => Folded(name).fmt(f),
                    value => value.fmt(f),
                }
            });
        });
        debug_assert!(read.is_ok(), "records were checked when they were read");
        written
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => f.write_str(word),
            Self::Time(seconds) => Time(*seconds).fmt(f),
            Self::Type(kind) => kind.fmt(f),
            Self::Ip4(address) => address.fmt(f),
            Self::Ip6(address) => address.fmt(f),
            Self::Quoted(bytes) => {
                f.write_char('"')?;
                write_escaped(f, bytes, |byte| matches!(byte, b'"' | b'\\'))?;
                f.write_char('"')
            }
            Self::Plain(bytes) => write_escaped(f, bytes, |byte| matches!(byte, b'"' | b'\\')),
            Self::Hex(bytes) => Hex(bytes).fmt(f),
            Self::UpperHex(bytes) => write_upper_hex(f, bytes),
            Self::Base64(bytes) => Base64(bytes).fmt(f),
            Self::Base32(bytes) => write_base32(f, bytes),
            Self::Parameter(parameter) => parameter.fmt(f),
            Self::Node(bytes) => write_groups(f, bytes, 2, ':', |f, group| Hex(group).fmt(f)),
            Self::Locator(bytes) => write_groups(f, bytes, 2, ':', write_upper_hex),
            Self::Eui(bytes) => write_groups(f, bytes, 1, '-', |f, group| Hex(group).fmt(f)),
        }
    }
}

/// The name, absolute, its case kept.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut root = true;
        for label in self.labels() {
            root = false;
            write_escaped(f, label, is_special_in_label)?;
            f.write_char('.')?;
        }
        if root { f.write_char('.') } else { Ok(()) }
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A name in small letters.
struct Folded<'m>(Name<'m>);

impl fmt::Display for Folded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in self.0.labels() {
            for byte in label {
                write_escaped(f, &[byte.to_ascii_lowercase()], is_special_in_label)?;
            }
            f.write_char('.')?;
        }
        Ok(())
    }
}

const fn is_special_in_label(byte: u8) -> bool {
    matches!(byte, b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\')
}

/// Writes bytes with a backslash before special ones and as `\DDD` where they are not printable (RFC 1035 section 5.1).
pub(super) fn write_escaped(f: &mut fmt::Formatter<'_>, bytes: &[u8], is_special: impl Fn(u8) -> bool) -> fmt::Result {
    let mut rest = bytes;
    while !rest.is_empty() {
        let plain = rest.iter().position(|byte| !(b' '..=b'~').contains(byte) || is_special(*byte));
        let (plain, after) = rest.split_at(plain.unwrap_or(rest.len()));
        f.write_str(std::str::from_utf8(plain).expect("printable ASCII"))?;
        rest = match after {
            [] => after,
            [byte, after @ ..] if byte.is_ascii_graphic() || *byte == b' ' => {
                write!(f, "\\{}", char::from(*byte))?;
                after
            }
            [byte, after @ ..] => {
                write!(f, "\\{byte:03}")?;
                after
            }
        };
    }
    Ok(())
}

/// Bytes in hexadecimal, small letters.
pub(super) struct Hex<'m>(pub(super) &'m [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn write_upper_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
}

fn write_groups(
    f: &mut fmt::Formatter<'_>,
    bytes: &[u8],
    size: usize,
    separator: char,
    write: impl Fn(&mut fmt::Formatter<'_>, &[u8]) -> fmt::Result,
) -> fmt::Result {
    for (index, group) in bytes.chunks(size).enumerate() {
        if index > 0 {
            f.write_char(separator)?;
        }
        write(f, group)?;
    }
    Ok(())
}

/// Bytes in base 64 with padding (RFC 4648 section 4).
pub(super) struct Base64<'m>(pub(super) &'m [u8]);

impl fmt::Display for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for group in self.0.chunks(3) {
            let bits =
                group.iter().enumerate().fold(0_u32, |bits, (index, byte)| bits | u32::from(*byte) << (16 - 8 * index));
            for digit in 0..4 {
                let value = bits >> (18 - 6 * digit) & 0x3f;
                f.write_char(if digit > group.len() { '=' } else { char::from(DIGITS[value as usize]) })?;
            }
        }
        Ok(())
    }
}

/// Base 32 with the extended hexadecimal alphabet, without padding (RFC 4648 section 7, RFC 5155 section 3.3).
fn write_base32(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    for group in bytes.chunks(5) {
        let bits =
            group.iter().enumerate().fold(0_u64, |bits, (index, byte)| bits | u64::from(*byte) << (32 - 8 * index));
        for digit in 0..(group.len() * 8).div_ceil(5) {
            let value = bits >> (35 - 5 * digit) & 0x1f;
            f.write_char(char::from(DIGITS[value as usize]))?;
        }
    }
    Ok(())
}

/// A moment as year, month, day, hour, minute and second without separators (RFC 4034 section 3.2).
struct Time(u32);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        write!(f, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{:02}", second % 60)
    }
}

/// The date this many days after 1970-01-01. Counts from 1600-03-01, so that leap days end years and eras are alike.
fn date(days: u32) -> (u32, u32, u32) {
    const DAYS_1600_TO_1970: u32 = 135_080;
    const DAYS_IN_ERA: u32 = 146_097;
    let days = days + DAYS_1600_TO_1970;
    let (era, day) = (days / DAYS_IN_ERA, days % DAYS_IN_ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31 days and so on.
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (1600 + era * 400 + year + next_year, month, day_of_month)
}
