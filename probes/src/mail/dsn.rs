//! Notices of non-delivery (RFC 3464): whose mail came back, and why.

use crate::mail::headers::Headers;
use crate::mail::token::Token;

/// How much of a notice is read in bytes. Chosen: the mail that came back, or its headers, fits.
pub(super) const NOTICE_BYTES_MAX: usize = 256 * 1024;
/// Most parts of a notice that are looked at. RFC 6522 section 3 has three.
const PARTS_MAX: usize = 10;

/// What a server says about a mail (RFC 3464 section 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It will not be delivered.
    Failed,
    /// It is not delivered yet.
    Delayed,
    /// Anything else: delivered, handed on.
    Other,
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    /// Tokens of mails it may be about.
    pub(super) tokens: Vec<Token>,
    pub(super) action: Action,
    /// The status code (RFC 3463), if it is one.
    pub(super) status: Option<String>,
}

/// Whether the headers are those of a notice.
pub(super) fn is_notice(headers: &Headers) -> bool {
    let kind = headers.first("content-type").unwrap_or_default().to_ascii_lowercase();
    kind.starts_with("multipart/report") && kind.contains("delivery-status")
}

impl Notice {
    /// Reads a notice.
    pub(super) fn of(stored: &[u8]) -> Option<Self> {
        let stored = &stored[..stored.len().min(NOTICE_BYTES_MAX)];
        let (headers, body) = Headers::split(stored);
        if !is_notice(&headers) {
            return None;
        }
        let boundary = boundary(headers.first("content-type")?)?;
        let report = parts(body, &boundary).find_map(|part| {
            let (headers, body) = Headers::split(part);
            let kind = headers.first("content-type")?.to_ascii_lowercase();
            kind.starts_with("message/delivery-status").then(|| fields(body))
        })?;
        // A server that packs lines (RFC 2045 section 6.7) may break them within a token.
        let mut tokens: Vec<Token> = Token::all_in(&without_soft_breaks(body)).collect();
        tokens.dedup();
        let (action, status) = report;
        Some(Self { tokens, action, status })
    }
}

/// Action and status of the first recipient (RFC 3464 section 2.3): fields look like headers, groups of them are apart by
/// empty lines.
fn fields(report: &[u8]) -> (Action, Option<String>) {
    let mut rest = report;
    while !rest.is_empty() {
        let (group, after) = Headers::split(rest);
        if let Some(action) = group.first("action") {
            let action = match action.split_ascii_whitespace().next().unwrap_or_default().to_ascii_lowercase().as_str()
            {
                "failed" => Action::Failed,
                "delayed" => Action::Delayed,
                _ => Action::Other,
            };
            return (action, group.first("status").and_then(status));
        }
        rest = after;
    }
    (Action::Other, None)
}

/// A status code: class, subject, detail (RFC 3463 section 2).
fn status(text: &str) -> Option<String> {
    let word = text.split_ascii_whitespace().next()?;
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = word.split('.');
    let class = parts.next().filter(|class| matches!(*class, "2" | "4" | "5"));
    (class.is_some() && parts.clone().count() == 2 && parts.all(is_number)).then(|| word.to_owned())
}

/// What stands between the parts (RFC 2046 section 5.1.1).
fn boundary(kind: &str) -> Option<Vec<u8>> {
    let at = kind.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let rest = &kind[at..];
    let text = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split([';', ' ', '\t']).next()?,
    };
    (!text.is_empty()).then(|| format!("--{text}").into_bytes())
}

/// The parts of a body.
fn parts<'b>(body: &'b [u8], boundary: &[u8]) -> impl Iterator<Item = &'b [u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(boundary) && starts.len() <= PARTS_MAX {
            starts.push((at, at + line.len()));
        }
        at += line.len();
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|(start, _)| *start).chain([body.len()]).collect();
    starts.into_iter().zip(ends).map(|((_, start), end)| &body[start..end])
}

/// A text without the line ends that its packing put in (RFC 2045 section 6.7).
pub(super) fn without_soft_breaks(text: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = if let Some(next) = rest.strip_prefix(b"=\r\n").or_else(|| rest.strip_prefix(b"=\n")) {
            next
        } else {
            joined.push(*first);
            after
        };
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;
    use crate::mail::token::{CheckId, Key};

    fn token() -> Token {
        Token::new(&Key::of_secret("k"), CheckId::of(&["x"]), SystemTime::UNIX_EPOCH, 1).expect("random numbers")
    }

    fn notice(action: &str, returned: &str) -> String {
        format!(
            "From: MAILER-DAEMON@x\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"a/b\"\r\n\r\n\
             --a/b\r\nContent-Type: text/plain\r\n\r\nSorry\r\n--a/b\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; y@x\r\nAction: {action}\r\nStatus: 5.1.1\r\n\r\n\
             --a/b\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n--a/b--\r\n"
        )
    }

    #[test]
    fn a_notice_says_whose_mail_came_back_and_why() {
        let token = token();
        for returned in [token.text(), format!("{}=\r\n{}", &token.text()[..40], &token.text()[40..])] {
            let read = Notice::of(notice("failed", &returned).as_bytes());
            let expected =
                Notice { tokens: vec![token.clone()], action: Action::Failed, status: Some("5.1.1".to_owned()) };
            assert_eq!(read, Some(expected));
        }
        let read = Notice::of(notice("delayed", "x").as_bytes()).expect("a notice");
        assert_eq!((read.tokens.len(), read.action), (0, Action::Delayed));
    }

    #[test]
    fn another_mail_is_no_notice() {
        assert_eq!(Notice::of(b"Content-Type: text/plain\r\n\r\nAction: failed\r\n"), None);
        assert_eq!(Notice::of(b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nx"), None);
    }

    #[test]
    fn a_status_is_a_code_or_nothing() {
        assert_eq!(status("5.1.1 (no such user)"), Some("5.1.1".to_owned()));
        for wrong in ["", "5", "5.1", "5.1.1.1", "6.1.1", "5.x.1", "5.1.1000"] {
            assert_eq!(status(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_notice_is_read_or_refused(action in r"(?s).{0,20}", returned in r"(?s).{0,100}") {
            let _ = Notice::of(notice(&action, &returned).as_bytes());
            let _ = Notice::of(returned.as_bytes());
        }
    }
}
