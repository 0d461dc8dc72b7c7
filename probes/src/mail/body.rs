//! The token in the body of a mail whose headers were written anew on the way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::mail::dsn::without_soft_breaks;
use crate::mail::headers::Headers;
use crate::mail::token::{TEXT_BYTES, Token};

/// Shortest line that is taken for packed text, in bytes. Chosen: words are shorter.
const PACKED_LINE_BYTES_MIN: usize = 40;

/// What stands before the token in the mail's own line.
const BEFORE: &[u8] = b"Token: ";

/// The tokens in a body, however it is packed (RFC 2045 section 6).
pub(super) fn tokens(body: &[u8]) -> Vec<Token> {
    for plain in [body, &without_soft_breaks(body), &unpacked(body)] {
        let found: Vec<Token> = plain.split(|byte| *byte == b'\n').filter_map(on_its_own).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The token in the line that the kind writes. Logs, digests and answers have it in other words, or behind a mark.
fn on_its_own(line: &[u8]) -> Option<Token> {
    let line = line.trim_ascii();
    let at = line.windows(BEFORE.len()).position(|found| found == BEFORE)?;
    if line.starts_with(b">") {
        return None;
    }
    let rest = &line[at + BEFORE.len()..];
    Token::all_in(&rest[..rest.len().min(TEXT_BYTES)]).next()
}

/// Whether the mail answers another, or sends it back, and may quote it.
pub(super) fn is_answer(headers: &Headers) -> bool {
    let begins = |name: &str, start: &str| {
        let value = headers.first(name).unwrap_or_default().to_ascii_lowercase();
        value.trim_start_matches(['<', '"', ' ']).starts_with(start)
    };
    // RFC 5321 section 4.5.5, RFC 3834 section 5.
    headers.first("return-path").is_some_and(|path| path == "<>")
        || headers.first("in-reply-to").or(headers.first("references")).is_some()
        || begins("auto-submitted", "auto-replied")
        || begins("from", "mailer-daemon")
        || begins("from", "postmaster")
}

/// The text of all lines that look like base64 (RFC 2045 section 6.8), and of what ends each stretch of them.
fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut packed: Vec<u8> = Vec::new();
    for line in body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).chain([&[][..]]) {
        let is_packed = line.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        if is_packed && (line.len() >= PACKED_LINE_BYTES_MIN || (!packed.is_empty() && !line.is_empty())) {
            packed.extend(line.iter().filter(|byte| **byte != b'='));
            continue;
        }
        text.extend(STANDARD_NO_PAD.decode(&packed).unwrap_or_default());
        packed.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::mail::token::{CheckId, Key};

    fn token() -> Token {
        Token::new(&Key::of_secret("k"), CheckId::of(&["x"]), SystemTime::UNIX_EPOCH, 1).expect("random numbers")
    }

    #[test]
    fn a_token_is_found_however_the_body_is_packed() {
        let token = token();
        let plain = format!("This mail watches.\r\n\r\nToken: {}\r\n", token.text());
        let broken = plain.replace(&token.text()[..30], &format!("{}=\r\n", &token.text()[..30]));
        let packed = STANDARD.encode(&plain);
        let packed: Vec<&str> =
            packed.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        for body in [plain, broken, format!("--part\r\n\r\n{}\r\n--part--\r\n", packed.join("\r\n"))] {
            assert_eq!(tokens(body.as_bytes()), std::slice::from_ref(&token), "{body}");
        }
        assert_eq!(tokens(b"Token: t1"), []);
        for others in ["> Token: ", "Held: Round trip ", "message-id=<"] {
            assert_eq!(tokens(format!("{others}{}\r\n", token.text()).as_bytes()), [], "{others}");
        }
    }

    #[test]
    fn answers_are_told_from_mails() {
        for (head, expected) in [
            ("Return-Path: <>\r\n", true),
            ("Auto-Submitted: auto-replied (vacation)\r\n", true),
            ("From: MAILER-DAEMON@mx.example (Mail Delivery System)\r\n", true),
            ("From: <postmaster@mx.example>\r\n", true),
            ("Return-Path: <a@b.example>\r\nAuto-Submitted: auto-generated\r\nFrom: a@b.example\r\n", false),
            ("References: <1@b.example>\r\n", true),
            ("", false),
        ] {
            assert_eq!(is_answer(&Headers::split(head.as_bytes()).0), expected, "{head}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_looked_through(body in prop::collection::vec(any::<u8>(), 0..300), packed in "([A-Za-z0-9+/=]{30,60}\r?\n){0,5}") {
            let _ = (tokens(&body), tokens(packed.as_bytes()));
        }
    }
}
