//! The text of a message: its subject, its sender, what people read of it (RFC 5322, RFC 2047, RFC 2045, RFC 2046).
//!
//! For patterns, so nothing here fails: what cannot be understood is taken as it stands.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Deepest nesting of parts. Chosen: a forwarded message with alternatives and pictures.
const DEPTH_MAX: usize = 6;
/// Most parts of a message. Chosen: more than people attach.
const PARTS_MAX: usize = 100;
/// Longest field that is looked at, in bytes. Chosen: dozens of encoded words.
const FIELD_BYTES_MAX: usize = 16 * 1024;

/// Base64 that does not mind a lack of padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The subject, its encoding undone.
pub(super) fn subject(header: &[u8]) -> String {
    words(&field(header, "Subject").unwrap_or_default())
}

/// The field `From`, its encoding undone.
pub(super) fn from(header: &[u8]) -> String {
    words(&field(header, "From").unwrap_or_default())
}

/// The text of a message: that of its text parts one after the other, encodings undone.
pub(super) fn body(message: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut left = PARTS_MAX;
    part(message, DEPTH_MAX, &mut left, &mut text);
    text
}

fn part(entity: &[u8], depth: usize, left: &mut usize, text: &mut Vec<u8>) {
    if depth == 0 || *left == 0 {
        return;
    }
    *left -= 1;
    let (header, body) = split(entity);
    let kind = field(header, "Content-Type").unwrap_or_default();
    let (name, boundary) = (kind.split(';').next().unwrap_or_default().trim(), parameter(&kind, "boundary"));
    if name.len() > 10 && name[..name.floor_char_boundary(10)].eq_ignore_ascii_case("multipart/") {
        let Some(boundary) = boundary.filter(|boundary| !boundary.is_empty()) else { return };
        for inner in parts(body, boundary.as_bytes()) {
            part(inner, depth - 1, left, text);
        }
        return;
    }
    if !(name.is_empty() || name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"))) {
        return;
    }
    let encoding = field(header, "Content-Transfer-Encoding").unwrap_or_default();
    let bytes = match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => Cow::Owned(base64(body)),
        "quoted-printable" => Cow::Owned(quoted_printable(body)),
        _ => Cow::Borrowed(body),
    };
    let charset = parameter(&kind, "charset").unwrap_or_default();
    text.extend_from_slice(decoded(&charset, &bytes).as_bytes_or(&bytes));
}

/// Header and body of a message or of a part.
fn split(entity: &[u8]) -> (&[u8], &[u8]) {
    if let Some(body) = entity.strip_prefix(b"\r\n") {
        return (&[], body);
    }
    match entity.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => (&entity[..at + 2], &entity[at + 4..]),
        None => (entity, &[]),
    }
}

/// What stands between the lines of a boundary (RFC 2046 section 5.1.1).
fn parts<'b>(body: &'b [u8], boundary: &[u8]) -> Vec<&'b [u8]> {
    let (mut parts, mut begin, mut at) = (Vec::new(), None, 0);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        if let Some(rest) = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary)) {
            let is_last = rest.starts_with(b"--");
            if is_last || rest.trim_ascii().is_empty() {
                if let Some(begin) = begin {
                    // The end of the line before belongs to the boundary.
                    parts.push(body[begin..at].strip_suffix(b"\r\n").unwrap_or(&body[begin..at]));
                }
                begin = (!is_last).then_some(next);
                if is_last || parts.len() >= PARTS_MAX {
                    break;
                }
            }
        }
        at = next;
    }
    // A message that was cut short has no last boundary.
    parts.extend(begin.filter(|begin| *begin < body.len()).map(|begin| &body[begin..]));
    parts
}

/// The first field of this name, unfolded.
fn field(header: &[u8], name: &str) -> Option<String> {
    let mut lines = header.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.by_ref().find_map(|line| {
        let (head, rest) = line.split_at_checked(name.len())?;
        let rest = head.eq_ignore_ascii_case(name.as_bytes()).then_some(rest)?.trim_ascii_start();
        rest.strip_prefix(b":")
    })?;
    let mut value = first.to_vec();
    for line in lines.take_while(|line| line.starts_with(b" ") || line.starts_with(b"\t")) {
        value.extend_from_slice(line);
        if value.len() > FIELD_BYTES_MAX {
            break;
        }
    }
    value.truncate(FIELD_BYTES_MAX);
    Some(String::from_utf8_lossy(value.trim_ascii()).into_owned())
}

/// A parameter of a field (RFC 2045 section 5.1), without its quotes.
fn parameter(field: &str, name: &str) -> Option<String> {
    field.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// A field's text, its encoded words undone (RFC 2047). White space between two of them is none.
fn words(text: &str) -> String {
    let (mut out, mut rest, mut after_word) = (String::new(), text, false);
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        let word = encoded_word(from);
        if !(after_word && word.is_some() && before.trim_ascii().is_empty()) {
            out.push_str(before);
        }
        match word {
            Some((word, length)) => {
                out.push_str(&word);
                (rest, after_word) = (&from[length..], true);
            }
            None => {
                out.push_str("=?");
                (rest, after_word) = (&from[2..], false);
            }
        }
    }
    out.push_str(rest);
    out
}

/// An encoded word at the beginning of a text, and its length.
fn encoded_word(text: &str) -> Option<(String, usize)> {
    let mut pieces = text.strip_prefix("=?")?.splitn(4, '?');
    let (charset, encoding, content) = (pieces.next()?, pieces.next()?, pieces.next()?);
    pieces.next().filter(|rest| rest.starts_with('='))?;
    let length = 2 + charset.len() + 1 + encoding.len() + 1 + content.len() + 2;
    let bytes = match encoding {
        "B" | "b" => base64(content.as_bytes()),
        "Q" | "q" => quoted_printable(content.replace('_', " ").as_bytes()),
        _ => return None,
    };
    let text = match decoded(charset, &bytes) {
        Decoded::Text(text) => text,
        Decoded::AsItIs => String::from_utf8_lossy(&bytes).into_owned(),
    };
    Some((text, length))
}

enum Decoded {
    Text(String),
    AsItIs,
}

impl Decoded {
    fn as_bytes_or<'b>(&'b self, bytes: &'b [u8]) -> &'b [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::AsItIs => bytes,
        }
    }
}

/// Text of an old character set as UTF-8. Windows-1252 is read as ISO 8859-1: they differ in signs that no pattern needs.
fn decoded(charset: &str, bytes: &[u8]) -> Decoded {
    let charset = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
    match charset.as_str() {
        "iso-8859-1" | "iso-8859-15" | "windows-1252" | "latin1" => {
            Decoded::Text(bytes.iter().map(|byte| char::from(*byte)).collect())
        }
        _ => Decoded::AsItIs,
    }
}

fn base64(text: &[u8]) -> Vec<u8> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut digits: Vec<u8> = text.iter().copied().filter(is_digit).collect();
    // A single digit left over stands for nothing.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    BASE64.decode(digits).unwrap_or_default()
}

/// RFC 2045 section 6.7, and the encoding Q of RFC 2047.
fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = rest.iter().position(|byte| *byte == b'=') {
        out.extend_from_slice(&rest[..at]);
        rest = match &rest[at + 1..] {
            [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => after,
            [high, low, after @ ..] if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                out.push((high * 16 + low) as u8);
                after
            }
            after => {
                out.push(b'=');
                after
            }
        };
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn subjects_are_read() {
        for (header, text) in [
            ("Subject: Backup of db1 done\r\n", "Backup of db1 done"),
            ("X: y\r\nSUBJECT : one\r\n two\r\n\tthree\r\nZ: x\r\n", "one two\tthree"),
            ("Subject: =?utf-8?B?U2ljaGVydW5nIGVyZm9sZ3JlaWNo?=\r\n", "Sicherung erfolgreich"),
            ("Subject: =?UTF-8?Q?f=C3=BCr?= =?iso-8859-1?q?_M=FCller?= x\r\n", "für Müller x"),
            ("Subject: =?utf-8?X?a?= =?broken =?\r\n", "=?utf-8?X?a?= =?broken =?"),
            ("Subjects: no\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(subject(header.as_bytes()), text, "{header:?}");
        }
    }

    #[test]
    fn bodies_are_read_part_by_part() {
        let plain = "A: b\r\n\r\nas it is = ok";
        assert_eq!(body(plain.as_bytes()), b"as it is = ok");
        let encoded = "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\nf=FCr =\r\nalle=";
        assert_eq!(body(encoded.as_bytes()), "für alle=".as_bytes());
        let parts = "Content-Type: multipart/mixed;\r\n boundary=\"b1\"\r\n\r\npreamble\r\n--b1\r\n\r\nfirst\r\n--b1\r\n\
                     Content-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\nContent-Type: text/html\r\n\
                     Content-Transfer-Encoding: base64\r\n\r\nPGI+c2Vj\r\nb25kPC9iPg==\r\n--b2--\r\n--b1\r\n\
                     Content-Type: application/pdf\r\n\r\nnot read\r\n--b1--\r\nepilogue";
        assert_eq!(String::from_utf8(body(parts.as_bytes())).unwrap(), "first<b>second</b>");
    }

    #[test]
    fn parts_within_parts_come_to_an_end() {
        let mut nested = String::new();
        for _ in 0..1000 {
            nested.push_str("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n");
        }
        assert_eq!(body(nested.as_bytes()), b"");
        let many = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\nx\r\n".repeat(1000));
        assert!(body(many.as_bytes()).len() <= PARTS_MAX);
    }

    proptest! {
        #[test]
        fn no_message_is_too_strange(message: Vec<u8>, words in "([a-z]{0,3}|=\\?|\\?=|utf-8\\?[QB]\\?|ä|=4|\r\n| ){0,12}") {
            let _ = (subject(&message), body(&message));
            let _ = subject(format!("Subject: {words}").as_bytes());
            let _ = body(format!("Content-Type: {words}").as_bytes());
        }
    }
}
