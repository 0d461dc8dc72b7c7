//! What a mail server says: replies and the capabilities in them.
//!
//! Knows no connection and no command. Everything here is bounded, as a reply may come from anybody.

use std::fmt;

use crate::failure::{Failure, Reason, shown};

/// Longest reply line in bytes, with its end. RFC 5321 section 4.5.3.1.5 allows 512; servers with long error texts exceed
/// it, so four times that is taken.
pub(crate) const LINE_BYTES_MAX: usize = 2048;
/// Most lines of one reply. Chosen: long EHLO replies have twenty.
pub(crate) const REPLY_LINES_MAX: usize = 100;
/// Longest reply in bytes. Chosen: a hundred long lines would be more than anybody reads.
pub(crate) const REPLY_BYTES_MAX: usize = 64 * 1024;
/// How much of a reply goes into a sentence, in bytes. Chosen: one ordinary line.
const QUOTE_BYTES_MAX: usize = 300;

/// Codes that standards of SMTP have (RFC 5321 section 4.2.3, RFC 1846, RFC 4954 section 6, RFC 3207 section 4, RFC 7504).
const CODES: [&str; 39] = [
    "211", "214", "220", "221", "235", "250", "251", "252", "334", "354", "421", "430", "432", "450", "451", "452",
    "454", "455", "458", "459", "500", "501", "502", "503", "504", "521", "523", "530", "534", "535", "538", "541",
    "550", "551", "552", "553", "554", "555", "556",
];

/// A code as one of a closed set: a server can make up as many as it likes.
pub(crate) fn code_name(code: u16) -> &'static str {
    let is_it = |known: &&&str| known.parse() == Ok(code);
    CODES.iter().find(is_it).copied().unwrap_or(match code / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "other",
    })
}

/// A reply of one or more lines (RFC 5321 section 4.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The three digits.
    pub(crate) code: u16,
    /// The text of each line, without code and line end. At least one.
    pub(crate) lines: Vec<Box<[u8]>>,
}

impl Reply {
    /// Whether the server did what it was asked to (RFC 5321 section 4.2.1: the first digit decides).
    pub(crate) const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// The enhanced status code that a line begins with (RFC 2034 section 4), if it is of the reply's own class.
    pub(crate) fn enhanced(&self) -> Option<Enhanced> {
        let status = self.lines.iter().find_map(|line| Enhanced::of_text(line))?;
        (u16::from(status.class) == self.code / 100).then_some(status)
    }

    /// Whether any line contains one of these lower-case words.
    pub(crate) fn mentions(&self, words: &[&str]) -> bool {
        let mentions =
            |line: &[u8], word: &str| line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
        self.lines.iter().any(|line| words.iter().any(|word| mentions(line, word)))
    }
}

impl fmt::Display for Reply {
    /// The reply in one line, safe to show: code and texts, cut at a sentence's length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        let text = self.lines.join(&b' ');
        if text.is_empty() { Ok(()) } else { write!(f, " {}", shown(&text, QUOTE_BYTES_MAX)) }
    }
}

/// An enhanced status code: class, subject, detail (RFC 3463 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Enhanced {
    /// 2, 4 or 5.
    pub(crate) class: u8,
    /// 0 to 999.
    pub(crate) subject: u16,
    /// 0 to 999.
    pub(crate) detail: u16,
}

impl Enhanced {
    fn of_text(text: &[u8]) -> Option<Self> {
        let word = text.split(|byte| *byte == b' ').next()?;
        let mut parts = word.split(|byte| *byte == b'.');
        let (class, subject, detail) = (parts.next()?, number(parts.next()?)?, number(parts.next()?)?);
        match (class, parts.next()) {
            ([class @ (b'2' | b'4' | b'5')], None) => Some(Self { class: class - b'0', subject, detail }),
            _ => None,
        }
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// One to three digits.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
}

/// Puts replies together from the bytes in which they arrive.
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    line: Vec<u8>,
    lines: Vec<Box<[u8]>>,
    code: Option<u16>,
    bytes: usize,
}

impl ReplyReader {
    /// Takes bytes until a reply is whole. Says how many it took; the rest belongs to what comes after.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(usize, Option<Reply>), Failure> {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let part = end.map_or(rest, |end| &rest[..=end]);
            if self.line.len() + part.len() > LINE_BYTES_MAX {
                return Err(too_long(format_args!("a line of more than {LINE_BYTES_MAX} bytes")));
            }
            taken += part.len();
            self.line.extend_from_slice(part);
            if end.is_some()
                && let Some(reply) = self.end_line()?
            {
                return Ok((taken, Some(reply)));
            }
        }
        Ok((taken, None))
    }

    /// Whether a part of a reply has arrived.
    pub(crate) fn has_part(&self) -> bool {
        self.code.is_some() || !self.line.is_empty()
    }

    /// `Reply-line` of RFC 5321 section 4.2: code, then a hyphen where more lines follow. A bare line feed ends a line too.
    fn end_line(&mut self) -> Result<Option<Reply>, Failure> {
        self.bytes += self.line.len();
        if self.bytes > REPLY_BYTES_MAX {
            return Err(too_long(format_args!("a reply of more than {REPLY_BYTES_MAX} bytes")));
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (code, more, text) = split(line)?;
        if let Some(first) = self.code
            && first != code
        {
            return Err(broken(format_args!("a reply with two codes, {first} and {code}")));
        }
        if self.lines.len() >= REPLY_LINES_MAX {
            return Err(too_long(format_args!("a reply of more than {REPLY_LINES_MAX} lines")));
        }
        self.code = Some(code);
        self.lines.push(text.into());
        self.line.clear();
        if more {
            return Ok(None);
        }
        let lines = std::mem::take(&mut self.lines);
        (self.code, self.bytes) = (None, 0);
        Ok(Some(Reply { code, lines }))
    }
}

/// Code, whether more lines follow, text.
fn split(line: &[u8]) -> Result<(u16, bool, &[u8]), Failure> {
    let not_a_reply = || broken(format_args!("not a mail server's reply: {}", shown(line, QUOTE_BYTES_MAX)));
    let (code, rest) = line.split_at_checked(3).ok_or_else(not_a_reply)?;
    if !matches!(code[0], b'2'..=b'5') {
        return Err(not_a_reply());
    }
    let code = number(code).ok_or_else(not_a_reply)?;
    match rest {
        [] => Ok((code, false, rest)),
        [b' ', text @ ..] => Ok((code, false, text)),
        [b'-', text @ ..] => Ok((code, true, text)),
        _ => Err(not_a_reply()),
    }
}

fn broken(what: impl fmt::Display) -> Failure {
    Failure::new(Reason::ProtocolError, what)
}

fn too_long(what: impl fmt::Display) -> Failure {
    Failure::new(Reason::TooLong, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_that_a_server_made_up_have_no_name_of_their_own() {
        let names = [220, 250, 450, 556, 299, 399, 499, 599, 100, 600].map(code_name);
        assert_eq!(names, ["220", "250", "450", "556", "2xx", "3xx", "4xx", "5xx", "other", "other"]);
    }

    /// The first reply in these bytes.
    fn read(bytes: &[u8]) -> Result<Option<Reply>, Reason> {
        ReplyReader::default().take(bytes).map(|(_, reply)| reply).map_err(|failure| failure.reason())
    }

    fn reply(code: u16, lines: &[&str]) -> Reply {
        Reply { code, lines: lines.iter().map(|line| line.as_bytes().into()).collect() }
    }

    #[test]
    fn replies_of_one_and_of_several_lines_are_read() {
        assert_eq!(read(b"220 mx ESMTP\r\n"), Ok(Some(reply(220, &["mx ESMTP"]))));
        assert_eq!(read(b"250-mx\r\n250-SIZE 10\r\n250 DSN\r\n"), Ok(Some(reply(250, &["mx", "SIZE 10", "DSN"]))));
        assert_eq!(read(b"250\r\n"), Ok(Some(reply(250, &[""]))));
        assert_eq!(read(b"571-a\n571 b\n"), Ok(Some(reply(571, &["a", "b"]))));
        assert_eq!(read(b"250-mx\r\n250 DSN\r"), Ok(None));
    }

    #[test]
    fn what_follows_a_reply_is_left() {
        let mut reader = ReplyReader::default();
        assert_eq!(reader.take(b"220 go\r\n250 more"), Ok((8, Some(reply(220, &["go"])))));
        assert!(!reader.has_part());
        assert_eq!(reader.take(b"250 more"), Ok((8, None)));
        assert!(reader.has_part());
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for garbage in [
            "\r\n",
            "25\r\n",
            "+OK pop\r\n",
            "HTTP/1.1 400 no\r\n",
            "150 x\r\n",
            "600 x\r\n",
            "2500\r\n",
            "250-a\r\n251 b\r\n",
        ] {
            assert_eq!(read(garbage.as_bytes()), Err(Reason::ProtocolError), "{garbage:?}");
        }
    }

    #[test]
    fn lines_and_replies_are_bounded() {
        assert_eq!(read(&[b'2'; LINE_BYTES_MAX + 1]), Err(Reason::TooLong));
        assert_eq!(read(&b"250-x\r\n".repeat(REPLY_LINES_MAX + 1)), Err(Reason::TooLong));
        let long = format!("250-{}\r\n", "x".repeat(LINE_BYTES_MAX - 6));
        assert_eq!(read(long.repeat(REPLY_BYTES_MAX / LINE_BYTES_MAX + 1).as_bytes()), Err(Reason::TooLong));
    }

    #[test]
    fn enhanced_codes_are_read_where_they_fit() {
        let status = |code, text: &str| reply(code, &[text]).enhanced().map(|status| status.to_string());
        assert_eq!(status(550, "5.1.1 no such user"), Some("5.1.1".to_owned()));
        assert_eq!(status(451, "4.7.500"), Some("4.7.500".to_owned()));
        assert_eq!(status(450, "5.1.1 of another class"), None);
        assert_eq!(status(550, "5.1.1.1 x"), None);
        assert_eq!(status(550, "5.1 x"), None);
        assert_eq!(status(550, "5.1.1000 x"), None);
        assert_eq!(status(250, "Ok"), None);
    }

    #[test]
    fn a_reply_is_shown_in_one_safe_line() {
        let reply = Reply { code: 550, lines: vec![b"no\x1b[2J"[..].into(), b"\xffway"[..].into()] };
        assert_eq!(reply.to_string(), "550 no\\u{1b}[2J \\xffway");
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let byte = any::<u8>().prop_filter("a line has no line end", |byte| !matches!(byte, b'\r' | b'\n'));
        prop::collection::vec(byte, 0..80)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..64)) {
            let mut reader = ReplyReader::default();
            for chunk in chunks {
                match reader.take(&chunk) {
                    Ok((taken, _)) => prop_assert!(taken <= chunk.len()),
                    Err(_) => break,
                }
            }
        }

        #[test]
        fn what_is_written_is_read_however_it_is_cut(code in 200_u16..600, lines in prop::collection::vec(text(), 1..20), cut in 1_usize..50) {
            let mut bytes = Vec::new();
            for (index, line) in lines.iter().enumerate() {
                let sign = if index + 1 == lines.len() { ' ' } else { '-' };
                bytes.extend_from_slice(format!("{code}{sign}").as_bytes());
                bytes.extend_from_slice(line);
                bytes.extend_from_slice(b"\r\n");
            }
            let mut reader = ReplyReader::default();
            let mut read = None;
            for chunk in bytes.chunks(cut) {
                prop_assert!(read.is_none());
                let (taken, reply) = reader.take(chunk).expect("a reply");
                prop_assert_eq!(taken, chunk.len());
                read = reply;
            }
            let lines = lines.into_iter().map(Vec::into_boxed_slice).collect();
            prop_assert_eq!(read, Some(Reply { code, lines }));
        }
    }
}
